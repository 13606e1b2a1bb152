"""A model that writes what a test tells it to, and a real server on loopback in front of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn

from luoxia.generate.constraint import Constraint
from luoxia.generate.sampling import Sampling
from luoxia.generate.stream import Piece, TokenScore
from luoxia.server.app import create_app
from luoxia.server.runner import Runner
from luoxia.weights.catalogue import CATALOGUE, DEFAULT_TEXT_MODEL, Entry, path_of

Script = Callable[[str], Sequence[str]]


class FakeStream:
    """Follows the contract of a text stream; each word is one token."""

    def __init__(self, model: FakeModel, prompt: str, sampling: Sampling) -> None:
        self.seed = 4242 if sampling.seed is None else sampling.seed
        self.prompt_tokens = len(prompt.split())
        self.completion_tokens = 0
        self.finish_reason: str | None = None
        self.first_token_seconds = 0.0
        self.seconds = 0.0
        self.closed = threading.Event()
        self._model, self._prompt, self._sampling = model, prompt, sampling

    def __iter__(self) -> Iterator[Piece]:
        words = self._model.script(self._prompt)
        for word in words[: self._sampling.max_new_tokens]:
            if self._model.gate is not None and not self._wait_for(self._model.gate):
                break
            self.completion_tokens += 1
            self.first_token_seconds = self.first_token_seconds or 0.25
            self.seconds = 0.25 + 0.5 * (self.completion_tokens - 1)
            if word == "raise":
                raise RuntimeError(f"a bug that quotes {self._prompt}")
            yield Piece(word, self._scores(word))
        if self.closed.is_set():
            self.finish_reason = "cancelled"
        else:
            self.finish_reason = "length" if len(words) > self._sampling.max_new_tokens else "stop"

    def close(self) -> None:
        self.closed.set()

    def _wait_for(self, gate: threading.Semaphore) -> bool:
        while not gate.acquire(timeout=0.005):
            if self.closed.is_set():
                return False
        return True

    def _scores(self, word: str) -> tuple[TokenScore, ...]:
        if self._sampling.logprobs is None:
            return ()
        others = tuple((f"{word}{i}", i, -float(i)) for i in range(self._sampling.logprobs))
        return (TokenScore(word, 7, float("-inf") if word == "never" else -0.5, others),)


@dataclass
class FakeModel:
    """``gate`` set: each token needs one release of it."""

    id: str = DEFAULT_TEXT_MODEL
    script: Script = lambda prompt: ["Evening ", "glow ", "落霞"]  # noqa: E731
    gate: threading.Semaphore | None = None
    context: int = 64
    asked: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    streams: list[FakeStream] = field(default_factory=list)
    runtime: Any = field(
        default_factory=lambda: SimpleNamespace(
            device=SimpleNamespace(type="cpu"), threads=2, reason="a test says so"
        )
    )

    def chat(self, messages: Any, *, constraint: Constraint | None = None, **sampling: Any) -> FakeStream:
        return self._open(messages, " ".join(m["content"] for m in messages), constraint, sampling)

    def stream(self, prompt: str, *, constraint: Constraint | None = None, **sampling: Any) -> FakeStream:
        return self._open(prompt, prompt, constraint, sampling)

    def _open(self, said: Any, prompt: str, constraint: Any, sampling: dict[str, Any]) -> FakeStream:
        from luoxia.core.errors import ContextError

        if len(prompt.split()) >= self.context:
            raise ContextError(f"the prompt has more than {self.context} tokens", f"提示超过 {self.context} 个词元")
        self.asked.append((said, {"constraint": constraint, **sampling}))
        self.streams.append(FakeStream(self, prompt, Sampling(**sampling)))
        return self.streams[-1]


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a real server that runs ``app`` in a thread."""
    config = uvicorn.Config(app, port=0, log_level="error", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something that happens in another thread."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@pytest.fixture(name="until")
def _until() -> Callable[..., None]:
    return until


@pytest.fixture(name="serving")
def _serving() -> Any:
    return serving


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    monkeypatch.setenv("LUOXIA_LANG", "en")
    return tmp_path


def place(entry: Entry) -> Path:
    """A file of the right size, all holes, that nothing reads."""
    path = path_of(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(entry.size)
    return path


@pytest.fixture
def default_model_here(home: Path) -> Entry:
    place(CATALOGUE[DEFAULT_TEXT_MODEL])
    return CATALOGUE[DEFAULT_TEXT_MODEL]


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def runner(model: FakeModel) -> Runner:
    return Runner(lambda name: model, places=2)


@pytest.fixture
def url(runner: Runner) -> Iterator[str]:
    with serving(create_app(models=runner)) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        yield client

"""A text model that writes what a test tells it to, when the test lets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from luoxia.core.errors import ContextError
from luoxia.generate.constraint import Constraint
from luoxia.generate.sampling import Sampling
from luoxia.generate.stream import Piece, TokenScore
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL

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
            time.sleep(self._model.lingers)
            self.finish_reason = "cancelled"
        else:
            self.finish_reason = "length" if len(words) > self._sampling.max_new_tokens else "stop"

    @property
    def tokens_per_second(self) -> float:
        return (self.completion_tokens - 1) / (self.seconds - self.first_token_seconds)

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
    """``gate`` set: each token needs one release of it. Closed, a stream still ``lingers`` for so many seconds."""

    id: str = DEFAULT_TEXT_MODEL
    script: Script = lambda prompt: ["Evening ", "glow ", "落霞"]
    gate: threading.Semaphore | None = None
    lingers: float = 0.0
    context: int = 64
    asked: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    streams: list[FakeStream] = field(default_factory=list)
    loaded: list[tuple[str, int | None]] = field(default_factory=list)
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
        if len(prompt.split()) >= self.context:
            raise ContextError(
                f"the prompt has more than {self.context} tokens", f"提示超过 {self.context} 个词元"
            )
        self.asked.append((said, {"constraint": constraint, **sampling}))
        self.streams.append(FakeStream(self, prompt, Sampling(**sampling)))
        return self.streams[-1]

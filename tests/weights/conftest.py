"""Model files small enough to publish in a test, and the places a test publishes them at."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from luoxia.core.language import Text
from luoxia.weights.catalogue import Entry


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for the models of a test, in English."""
    folder = tmp_path / "home"
    monkeypatch.setenv("LUOXIA_HOME", str(folder))
    monkeypatch.setenv("LUOXIA_LANG", "en")
    monkeypatch.delenv("LUOXIA_OFFLINE", raising=False)
    return folder


@dataclass(frozen=True)
class Wheelhouse:
    folder: Path

    def add(self, name: str, members: Mapping[str, bytes]) -> Path:
        """A wheel of version 1.0 that pip accepts, with these files in it."""
        path = self.folder / f"{name}-1.0-py3-none-any.whl"
        facts = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
            needs = "Requires-Dist: a-package-that-must-not-be-fetched\n"
            archive.writestr(
                f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}"
            )
            archive.writestr(
                f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{facts}/RECORD", "")
        return path


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheelhouse:
    """The only place that pip looks at."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    forget_pip_configuration(monkeypatch)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Wheelhouse(folder)


def forget_pip_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def entry_of() -> Callable[..., Entry]:
    """Makes a catalogue entry for some bytes and their sources."""

    def make(content: bytes, *sources: str, **changes: object) -> Entry:
        fields: dict[str, object] = {
            "id": "tiny",
            "kind": "text",
            "title": "Tiny Model",
            "summary": Text("Tiny.", "很小。"),
            "publisher": "nobody",
            "licence": "CC0-1.0",
            "languages": ("en",),
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "filename": "tiny.gguf",
            "sources": sources,
        }
        return Entry(**{**fields, **changes})  # type: ignore[arg-type]

    return make


@dataclass
class Registry:
    """An HTTP server on loopback: ``pages`` by path, sent in ten drops when ``slowly``."""

    pages: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    slowly: bool = False
    url: str = ""

    def publish_wheel(self, path: Path) -> None:
        """Offer a wheel as a package index does."""
        name = path.name.split("-")[0]
        self.pages[f"/simple/{name}/"] = f'<a href="/{path.name}">{path.name}</a>'.encode()
        self.pages[f"/{path.name}"] = path.read_bytes()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            registry.requests.append(f"{self.command} {self.path}")
            body = registry.pages.get(self.path)
            self.send_response(404 if body is None else 200)
            body = body or b""
            kind = "application/json" if body.startswith(b"{") else "text/html"
            for name, value in {
                "Content-Length": str(len(body)),
                "Content-Type": kind,
                **registry.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if not with_body:
                return
            drop = max(1, len(body) // 10 if registry.slowly else len(body))
            try:
                for start in range(0, len(body), drop):
                    self.wfile.write(body[start : start + drop])
                    time.sleep(0.15 if registry.slowly and len(body) > 10_000 else 0)
            except ConnectionError:  # the client was stopped, as some tests do
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_port}"
    forget_pip_configuration(monkeypatch)
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield registry
    server.shutdown()
    server.server_close()

"""Runs command lines in this process, against a model that writes what a test tells it to."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_text import FakeModel

import luoxia
from luoxia.cli.main import main
from luoxia.weights.catalogue import CATALOGUE, DEFAULT_TEXT_MODEL, path_of, write_stamp


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUOXIA_LANG", "en")
    monkeypatch.delenv("LUOXIA_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def default_model_here(home: Path) -> Path:
    """A file of the right size, all holes, that nothing reads; its stamp says that it was verified."""
    entry = CATALOGUE[DEFAULT_TEXT_MODEL]
    path_of(entry).parent.mkdir(parents=True)
    with path_of(entry).open("wb") as file:
        file.truncate(entry.size)
    write_stamp(entry)
    return path_of(entry)


@pytest.fixture
def model(default_model_here: Path, monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    model = FakeModel()

    def load(name: str, *, threads: int | None = None) -> FakeModel:
        model.loaded.append((name, threads))
        return model

    monkeypatch.setattr(luoxia, "load", load, raising=False)
    return model


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = main(arguments)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(run: Run) -> Callable[..., str]:
    """The one line that a wrong command line is answered with."""

    def refused(*arguments: str, stdin: bytes = b"") -> str:
        outcome = run(*arguments, stdin=stdin)
        assert (outcome.code, outcome.out) == (2, ""), outcome
        assert outcome.err.startswith("luoxia: ")
        assert outcome.err.count("\n") == 1
        return outcome.err[8:-1]

    return refused

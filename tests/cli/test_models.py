"""`luoxia models`: the list, consent, cards and paths."""

from __future__ import annotations

import io
import sys

import pytest

from luoxia.cli.main import main
from luoxia.core.progress import ProgressEvent
from luoxia.weights import catalogue
from luoxia.weights.catalogue import CATALOGUE, path_of

SMOL, QWEN = "smollm2-135m-instruct", "qwen2.5-coder-1.5b-instruct"
SEES = "efficientnet-lite0"


@pytest.fixture
def fetched(monkeypatch) -> list[str]:
    fetched: list[str] = []

    def fetch(entry, *, progress):
        fetched.append(entry.id)
        progress(ProgressEvent("done", entry.size, entry.size))

    monkeypatch.setattr("luoxia.cli.readiness.fetch", fetch)
    return fetched


def test_the_list(run, default_model_here) -> None:
    heading, *rows = run("models").out.splitlines()
    assert heading.split() == ["id", "kind", "size", "licence", "here"]
    assert [row.split() for row in rows] == [
        [SMOL, "text", "98.4", "MB", "Apache-2.0", "yes"],
        [QWEN, "text", "1.12", "GB", "Apache-2.0", "no"],
        [SEES, "features", "18.8", "MB", "Apache-2.0", "no"],
        ["faces-64", "pictures", "6.39", "MB", "Apache-2.0", "yes"],
        ["avatars-64", "pictures", "5.81", "MB", "Apache-2.0", "yes"],
        ["icons-64", "drawings", "15.8", "MB", "Apache-2.0", "yes"],
        ["verse-zh", "verse", "6.83", "MB", "Apache-2.0", "yes"],
        ["face-detector", "faces", "677", "kB", "Apache-2.0", "yes"],
        ["face-landmarks", "faces", "1.24", "MB", "Apache-2.0", "yes"],
        ["picture-gate", "gate", "11.8", "MB", "BSD-2-Clause", "yes"],
        ["prompt-gate", "gate", "2.24", "MB", "Apache-2.0", "yes"],
    ]
    kinds = [
        "kind",
        "text",
        "text",
        "features",
        "pictures",
        "pictures",
        "drawings",
        "verse",
        "faces",
        "faces",
        "gate",
        "gate",
    ]
    assert len({line.index(word, 20) for line, word in zip([heading, *rows], kinds, strict=True)}) == 1


def test_the_list_in_chinese_is_aligned_too(run, monkeypatch) -> None:
    from rich.cells import cell_len

    monkeypatch.setenv("LUOXIA_LANG", "zh")
    heading, *rows = run("models").out.splitlines()
    columns = {cell_len(heading[: heading.index("许可")])} | {
        cell_len(row[: row.index("BSD" if "BSD" in row else "Apache")]) for row in rows
    }
    assert len(columns) == 1


def test_get(run, fetched) -> None:
    outcome = run("models", "get", SMOL)
    assert (outcome.code, fetched, outcome.out) == (0, [SMOL], "")
    assert str(path_of(CATALOGUE[SMOL])) in outcome.err


def test_what_needs_consent_is_not_fetched_without(run, fetched) -> None:
    outcome = run("models", "get", QWEN)
    assert (outcome.code, fetched) == (2, [])
    for words in ("1.12 GB", "Apache-2.0", "Qwen (Alibaba Cloud)", CATALOGUE[QWEN].note.en, "--yes"):
        assert words in outcome.err


def test_consent_by_option(run, fetched) -> None:
    assert (run("models", "get", QWEN, "--yes").code, fetched) == (0, [QWEN])


@pytest.mark.parametrize(
    ("answer", "code", "brought"), [("y\n", 0, [QWEN]), ("n\n", 1, []), ("\n", 1, []), ("", 130, [])]
)
def test_consent_by_answer(fetched, monkeypatch, capsys, answer: str, code: int, brought: list[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["models", "get", QWEN]) == code
    assert fetched == brought
    assert CATALOGUE[QWEN].note.en in capsys.readouterr().err


@pytest.mark.parametrize("command", ["get", "card", "path"])
def test_an_unknown_model(refused, command: str) -> None:
    assert f"Did you mean {SMOL}" in refused("models", command, "smollm2")


@pytest.mark.parametrize(("language", "name"), [("en", "card.md"), ("zh", "card.zh.md")])
def test_card(run, home, monkeypatch, language: str, name: str) -> None:
    monkeypatch.setattr(catalogue, "bundled", lambda: home)
    monkeypatch.setenv("LUOXIA_LANG", language)
    (home / SMOL).mkdir()
    (home / SMOL / name).write_text("# 卡片\n", encoding="utf-8")
    assert run("models", "card", SMOL).out == "# 卡片\n"


def test_path(run) -> None:
    assert run("models", "path", SMOL).out == f"{path_of(CATALOGUE[SMOL])}\n"

"""The command as a whole: help without PyTorch, failures in one line, tracebacks only when asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import luoxia

REPOSITORY = Path(__file__).parents[2]


def luoxia_command(
    *arguments: str, language: str = "en", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "luoxia", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=REPOSITORY,
        env=os.environ | {"LUOXIA_LANG": language, **environment},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("line", ["--help", "write --help", "serve --help", "models", "--version"])
def test_nothing_heavy_is_imported_to_help(line: str) -> None:
    program = f"""
import sys
from luoxia.cli.main import main
assert main({line.split()!r}) == 0
heavy = {{"torch", "numba", "transformers", "fastapi", "uvicorn", "gguf", "llguidance"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_version(run) -> None:
    assert run("--version").out == f"luoxia {luoxia.__version__}\n"


def test_alone_it_helps(run) -> None:
    outcome = run()
    assert outcome.code == 0
    for command in ("write", "models", "serve"):
        assert command in outcome.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["wriet"], "No such command 'wriet'"),
        (["--nonsense"], "No such option: --nonsense"),
        (["models", "get"], "Missing argument 'ID'. `luoxia models get --help` explains it."),
        (["models", "gte", "x"], "No such command 'gte'"),
    ],
)
def test_misuse(refused, arguments: list[str], words: str) -> None:
    assert words in refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["write"], "缺少参数 'PROMPT'。用法见 `luoxia write --help`。"),
        (["write", "x", "--min-q", "1"], "没有选项 --min-q（相近的有 --min-p）"),
        (["write", "x", "--seed", "one"], "'--seed' 的值不对"),
        (["nothing"], "用法不对"),
    ],
)
def test_misuse_in_chinese(refused, monkeypatch, arguments: list[str], words: str) -> None:
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    assert words in refused(*arguments)


@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_debug_anywhere_shows_the_way_there(run, place: int) -> None:
    arguments = ["models", "card", "nothing-like-it"]
    arguments.insert(place, "--debug")
    outcome = run(*arguments)
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("luoxia: There is no model")


def test_after_two_dashes_it_is_a_prompt(run, model) -> None:
    assert run("write", "--", "--debug").code == 0
    assert model.asked[0][0][-1]["content"] == "--debug"


def test_our_own_mistakes(run, model, monkeypatch) -> None:
    model.script = lambda prompt: ["fine ", "raise"]
    outcome = run("write", "secret", "--seed", "1")
    assert (outcome.code, outcome.out) == (70, "fine ")
    assert outcome.err == "luoxia: something went wrong inside Luoxia (RuntimeError); --debug shows where\n"
    assert "Traceback" in run("write", "secret", "--debug").err


def test_help_in_chinese() -> None:
    done = luoxia_command("write", "--help", language="zh")
    assert "要写什么" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("command", [[], ["write"], ["models"], ["models", "get"], ["serve"]])
def test_help_fits_a_terminal(run, command: list[str]) -> None:
    assert max(map(len, run(*command, "--help").out.splitlines())) <= 80


def test_a_terminal_without_chinese_is_no_reason_to_stop() -> None:
    done = luoxia_command("models", language="zh", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "smollm2-135m-instruct" in done.stdout

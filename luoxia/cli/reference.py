"""The command-line reference, made from ``--help``: ``python -m luoxia.cli.reference > docs/cli.md``."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import redirect_stdout

import typer

from luoxia.cli.main import app, main

PREFACE = """\
# The command line

Made from `--help` by `python -m luoxia.cli.reference > docs/cli.md`; a test keeps it current. With
`LUOXIA_LANG=zh` the command speaks Chinese.

What can be mended is told in one line on standard error, and the exit code is 2; `--debug` adds the traceback.
Interrupted by Ctrl-C it is 130, and 141 when the reader of a pipe has gone. `LUOXIA_HOME` is the folder of models,
`LUOXIA_OFFLINE=1` forbids every use of the network.
"""


def reference() -> str:
    """Markdown with the help of each command."""
    sections = [PREFACE]
    for words in _commands():
        sections.append(f"## `{' '.join(['luoxia', *words])}`\n\n```text\n{_help(words)}\n```\n")
    return "\n".join(sections)


def _commands() -> Iterator[tuple[str, ...]]:
    """The command itself, then every one below it, each as the words that call it."""
    waiting: list[tuple[tuple[str, ...], object]] = [((), typer.main.get_command(app))]
    for words, command in waiting:
        yield words
        waiting += [((*words, name), below) for name, below in getattr(command, "commands", {}).items()]


def _help(words: tuple[str, ...]) -> str:
    os.environ["COLUMNS"] = "80"  # whatever terminal this happens to run in
    with redirect_stdout(io.StringIO()) as printed:
        main([*words, "--help"])
    return printed.getvalue().strip()


if __name__ == "__main__":
    print(reference(), end="")

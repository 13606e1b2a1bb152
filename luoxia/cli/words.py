"""What the command line says, in the user's language, which is looked up once at the start."""

from __future__ import annotations

import sys
from collections.abc import Callable

from typer.exceptions import TyperException

from luoxia.core.language import Text


def say(en: str, zh: str) -> str:
    return str(Text(en, zh))


def tell(en: str, zh: str) -> None:
    """A line on standard error, where it does not mix with what was asked for."""
    print(say(en, zh), file=sys.stderr, flush=True)


def misuse(error: TyperException) -> str:
    """What is wrong with a command line, in one line that ends with the way to its help."""
    english = " ".join(error.format_message().split()).rstrip(".")
    hint = getattr(getattr(error, "param", None), "get_error_hint", lambda: "")()
    match type(error).__name__:  # Typer keeps these classes to itself
        case "MissingParameter":
            chinese = f"缺少参数 {hint}"
        case "NoSuchOption":
            near = "、".join(getattr(error, "possibilities", None) or ())
            chinese = f"没有选项 {getattr(error, 'option_name', '')}" + (
                f"（相近的有 {near}）" if near else ""
            )
        case "BadParameter":
            chinese = f"{hint} 的值不对：{error.message}"
        case _:
            chinese = f"用法不对：{english}"
    context = getattr(error, "ctx", None)
    command = f"{context.command_path if context else 'luoxia'} --help"
    return say(f"{english}. `{command}` explains it.", f"{chinese}。用法见 `{command}`。")


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as what stands in them."""
    from rich.cells import cell_len  # Chinese takes two columns a character

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def tenths() -> Callable[[str, int, int], None]:
    """Says on stderr of each thing that is worked on when another tenth of it is done."""
    heard: dict[str, int] = {}

    def note(what: str, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > heard.get(what, 0):
            heard[what] = tenth
            print(f"{what}: {done}/{total}", file=sys.stderr, flush=True)

    return note

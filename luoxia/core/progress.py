"""How long work tells what it is doing: one event type, and a bar on the terminal that shows it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from luoxia.core.language import Text

STATES = {
    "fetching": Text("Fetching", "正在下载"),
    "checking": Text("Checking", "正在校验"),
    "making": Text("Making", "正在生成"),
    "reading": Text("Reading", "正在读取"),
    "comparing": Text("Comparing", "正在比较"),
    "learning": Text("Learning the words of", "正在学习词表："),
    "writing": Text("Writing", "正在写入"),
    "done": Text("Done", "完成"),
    "failed": Text("Failed", "失败"),
}


@dataclass(frozen=True)
class ProgressEvent:
    """``done`` of ``total`` bytes, or things where the bar counts, in one of :data:`STATES`; a ``message`` deserves a line of its own."""

    state: str
    done: int
    total: int
    message: str = ""


Progress = Callable[[ProgressEvent], None]


def readable_size(count: int) -> str:
    """Bytes as a person reads them, in decimal units: ``98.4 MB``, ``1.12 GB``."""
    size, units = float(count), ["TB", "GB", "MB", "kB", "B"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop()
    return f"{size:.3g} {units[-1]}"


@contextmanager
def bar(title: str, stream: TextIO | None = None, *, counts: bool = False) -> Iterator[Progress]:
    """Show the events of one piece of work on standard error; with ``counts``, of things, otherwise of bytes.

    A person at a terminal sees a bar with amount, speed and time left; a log file gets a line now and then.
    """
    target = stream or sys.stderr
    if target.isatty() and os.environ.get("TERM") != "dumb":
        with _drawn(title, target, counts) as show:
            yield show
    else:
        yield _lines(title, target, counts)


@contextmanager
def counter(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of things that are made one after the other: hears how many of how many are done."""
    with bar(title, counts=True) as progress:
        yield lambda done, total: progress(ProgressEvent("done" if done == total else "making", done, total))


@contextmanager
def _drawn(title: str, stream: TextIO, counts: bool) -> Iterator[Progress]:
    from rich import progress as rich_progress  # 50 ms that only a terminal needs to wait for
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        *(
            (rich_progress.MofNCompleteColumn(),)
            if counts
            else (rich_progress.DownloadColumn(), rich_progress.TransferSpeedColumn())
        ),
        rich_progress.TimeRemainingColumn(),
    )
    console = Console(file=stream)
    with rich_progress.Progress(*columns, console=console, redirect_stdout=False) as display:
        task = display.add_task(title, total=None)

        def show(event: ProgressEvent) -> None:
            if event.message:
                display.print(event.message, markup=False, highlight=False)
            display.update(
                task,
                description=f"{STATES[event.state]} {title}",
                completed=event.done,
                total=event.total or None,
            )

        yield show


def _lines(title: str, stream: TextIO, counts: bool, *, every_seconds: float = 10.0) -> Progress:
    """A line for each message and each new state, and one when a tenth or ten seconds more have gone by."""
    states: set[str] = set()
    tenth, shown_at = 0, 0.0

    def show(event: ProgressEvent) -> None:
        nonlocal tenth, shown_at
        if event.message:
            print(event.message, file=stream, flush=True)
        reached = 10 * event.done // event.total if event.total else 0
        late = event.done > 0 and time.monotonic() - shown_at > every_seconds
        if event.state in states and reached <= tenth and not late:
            return
        states.add(event.state)
        tenth, shown_at = max(tenth, reached), time.monotonic()
        written = str if counts else readable_size
        amount = f"{written(event.done)} / {written(event.total)}"
        share = f" ({100 * event.done // event.total} %)" if event.total else ""
        print(f"{STATES[event.state]} {title}: {amount}{share}", file=stream, flush=True)

    return show

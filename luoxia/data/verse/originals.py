"""Which poem that there was before is nearest to a new one: that with the longest run of characters in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from luoxia.data.verse import poems
from luoxia.data.verse.forms import FORMS

SHORTEST = 3  # characters of a run that says anything


@dataclass(frozen=True)
class Original:
    """``run`` is what both poems have in common."""

    run: str
    title: str
    author: str
    lines: tuple[str, ...]


class Originals:
    """``rows`` are lines of poems.tsv."""

    def __init__(self, rows: list[str]) -> None:
        self._told = [row.split("\t") for row in rows]
        self._text = "\n".join(told[4] for told in self._told)
        self._starts = [0]
        for told in self._told:
            self._starts.append(self._starts[-1] + len(told[4]) + 1)

    def nearest(self, text: str) -> Original | None:
        """The first poem with the longest run of ``text``, lines one after the other; None where no run is of 3."""
        best, found = "", -1
        for start in range(len(text)):
            while start + (length := max(len(best) + 1, SHORTEST)) <= len(text):
                longer = text[start : start + length]
                at = self._text.find(longer)
                if at < 0:
                    break
                best, found = longer, at
        return self._at(best, found) if best else None

    def _at(self, run: str, place: int) -> Original:
        from bisect import bisect_right

        form, _, author, title, text, *_ = self._told[bisect_right(self._starts, place) - 1]
        n = FORMS[form].length
        return Original(run, title, author, tuple(text[i : i + n] for i in range(0, len(text), n)))


def place() -> Path:
    """Where the poems lie that ``luoxia data get verse`` brings."""
    return poems.folder() / "poems.tsv"


def here() -> Originals | None:
    """The poems that ``luoxia data get verse`` brought here, or None."""
    path = place()
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else None


@lru_cache(1)
def _read(path: Path, _written: int) -> Originals:
    return Originals(path.read_text(encoding="utf-8").splitlines())

"""What is known of each character: its simplified form, its readings of today, and its rhymes in 平水韵.

``lexicon.tsv`` beside this file says it, one character a line; ``lexicon_sources`` made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """``readings`` in pinyin with tone marks, the commonest first; ``rhymes`` are places in :func:`rhyme_names`."""

    simplified: str
    readings: tuple[str, ...]
    rhymes: tuple[int, ...]


@cache
def _lines() -> tuple[tuple[str, ...], dict[str, str]]:
    """The rhymes' names, and for each character the rest of its line, which is read when it is asked for."""
    text = Path(__file__).with_name("lexicon.tsv").read_text(encoding="utf-8")
    _, names, *rows = text.splitlines()
    return tuple(names.split("\t")), dict(row.split("\t", 1) for row in rows)


def rhyme_names() -> tuple[str, ...]:
    """The 106 rhymes of 平水韵: 30 level ones, then 29 rising, 30 departing, 17 entering."""
    return _lines()[0]


@cache
def look_up(character: str) -> Entry | None:
    """What is known of ``character``, or None."""
    row = _lines()[1].get(character)
    if row is None:
        return None
    simplified, readings, rhymes = row.split("\t")
    return Entry(
        simplified or character,
        tuple(filter(None, readings.split(","))),
        tuple(map(int, filter(None, rhymes.split(",")))),
    )


def simplified(text: str) -> str:
    """``text`` in simplified characters, each for itself."""
    return "".join(entry.simplified if (entry := look_up(c)) else c for c in text)


def is_character(character: str) -> bool:
    """Whether it is a Chinese character, known here or not."""
    code = ord(character)
    return (
        0x4E00 <= code < 0xA000 or 0x3400 <= code < 0x4DC0 or 0x20000 <= code < 0x323B0 or character == "〇"
    )

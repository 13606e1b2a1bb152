"""How characters sound in verse: level (平) or oblique (仄), and what they rhyme with, by either of two books.

- 平水韵 (1252): 106 rhymes. Its 30 level ones are the level tone; rising, departing and entering ones are oblique. Poets of
  the Tang wrote by what it sums up.
- 中华新韵 (2005): 14 rhymes by the pinyin of today. First and second tone are level, third and fourth oblique.

A character with several readings has several sounds, and any of them will do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.verse.lexicon import look_up, rhyme_names

Tone = Literal["平", "仄"]
LEVEL_RHYMES = 30  # of 平水韵, which come first


class Sound(NamedTuple):
    """``rhyme`` is a place in the book's names."""

    rhyme: int
    tone: Tone


@cache
def _tones(sounds: frozenset[Sound]) -> frozenset[Tone]:
    return frozenset(sound.tone for sound in sounds)


@dataclass(frozen=True)
class Book:
    """``names`` of its rhymes; ``near`` groups of level ones that the first line of a poem may borrow from each other."""

    id: str
    title: Text
    names: tuple[str, ...]
    of: Callable[[str], frozenset[Sound]] = field(repr=False)
    near: tuple[frozenset[int], ...] = ()

    def tones(self, character: str) -> frozenset[Tone]:
        """Those that ``character`` can have; empty for one that the book does not know."""
        return _tones(self.of(character))

    def rhymes(self, character: str, tone: Tone = "平") -> frozenset[int]:
        """The rhymes that ``character`` can stand in with this tone."""
        return frozenset(sound.rhyme for sound in self.of(character) if sound.tone == tone)

    def neighbours(self, rhyme: int) -> frozenset[int]:
        """``rhyme`` and those that are near it."""
        return frozenset((rhyme,)).union(*(group for group in self.near if rhyme in group))

    @property
    def level(self) -> range:
        """The rhymes that a poem with a level rhyme may take."""
        return range(min(len(self.names), LEVEL_RHYMES))


NEW_RHYMES = [
    "一麻",
    "二波",
    "三皆",
    "四开",
    "五微",
    "六豪",
    "七尤",
    "八寒",
    "九文",
    "十唐",
    "十一庚",
    "十二齐",
    "十三支",
    "十四姑",
]
_FINALS = (
    "a ia ua", "o e uo", "ie ve ue", "ai uai", "ei ui uei", "ao iao", "ou iu iou", "an ian uan van",
    "en in un vn uen", "ang iang uang", "eng ing ong iong ueng", "i er v", "-i", "u",
)  # fmt: skip
_RHYME_OF = {final: rhyme for rhyme, finals in enumerate(_FINALS) for final in finals.split()}
_MARKS = {"\u0304": 1, "\u0301": 2, "\u030c": 3, "\u0300": 4}
_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcs")


def final_of(reading: str) -> tuple[str, int]:
    """``reading`` in pinyin with its mark ("zhǎng") as final and tone: ("ang", 3). ü is "v"; the vowel of zhi and si is "-i"."""
    tone, letters = 0, []
    for letter in unicodedata.normalize("NFD", reading):
        if letter in _MARKS:
            tone = _MARKS[letter]
        elif letter == "\u0308":
            letters[-1] = "v"
        elif letter.isalpha():
            letters.append(letter)
    plain = "".join(letters)
    initial = next((i for i in _INITIALS if plain.startswith(i)), "")
    final = plain[len(initial) :]
    if plain[0] == "y":
        final = "v" + plain[2:] if plain[1:2] == "u" else plain[1:] if plain[1:2] == "i" else "i" + plain[1:]
    elif plain[0] == "w":
        final = "u" if plain == "wu" else "u" + plain[1:]
    elif initial in ("j", "q", "x") and final[:1] == "u":
        final = "v" + final[1:]
    elif final == "i" and initial in ("zh", "ch", "sh", "r", "z", "c", "s"):
        final = "-i"
    return final, tone


@cache
def _in_pingshui(character: str) -> frozenset[Sound]:
    entry = look_up(character)
    rhymes = entry.rhymes if entry else ()
    return frozenset(Sound(r, "平" if r < LEVEL_RHYMES else "仄") for r in rhymes)


@cache
def _in_xinyun(character: str) -> frozenset[Sound]:
    entry = look_up(character)
    found = (final_of(reading) for reading in (entry.readings if entry else ()))
    return frozenset(
        Sound(_RHYME_OF[final], "平" if tone in (1, 2) else "仄")
        for final, tone in found
        if tone and final in _RHYME_OF
    )


def _groups(text: str) -> tuple[frozenset[int], ...]:
    """Groups of level rhymes named by their last character."""
    at = {name[-1]: place for place, name in enumerate(rhyme_names()[:LEVEL_RHYMES])}
    return tuple(frozenset(at[c] for c in group) for group in text.split())


@cache
def book(id: str) -> Book:
    """The book of that name. Raises :class:`UserError` for one that there is not."""
    if id in ("平水韵", "平水", "pingshui"):
        near = _groups("东冬 江阳 支微齐 佳灰 佳麻 鱼虞 真文元 寒删先元 萧肴豪 庚青蒸 覃盐咸")
        return Book("平水韵", Text("the Pingshui rhymes", "平水韵"), rhyme_names(), _in_pingshui, near)
    if id in ("中华新韵", "新韵", "xinyun"):
        return Book("新韵", Text("the new rhymes of 2005", "中华新韵"), tuple(NEW_RHYMES), _in_xinyun)
    raise UserError(
        f"there is no book of rhymes {id[:40]!r}; give 平水韵 (pingshui) or 新韵 (xinyun)",
        f"没有韵书 {id[:40]!r}；请给 平水韵（pingshui）或 新韵（xinyun）",
    )


def find_rhyme(book: Book, name: str) -> int:
    """The place of the level rhyme that ``name`` means: its whole name, its last character (阳), or any character in it."""
    level = [book.names[i] for i in book.level]
    for place, full in enumerate(level):
        if name in (full, full[-1], full.removeprefix("上平").removeprefix("下平")):
            return place
    found = sorted(book.rhymes(name)) if len(name) == 1 else []
    if len(found) == 1:
        return found[0]
    names = "、".join(level)
    if found:
        which = "、".join(level[i] for i in found)
        raise UserError(f"{name} rhymes in {which}: say which one", f"{name} 可押 {which}：请指明韵部")
    raise UserError(
        f"{name[:20]!r} names no level rhyme of {book.id}; there are {names}",
        f"{name[:20]!r} 不是{book.id}的平声韵部；有 {names}",
    )

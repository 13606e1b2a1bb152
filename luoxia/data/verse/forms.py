"""The forms of regulated verse (近体诗) and the tones that they ask for.

Four kinds of lines alternate level (平) and oblique (仄) tones; of five characters they are

    A 仄仄平平仄    B 平平仄仄平    C 平平平仄仄    D 仄仄仄平平

and of seven, two characters of the opposite tone stand in front. A couplet is A B or C D (对), the next one begins as the
last one ended (粘), so that a poem follows from its first line: four patterns a form. The first, third and fifth
character are free (一三五不论) but for three rules: a line B keeps a second level tone beside its rhyme (孤平), a line D
does not end in three level tones (三平尾), a line C not in three oblique ones (三仄尾); C may end in 平仄平仄 of five,
平平仄平仄 (拗句). After 王力,《诗词格律》 (1962), chapters 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.verse.sounds import Tone

Kind = str  # of a line: "A", "B", "C" or "D"
BASE: dict[Kind, str] = {"A": "仄仄平平仄", "B": "平平仄仄平", "C": "平平平仄仄", "D": "仄仄仄平平"}
FREE = {  # tones of the last five characters; "中" is either
    "A": ("中仄中平仄",),
    "B": ("平平中仄平", "仄平平仄平"),
    "C": ("中平平仄仄", "平平仄平仄"),
    "D": ("中仄仄平平",),
}


@dataclass(frozen=True)
class Pattern:
    """``kinds`` of a poem's lines. ``rhymed``: whether the first line rhymes too."""

    title: Text
    kinds: tuple[Kind, ...]
    rhymed: bool


@dataclass(frozen=True)
class Form:
    """``lines`` of ``length`` characters each."""

    id: str
    title: Text
    lines: int
    length: int

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The four that the form has."""
        return tuple(_pattern(self.length, self.lines, start) for start in ("AB", "DB", "CD", "BD"))

    @property
    def rhyming(self) -> range:
        """The lines that rhyme whatever the first one does."""
        return range(1, self.lines, 2)


FORMS = {
    form.id: form
    for form in (
        Form("五绝", Text("quatrain of five characters", "五言绝句"), 4, 5),
        Form("七绝", Text("quatrain of seven characters", "七言绝句"), 4, 7),
        Form("五律", Text("eight lines of five characters", "五言律诗"), 8, 5),
        Form("七律", Text("eight lines of seven characters", "七言律诗"), 8, 7),
    )
}
_ALIASES = {"wujue": "五绝", "qijue": "七绝", "wulü": "五律", "wulv": "五律", "qilü": "七律", "qilv": "七律"}


def form(name: str) -> Form:
    """The form called ``name``: 七绝, 七言绝句 or qijue. Raises :class:`UserError` for one that there is not."""
    for known in FORMS.values():
        if name in (known.id, known.title.zh) or _ALIASES.get(name.lower()) == known.id:
            return known
    raise UserError(
        f"there is no form {name[:40]!r}; there are 五绝 (wujue), 七绝 (qijue), 五律 (wulü) and 七律 (qilü)",
        f"没有诗体 {name[:40]!r}；有 {'、'.join(FORMS)}",
    )


def form_of(lines: list[str]) -> Form | None:
    """The form that has as many lines as long, or None."""
    for known in FORMS.values():
        if len(lines) == known.lines and all(len(line) == known.length for line in lines):
            return known
    return None


def _pattern(length: int, lines: int, start: str) -> Pattern:
    """The pattern that begins with these kinds: 粘 and 对 give the others."""
    rhymed = start[0] in "DB"
    second = start[1]
    couplets = {"B": ("AB", "CD"), "D": ("CD", "AB")}[second]
    kinds = "".join(couplets[i % 2] for i in range(lines // 2))
    kinds = start[0] + kinds[1:]
    base = BASE[start[0]][1]
    opening = base if length == 5 else ("仄" if base == "平" else "平")
    en = f"{'level' if opening == '平' else 'oblique'} opening, first line {'rhymed' if rhymed else 'not rhymed'}"
    return Pattern(Text(en, f"{opening}起，首句{'' if rhymed else '不'}入韵"), tuple(kinds), rhymed)


@cache
def admitted(kind: Kind, length: int) -> tuple[tuple[Tone, ...], ...]:
    """Every row of tones that a line of this kind may have, the plainest first."""
    front = ("",) if length == 5 else ("中" + ("仄" if BASE[kind][1] == "平" else "平"),)
    rows = dict[tuple[Tone, ...], None]()
    plain = standard(kind, length)
    for head, tail in product(front, FREE[kind]):
        choices: list[Any] = [("平", "仄") if c == "中" else (c,) for c in head + tail]
        rows |= dict.fromkeys(product(*choices))
    return tuple(sorted(rows, key=lambda row: sum(a != b for a, b in zip(row, plain, strict=True))))


@cache
def standard(kind: Kind, length: int) -> tuple[Tone, ...]:
    """The tones of this kind with nothing left free."""
    tail = BASE[kind]
    front = "" if length == 5 else "".join("仄" if c == "平" else "平" for c in tail[:2])
    return tuple(front + tail)  # type: ignore[return-value]

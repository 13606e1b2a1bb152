"""Whether a poem is what its form asks for, and what is wrong where: lines, rhyme, tones, acrostic."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.verse.forms import Form, Pattern, admitted, form_of
from luoxia.data.verse.lexicon import is_character, simplified
from luoxia.data.verse.sounds import Book

ENDS = re.compile(r"[，。！？；：、,.!?;:\s]+")
NOTE = re.compile(r"（[^（）]*）|\([^()]*\)|〔[^〔〕]*〕|\[[^\[\]]*\]")  # as editors put other readings in
ASIDE = re.compile(r"[《》「」『』“”\"'·()（）]")
_BITS = {frozenset(): 0, frozenset("平"): 1, frozenset("仄"): 2, frozenset("平仄"): 3}
LONGEST = 4096  # characters of a text that is looked at


@dataclass(frozen=True)
class Mark:
    """One character. ``tone`` is what it can have ("中": either, "？": not known), ``wanted`` what stands there in the
    pattern ("中": either), ``wrong`` whether they differ; ``rhymes`` whether it stands where the poem rhymes and does."""

    character: str
    tone: Literal["平", "仄", "中", "？"]
    wanted: Literal["平", "仄", "中", ""]
    wrong: bool = False
    rhymes: bool = False


@dataclass(frozen=True)
class Fault:
    """``kind``: "shape", "rhyme", "tones", "acrostic" or "copied"; ``line`` counts from 0 where the fault has one."""

    kind: str
    text: Text
    line: int | None = None


@dataclass(frozen=True)
class Verdict:
    """``rhyme`` is the name of the rhyme that all rhyming lines share, ``pattern`` the nearest of the form's four.
    ``remarks`` tell what is unusual and no fault."""

    lines: tuple[tuple[Mark, ...], ...]
    form: Form | None
    book: Book
    rhyme: str | None
    pattern: Pattern | None
    faults: tuple[Fault, ...]
    remarks: tuple[Text, ...] = ()

    def free_of(self, *kinds: str) -> bool:
        """Whether there is no fault of these kinds; without any, no fault at all."""
        return not any(fault.kind in kinds or not kinds for fault in self.faults)

    @property
    def tones_kept(self) -> bool:
        return self.free_of("shape", "tones")


def lines_of(text: str) -> list[str]:
    """The lines of a poem, without what divides them and notes in brackets. A first row that is longer or shorter than all others is its title
    and left out. Raises :class:`UserError` for what is no Chinese verse."""
    if len(text) > LONGEST:
        raise UserError(
            f"the text has {len(text)} characters; a poem has at most {LONGEST}",
            f"文本有 {len(text)} 字；一首诗至多 {LONGEST} 字",
        )
    text = NOTE.sub("", text)
    rows = [row for row in text.strip().splitlines() if row.strip()]
    lines = [part for part in ENDS.split(ASIDE.sub("", text)) if part]
    if len(rows) > 1 and len(lines) > 2:
        first = [part for part in ENDS.split(ASIDE.sub("", rows[0])) if part]
        if len(first) <= 2 and form_of(lines) is None and form_of(lines[len(first) :]):
            lines = lines[len(first) :]
    strange = next((c for line in lines for c in line if not is_character(c)), None)
    if strange is not None:
        raise UserError(
            f"{strange!r} is no Chinese character; a poem has characters and punctuation only",
            f"{strange!r} 不是汉字；诗中只能有汉字和标点",
        )
    if not lines:
        raise UserError("there is no poem to look at", "没有可供检查的诗")
    return lines


def judge(
    lines: Sequence[str], book: Book, *, form: Form | None = None, tones: bool = True, acrostic: str = ""
) -> Verdict:
    """What is right and wrong with ``lines``. ``form`` None: the one that they have the shape of. Without ``tones`` their
    pattern is told and not asked for. ``acrostic``: the lines' first characters."""
    found = form_of(list(lines))
    faults = list[Fault]()
    if found is None or form not in (None, found):
        faults.append(_shape(lines, form))
    if acrostic:
        faults += _acrostic(lines, acrostic)
    if found is None:
        bare = tuple(tuple(Mark(c, _tone(book, c), "") for c in line) for line in lines)
        return Verdict(bare, None, book, None, None, tuple(faults))
    rhyme, rhymed, wrong = _rhyme(lines, found, book)
    faults += wrong
    pattern, wanted = _nearest(lines, found, book, rhymed)
    marks = _marks(lines, book, wanted, rhymed)
    if tones:
        faults += _tones(marks, pattern)
    return Verdict(marks, found, book, rhyme, pattern, tuple(faults), _remarks(marks, pattern, book, rhyme))


def _shape(lines: Sequence[str], form: Form | None) -> Fault:
    lengths = "、".join(str(len(line)) for line in lines)
    wanted = Text(
        f"{form.id} has {form.lines} lines of {form.length}"
        if form
        else "four forms are known: 4 or 8 lines of 5 or 7",
        f"{form.id}应为 {form.lines} 句，每句 {form.length} 字"
        if form
        else "只识绝句与律诗：4 或 8 句，每句 5 或 7 字",
    )
    return Fault(
        "shape",
        Text(
            f"{len(lines)} lines of {lengths.replace('、', ', ')} characters; {wanted.en}",
            f"{len(lines)} 句，字数为 {lengths}；{wanted.zh}",
        ),
    )


def _acrostic(lines: Sequence[str], acrostic: str) -> list[Fault]:
    if len(acrostic) > len(lines):
        return [
            Fault(
                "acrostic",
                Text(
                    f"{acrostic} has {len(acrostic)} characters for {len(lines)} lines",
                    f"{acrostic}有 {len(acrostic)} 字，而诗只有 {len(lines)} 句",
                ),
            )
        ]
    return [
        Fault(
            "acrostic",
            Text(f"line {i + 1} begins with {line[0]}, not {c}", f"第 {i + 1} 句首字为{line[0]}，应为{c}"),
            i,
        )
        for i, (line, c) in enumerate(zip(lines, acrostic, strict=False))
        if simplified(line[0]) != simplified(c)
    ]


def _tone(book: Book, character: str) -> Literal["平", "仄", "中", "？"]:
    tones = book.tones(character)
    return "中" if len(tones) == 2 else next(iter(tones)) if tones else "？"


def _rhyme(lines: Sequence[str], form: Form, book: Book) -> tuple[str | None, set[int], list[Fault]]:
    """The shared rhyme's name, the lines that rhyme, and what is wrong."""
    ends, faults = [line[-1] for line in lines], list[Fault]()
    places = list(form.rhyming)
    of = {i: frozenset(book.of(ends[i])) for i in range(len(lines))}
    votes = {sound: sum(sound in of[i] for i in places) for i in places for sound in of[i]}
    best = max(votes, key=lambda s: (votes[s], s.tone == "平", sum(s in of[i] for i in of)), default=None)
    if best is None:
        return None, set(), [Fault("rhyme", Text("none of the rhyme words is known", "韵脚均不在韵书中"))]
    name = book.names[best.rhyme]
    rhymed = {i for i in places if best in of[i]}
    for i in (i for i in places if i not in rhymed):
        faults.append(
            Fault("rhyme", Text(f"{ends[i]} does not rhyme in {name}", f"“{ends[i]}”不在{name}"), i)
        )
    if best.tone == "仄":
        faults.append(
            Fault(
                "rhyme",
                Text(f"{name} is an oblique rhyme; the form rhymes level", f"{name}为仄韵；近体诗押平声韵"),
            )
        )
    near = {
        s for rhyme in book.neighbours(best.rhyme) for s in of[0] if (s.rhyme, s.tone) == (rhyme, best.tone)
    }
    if near:
        rhymed.add(0)
    doubled = {ends[i] for i in rhymed if sum(ends[i] == ends[k] for k in rhymed) > 1}
    for c in sorted(doubled):
        faults.append(Fault("rhyme", Text(f"{c} rhymes with itself", f"韵脚“{c}”重复")))
    return (name if len(rhymed - {0}) == len(places) else None), rhymed, faults


def _nearest(
    lines: Sequence[str], form: Form, book: Book, rhymed: set[int]
) -> tuple[Pattern, list[tuple[str, ...]]]:
    """The pattern with the fewest characters wrong, and the row of tones nearest to each line."""
    possible = [np.array([_BITS[book.tones(c)] for c in line], np.uint8) for line in lines]
    best: tuple[tuple[int, bool], Pattern, list[tuple[str, ...]]] | None = None
    nearest = dict[tuple[int, str, bool], tuple[int, tuple[str, ...]]]()
    for pattern in form.patterns:
        found = []
        for i, kind in enumerate(pattern.kinds):
            key = i, kind, kind == "A" and _rescues(lines, i, pattern, book)
            if key not in nearest:
                nearest[key] = _nearest_row(possible[i], kind, key[2])
            found.append(nearest[key])
        rank = (sum(cost for cost, _ in found), pattern.rhymed != (0 in rhymed))
        if best is None or rank < best[0]:
            best = rank, pattern, [row for _, row in found]
    assert best is not None  # every form has patterns
    return best[1], best[2]


def _nearest_row(possible: NDArray[np.uint8], kind: str, rescue: bool) -> tuple[int, tuple[str, ...]]:
    """How many characters of a line are wrong in the row of tones that fits best, and that row."""
    rows, bits = _rows(kind, len(possible), rescue)
    wrong = (((bits & possible) == 0) & (possible != 0)).sum(1)
    at = int(wrong.argmin())
    return int(wrong[at]), rows[at]


@cache
def _rows(kind: str, length: int, rescue: bool) -> tuple[list[tuple[str, ...]], NDArray[np.uint8]]:
    """What a line of this kind may be, as tones and as bits (R, length)."""
    rows: list[tuple[str, ...]] = list(admitted(kind, length))
    if kind == "C":  # three oblique tones at its end: poets of the Tang let them pass
        rows += [(*row[:-3], "仄", "仄", "仄") for row in rows if row[-3] == "平"]
    if rescue:  # the fourth of five is oblique, which a level third in the next line makes good
        front = rows[0][: length - 5]
        rows += [(*front, *tail) for tail in ("仄仄平仄仄", "仄仄仄仄仄", "平仄平仄仄", "平仄仄仄仄")]
    return rows, np.array([[1 if tone == "平" else 2 for tone in row] for row in rows], np.uint8)


def _rescues(lines: Sequence[str], i: int, pattern: Pattern, book: Book) -> bool:
    """Whether line ``i`` is an A before a B whose third of five is level (大拗, 对句相救)."""
    return (
        pattern.kinds[i : i + 2] == ("A", "B") and i + 1 < len(lines) and "平" in book.tones(lines[i + 1][-3])
    )


def _marks(
    lines: Sequence[str], book: Book, wanted: list[tuple[str, ...]], rhymed: set[int]
) -> tuple[tuple[Mark, ...], ...]:
    out = []
    for i, (line, row) in enumerate(zip(lines, wanted, strict=True)):
        marks = []
        for k, (c, tone) in enumerate(zip(line, row, strict=True)):
            possible = book.tones(c)
            wrong = bool(possible) and tone not in possible
            marks.append(Mark(c, _tone(book, c), tone, wrong, i in rhymed and k == len(line) - 1))  # type: ignore[arg-type]
        out.append(tuple(marks))
    return tuple(out)


def _tones(marks: tuple[tuple[Mark, ...], ...], pattern: Pattern) -> list[Fault]:
    """One fault a line that has any, named where it has a name."""
    faults = []
    for i, line in enumerate(marks):
        wrong = [mark for mark in line if mark.wrong]
        if not wrong:
            continue
        names = _names(line, pattern.kinds[i])
        which = "、".join(f"{mark.character}（应{mark.wanted}）" for mark in wrong)
        places = ", ".join(f"{mark.character} should be {_english(mark.wanted)}" for mark in wrong)
        faults.append(
            Fault(
                "tones",
                Text(
                    f"line {i + 1}: {places}" + (f" ({', '.join(n.en for n in names)})" if names else ""),
                    f"第 {i + 1} 句：{which}" + (f"，{'、'.join(n.zh for n in names)}" if names else ""),
                ),
                i,
            )
        )
    return faults + _joints(marks)


def _english(tone: str) -> str:
    return "level" if tone == "平" else "oblique"


def _names(line: tuple[Mark, ...], kind: str) -> list[Text]:
    tones = [mark.tone for mark in line]
    found = []
    if all(t == "平" for t in tones[-3:]):
        found.append(Text("three level tones at the end", "三平尾"))
    if kind == "B" and tones[-1] == "平" and tones[-5:-1].count("平") == 1 and tones[-4] == "平":
        found.append(Text("a lone level tone", "孤平"))
    return found


def _remarks(
    marks: tuple[tuple[Mark, ...], ...], pattern: Pattern, book: Book, rhyme: str | None
) -> tuple[Text, ...]:
    found = []
    for i, (line, kind) in enumerate(zip(marks, pattern.kinds, strict=True), start=1):
        wanted = "".join(mark.wanted for mark in line[-5:])
        if any(mark.wrong for mark in line):
            continue
        if kind == "C" and wanted.endswith("仄仄仄"):
            found.append(Text(f"line {i} ends in three oblique tones", f"第 {i} 句三仄尾"))
        elif kind == "C" and wanted == "平平仄平仄":
            found.append(Text(f"line {i} trades its third and fourth tone", f"第 {i} 句用拗句“平平仄平仄”"))
        elif kind == "A" and wanted[3] == "仄":
            found.append(
                Text(
                    f"line {i} bends its fourth tone, which line {i + 1} makes good",
                    f"第 {i} 句拗，第 {i + 1} 句救",
                )
            )
    first = marks[0][-1]
    if first.rhymes and rhyme is not None and book.names.index(rhyme) not in book.rhymes(first.character):
        found.append(Text("line 1 borrows a neighbouring rhyme", "首句借邻韵"))
    return tuple(found)


def _joints(marks: tuple[tuple[Mark, ...], ...]) -> list[Fault]:
    """Lines of a couplet that do not oppose each other (失对), couplets that do not follow each other (失粘)."""
    faults = []
    second = [line[1].tone for line in marks]
    for i in range(1, len(marks)):
        here, before = second[i], second[i - 1]
        if {here, before} <= {"平", "仄"} and (here == before) == bool(i % 2):
            name = Text("does not oppose", "失对") if i % 2 else Text("does not follow", "失粘")
            faults.append(
                Fault(
                    "tones", Text(f"line {i + 1} {name.en} line {i}", f"第 {i + 1} 句与第 {i} 句{name.zh}"), i
                )
            )
    return faults

"""Which characters may come next, so that every poem that is written to its end is one that its form allows.

For each row of a batch it is kept which patterns of tones and which rhymes still go with what stands there; a character may
come when some of both remain. As each pattern and each rhyme asks for one place at a time, and none that remains asks for a
character that there is not, no row can run into a dead end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.data.verse.forms import Form, admitted
from luoxia.data.verse.sounds import Book

Mask = NDArray[np.bool_]
FEWEST = 12  # characters that a rhyme needs to be chosen freely


@dataclass(frozen=True)
class SoundTable:
    """What ``characters`` (C,) sound like in one book: ``level`` and ``oblique`` (C,), and ``rhymes`` (R, C), whether
    each has a level reading in that rhyme."""

    level: Mask
    oblique: Mask
    rhymes: Mask

    @classmethod
    def of(cls, book: Book, characters: str) -> SoundTable:
        tones = [book.tones(c) for c in characters]
        rhymes = np.zeros((len(book.level), len(characters)), bool)
        for place, c in enumerate(characters):
            rhymes[list(book.rhymes(c)), place] = True
        return cls(np.array(["平" in t for t in tones]), np.array(["仄" in t for t in tones]), rhymes)


def _any(mask: Mask) -> Mask:
    """(rows, n) -> (rows,): whether there is one in each row."""
    return np.asarray(mask.any(axis=1))


class _Line:
    """What the patterns ask of one line: ``level`` (Q, L), whether row q has a level tone there, and ``pattern`` (Q,)."""

    def __init__(self, form: Form, number: int) -> None:
        rows = [
            (p, row)
            for p, pattern in enumerate(form.patterns)
            for row in admitted(pattern.kinds[number], form.length)
        ]
        self.pattern = np.array([p for p, _ in rows])
        self.level = np.array([[tone == "平" for tone in row] for _, row in rows])


class Rules:
    """The rules of ``rows`` poems of ``form`` that are written side by side, character by character.

    ``rhyme`` is the place of a rhyme in the book, None lets each poem choose; ``tones`` whether they are kept;
    ``acrostic`` the lines' first characters. :meth:`allowed` gives what may come, :meth:`take` says what came.
    """

    def __init__(
        self,
        form: Form,
        table: SoundTable,
        characters: str,
        rows: int,
        *,
        rhyme: int | None = None,
        tones: bool = True,
        acrostic: str = "",
    ) -> None:
        self.form, self.table, self.rows, self.tones = form, table, rows, tones
        self.places = {c: i for i, c in enumerate(characters)}
        self.first = [self._place(c) for c in acrostic]
        if len(self.first) > form.lines:
            raise UserError(
                f"{acrostic} has {len(acrostic)} characters, and {form.id} has {form.lines} lines",
                f"{acrostic}有 {len(acrostic)} 字，而{form.id}只有 {form.lines} 句",
            )
        enough = table.rhymes.sum(1) >= FEWEST
        self.alive_rhymes: Mask = np.zeros((rows, len(table.rhymes)), bool)
        self.alive_rhymes[:, enough if rhyme is None else rhyme] = True
        self.lines = [_Line(form, i) for i in range(form.lines)]
        self.alive_patterns: Mask = np.ones((rows, len(form.patterns)), bool)
        self.rhymed = np.array([pattern.rhymed for pattern in form.patterns])
        self.used: Mask = np.zeros((rows, len(characters)), bool)
        self.used[:, self.first] = True  # where the acrostic has them, and nowhere else
        self.doubled: Mask = np.zeros(rows, bool)
        self.last = np.full(rows, -1)
        self.line = self.place = 0
        self._alive = self._begin()

    def _place(self, character: str) -> int:
        if character not in self.places:
            raise UserError(
                f"{character} of the acrostic is in no poem that the model knows",
                f"模型不认识藏头字“{character}”",
            )
        return self.places[character]

    @property
    def done(self) -> bool:
        return self.line == self.form.lines

    @property
    def at_end(self) -> bool:
        """Whether the character to come is the last of its line."""
        return self.place == self.form.length - 1

    def forced(self) -> int | None:
        """The character that the acrostic sets here, or None."""
        return self.first[self.line] if self.place == 0 and self.line < len(self.first) else None

    def allowed(self) -> Mask:
        """(rows, C): the characters that may come."""
        forced = self.forced()
        if forced is not None:
            only = np.zeros_like(self.used)
            only[:, forced] = True
            return only
        rhyming = self._rhyming()
        if self.tones:
            level = self.lines[self.line].level[:, self.place]
            may_rise, may_fall = _any(self._alive & level), _any(self._alive & ~level)
            rising = self.table.level[None] if not self.at_end else self._rhyme_mask()
            mask = (may_rise[:, None] & rising) | (may_fall[:, None] & self.table.oblique[None])
        elif self.at_end and self.line in self.form.rhyming:
            mask = rhyming
        else:
            mask = np.ones_like(self.used)
        return mask & self._fresh()

    def take(self, chosen: NDArray[np.int64]) -> None:
        """``chosen`` (rows,) came."""
        rows = np.arange(self.rows)
        if self.tones:
            level = self.lines[self.line].level[:, self.place][None]
            rises, falls = self.table.level[chosen][:, None], self.table.oblique[chosen][:, None]
            if self.at_end:  # a level tone at the end of a line rhymes
                rises = _any(self.alive_rhymes & self.table.rhymes[:, chosen].T)[:, None]
            self._alive &= np.where(level, rises, falls)
        if self.at_end:
            self._end(chosen)
        self.doubled |= chosen == self.last
        self.used[rows, chosen] = True
        self.last = chosen.copy()
        self.place += 1
        if self.place == self.form.length:
            self.line, self.place, self.last = self.line + 1, 0, np.full(self.rows, -1)
            if not self.done:
                self._alive = self._begin()

    def _begin(self) -> Mask:
        """(rows, Q): the rows of tones that the next line may have."""
        return self.alive_patterns[:, self.lines[self.line].pattern]

    def _end(self, chosen: NDArray[np.int64]) -> None:
        of = self.lines[self.line].pattern
        if self.tones:
            left = [_any(self._alive[:, of == p]) for p in range(len(self.form.patterns))]
            self.alive_patterns &= np.stack(left, 1)
        rhymes = self.alive_rhymes & self.table.rhymes[:, chosen].T
        must = np.full(self.rows, self.line in self.form.rhyming)
        if self.line == 0 and self.tones:  # where a rhymed pattern remains, what stands there rhymes
            must = _any(self.alive_patterns & self.rhymed)
        self.alive_rhymes = np.where(must[:, None], rhymes, self.alive_rhymes)

    def _rhyming(self) -> Mask:
        return self._rhyme_mask() if self.at_end else np.ones_like(self.used)

    def _rhyme_mask(self) -> Mask:
        """(rows, C): what has one of the rhymes that remain."""
        return (self.alive_rhymes.astype(np.float32) @ self.table.rhymes.astype(np.float32)) > 0

    def _fresh(self) -> Mask:
        """(rows, C): what does not stand in the poem yet; the character before may once be said twice."""
        fresh = ~self.used
        rows = np.flatnonzero((self.last >= 0) & ~self.doubled & (not self.at_end))
        again = self.last[rows]
        free = ~np.isin(again, self.first)
        fresh[rows[free], again[free]] = True
        return fresh

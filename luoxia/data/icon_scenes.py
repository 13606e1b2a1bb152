"""The data engine: what an icon shows, as a scene that follows from (seed, index), and its caption."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from numpy.random import Generator

from luoxia.core.language import Text
from luoxia.core.seeds import generator
from luoxia.data import icon_captions, icon_choice, icon_names
from luoxia.data.icon_choice import ALONE, SIDEWAYS, STYLE_OF, Choice
from luoxia.data.icon_combinations import Combination, kept_back
from luoxia.data.icon_layout import Placed, Scene, dressed, fitted, spots
from luoxia.data.icon_stock import Stock
from luoxia.data.icon_words import COLOURS, GROUNDS, SHAPES, WORN

KINDS = {  # shares of what is composed; with the drawings themselves, plain ones are about half of all
    "plain": 0.47,
    "colour": 0.15,
    "ground": 0.13,
    "count": 0.08,
    "pair": 0.10,
    "worn": 0.07,
}
STYLED, BADGES = 0.3, 0.9  # share of captions that say the style, and of those whose ground is part of it
SCALE = 0.94  # of a drawing alone
TRIES = 100

T = TypeVar("T")


@dataclass(frozen=True)
class Planner:
    """Plans scenes from a stock; ``free`` composes also what is kept back from training."""

    stock: Stock
    seed: int
    free: bool = False

    @cached_property
    def of(self) -> Choice:
        return Choice(self.stock)

    def base(self, i: int) -> Scene:
        """The drawing at ``i`` alone, in the middle."""
        rng = generator(self.seed, i)
        return self._styled(Scene("plain", (Placed(i, 0.5, 0.5, SCALE),), self._alone(i, rng)), rng)

    def composed(self, index: int) -> Scene:
        """Scene ``index`` of endlessly many."""
        rng = generator(self.seed + 1, index)
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        plan = {
            "plain": self._plain,
            "colour": self._colour,
            "ground": self._ground,
            "count": self._count,
            "pair": self._pair,
            "worn": self._worn,
        }[kind]
        for _ in range(TRIES):  # what was drawn may be kept back, or not be seen
            scene = plan(rng)
            if scene is not None:
                return self._styled(scene, rng)
        return self.base(_of(self.of.shown, rng))

    def showing(self, combination: Combination, index: int) -> Scene | None:
        """Scene ``index`` of a combination, kept back or not, with its own caption; None where no drawing allows it."""
        rng, (part, family) = generator(self.seed + 2, index), combination.parts
        if combination.kind == "style":
            all_ = range(len(self.stock.drawings))
            fits = [i for i in all_ if STYLE_OF[self.of.maker(i)] == part and self._is(i, family)]
            items = (Placed(_of(fits, rng), 0.5, 0.5, SCALE),) if fits else None
        elif combination.kind == "colour":
            fits = [i for i in self.of.tinted if self._is(i, family)]
            items = (fitted(i := _of(fits, rng), self.of.look(i), 0.5, 0.5, SCALE, part),) if fits else None
        elif combination.kind == "worn":
            fits = [i for i in (*self.of.wearers, *self.of.smiling) if self._is(i, family)]
            tried = (self._dress(i, part, rng) for i in rng.permutation(fits).tolist())
            items = next((items for items in tried if items), None)
        else:
            pair = [[i for i in self.of.things if self._is(i, name)] for name in combination.parts]
            items = self._beside(_of(pair[0], rng), _of(pair[1], rng), True) if all(pair) else None
        return None if items is None else Scene(combination.kind, items, combination.caption)

    def _is(self, i: int, family: str) -> bool:
        return self.of.concept(i).family == family

    def _styled(self, scene: Scene, rng: Generator) -> Scene:
        makers = {self.of.maker(item.drawing) for item in scene.items}
        if len(makers) > 1 or rng.random() >= (BADGES if makers & ALONE else STYLED):
            return scene
        return replace(scene, caption=icon_captions.with_style(scene.caption, STYLE_OF[makers.pop()], rng))

    def _alone(self, i: int, rng: Generator) -> Text:
        """The caption of a plain one; now and then it says the colour that the drawing has."""
        concept, colour = self.of.concept(i), self.of.look(i).colour
        says = (
            bool(colour and concept.article)
            and self.of.maker(i) not in ALONE
            and concept.group != icon_names.PEOPLE
            and not icon_choice.says_colour(concept)
            and not self._back("colour", colour, i)
        )
        if says and rng.random() < 0.12:
            return icon_captions.coloured(concept, colour, rng)
        return icon_captions.plain(concept, rng)

    def _tint(self, i: int, rng: Generator) -> str:
        """Another colour for the drawing at ``i``, "" for one that is kept back, or that would be a face's skin."""
        colour = _of(list(COLOURS), rng)
        skin = icon_choice.smiles(self.of.concept(i)) and colour in ("brown", "black", "white")
        return "" if skin or self._back("colour", colour, i) else colour

    def _back(self, kind: str, part: str, i: int) -> bool:
        return not self.free and kept_back(kind, part, self.of.concept(i).family)

    def _plain(self, rng: Generator) -> Scene | None:
        i = _of(self.of.shown, rng)
        if self.of.concept(i).group in (icon_names.PEOPLE, icon_names.SYMBOLS) and rng.random() < 0.4:
            return None  # asked for less often than things
        scale = SCALE * rng.uniform(0.82, 1.04)
        room = max(0.0, (1 - scale) / 2)
        x, y = 0.5 + rng.uniform(-room, room), 0.5 + rng.uniform(-room, room)
        return Scene("plain", (Placed(i, x, y, scale, mirrored=self._mirrored(i, rng)),), self._alone(i, rng))

    def _mirrored(self, i: int, rng: Generator) -> bool:
        return icon_choice.turns(self.of.concept(i)) and rng.random() < 0.3

    def _colour(self, rng: Generator) -> Scene | None:
        if not self.of.tinted:
            return None
        i = _of(self.of.tinted, rng)
        colour = self._tint(i, rng)
        if colour in ("", "white"):
            return None
        tint = colour if colour != self.of.look(i).colour else ""
        item = Placed(i, 0.5, 0.5, SCALE * rng.uniform(0.85, 1.02), tint, self._mirrored(i, rng))
        return Scene("colour", (item,), icon_captions.coloured(self.of.concept(i), colour, rng))

    def _ground(self, rng: Generator) -> Scene | None:
        shape, ground, tinted = _of(list(SHAPES), rng), _of(list(GROUNDS), rng), rng.random() < 0.25
        some = self.of.tinted if tinted else self.of.things
        if not some:
            return None
        i = _of(some, rng)
        colour = self._tint(i, rng) if tinted else ""
        if (tinted and not colour) or ground in (colour, "white"):
            return None
        if icon_choice.lost(self.of.look(i), colour, ground):
            return None
        concept = self.of.concept(i)
        said = icon_captions.coloured(concept, colour, rng) if tinted else icon_captions.said(concept, rng)
        fill = {"circle": 0.62, "hexagon": 0.62, "diamond": 0.5}.get(shape, 0.72) * rng.uniform(0.9, 1.04)
        item = fitted(i, self.of.look(i), 0.5, 0.5, fill, colour, self._mirrored(i, rng))
        caption = icon_captions.grounded(said, shape, ground, rng)
        return Scene("ground", (item,), caption, (shape, ground))

    def _count(self, rng: Generator) -> Scene | None:
        number = _of((2, 2, 2, 3, 3, 4, 5), rng)
        if not self.of.counted:
            return None
        i = _of(self.of.counted, rng)
        colour = self._tint(i, rng) if i in self.of.takes_tint and rng.random() < 0.25 else ""
        if colour == "white":
            return None
        (places, fill), turned = spots(number, rng), self._mirrored(i, rng)
        items = tuple(fitted(i, self.of.look(i), x, y, fill, colour, turned) for x, y in places)
        return Scene("count", items, icon_captions.counted(self.of.concept(i), number, colour))

    def _pair(self, rng: Generator) -> Scene | None:
        if not self.of.by_maker:
            return None
        some = self.of.by_maker[_of(list(self.of.by_maker), rng)]
        i, j = _of(some, rng), _of(some, rng)
        first, second = self.of.concept(i), self.of.concept(j)
        if first.family == second.family or self._back("pair", first.family, j):
            return None
        side = rng.random() < 0.65
        return Scene("pair", self._beside(i, j, side), icon_captions.paired(first, second, rng, side))

    def _beside(self, i: int, j: int, side: bool) -> tuple[Placed, ...]:
        """Two drawings side by side, or the second in front of the first."""
        first, second = self.of.look(i), self.of.look(j)
        if side:
            return fitted(i, first, 0.26, 0.5, 0.47), fitted(j, second, 0.74, 0.5, 0.47)
        return fitted(i, first, 0.36, 0.36, 0.62), fitted(j, second, 0.72, 0.72, 0.5)

    def _worn(self, rng: Generator) -> Scene | None:
        some = self.of.smiling if rng.random() < 0.35 else self.of.wearers
        if not some:
            return None
        i, key = _of(some, rng), _of(list(WORN), rng)
        if self._back("worn", key, i):
            return None
        items = self._dress(i, key, rng)
        return Scene("worn", items, icon_captions.worn(self.of.concept(i), key, rng)) if items else None

    def _dress(self, i: int, key: str, rng: Generator) -> tuple[Placed, ...] | None:
        if WORN[key][1] == "eyes" and self.of.concept(i).en in SIDEWAYS:
            return None
        things = self.of.worn(key, self.of.maker(i))
        if not things:
            return None
        j = _of(things, rng)
        return dressed(i, self.of.look(i), j, self.of.look(j), key)


def _of(things: list[T] | tuple[T, ...], rng: Generator) -> T:
    return things[int(rng.integers(len(things)))]

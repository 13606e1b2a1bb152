"""The data engine: what an icon shows, as a plan that follows from (seed, index), and its caption."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.random import Generator

from luoxia.core.language import Text
from luoxia.core.seeds import generator
from luoxia.data import icon_captions, icon_names
from luoxia.data.icon_combinations import kept_back
from luoxia.data.icon_looks import Look
from luoxia.data.icon_names import Concept
from luoxia.data.icon_packages import MAKERS
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
STYLE_OF = {maker.prefix: maker.style for maker in MAKERS}
STYLED = 0.3  # share of captions that say the style
PLAIN_SCALE = 0.94
FULL = ("1F576", "1F453")  # what is worn on the eyes
FRONT = {  # makers whose drawing of what is worn is seen from the front
    "1F576": ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji"),
    "1F453": ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji"),
    "1F451": (
        "noto",
        "noto-v1",
        "twemoji",
        "fluent-emoji-flat",
        "fluent-emoji",
        "emojione",
        "streamline-emojis",
    ),
    "1F3A9": ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji", "emojione"),
    "1F393": ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji", "emojione"),
    "1F380": (
        "noto",
        "noto-v1",
        "twemoji",
        "fluent-emoji-flat",
        "fluent-emoji",
        "emojione",
        "streamline-emojis",
    ),
}
FACES = frozenset((
    "dog face", "wolf", "fox", "raccoon", "cat face", "lion", "tiger face", "horse face", "unicorn", "cow face", "pig face",
    "mouse face", "hamster", "rabbit face", "bear", "koala", "panda", "frog", "monkey face", "robot", "alien", "ghost",
    "boar", "moose", "grinning cat", "smiling cat with heart-eyes", "cat with wry smile", "jack-o-lantern", "sun with face",
    "teddy bear", "penguin", "owl", "chicken", "snowman without snow",
))  # fmt: skip
ROUND = frozenset((
    "red apple", "green apple", "tangerine", "lemon", "strawberry", "tomato", "peach", "pear", "egg", "potato", "kiwi fruit",
    "soccer ball", "basketball", "baseball", "tennis ball", "globe showing americas", "cookie", "doughnut", "hamburger",
))  # fmt: skip
COVERED = (
    "glasses",
    "hat",
    "disguised",
    "monocle",
    "medical",
    "mask",
    "head-bandage",
    "clouds",
    "exploding",
    "halo",
)
FIXED = (
    "left",
    "right",
    "clock",
    "flag",
    "map",
    "calendar",
    "abc",
    "keyboard",
    "ticket",
    "button",
    "card",
    "book",
    "on",
    "text",
)


@dataclass(frozen=True)
class Placed:
    """A drawing with the middle of its square at (x, y) and the square's side ``scale``, in shares of the picture."""

    drawing: int
    x: float
    y: float
    scale: float
    colour: str = ""
    mirrored: bool = False


@dataclass(frozen=True)
class Scene:
    """What a picture shows. ``ground`` is a shape and a colour behind ``items``, which lie in the order of painting."""

    kind: str
    items: tuple[Placed, ...]
    caption: Text
    ground: tuple[str, str] | None = None


@dataclass(frozen=True)
class Planner:
    """Plans scenes from a stock; ``free`` composes also what is kept back from training."""

    stock: Stock
    seed: int
    free: bool = False
    only: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def shown(self) -> list[int]:
        """Places of the drawings that training may see."""
        return [i for i, d in enumerate(self.stock.drawings) if not self.held_out(i)]

    def held_out(self, i: int) -> bool:
        """Whether the drawing at ``i`` is kept from training, by itself or as its maker's of a kept-back style."""
        drawing = self.stock.drawings[i]
        family = self.stock.concepts[drawing.key].family
        return drawing.held_out or kept_back("style", STYLE_OF[drawing.maker], family)

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """Places of the drawings that a kind of scene takes."""
        concept = {i: self.concept(i) for i in self.shown}
        things = [
            i
            for i, c in concept.items()
            if (c.many and c.many != c.en and c.group not in (icon_names.PEOPLE, icon_names.SYMBOLS, 9))
            or c.subgroup == 14
        ]
        free = {i: not _says_colour(c) for i, c in concept.items()}
        tinted = [i for i in things if free[i] and self.look(i).share > 0.4 and self.look(i).vivid > 0.2]
        wearing = [i for i, c in concept.items() if _wears(c, self.look(i))]
        smiling = [i for i in wearing if _smiles(concept[i])]
        wearers = [i for i in wearing if not _smiles(concept[i])]
        counted = [i for i in things if icon_captions.countable(concept[i].zh)]
        return {
            "things": things,
            "tinted": tinted,
            "wearers": wearers,
            "smiling": smiling,
            "counted": counted,
        }

    @cached_property
    def tinted(self) -> frozenset[int]:
        """Places of the drawings that take another colour."""
        return frozenset(self.groups["tinted"])

    @cached_property
    def by_maker(self) -> dict[str, list[int]]:
        made = dict[str, list[int]]()
        for i in self.groups["things"]:
            made.setdefault(self.stock.drawings[i].maker, []).append(i)
        return made

    @cached_property
    def accessories(self) -> dict[str, list[int]]:
        return {
            key: [
                i
                for i in self.shown
                if self.stock.drawings[i].key == key and self.stock.drawings[i].maker in makers
            ]
            for key, makers in FRONT.items()
        }

    def concept(self, i: int) -> Concept:
        return self.stock.concepts[self.stock.drawings[i].key]

    def look(self, i: int) -> Look:
        return self.stock.looks[i]

    def base(self, i: int) -> Scene:
        """The drawing at ``i`` alone, in the middle."""
        rng = generator(self.seed, i)
        return self._styled(Scene("plain", (Placed(i, 0.5, 0.5, PLAIN_SCALE),), self._alone(i, rng)), rng)

    def composed(self, index: int) -> Scene:
        """Scene ``index`` of endlessly many."""
        rng = generator(self.seed + 1, index)
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        while True:
            scene = getattr(self, f"_{kind}")(rng)
            if scene is not None:
                return self._styled(scene, rng)

    def _styled(self, scene: Scene, rng: Generator) -> Scene:
        styles = {STYLE_OF[self.stock.drawings[item.drawing].maker] for item in scene.items}
        if len(styles) == 1 and rng.random() < STYLED:
            return replace(scene, caption=icon_captions.with_style(scene.caption, styles.pop(), rng))
        return scene

    def _alone(self, i: int, rng: Generator) -> Text:
        concept, colour = self.concept(i), self.look(i).colour
        says = colour and concept.article and not _says_colour(concept) and concept.group != icon_names.PEOPLE
        if says and not self._back("colour", colour, i) and rng.random() < 0.12:
            return icon_captions.coloured(concept, colour, rng)
        return icon_captions.plain(concept, rng)

    def _back(self, kind: str, part: str, i: int) -> bool:
        return not self.free and kept_back(kind, part, self.concept(i).family)

    def _plain(self, rng: Generator) -> Scene | None:
        i = _of(self.shown, rng)
        if self.concept(i).group in (icon_names.PEOPLE, icon_names.SYMBOLS) and rng.random() < 0.4:
            return None  # asked for less often than things
        scale = PLAIN_SCALE * rng.uniform(0.82, 1.04)
        room = max(0.0, (1 - scale) / 2)
        item = Placed(
            i,
            0.5 + rng.uniform(-room, room),
            0.5 + rng.uniform(-room, room),
            scale,
            mirrored=self._turns(i, rng),
        )
        return Scene("plain", (item,), self._alone(i, rng))

    def _turns(self, i: int, rng: Generator) -> bool:
        concept = self.concept(i)
        fixed = concept.group == icon_names.SYMBOLS or any(word in concept.en.split() for word in FIXED)
        return not fixed and rng.random() < 0.3

    def _colour(self, rng: Generator) -> Scene | None:
        i, colour = _of(self.groups["tinted"], rng), _of(list(COLOURS), rng)
        if colour == "white" or self._back("colour", colour, i):
            return None
        scale = PLAIN_SCALE * rng.uniform(0.85, 1.02)
        item = Placed(
            i, 0.5, 0.5, scale, colour if colour != self.look(i).colour else "", self._turns(i, rng)
        )
        return Scene("colour", (item,), icon_captions.coloured(self.concept(i), colour, rng))

    def _ground(self, rng: Generator) -> Scene | None:
        shape, ground = _of(list(SHAPES), rng), _of(list(GROUNDS), rng)
        tinted = rng.random() < 0.25
        i = _of(self.groups["tinted" if tinted else "things"], rng)
        colour = _of(list(COLOURS), rng) if tinted else ""
        if ground in (colour, "white") or _lost(self.look(i), colour, ground):
            return None
        if tinted and self._back("colour", colour, i):
            return None
        caption = (
            icon_captions.coloured(self.concept(i), colour, rng)
            if tinted
            else Text(*_said(self.concept(i), rng))
        )
        fill = {"circle": 0.62, "hexagon": 0.62, "diamond": 0.5}.get(shape, 0.72) * rng.uniform(0.9, 1.04)
        item = self._fitted(i, 0.5, 0.5, fill, colour, self._turns(i, rng))
        return Scene("ground", (item,), icon_captions.grounded(caption, shape, ground, rng), (shape, ground))

    def _count(self, rng: Generator) -> Scene | None:
        number = int(rng.choice([2, 2, 2, 3, 3, 4, 5]))
        i, tinted = _of(self.groups["counted"], rng), rng.random() < 0.25
        tinted = tinted and i in self.tinted
        colour = _of(list(COLOURS), rng) if tinted else ""
        if colour == "white" or (tinted and self._back("colour", colour, i)):
            return None
        places, fill = _layout(number, rng)
        turned = self._turns(i, rng)
        items = tuple(self._fitted(i, x, y, fill, colour, turned) for x, y in places)
        return Scene("count", items, icon_captions.counted(self.concept(i), number, colour))

    def _pair(self, rng: Generator) -> Scene | None:
        maker = _of(list(self.by_maker), rng)
        i, j = _of(self.by_maker[maker], rng), _of(self.by_maker[maker], rng)
        first, second = self.concept(i).family, self.concept(j).family
        if first == second or (not self.free and kept_back("pair", first, second)):
            return None
        return self.pair(i, j, rng)

    def pair(self, i: int, j: int, rng: Generator) -> Scene:
        """Two drawings side by side, or the second in front of the first."""
        side = rng.random() < 0.65
        if side:
            items = (self._fitted(i, 0.26, 0.5, 0.47), self._fitted(j, 0.74, 0.5, 0.47))
        else:
            items = (self._fitted(i, 0.36, 0.36, 0.62), self._fitted(j, 0.72, 0.72, 0.5))
        return Scene("pair", items, icon_captions.paired(self.concept(i), self.concept(j), rng, side))

    def _worn(self, rng: Generator) -> Scene | None:
        i, key = _of(self.groups["smiling" if rng.random() < 0.35 else "wearers"], rng), _of(list(WORN), rng)
        if self._back("worn", key, i) or (WORN[key][1] == "eyes" and self.look(i).eyes is None):
            return None
        own = [
            j for j in self.accessories[key] if self.stock.drawings[j].maker == self.stock.drawings[i].maker
        ]
        return self.worn(i, _of(own or self.accessories[key], rng), key, rng)

    def worn(self, i: int, j: int, key: str, rng: Generator) -> Scene | None:
        """The drawing at ``i`` wearing the one at ``j``, fitted into the picture together."""
        look, worn = self.look(i), self.look(j)
        place, width = WORN[key][1], (look.box[2] - look.box[0]) * WORN[key][2]
        (left, top, right, bottom) = worn.box
        if place == "eyes":
            if look.eyes is None:
                return None
            x, y, apart = look.eyes
            width = float(
                np.clip(2.1 * apart, 0.6 * (look.box[2] - look.box[0]), 0.95 * (look.box[2] - look.box[0]))
            )
            scale = width / (right - left)
            middle = (x, y + 0.02)
        else:
            scale = width / (right - left)
            height = scale * (bottom - top)
            x, y = look.crown
            if place == "corner":
                x, y = (
                    x + 0.28 * (look.box[2] - look.box[0]),
                    look.box[1] + 0.16 * (look.box[3] - look.box[1]),
                )
            else:
                y = y + 0.14 * height - height / 2
            middle = (x, y)
        offset = ((left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5)
        put = Placed(j, middle[0] - offset[0] * scale, middle[1] - offset[1] * scale, scale)
        items = self._together((Placed(i, 0.5, 0.5, 1.0), put), 0.92)
        return Scene("worn", items, icon_captions.worn(self.concept(i), key, rng))

    def _together(self, items: tuple[Placed, ...], fill: float) -> tuple[Placed, ...]:
        """Moved and scaled as one, so that what is drawn fills ``fill`` of the picture."""
        edges = []
        for item in items:
            box = self.look(item.drawing).box
            centre = (item.x, item.y, item.x, item.y)
            edges.append([c + (e - 0.5) * item.scale for c, e in zip(centre, box, strict=True)])
        left, top = (min(e[k] for e in edges) for k in (0, 1))
        right, bottom = (max(e[k] for e in edges) for k in (2, 3))
        zoom = fill / max(right - left, bottom - top)
        x, y = (left + right) / 2, (top + bottom) / 2
        return tuple(
            replace(item, x=0.5 + (item.x - x) * zoom, y=0.5 + (item.y - y) * zoom, scale=item.scale * zoom)
            for item in items
        )

    def _fitted(
        self, i: int, x: float, y: float, fill: float, colour: str = "", mirrored: bool = False
    ) -> Placed:
        """Placed so that what is drawn has its middle at (x, y) and ``fill`` as its longer side."""
        left, top, right, bottom = self.look(i).box
        scale = fill / max(right - left, bottom - top)
        across = ((left + right) / 2 - 0.5) * (-1 if mirrored else 1)
        same = colour == self.look(i).colour
        return Placed(
            i,
            x - across * scale,
            y - ((top + bottom) / 2 - 0.5) * scale,
            scale,
            "" if same else colour,
            mirrored,
        )


def _of(things, rng: Generator):
    return things[int(rng.integers(len(things)))]


def _said(concept: Concept, rng: Generator) -> tuple[str, str]:
    en, zh = icon_captions.named(concept, rng)
    return icon_captions.one(en, concept), zh


def _says_colour(concept: Concept) -> bool:
    words = concept.en.replace("-", " ").split()
    return bool(icon_names.TINTS & set(concept.zh)) or any(
        colour in words for colour in (*COLOURS, "golden", "rainbow", "gold", "silver")
    )


def _wears(concept: Concept, look: Look) -> bool:
    """Whether something on the head or the eyes looks right on it."""
    if any(word in concept.en for word in COVERED) or look.box[3] - look.box[1] < 0.5:
        return False
    return _smiles(concept) or concept.en in FACES or concept.en in ROUND


def _smiles(concept: Concept) -> bool:
    return concept.group == icon_names.FACES and concept.subgroup < 11


def _lost(look: Look, colour: str, ground: str) -> bool:
    """Whether a drawing would not stand out from a ground."""
    mine = colour or look.colour
    if not mine:
        return False
    one, other = (np.array(table[name][1], float) for table, name in ((COLOURS, mine), (GROUNDS, ground)))
    return float(np.abs(one - other).sum()) < 150


def _layout(number: int, rng: Generator) -> tuple[list[tuple[float, float]], float]:
    if number == 2:
        return (
            ([(0.26, 0.5), (0.74, 0.5)], 0.46) if rng.random() < 0.7 else ([(0.31, 0.31), (0.69, 0.69)], 0.46)
        )
    if number == 3:
        rows = [[(0.5, 0.27), (0.27, 0.73), (0.73, 0.73)], [(0.18, 0.5), (0.5, 0.5), (0.82, 0.5)]]
        return (rows[0], 0.43) if rng.random() < 0.6 else (rows[1], 0.31)
    corners = [(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)]
    if number == 4:
        return corners, 0.42
    return [(0.19, 0.19), (0.81, 0.19), (0.5, 0.5), (0.19, 0.81), (0.81, 0.81)], 0.34

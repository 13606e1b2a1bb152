"""Which drawings a kind of scene takes: what can be counted, takes another colour, or wears something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from luoxia.data import icon_captions, icon_names
from luoxia.data.icon_combinations import kept_back
from luoxia.data.icon_looks import Look
from luoxia.data.icon_names import Concept
from luoxia.data.icon_packages import MAKERS
from luoxia.data.icon_stock import Stock
from luoxia.data.icon_words import COLOURS, GROUNDS

ALONE = frozenset(maker.prefix for maker in MAKERS if maker.alone)
STYLE_OF = {maker.prefix: maker.style for maker in MAKERS}
HEARTS = 14  # emojibase's subgroup
_EMOJI = ("noto", "twemoji", "fluent-emoji-flat", "fluent-emoji")
_MORE = (*_EMOJI, "noto-v1", "emojione", "streamline-emojis")
FRONT = {  # makers whose drawing of what is worn is seen from the front
    "1F576": _EMOJI,
    "1F453": _EMOJI,
    "1F451": _MORE,
    "1F3A9": (*_EMOJI, "emojione"),
    "1F393": (*_EMOJI, "emojione"),
    "1F380": _MORE,
}
FACES = frozenset((
    "dog face", "wolf", "fox", "raccoon", "cat face", "lion", "tiger face", "horse face", "unicorn", "cow face", "pig face",
    "mouse face", "hamster", "rabbit face", "bear", "koala", "panda", "frog", "monkey face", "robot", "alien", "ghost",
    "boar", "moose", "grinning cat", "smiling cat with heart-eyes", "cat with wry smile", "jack-o-lantern", "sun with face",
    "teddy bear", "penguin", "owl", "chicken", "snowman",
))  # fmt: skip
ROUND = frozenset((
    "red apple", "green apple", "tangerine", "lemon", "strawberry", "tomato", "peach", "pear", "egg", "potato", "kiwi fruit",
    "soccer ball", "basketball", "baseball", "cookie", "doughnut", "hamburger",
))  # fmt: skip
SIDEWAYS = frozenset(("horse face", "unicorn", "penguin", "chicken"))  # glasses would not sit on them
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
FIXED = frozenset((
    "left", "right", "clock", "flag", "map", "calendar", "abc", "keyboard", "ticket", "button", "card", "book", "on", "text",
    "document", "file", "chart", "arrow", "newspaper", "receipt", "atm", "enter",
))  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """Places of drawings of ``stock``, each list sorted; what is held out is in none."""

    stock: Stock

    def concept(self, i: int) -> Concept:
        return self.stock.concepts[self.stock.drawings[i].key]

    def look(self, i: int) -> Look:
        return self.stock.looks[i]

    def maker(self, i: int) -> str:
        return self.stock.drawings[i].maker

    def held_out(self, i: int) -> bool:
        """Whether the drawing at ``i`` is kept from training, by itself or as its maker's of a kept-back style."""
        style, family = STYLE_OF[self.maker(i)], self.concept(i).family
        return self.stock.drawings[i].held_out or kept_back("style", style, family)

    @cached_property
    def shown(self) -> list[int]:
        return [i for i in range(len(self.stock.drawings)) if not self.held_out(i)]

    @cached_property
    def things(self) -> list[int]:
        """What stands in scenes: things that have a plural, no people, signs or flags; and hearts."""
        return [i for i in self.shown if self.maker(i) not in ALONE and is_thing(self.concept(i))]

    @cached_property
    def counted(self) -> list[int]:
        return [i for i in self.things if icon_captions.countable(self.concept(i).zh)]

    @cached_property
    def tinted(self) -> list[int]:
        """What has one main colour, and none in its name."""
        return [i for i in self.things if self.look(i).tintable and not says_colour(self.concept(i))]

    @cached_property
    def takes_tint(self) -> frozenset[int]:
        return frozenset(self.tinted)

    @cached_property
    def by_maker(self) -> dict[str, list[int]]:
        made = dict[str, list[int]]()
        for i in self.things:
            made.setdefault(self.maker(i), []).append(i)
        return made

    @cached_property
    def smiling(self) -> list[int]:
        return [i for i in self.things if smiles(self.concept(i)) and self._bare(i)]

    @cached_property
    def wearers(self) -> list[int]:
        return [i for i in self.things if self.concept(i).en in FACES | ROUND and self._bare(i)]

    def worn(self, key: str, maker: str) -> list[int]:
        """Drawings of what is worn, ``maker``'s own where there is one."""
        some = [i for i in self._worn[key] if self.maker(i) == maker]
        return some or self._worn[key]

    @cached_property
    def _worn(self) -> dict[str, list[int]]:
        keys = {key: set(makers) for key, makers in FRONT.items()}
        found = {key: list[int]() for key in keys}
        for i in self.shown:
            key = self.stock.drawings[i].key
            if self.maker(i) in keys.get(key, ()):
                found[key].append(i)
        return found

    def _bare(self, i: int) -> bool:
        """Whether its head is free, and it fills its square."""
        box = self.look(i).box
        return not any(word in self.concept(i).en for word in COVERED) and box[3] - box[1] >= 0.5


def is_thing(concept: Concept) -> bool:
    groups = (icon_names.PEOPLE, icon_names.SYMBOLS, icon_names.FLAGS)
    return (bool(concept.article) and concept.group not in groups) or concept.subgroup == HEARTS


def smiles(concept: Concept) -> bool:
    return concept.group == icon_names.FACES and concept.subgroup < 11


def turns(concept: Concept) -> bool:
    """Whether it may be mirrored: nothing that is read or that points."""
    return concept.group != icon_names.SYMBOLS and not FIXED & set(concept.en.split())


def says_colour(concept: Concept) -> bool:
    """Whether its names have a colour in them; a red apple is an apple too, which has none."""
    words = concept.family.replace("-", " ").split()
    named = any(colour in words for colour in (*COLOURS, "golden", "rainbow", "gold", "silver"))
    return named or icon_names.tinted(icon_captions.uncoloured(concept)[1])


def lost(look: Look, colour: str, ground: str) -> bool:
    """Whether a drawing, or it in another ``colour``, would not stand out from a ground."""
    mine = colour or look.colour
    if not mine:
        return False
    one, other = np.array(COLOURS[mine][1], float), np.array(GROUNDS[ground][1], float)
    return float(np.abs(one - other).sum()) < 150

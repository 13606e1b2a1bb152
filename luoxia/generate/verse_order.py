"""What a poem is asked to be, and a poem that was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luoxia.core.errors import UserError
from luoxia.core.ranges import check_number
from luoxia.data.verse import sounds
from luoxia.data.verse.forms import Form, form
from luoxia.data.verse.lexicon import is_character, simplified
from luoxia.data.verse.originals import Original
from luoxia.data.verse.sounds import Book
from luoxia.data.verse.verdict import Verdict

MOST, MOST_CANDIDATES, LONGEST = 32, 64, 200
IDLE = frozenset(
    "的了着是在和与及或我你他她它们这那之其而也就都很把被让给吗呢吧啊"
)  # say nothing of what a theme is about


@dataclass(frozen=True, kw_only=True)
class Wish:
    """``rhyme`` is a book of rhymes and ``rhyme_class`` one of its level rhymes (阳, or any character in it), else each poem
    chooses. ``tones``: the form's patterns of tones are kept. ``acrostic``: the lines' first characters. ``author`` whose
    manner to take, of those that the model knows.

    ``n`` poems are written, each the best of ``candidates``; ``temperature`` and ``top_p`` are of sampling, ``guidance``
    is how much more than its due the theme weighs (1: no more).
    """

    form: str = "七绝"
    rhyme: str = "平水韵"
    rhyme_class: str = ""
    tones: bool = True
    acrostic: str = ""
    author: str = ""
    n: int = 1
    candidates: int = 16
    temperature: float = 0.8
    top_p: float = 0.95
    guidance: float = 1.5

    def __post_init__(self) -> None:
        for name, low, high in (
            ("n", 1, MOST),
            ("candidates", 1, MOST_CANDIDATES),
            ("temperature", 0.05, 5),
            ("top_p", 0.01, 1),
            ("guidance", 0, 10),
        ):
            check_number(name, getattr(self, name), low, high, whole=name in ("n", "candidates"))
        _check_length("acrostic", self.acrostic)
        if self.rhyme_class:
            sounds.find_rhyme(self.book, self.rhyme_class)
        if (strange := [c for c in self.acrostic if not is_character(c)]) or len(
            self.acrostic
        ) > self.shape.lines:
            lines = self.shape.lines
            raise UserError(
                f"the acrostic {self.acrostic!r} is to be Chinese characters, {lines} at most for {self.shape.id}"
                + (f": {strange[0]!r} is none" if strange else ""),
                f"藏头“{self.acrostic}”应为汉字，{self.shape.id}至多 {lines} 字"
                + (f"：{strange[0]!r} 不是汉字" if strange else ""),
            )

    @property
    def shape(self) -> Form:
        return form(self.form)

    @property
    def book(self) -> Book:
        return sounds.book(self.rhyme)


@dataclass(frozen=True, kw_only=True)
class VerseOrder(Wish):
    """``theme`` is free text. Poem i depends on ``seed`` and i alone."""

    theme: str = ""
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_length("theme", self.theme)

    @property
    def words(self) -> str:
        """The theme's characters, simplified, each once, without those that say little."""
        told = dict.fromkeys(c for c in simplified(self.theme) if is_character(c) and c not in IDLE)
        return "".join(told)


def _check_length(name: str, text: str) -> None:
    if len(text) > LONGEST:
        raise UserError(f"the {name} is longer than {LONGEST} characters", f"{name} 超过 {LONGEST} 字")


def known_author(name: str, authors: Sequence[str], model: str) -> str:
    """The author's name in simplified characters; "" for none. Raises :class:`UserError` for one that ``model`` does not know."""
    author = simplified(name)
    if author and author not in authors:
        some = "、".join(authors[:12])
        raise UserError(
            f"{model} does not know the manner of {author[:20]}; it knows {some} and {max(0, len(authors) - 12)} more",
            f"{model} 不熟悉{author[:20]}的风格；熟悉的有 {some} 等 {len(authors)} 家",
        )
    return author


@dataclass(frozen=True)
class Verse:
    """``verdict`` holds the lines with their marks. ``nats`` a character, the less the likelier; ``fit`` how much of that
    the theme explains. ``unread``: characters of the theme that the model does not know, or has no room for. ``original``
    is the nearest poem that there was before, where the poems are on this machine; ``checked`` whether it was made sure
    that no line is copied."""

    order: VerseOrder
    title: str
    lines: tuple[str, ...]
    verdict: Verdict
    seed: int
    number: int
    nats: float
    fit: float
    unread: str = ""
    checked: bool = False
    original: Original | None = None

    @property
    def text(self) -> str:
        """A couplet a row, with its punctuation."""
        pairs = zip(self.lines[::2], self.lines[1::2], strict=True)
        return "\n".join(f"{a}，{b}。" for a, b in pairs)

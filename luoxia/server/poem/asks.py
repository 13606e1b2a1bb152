"""What can be asked for: poems in their forms, a verdict on a poem, the old poem that is nearest to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from luoxia.server.fields import Incoming, whole_characters
from luoxia.server.near import NearCopy
from luoxia.server.schemas import Bilingual

LARGEST_SEED = 2**53 - 1  # beyond it, JavaScript's numbers skip some
MOST, MOST_CANDIDATES = 12, 32  # poems of one ask, and drafts of each
LONGEST = 200  # characters of a theme
LONGEST_POEM = 4096  # characters of a text that is looked at

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Whole = AfterValidator(whole_characters)
Short = Annotated[str, StringConstraints(max_length=40), Whole]
Text = Annotated[str, StringConstraints(max_length=LONGEST_POEM), Whole]


class PoemAsk(Incoming):
    """Poem i of a seed follows from both alone, whatever else is written."""

    model: Name
    form: Short = "七绝"
    theme: Annotated[str, StringConstraints(max_length=LONGEST), Whole] = ""
    rhyme: Short = Field("平水韵", description="a book of rhymes")
    rhyme_class: Short = Field(
        "", description="one of its level rhymes, or a character in it; empty leaves it open"
    )
    tones: bool = Field(True, description="whether the form's patterns of tones are kept")
    acrostic: Short = Field("", description="the lines' first characters")
    author: Short = Field("", description="whose manner to take, of those that the model knows")
    count: int = Field(2, ge=1, le=MOST)
    candidates: int = Field(
        16, ge=1, le=MOST_CANDIDATES, description="drafts of each poem, of which the best is kept"
    )
    temperature: float = Field(0.8, ge=0.05, le=2)
    guidance: float = Field(
        1.5, ge=0, le=5, description="how much more than its due the theme weighs; 1 is no more"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED)


class CheckAsk(Incoming):
    """A poem of anybody's. ``form`` None: the one that it has the shape of."""

    text: Text
    form: Short | None = None
    rhyme: Short = "平水韵"
    tones: bool = True
    acrostic: Short = ""


class NearestAsk(Incoming):
    text: Text


class PoemLine(BaseModel):
    """One line. ``tones`` has 平 or 仄 for each character, 中 where either is read, ？ where none is known; ``wanted`` what
    stands there in the pattern, empty where there is none; ``wrong`` are the places where they differ. ``rhymes``: whether
    its last character rhymes."""

    text: str
    tones: str
    wanted: str
    wrong: list[int]
    rhymes: bool


class PoemFault(Bilingual):
    kind: Literal["shape", "rhyme", "tones", "acrostic", "copied"]
    line: int | None = Field(description="counted from 0, where the fault has one")


class PoemVerdict(BaseModel):
    """``form`` is None where it is none that is known, ``rhyme`` where its rhyming lines share none."""

    lines: list[PoemLine]
    form: str | None
    book: str
    rhyme: str | None
    pattern: Bilingual | None
    faults: list[PoemFault]
    remarks: list[Bilingual]


class WrittenPoem(PoemVerdict):
    """``number`` counts from 0 within its seed. ``unread``: what of the theme the model has no use for. ``checked``:
    whether it was made sure that no line is copied. ``creation`` is its id in the history; ``sentence`` is to be shown
    beside it, "" where the policy asks for none; ``near`` are poems of before that it takes lines from."""

    number: int
    title: str
    unread: str
    checked: bool
    creation: str
    sentence: str
    near: list[NearCopy] = Field(default=[])


class PoemEvent(BaseModel):
    """On the way, ``drafts`` of the poems from number ``first`` on, as many lines as they have by now; then each ``poem``.
    ``done`` of ``total`` characters are written."""

    kind: Literal["drafts", "poem"]
    done: int
    total: int
    first: int = 0
    drafts: list[list[str]] = Field(default=[])
    poem: WrittenPoem | None = None


class OldPoem(BaseModel):
    """``run`` is the longest run of characters in common."""

    run: str
    title: str
    author: str
    lines: list[str]


class Nearest(BaseModel):
    """``known`` is False where the old poems are not on this machine; ``poem`` None where none has three characters in a
    row in common."""

    known: bool
    poem: OldPoem | None


class PoemForm(Bilingual):
    id: str
    lines: int
    length: int


class RhymeBook(Bilingual):
    """``level`` are the names of the rhymes that a poem may take."""

    id: str
    level: list[str]


class PoemTerms(BaseModel):
    forms: list[PoemForm]
    books: list[RhymeBook]
    originals: bool = Field(description="whether the old poems are on this machine")


class PoemModel(BaseModel):
    """``authors`` whose manner it knows, those of most poems first. ``remembers``: whether it knows the lines that there
    were before, and writes none of them."""

    id: str
    title: str
    summary: Bilingual | None
    publisher: str | None
    licence: list[str]
    authors: list[str]
    remembers: bool

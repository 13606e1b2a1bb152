"""What can be asked for: pictures of words, pictures like another, the rest of a picture, and files of them.

A picture is told by its codes: a few dozen numbers that the model's dVAE makes a picture of, always the same.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from luoxia.generate.drawing_order import SIZES
from luoxia.server.fields import Incoming, Unicode, written
from luoxia.server.pictures import BODY
from luoxia.server.schemas import Bilingual
from luoxia.server.sitting import LiveHead

LARGEST_SEED = 2**53 - 1  # beyond it, JavaScript's numbers skip some
MOST, MOST_CHOICE = 16, 16  # pictures of one ask, and candidates for each
MOST_CODES = 4096  # of one picture
SMALLEST, LARGEST = SIZES  # pixels of a file

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Words = Annotated[Unicode, StringConstraints(max_length=20_000)]
Codes = Annotated[list[Annotated[int, Field(ge=0, le=2**20)]], Field(min_length=1, max_length=MOST_CODES)]
Kept = Annotated[list[Annotated[int, Field(ge=-1, le=2**20)]], Field(min_length=1, max_length=MOST_CODES)]


class Wish(Incoming):
    """What all ways to draw have in common. Picture i of a seed follows from both alone, whatever else is drawn."""

    prompt: Words = ""
    style: Name | None = Field(None, description="one of the model's")
    count: int = Field(4, ge=1, le=MOST)
    choice: int = Field(
        1, ge=1, le=MOST_CHOICE, description="candidates for each picture, of which the best by CLIP are kept"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    guidance: float = Field(
        3, ge=0, le=20, description="1 is the model's own, more holds to the prompt more closely"
    )
    temperature: float = Field(1, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)


class Draw(Wish):
    """Pictures of the prompt; where ``given`` says so, with these codes kept and the others (-1) drawn."""

    kind: Literal["draw"]
    given: Kept | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Draw:
        if self.given is None:
            written(self.prompt)
        return self


class Vary(Wish):
    """Pictures like another: each of its codes is drawn anew with probability ``strength``."""

    kind: Literal["vary"]
    codes: Codes
    strength: float = Field(0.5, gt=0, le=1)


class Show(Incoming):
    """Pictures that were drawn before."""

    kind: Literal["show"]
    pictures: Annotated[list[Codes], Field(min_length=1, max_length=MOST)]
    large: bool = Field(False, description="through the upscaler, where the model has one")


What = Annotated[Draw | Vary | Show, Field(discriminator="kind")]


class DrawAsk(Incoming):
    """One message to ``/api/draw/live``. In each slot only the latest is drawn; ``what`` null stops it."""

    n: int = Field(ge=0, le=2**53 - 1, description="a number of the asker's own, which the answer repeats")
    slot: Literal["work", "example", "shown", "past", "source"]
    model: Name
    what: What | None


class DrawHead(LiveHead):
    """``done`` of ``total`` codes are decided; of the last answer to an ask the two are equal, and ``codes``, the best
    picture first where there are ``scores``, are whole."""

    done: int
    total: int
    codes: list[list[int]] = Field([])
    scores: list[float] | None = Field(None, description="cosines of CLIP between picture and prompt")
    prompt: str = Field("", description="as the model was told it")
    warnings: list[Bilingual] = Field([])


class PictureAsk(Incoming):
    """A picture of the user's own, in base64, as the model sees it."""

    model: Name
    picture: Annotated[str, StringConstraints(min_length=1, max_length=BODY)]


class PictureCodes(BaseModel):
    """``free`` are the codes that a completion would draw: what is transparent, what is missing to a square, or else the
    lower half."""

    codes: list[int]
    free: list[bool]


class FileAsk(Incoming):
    """``prompt`` and ``seed`` are kept in the history: what the picture was drawn of."""

    model: Name
    codes: Codes
    prompt: Words = ""
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)
    size: int = Field(512, ge=SMALLEST, le=LARGEST, description="pixels of a side")
    format: Literal["png", "webp", "svg"] = "png"


class Style(Bilingual):
    id: str


class DrawModel(BaseModel):
    """A model that draws from words. Codes mean the same to all models of one ``book``."""

    id: str
    title: str
    summary: Bilingual | None
    publisher: str | None
    licence: list[str]
    size: int = Field(description="pixels of a side")
    side: int = Field(description="codes of a side")
    book: str
    ranks: bool = Field(description="whether a CLIP is there to choose the best by")
    enlarges: bool = Field(description="whether an upscaler is there to make larger pictures by")
    styles: list[Style]

"""OpenAI's requests for pictures as we accept them, and answers as its clients expect them.

A field that would change the answer and that we cannot honour is refused, never ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from luoxia.server.draw.asks import LARGEST, LARGEST_SEED, SMALLEST, Name, Words
from luoxia.server.fields import Incoming, NotSupported, Unicode, written
from luoxia.server.near import NearCopy

CHOICE = {  # candidates for each picture, of which the best by CLIP is kept
    "low": 1,
    "medium": 4,
    "standard": 4,
    "auto": 8,
    "high": 8,
    "hd": 8,
    "xhigh": 16,
    "max": 16,
}
Quality = Literal["low", "medium", "standard", "auto", "high", "hd", "xhigh", "max"]
USUAL = 512  # pixels of a side where the request does not say


def _side(size: str) -> str:
    """ "256x256": squares alone can be drawn."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if size != "auto" and (found is None or found[1] != found[2] or not SMALLEST <= int(found[1]) <= LARGEST):
        raise PydanticCustomError("square_size", "must be auto or a square", {"ge": SMALLEST, "le": LARGEST})
    return size


Size = Annotated[str, StringConstraints(max_length=20), AfterValidator(_side)]


class Pictured(Incoming):
    """The fields that all three ways have in common. What is left out takes Luoxia's own default."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    n: int | None = Field(None, ge=1, le=10)
    size: Size | None = None
    quality: Quality | None = Field(None, description="how many candidates CLIP chooses each picture from")
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "webp", "jpeg", "svg"] | None = None
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)
    guidance: float = Field(3, ge=0, le=20)
    temperature: float = Field(1, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    style: Name | None = Field(None, description="one of the model's own")
    background: Literal["auto", "opaque"] | None = None
    output_compression: NotSupported = None

    @property
    def side(self) -> int:
        return USUAL if self.size in (None, "auto") else int(self.size.partition("x")[0])

    @property
    def form(self) -> str:
        return self.output_format or "png"


class ImageRequest(Pictured):
    prompt: Annotated[Words, AfterValidator(written)]
    stream: bool | None = None
    partial_images: int | None = Field(None, ge=0, le=3)

    @model_validator(mode="after")
    def _one_stream(self) -> ImageRequest:
        if self.stream and (self.n or 1) > 1:
            raise PydanticCustomError("one_streamed", "streams one picture")
        return self


class EditRequest(Pictured):
    """Comes as a form, with files ``image`` and ``mask``."""

    prompt: Annotated[Unicode, AfterValidator(written)]
    strength: float = Field(0.5, gt=0, le=1, description="where there is no mask")
    stream: NotSupported = None
    partial_images: NotSupported = None


class VariationRequest(Pictured):
    """Comes as a form, with a file ``image``."""

    strength: float = Field(0.5, gt=0, le=1)


class ImageTokens(BaseModel):
    image_tokens: int
    text_tokens: int


class ImageUsage(BaseModel):
    input_tokens: int
    input_tokens_details: ImageTokens
    output_tokens: int
    total_tokens: int


class MadeImage(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = Field(None, description="as the model was told it")


class ImageFacts(BaseModel):
    """What makes an answer repeatable. ``numbers`` are the places of the pictures among the seed's, ``scores`` the cosines
    of CLIP that they were chosen by; ``creations`` their ids in the history, ``creation`` the first; ``near`` training
    items that they come near. The files themselves say that AI made them."""

    seed: int
    numbers: list[int]
    scores: list[float] | None
    seconds: float
    creation: str
    creations: list[str]
    near: list[NearCopy] = Field(default=[])


class Images(BaseModel):
    created: int
    model: str
    data: list[MadeImage]
    background: Literal["opaque"] = "opaque"
    output_format: str
    size: str
    usage: ImageUsage
    luoxia: ImageFacts


class ImageEvent(BaseModel):
    """One event of a stream: pictures on the way, then the picture."""

    type: Literal["image_generation.partial_image", "image_generation.completed"]
    b64_json: str
    created_at: int
    background: Literal["opaque"] = "opaque"
    output_format: str
    size: str
    quality: str
    partial_image_index: int | None = None
    usage: ImageUsage | None = None
    luoxia: ImageFacts | None = None

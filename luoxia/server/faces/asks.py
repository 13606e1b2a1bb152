"""What can be asked for: a face, and the ways in which faces are put together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from luoxia.server.fields import Incoming
from luoxia.server.pictures import BODY
from luoxia.server.schemas import Bilingual
from luoxia.server.sitting import Told

LARGEST_SEED = 2**32 - 1  # published seeds are those of numpy.random.RandomState
MOST_FACES, MOST_SIDE, MOST_KEYS, MOST_FRAMES = 36, 6, 24, 120

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Steps = Annotated[float, Field(ge=-10, le=10)]
Layer = Annotated[int, Field(ge=0, le=63)]
Way = Literal["spline", "linear", "slerp"]


class Origin(Incoming):
    """Where a face comes from: a seed, or a style that was found for a photograph."""

    model_config = ConfigDict(populate_by_name=True)

    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    psi: float = Field(0.7, ge=-2, le=2, description="truncation: 1 is all variety, 0 the mean face")
    class_: Name | None = Field(None, alias="class", description="of a model that knows classes")
    style: Name | None = Field(None, description="a photograph's, in place of the seed")


class Layers(Incoming):
    """Styles ``first`` to ``last``: the first are pose and shape, the last colour."""

    first: Layer
    last: Layer

    @model_validator(mode="after")
    def _in_order(self) -> Layers:
        if self.first > self.last:
            raise PydanticCustomError("layers_order", "ends before it begins")
        return self


class Mixed(Layers):
    """Layers that are another face's."""

    origin: Origin


class Face(Origin):
    edits: Annotated[dict[Name, Steps], Field(max_length=64)] = Field(
        {}, description="steps along named directions"
    )
    mix: Mixed | None = None


class Single(Incoming):
    """Each face for itself."""

    kind: Literal["faces"]
    faces: Annotated[list[Face], Field(min_length=1, max_length=MOST_FACES)]


Side = Annotated[list[Face], Field(min_length=1, max_length=MOST_SIDE)]


class Grid(Incoming):
    """Each of the rows with layers of each of the columns. Drawn are the rows, the columns, then all mixtures."""

    kind: Literal["grid"]
    rows: Side
    columns: Side
    layers: Layers


class Journey(Incoming):
    """Frames on the way through faces, evenly in time."""

    kind: Literal["journey"]
    keys: Annotated[list[Face], Field(min_length=2, max_length=MOST_KEYS)]
    frames: int = Field(ge=2, le=MOST_FRAMES)
    way: Way = "spline"
    loop: bool = True


What = Annotated[Single | Grid | Journey, Field(discriminator="kind")]


class LiveAsk(Incoming):
    """One message to ``/api/faces/live``. In each slot only the latest is drawn."""

    n: int = Field(ge=0, le=2**53 - 1, description="a number of the asker's own, which the answer repeats")
    slot: Literal["portrait", "gallery", "grid", "journey", "past"]
    model: Name
    what: What


class SheetAsk(Incoming):
    """Pictures on one sheet, to be kept."""

    model: Name
    what: Annotated[Single | Grid, Field(discriminator="kind")]
    columns: int = Field(6, ge=1, le=MOST_FACES)
    enlarge: int = Field(1, ge=1, le=16)


class LearnAsk(Incoming):
    model: Name


class PhotoAsk(Incoming):
    """A photograph in base64, to be found among the model's pictures."""

    model: Name
    picture: Annotated[str, StringConstraints(min_length=1, max_length=BODY)]
    steps: int = Field(400, ge=10, le=2000)
    space: Literal["w", "w+"] = "w+"
    as_is: bool = Field(False, description="take the middle square, without looking for a face")


class FilmAsk(Incoming):
    model: Name
    keys: Annotated[list[Face], Field(min_length=2, max_length=MOST_KEYS)]
    seconds: float = Field(6, ge=0.5, le=30)
    fps: int = Field(30, ge=5, le=30)
    way: Way = "spline"
    loop: bool = True
    format: Literal["mp4", "gif", "webp"] = "mp4"


class DirectionFacts(BaseModel):
    """``own`` is what a step moves its attribute by and ``others`` the most it moves another, in standard deviations."""

    name: str
    how: Literal["attribute", "boundary", "sefa", "ganspace"]
    own: float | None
    others: float | None


class FaceModel(BaseModel):
    """A model that draws. ``directions`` is null until they were learned."""

    id: str
    title: str
    summary: Bilingual | None
    publisher: str | None
    licence: str | None
    size: int = Field(description="pixels of a side")
    layers: int = Field(description="styles that one picture has")
    classes: list[str]
    directions: list[DirectionFacts] | None


class JobStarted(BaseModel):
    id: str


class JobEvent(Told):
    """How far long work is; the last one of a stream has a state that ends it."""

    state: Literal["waiting", "working", "done", "failed", "cancelled"]
    done: int = 0
    total: int = 0
    picture: Annotated[str | None, Field(description="where an inversion is, WebP in base64")] = None
    target: Annotated[str | None, Field(description="what an inversion looks for, WebP in base64")] = None
    result: Annotated[str | None, Field(description="id of the style or the film that was made")] = None
    psnr: Annotated[float | None, Field(description="dB between the photograph and what was found")] = None
    poor: Annotated[bool, Field(description="whether what was found is a poor likeness")] = False
    others: Annotated[
        int, Field(description="faces in the photograph besides the largest, which is taken")
    ] = 0
    message: str = ""

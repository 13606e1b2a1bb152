"""What goes over the wire of ``/api/finetune``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from luoxia.server.fields import Incoming, whole_characters
from luoxia.server.schemas import Bilingual
from luoxia.server.sent import body_of

LARGEST_SEED = 2**53 - 1  # beyond it, JavaScript's numbers skip some
FILE = 16 << 20  # bytes of a file of examples that comes over the wire
BODY = body_of(FILE)  # bytes of the request that carries it, in base64
MOST_STEPS, MOST_RANK = 100_000, 256

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
State = Literal["running", "stopped", "done", "failed"]


class ExamplesAsk(Incoming):
    """A file of examples, in base64."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(whole_characters)]
    data: Annotated[str, StringConstraints(max_length=BODY)]


class Turn(BaseModel):
    role: str
    content: str


class ExamplesRead(BaseModel):
    """``notes`` tell what was taken as what; ``first`` are the first examples, cut."""

    id: str
    name: str
    examples: int
    fields: list[str]
    notes: list[Bilingual]
    first: list[list[Turn]]


class PlanAsk(Incoming):
    """``steps`` None: as many as the data calls for."""

    examples: Id
    base: Name
    rank: int = Field(16, ge=1, le=MOST_RANK)
    steps: int | None = Field(None, ge=1, le=MOST_STEPS)


class Plan(BaseModel):
    """``seconds`` by how fast the same base was trained on this machine before; None where it never was."""

    steps: int
    passes: float = Field(description="how often the examples are gone through")
    trained: int = Field(description="examples")
    held_out: int = Field(description="examples")
    tokens: int = Field(description="of one pass")
    notes: list[Bilingual]
    seconds: float | None


class StartAsk(PlanAsk):
    """``name`` is what the result will be called among the models."""

    name: Name
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    licence: Annotated[str, StringConstraints(max_length=200), AfterValidator(whole_characters)] = ""


class Point(BaseModel):
    step: int
    loss: float


class BeforeAfter(BaseModel):
    """A held-out question, what was answered before and after, and the answer of the examples."""

    question: str
    before: str
    after: str
    wanted: str


class TuneRun(BaseModel):
    """One fine-tuning. ``here``: whether its result can be written with by its name already. ``said`` is the last that the
    process said, in its own words."""

    name: str
    base: str
    state: State
    begun: float = Field(description="seconds since 1970")
    examples: str = Field(description="the file's name")
    rank: int
    seed: int
    step: int
    steps: int
    seconds_left: float | None
    here: bool
    said: str


class TuneCurves(TuneRun):
    """Losses are in nats a token of the answers."""

    loss: list[Point]
    held_out: list[Point]
    scores: dict[str, float]
    answers: list[BeforeAfter]

"""What each command that can be replayed was asked for: the ``parameters`` of :class:`MadeFrom`, one dataclass a command.

Prompt and seed stand in :class:`MadeFrom` itself. Fields are JSON, so that ``Writing(**parameters)`` is what was recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Writing:
    """A text by ``luoxia.load(model)``. ``before`` are messages ahead of the prompt, or, where there is none, the whole
    conversation; ``raw`` continues the prompt as it stands. Of ``json_schema``, ``regex`` and ``choices`` one may be
    given. ``cut``: it was interrupted after so many characters. The other fields are those of ``Sampling``."""

    model: str
    before: Sequence[Mapping[str, str]] = ()
    raw: bool = False
    json_schema: str | None = None
    regex: str | None = None
    choices: Sequence[str] = ()
    max_new_tokens: int = 256
    temperature: float = 0.3
    top_k: int = 0
    top_p: float = 0.9
    min_p: float = 0.0
    repetition_penalty: float = 1.1
    stop: Sequence[str] = ()
    threads: int | None = None
    cut: int | None = None


@dataclass(frozen=True)
class Drawn:
    """``n`` pictures of a prompt on one sheet, ``columns`` in a row with white gaps of ``gap`` pixels, each ``size`` pixels
    or as large as the model draws; or ``one`` of them, counted from 0, by itself. ``clip`` names a model that ranks in the
    place of the model's own."""

    model: str
    clip: str | None = None
    n: int = 1
    candidates: int | None = None
    guidance: float = 3.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 0.95
    size: int | None = None
    columns: int = 4
    gap: int = 8
    threads: int | None = None
    one: int | None = None


@dataclass(frozen=True)
class Faces:
    """Faces of ``seeds`` on one sheet, each pixel ``scale`` squared."""

    model: str
    seeds: Sequence[int] = ()
    truncation: float = 0.7
    class_: str | None = None
    noise: str = "const"
    columns: int = 8
    scale: int = 1
    threads: int | None = None


@dataclass(frozen=True)
class Poems:
    """``n`` poems about the prompt, or ``one`` of them, counted from 0; the other fields are those of ``VerseOrder``."""

    model: str
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
    threads: int | None = None
    one: int | None = None


def parameters(asked: Writing | Drawn | Faces | Poems) -> dict[str, Any]:
    """As JSON: what :class:`MadeFrom` records."""
    return {name: list(v) if isinstance(v, tuple | range) else v for name, v in asdict(asked).items()}

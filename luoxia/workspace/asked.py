"""What each command that can be replayed was asked for: the ``parameters`` of :class:`MadeFrom`, one dataclass a command.

Prompt and seed stand in :class:`MadeFrom` itself. Fields are JSON, so that ``Writing(**parameters)`` is what was recorded.
Raises :class:`UserError` for values that are out of their ranges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError
from luoxia.generate import drawing_order, sampling, verse_order


@dataclass(frozen=True)
class Writing(sampling.Knobs):
    """A text by ``luoxia.load(model)``. ``before`` are messages ahead of the prompt, or, where there is none, the whole
    conversation; ``raw`` continues the prompt as it stands. Of ``json_schema``, ``regex`` and ``choices`` one may be
    given. ``cut``: it was interrupted after so many characters."""

    model: str
    before: Sequence[Mapping[str, str]] = ()
    raw: bool = False
    json_schema: str | None = None
    regex: str | None = None
    choices: Sequence[str] = ()
    threads: int | None = None
    cut: int | None = None


@dataclass(frozen=True)
class Drawn(drawing_order.Knobs):
    """``n`` pictures of a prompt, or so many of all of its lines together, on one sheet, ``columns`` in a row with white gaps
    of ``gap`` pixels, each ``size`` pixels or as large as the model draws; or ``one`` of them, counted from 0, by itself.
    ``clip`` names a model that ranks in the place of the model's own."""

    model: str
    clip: str | None = None
    n: int = 1
    candidates: int | None = None
    size: int | None = None
    columns: int = 4
    gap: int = 8
    device: str | None = None
    threads: int | None = None
    one: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        drawing_order.check_size(self.size)


@dataclass(frozen=True)
class Redrawn(Drawn):
    """The same, from ``picture``, what :func:`given` says of a file: completed where ``mask``, another file, is white, or
    below the share ``keep`` of its rows; or varied, each code drawn anew with probability ``strength``."""

    picture: Mapping[str, str] = field(default_factory=dict)
    mask: Mapping[str, str] | None = None
    keep: float = 0.5
    strength: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        drawing_order.check_strength(self.strength)


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
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Mixed:
    """A sheet of the faces of ``rows``, each with the ``styles`` of each of ``cols``, the faces themselves at the edges."""

    model: str
    rows: Sequence[int] = ()
    cols: Sequence[int] = ()
    styles: Sequence[int] = ()
    truncation: float = 0.7
    class_: str | None = None
    scale: int = 1
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Morphed:
    """A film through the faces of ``seeds``, by one of ``generate.morph.WAYS`` in ``space`` "w" or "z"."""

    model: str
    seeds: Sequence[int] = ()
    seconds: float = 6.0
    fps: int = 30
    way: str = "spline"
    space: str = "w"
    truncation: float = 0.7
    class_: str | None = None
    scale: int = 1
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Filmed:
    """A film through faces that were put together by hand: ``ws`` are their styles as :func:`luoxia.generate.morph.told_styles`
    gives them, ``keys`` what they were called."""

    model: str
    ws: str
    keys: Sequence[Mapping[str, Any]] = ()
    seconds: float = 6.0
    fps: int = 30
    way: str = "spline"
    loop: bool = True
    scale: int = 1
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Poems(verse_order.Wish):
    """``n`` poems about the prompt, or ``one`` of them, counted from 0."""

    model: str
    device: str | None = None
    threads: int | None = None
    one: int | None = None


Asked = Writing | Drawn | Faces | Mixed | Morphed | Filmed | Poems


def parameters(asked: Asked) -> dict[str, Any]:
    """As JSON: what :class:`MadeFrom` records."""
    return {name: list(v) if isinstance(v, tuple | range) else v for name, v in asdict(asked).items()}


def part(asked: Asked, kind: type[Any]) -> dict[str, Any]:
    """The fields that ``asked`` has from ``kind``, a dataclass that it is of."""
    return {field.name: getattr(asked, field.name) for field in fields(kind)}


def given(path: Path) -> dict[str, str]:
    """What a record says of a file that something was made from: where it lay, and its SHA-256."""
    return {"path": str(path.absolute()), "sha256": hashlib.sha256(_bytes(path)).hexdigest()}


def taken(told: Mapping[str, str]) -> bytes:
    """The bytes of the file that :func:`given` told of. Raises :class:`UserError` where it is gone, or another now."""
    data = _bytes(Path(told["path"]))
    if hashlib.sha256(data).hexdigest() != told["sha256"]:
        raise UserError(f"{told['path']} is not the file that it was", f"{told['path']} 已不是当时的文件")
    return data


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path} cannot be read: {reason}", f"无法读取 {path}：{reason}") from error

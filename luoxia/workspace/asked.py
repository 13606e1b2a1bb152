"""What each command that can be replayed was asked for: the ``parameters`` of :class:`MadeFrom`, one dataclass a command.

Prompt and seed stand in :class:`MadeFrom` itself. Fields are JSON, so that ``Writing(**parameters)`` is what was recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError


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
    mark: bool = False
    threads: int | None = None
    cut: int | None = None


@dataclass(frozen=True)
class Drawn:
    """``n`` pictures of a prompt, or as many of each of its lines, on one sheet, ``columns`` in a row with white gaps of ``gap`` pixels, each ``size`` pixels
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
    device: str | None = None
    threads: int | None = None
    one: int | None = None


@dataclass(frozen=True)
class Redrawn(Drawn):
    """The same, from ``picture``, what :func:`given` says of a file: completed where ``mask``, another file, is white, or
    below the share ``keep`` of its rows; or varied, each code drawn anew with probability ``strength``."""

    picture: Mapping[str, str] = field(default_factory=dict)
    mask: Mapping[str, str] | None = None
    keep: float = 0.5
    strength: float = 0.5


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


Asked = Writing | Drawn | Faces | Mixed | Morphed | Filmed | Poems


def parameters(asked: Asked) -> dict[str, Any]:
    """As JSON: what :class:`MadeFrom` records."""
    return {name: list(v) if isinstance(v, tuple | range) else v for name, v in asdict(asked).items()}


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

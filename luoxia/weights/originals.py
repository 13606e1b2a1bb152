"""The index of training items goes where its model goes: which files it is in, how they are written, read and copied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from luoxia.core.errors import MalformedFileError
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text

PICTURES, TEXTS = "originals.safetensors", "text-originals.safetensors"
FORMAT = 1
Arrays = dict[str, NDArray[Any]]
Index = TypeVar("Index")


def write(path: Path, arrays: Mapping[str, NDArray[Any]], told: Mapping[str, Any]) -> None:
    """An index as the file ``path``: its arrays, and what is ``told`` of it, JSON."""
    whole = {
        name: np.ascontiguousarray(array) for name, array in arrays.items()
    }  # others are written wrongly
    with write_atomically(path) as file:
        file.write(save(whole, {"told": json.dumps({"format": FORMAT, **told}, ensure_ascii=False)}))


def read(
    path: Path,
    names: Iterable[str],
    largest: int,
    made: Callable[[Arrays, dict[str, Any]], Index],
    what: Text,
) -> Index | None:
    """What ``made`` makes of the arrays of those ``names`` and of what is told; None where there is no file.

    Raises :class:`MalformedFileError`, calling it ``what`` it is not, for a file of more than ``largest`` bytes, of another
    format, or of which ``made`` raises.
    """
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > largest:
            raise ValueError(f"more than {largest:,} bytes")
        with safe_open(path, "numpy") as file:
            told = json.loads((file.metadata() or {})["told"])
            if told.pop("format") != FORMAT:
                raise ValueError("another format")
            arrays = {name: file.get_tensor(name) for name in names}
        return made(arrays, told)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        SafetensorError,
        RecursionError,
    ) as error:
        raise MalformedFileError(
            f"{path} is no whole {what.en}: {error}", f"{path} 不是完整的{what.zh}：{error}"
        ) from error


def is_there(folder: Path) -> bool:
    """Whether ``folder`` has an index."""
    return any((folder / name).is_file() for name in (PICTURES, TEXTS))


def carry(source: Path, folder: Path) -> None:
    """Copy the index in ``source``, where there is one, to ``folder``."""
    for name in (PICTURES, TEXTS):
        if (source / name).is_file() and source.resolve() != folder.resolve():
            with write_atomically(folder / name) as file:
                file.write((source / name).read_bytes())

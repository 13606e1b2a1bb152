"""The index of training items goes where its model goes: which files it is in, and how they are copied."""

from __future__ import annotations

from pathlib import Path

from luoxia.core.folder import write_atomically

PICTURES, TEXTS = "originals.safetensors", "text-originals.safetensors"


def is_there(folder: Path) -> bool:
    """Whether ``folder`` has an index."""
    return any((folder / name).is_file() for name in (PICTURES, TEXTS))


def carry(source: Path, folder: Path) -> None:
    """Copy the index in ``source``, where there is one, to ``folder``."""
    for name in (PICTURES, TEXTS):
        if (source / name).is_file() and source.resolve() != folder.resolve():
            with write_atomically(folder / name) as file:
                file.write((source / name).read_bytes())

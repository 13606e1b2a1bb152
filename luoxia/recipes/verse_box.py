"""A run of verse as a model to be shipped: weights in 8 bits, and the index of all lines that there were before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from luoxia.data.verse import poems
from luoxia.data.verse.line_index import LineIndex
from luoxia.weights import verse_folder


def ship(source: str | Path, folder: Path, facts: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Write the model of the run ``source`` into ``folder``; the poems must be here."""
    found = verse_folder.find(source)
    lines = LineIndex.of(poems.get().lines).to_bytes()
    verse_folder.write(
        folder,
        found.network(),
        found.tokenizer,
        lines=lines,
        licence=found.licence,
        facts={**facts, "data": dict(found.facts)},
    )

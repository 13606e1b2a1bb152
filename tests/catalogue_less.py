"""A catalogue without the models of some kind that come along, where a test brings a tiny one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from luoxia.weights.catalogue import CATALOGUE


@contextmanager
def without(kind: str) -> Iterator[None]:
    """What comes along would be the first model, and is far larger. Afterwards all stand in their order again."""
    whole = dict(CATALOGUE)
    for id in [entry.id for entry in whole.values() if entry.kind == kind]:
        del CATALOGUE[id]
    try:
        yield
    finally:
        CATALOGUE.clear()
        CATALOGUE.update(whole)

"""Python's garbage collector, kept out of the way while a hundred thousand objects come to stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def objects_come_to_stay() -> Iterator[None]:
    """No collection inside the block, and none of what it made is ever walked again.

    Importing PyTorch and loading a vocabulary would be interrupted by dozens of walks over everything; together they
    take longer than reading the weights.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()

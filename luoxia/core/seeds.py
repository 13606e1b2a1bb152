"""Seeds: drawn once, reported always, and split so that sample i depends on its own seed alone."""

from __future__ import annotations

import secrets

import numpy as np

from luoxia.core.errors import UserError

LARGEST = 2**63 - 1


def drawn() -> int:
    """A fresh seed short enough to be read aloud and typed again."""
    return secrets.randbelow(2**31)


def checked(seed: int | None) -> int:
    """``seed`` when it is usable, a drawn one for ``None``."""
    if seed is None:
        return drawn()
    if not 0 <= seed <= LARGEST:
        raise UserError(
            f"seed is {seed}; give a whole number from 0 to {LARGEST}",
            f"种子为 {seed}；请给 0 到 {LARGEST} 的整数",
        )
    return seed


def generator(seed: int, sample: int = 0) -> np.random.Generator:
    """The generator of sample ``sample``: independent streams for each (seed, sample)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, sample])))

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
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed <= LARGEST:
        raise UserError(
            f"seed is {seed}; give a whole number from 0 to {LARGEST}",
            f"种子为 {seed}；请给 0 到 {LARGEST} 的整数",
        )
    return int(seed)


def generator(seed: int, sample: int = 0) -> np.random.Generator:
    """The generator of sample ``sample``: independent streams for each (seed, sample)."""
    # One word of 32 bits each: [seed, sample] would spread a long seed over the word of the sample.
    words = [seed & 0xFFFFFFFF, sample, seed >> 32]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))

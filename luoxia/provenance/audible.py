"""The mark on sound that everyone hears: short, long, short, short, which is AI in Morse code (GB 45438-2025, 5.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNIT = 0.12  # seconds of a short tone; a long one has three, as in ITU-R M.1677
TONES = (
    (1, 1),
    (3, 3),
    (1, 1),
    (1, 3),
)  # units of each tone and of the silence after it; A and I are three apart
PITCH = 800.0  # Hz
LOUDNESS = 0.25  # of full scale, -12 dB
EDGE = 0.006  # seconds in which a tone comes and goes, so that it does not click


def rhythm(rate: int) -> NDArray[np.float32]:
    """The four tones and the silence after them at ``rate`` samples a second: (T,) float32, -0.25 to 0.25, 1.68 s."""
    pieces = []
    for tone, silence in TONES:
        time = np.arange(round(tone * UNIT * rate)) / rate
        rise = np.minimum(1, np.minimum(time, time[-1] - time) / EDGE)
        envelope = 0.5 - 0.5 * np.cos(np.pi * rise)
        pieces += [
            LOUDNESS * envelope * np.sin(2 * np.pi * PITCH * time),
            np.zeros(round(silence * UNIT * rate)),
        ]
    return np.concatenate(pieces).astype(np.float32)


def mark(samples: NDArray, rate: int, *, at_end: bool = False) -> NDArray:
    """The sound with the rhythm before it, or after it.

    ``samples`` is (T,) or (T, C), of a floating type in -1 to 1 or of a signed integer type; the result has its type.
    """
    tones = rhythm(rate)
    if np.issubdtype(samples.dtype, np.integer):
        tones = np.rint(tones * np.iinfo(samples.dtype).max)
    tones = tones.astype(samples.dtype)
    if samples.ndim == 2:
        tones = np.repeat(tones[:, None], samples.shape[1], 1)
    return np.concatenate([samples, tones] if at_end else [tones, samples])

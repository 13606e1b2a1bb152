"""Finds the number that a picture carries, and says how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.provenance.watermark import code, ground, lattice, search
from luoxia.provenance.watermark.marking import COARSE, FINE

SMALLEST = 64  # pixels of a work picture's shorter side: below it nothing is looked for
WIDEST = 2048  # pixels of a side of a work picture that are looked at
TRIES = 8  # codewords that are looked at in a picture, at most
RATE = 1e-8


@dataclass(frozen=True)
class Reading:
    """A number found in a picture; how well what was read fits it (the cosine, 0 to 1); ``false_positive``, the
    probability that a picture without it gives a reading as good as this one."""

    number: int
    confidence: float
    false_positive: float


def read(pixels: ground.Pixels) -> Reading | None:
    height, width = pixels.shape[:2]
    factor = ground.reduction(height, width)
    if min(height, width) < SMALLEST:
        return None
    field = search.field_of(np.asarray(ground.work_picture(pixels, factor), np.float32))[:WIDEST, :WIDEST]
    left = TRIES
    for period in [FINE, COARSE]:
        left -= 1
        if found := _at(field, period, 1):
            return found
    for period in search.periods(field, 3):
        left -= 2
        if found := _at(field, period, 2):
            return found
    return None


def _at(field, period, count) -> Reading | None:
    waves = search.waves_in(field, period)
    for begin in lattice.beginnings(waves, count):
        signs = lattice.signs_in(waves, begin)
        size = float(np.linalg.norm(signs))
        if size == 0: return None
        number = code.decode(lattice.gathered(signs))
        if number is None:
            continue
        z = float(signs @ lattice.spread(number)) / size
        rate = false_positive(z)
        if rate <= RATE:
            return Reading(number, z / math.sqrt(len(signs)), rate)
    return None


def false_positive(z: float) -> float:
    return min(1.0, TRIES * 2.0**code.NUMBER_BITS * math.exp(-z * abs(z) / 2))

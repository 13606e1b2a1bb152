"""Finds the number that a picture carries, and says how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.provenance.watermark import code, ground, lattice, search
from luoxia.provenance.watermark.marking import COARSE, FINE

SMALLEST = 64  # pixels of a work picture's shorter side: below it nothing is looked for
WIDEST = 2048  # pixels of a side of a work picture that are looked at
USUAL = (FINE, COARSE)
ALSO = tuple(period * scale for period in USUAL for scale in (0.5, 1.25, 1.5, 2.0))
OTHERS, PLACES = 3, 2
TRIES = len(USUAL) + (len(ALSO) + OTHERS) * PLACES  # codewords that are looked at in a picture, at most
RATE = 1e-7


@dataclass(frozen=True)
class Reading:
    """A number found in a picture; how well what was read fits it (the cosine, 0 to 1); ``false_positive``, the
    probability that a picture without it gives a reading as good as this one."""

    number: int
    confidence: float
    false_positive: float


def read(pixels: ground.Pixels) -> Reading | None:
    """The number in ``pixels``, uint8 (H, W, 3 or 4), None where there is none to be sure of."""
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        return None
    work = ground.work_picture(pixels, ground.reduction(height, width))
    field = search.field_of(np.asarray(work, np.float32)[:WIDEST, :WIDEST])
    return _best(field, USUAL, 1) or _best(field, [*ALSO, *search.periods(field, OTHERS)], PLACES)


def _best(field: search.Field, periods: Sequence[float], places: int) -> Reading | None:
    found = []
    for period in periods:
        waves = search.waves_in(field, period)
        found += [lattice.signs_in(waves, begin) for begin in lattice.beginnings(waves, places)]
    numbers = code.decode(np.stack([lattice.gathered(signs) for signs in found]))
    fits = [0.0 if n is None else _fit(signs, n) for signs, n in zip(found, numbers, strict=True)]
    best = int(np.argmax(fits))
    number, rate = numbers[best], false_positive(fits[best])
    if number is None or rate > RATE:
        return None
    return Reading(number, fits[best] / math.sqrt(len(found[best])), rate)


def _fit(signs: NDArray[np.float32], number: int) -> float:
    size = float(np.linalg.norm(signs))
    return float(signs @ lattice.spread(number)) / size if size > 0 else 0.0


def false_positive(fit: float) -> float:
    return min(1.0, TRIES * 2.0**code.NUMBER_BITS * math.exp(-fit * abs(fit) / 2))

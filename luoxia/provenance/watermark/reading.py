"""Finds the number that a picture carries, and says how sure that is.

How often would a picture without the mark seem to carry one? What is read are n = 384 soft signs s. Neither they nor
the period and the beginning at which they are read depend on the scrambling, which was drawn from a hash and knows
nothing of any picture. So for a picture without the mark and any codeword c, scrambled, the products s_i c_i have
independent signs, each of which is + with probability 1/2, and by Hoeffding's inequality ("Probability inequalities for
sums of bounded random variables", Journal of the American Statistical Association 58, 1963, theorem 2)

    P(sum of s_i c_i >= z |s|) <= exp(-z^2 / 2).

The checksum leaves 2^48 codewords, and at most T = ``TRIES`` sets of soft signs are looked at in a picture, so

    P(any codeword reaches z) <= T 2^48 exp(-z^2 / 2).

A reading is given where that is 1e-7 at most, which is from z = 10.3 on; z cannot exceed the root of 384, 19.6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.provenance.watermark import code, ground, lattice, search
from luoxia.provenance.watermark.lattice import COARSE, FINE, SPARSE

SMALLEST = 64  # pixels of the shorter side: below it nothing is looked for
WIDEST = 2048  # pixels of a side of a work picture that are looked at
USUAL = (FINE, COARSE, SPARSE)
# At half and double size a small picture's tiles are half and double; a screen may enlarge by 1.25 or 1.5.
ALSO = (0.5 * FINE, 1.25 * FINE, 1.5 * FINE, 1.25 * COARSE, 1.5 * COARSE, 2 * COARSE, 2 * SPARSE)
OTHERS, PLACES = 3, 2
TRIES = (
    len(USUAL) + (len(ALSO) + OTHERS) * PLACES
)  # sets of soft signs that are looked at in a picture, at most
RATE = 1e-7


@dataclass(frozen=True)
class Reading:
    """A number found in a picture; ``confidence``, how well what was read fits it (a cosine, 0 to 1);
    ``false_positive``, a bound on the probability that a picture without a mark gives a reading as good."""

    number: int
    confidence: float
    false_positive: float


@dataclass(frozen=True)
class Found:
    """A number with the lattice that carries it: tiles of ``period`` pixels that begin at ``begin`` (y, x, in tiles),
    read with z = ``fit``."""

    number: int
    period: float
    begin: tuple[float, float]
    fit: float


def read(pixels: ground.Pixels) -> Reading | None:
    """The number in ``pixels``, uint8 (H, W, 3 or 4), None where there is none to be sure of."""
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST:
        return None
    factor = ground.reduction(height, width)
    work = ground.work_picture(pixels[: WIDEST * factor, : WIDEST * factor], factor)
    field = search.field_of(np.asarray(work, np.float32))
    found = find(field, USUAL, 1) or find(field, [*ALSO, *search.periods(field, OTHERS)], PLACES)
    if found is None:
        return None
    confidence = found.fit / math.sqrt(lattice.COPIES * code.SIGNS)
    return Reading(found.number, min(1.0, confidence), false_positive(found.fit))


def find(field: search.Field, periods: Sequence[float], places: int) -> Found | None:
    """The number that fits best of those found with tiles of ``periods`` pixels, at ``places`` beginnings each."""
    tried: list[tuple[float, tuple[float, float]]] = []
    signs: list[NDArray[np.float32]] = []
    for period in periods:
        waves = search.waves_in(field, period)
        for begin in lattice.beginnings(waves, places):
            tried.append((period, begin))
            signs.append(lattice.signs_in(waves, begin))
    numbers = code.decode(np.stack([lattice.gathered(s) for s in signs]))
    found = [
        Found(number, *place, fit(s, number))
        for number, place, s in zip(numbers, tried, signs, strict=True)
        if number is not None
    ]
    best = max(found, key=lambda f: f.fit, default=None)
    return best if best is not None and false_positive(best.fit) <= RATE else None


def fit(signs: NDArray[np.float32], number: int) -> float:
    """z of scrambled soft signs (384,) and a number: sum of s_i c_i divided by the length of s."""
    size = float(np.linalg.norm(signs))
    return float(signs @ lattice.spread(number)) / size if size > 0 else 0.0


def false_positive(z: float) -> float:
    """The bound on the probability that an unmarked picture reaches ``z``."""
    return 1.0 if z <= 0 else min(1.0, TRIES * 2.0**code.NUMBER_BITS * math.exp(-z * z / 2))

"""The pattern: waves that repeat with a tile, so that they lie on a lattice of frequencies wherever the tile begins.

A tile of p pixels carries waves of frequency k / p for whole vectors k = (ky, kx) with ``INNER <= |k| <= OUTER``, all
of the same strength:

    t(x) = sum over k of Re(d_k exp(2 pi i k.x / p))

Some have a known phase and tell where the tile begins: the pilots. The others carry signs, one in the real and one in
the imaginary part; a codeword is carried twice, at places of its own each time and multiplied by scrambling signs.

Pilots, places and scrambling come from SHAKE-256: they are the same everywhere and for ever.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.provenance.watermark import code

INNER, OUTER = 3.5, 12.9
REACH = int(OUTER)
COPIES = 2
DATA = COPIES * code.SIGNS // 2  # waves that carry signs; those behind them are pilots
STEPS = 192  # places along a tile's side where its beginning is looked for
NAME = b"luoxia image watermark 1"
# Pixels of a tile on the work picture: of textured pictures, of flat art, and of flat art on a transparent ground.
FINE, COARSE, SPARSE = 60.0, 150.0, 120.0

Waves = NDArray[np.complex64]


def _drawn(what: bytes, count: int) -> NDArray[np.uint64]:
    stream = hashlib.shake_256(NAME + b": " + what).digest(8 * count)
    return np.frombuffer(stream, "<u8")


def _vectors() -> NDArray[np.int64]:
    """(waves, 2) of ky, kx: one of k and -k, since the pattern is real."""
    ky, kx = np.mgrid[-REACH : REACH + 1, 0 : REACH + 1]
    length = np.hypot(ky, kx)
    chosen = (length >= INNER) & (length <= OUTER) & ((kx > 0) | (ky > 0))
    vectors = np.stack([ky[chosen], kx[chosen]], 1)
    return vectors[np.argsort(_drawn(b"order", len(vectors)), kind="stable")]


VECTORS = _vectors()
_PILOTS = np.exp(2j * np.pi * _drawn(b"pilots", len(VECTORS) - DATA) / 2.0**64).astype(np.complex64)
_SCRAMBLE = (1.0 - 2.0 * (_drawn(b"scramble", COPIES * code.SIGNS) >> np.uint64(63))).astype(np.float32)
_PLACES = np.concatenate(
    [np.argsort(_drawn(b"places %d" % copy, code.SIGNS), kind="stable") for copy in range(COPIES)]
)


def spread(number: int) -> NDArray[np.float32]:
    """The scrambled signs that the waves carry for ``number``: (384,) float32 of 1 and -1."""
    return code.encode(number)[_PLACES] * _SCRAMBLE


def gathered(signs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Soft scrambled signs (384,) as a soft codeword (192,): the copies are added."""
    return np.bincount(_PLACES, signs * _SCRAMBLE, code.SIGNS).astype(np.float32)


def waves_of(number: int) -> Waves:
    """What the waves carry for ``number``: (waves,) complex64 of absolute value 1."""
    signs = spread(number)
    return np.concatenate([(signs[:DATA] + 1j * signs[DATA:]) / np.sqrt(2), _PILOTS]).astype(np.complex64)


def pattern(waves: Waves, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float32]:
    """The waves' sum at ``rows`` x ``columns``, counted in tiles: (rows, columns) float32 of mean square 1."""
    grid = np.zeros((2 * REACH + 1, REACH + 1), np.complex64)
    grid[VECTORS[:, 0] + REACH, VECTORS[:, 1]] = waves
    grid *= np.sqrt(2 / (np.abs(waves) ** 2).sum())
    down = turns(rows, np.arange(-REACH, REACH + 1)) @ grid
    across = turns(np.arange(REACH + 1), columns)
    return np.concatenate([down.real, -down.imag], 1) @ np.concatenate([across.real, across.imag])


def turns(places: NDArray[Any], rates: NDArray[Any]) -> Waves:
    """exp(2 pi i x f) for all places x (N,) and rates f (M,): (N, M)."""
    return np.exp(2j * np.pi * places[:, None] * rates).astype(np.complex64)


def beginnings(waves: Waves, count: int) -> list[tuple[float, float]]:
    """Where the tile may begin by the pilots (y, x in tiles, 0 to 1), the likeliest first, apart from each other."""
    field = np.zeros((STEPS, STEPS), np.complex64)
    ky, kx = VECTORS[DATA:].T
    field[ky, kx] = waves[DATA:] * _PILOTS.conj()
    fit = np.fft.ifft2(field).real
    found = []
    around = np.arange(-STEPS // 24, STEPS // 24 + 1)
    for _ in range(count):
        y, x = divmod(int(fit.argmax()), STEPS)
        found.append((y / STEPS, x / STEPS))
        fit[np.ix_((y + around) % STEPS, (x + around) % STEPS)] = -np.inf
    return found


def signs_in(waves: Waves, begin: tuple[float, float]) -> NDArray[np.float32]:
    """The scrambled soft signs (384,) that waves carry when the tile begins at ``begin`` (y, x in tiles)."""
    turned = waves[:DATA] * np.exp(2j * np.pi * (VECTORS[:DATA] @ np.array(begin)))
    return np.concatenate([turned.real, turned.imag]).astype(np.float32)

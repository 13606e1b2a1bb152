"""48 bits into signs that survive: a checksum, then a tail-biting convolutional code, read by soft decisions.

The checksum is CRC-16/CCITT-FALSE (polynomial 0x1021, initial value 0xFFFF). The code has constraint length 9 and rate
1/3 with the generators 557, 663, 711 (octal) of 3GPP TS 25.212, section 4.2.3.1; it begins in the state it ends in, so
no bit is spent on its end. Reading goes round the trellis three times and keeps the middle (Shao, Lin and Fossorier,
"Two decoding algorithms for tailbiting codes", IEEE Transactions on Communications 51(10), 2003).
"""

from __future__ import annotations

import binascii

import numpy as np
from numpy.typing import NDArray

NUMBER_BITS, CHECK_BITS = 48, 16
BITS = NUMBER_BITS + CHECK_BITS
GENERATORS = (0o557, 0o663, 0o711)
SIGNS = BITS * len(GENERATORS)  # signs of a codeword: 192
STATES, TURNS = 256, 3


def _parity_signs() -> NDArray[np.float32]:
    """(3, 512): what each generator gives for each window of nine bits, the newest bit lowest; 1 for 0 and -1 for 1."""
    windows = np.arange(2 * STATES)
    rows = [
        [1.0 - 2.0 * (int(window & generator).bit_count() % 2) for window in windows]
        for generator in GENERATORS
    ]
    return np.array(rows, np.float32)


_BRANCHES = _parity_signs()


def encode(number: int) -> NDArray[np.float32]:
    """The codeword of ``number`` (0 to 2**48 - 1): (192,) float32 of 1 and -1."""
    assert 0 <= number < 1 << NUMBER_BITS
    word = number << CHECK_BITS | _check(number)
    bits = [word >> (BITS - 1 - i) & 1 for i in range(BITS)]
    windows = [sum(bits[i - age] << age for age in range(9)) for i in range(BITS)]
    return np.ascontiguousarray(_BRANCHES[:, windows].T).reshape(-1)


def decode(soft: NDArray[np.float32]) -> list[int | None]:
    """The numbers whose codewords lie nearest to soft ones (N, 192), None where the checksum does not fit.

    A soft sign is its value times how sure it is, in any unit. Viterbi's search for the path with the greatest sum of
    products, for all at once.
    """
    gains = np.swapaxes(soft.reshape(-1, BITS, 3) @ _BRANCHES, 0, 1)  # (64, N, 512)
    count, half = len(soft), STATES // 2
    best = np.zeros((count, STATES), np.float32)
    turned = np.empty((TURNS * BITS, count, STATES), bool)
    for step in range(TURNS * BITS):
        gain = gains[step % BITS]
        kept = np.repeat(best[:, :half], 2, axis=1) + gain[:, :STATES]
        other = np.repeat(best[:, half:], 2, axis=1) + gain[:, STATES:]
        np.greater(other, kept, out=turned[step])
        best = np.maximum(kept, other)
    return [_traced(turned[:, i], int(best[i].argmax())) for i in range(count)]


def _traced(turned: NDArray[np.bool_], state: int) -> int | None:
    word = 0
    for step in range(TURNS * BITS - 1, BITS - 1, -1):
        if step < 2 * BITS:
            word |= (state & 1) << (2 * BITS - 1 - step)
        state = (state >> 1) + (STATES // 2 if turned[step, state] else 0)
    number, check = word >> CHECK_BITS, word & ((1 << CHECK_BITS) - 1)
    return number if check == _check(number) else None


def _check(number: int) -> int:
    return binascii.crc_hqx(number.to_bytes(NUMBER_BITS // 8, "big"), 0xFFFF)

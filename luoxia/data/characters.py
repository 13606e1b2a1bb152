"""What kind of character each code point is: which script, and whether it makes up words with its neighbours."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SCRIPTS: tuple[str, ...] = (
    *(
        "none",
        "latin",
        "han",
        "kana",
        "hangul",
        "cyrillic",
        "greek",
        "arabic",
        "hebrew",
        "devanagari",
        "thai",
    ),
    *("georgian", "armenian", "other"),
)
_RANGES = {
    "latin": ((0x41, 0x5B), (0x61, 0x7B), (0xAA, 0x250), (0x1E00, 0x1F00), (0xFF21, 0xFF5B)),
    "han": ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x32000), (0x3005, 0x3008)),
    "kana": ((0x3041, 0x3100), (0x31F0, 0x3200), (0xFF66, 0xFFA0)),
    "hangul": ((0x1100, 0x1200), (0x3131, 0x318F), (0xAC00, 0xD7A4)),
    "cyrillic": ((0x400, 0x530), (0x1C80, 0x1C90)),
    "greek": ((0x370, 0x400), (0x1F00, 0x2000)),
    "arabic": ((0x600, 0x700), (0x750, 0x780), (0x8A0, 0x900), (0xFB50, 0xFE00), (0xFE70, 0xFEFF)),
    "hebrew": ((0x590, 0x600),),
    "devanagari": ((0x900, 0x980),),
    "thai": ((0xE00, 0xE80),),
    "georgian": ((0x10A0, 0x1100), (0x1C90, 0x1CC0)),
    "armenian": ((0x530, 0x590),),
}
ALONE = ("han", "kana", "hangul", "thai")  # written without spaces, or whose words change their ends


@cache
def kinds() -> NDArray[np.uint8]:
    """(0x110000,) uint8: the place in :data:`SCRIPTS` of letters and digits, 0 for what is neither; 64 is added where a
    character is a word by itself, 128 where it is part of one."""
    found = np.zeros(0x110000, np.uint8)
    for name, ranges in _RANGES.items():
        for first, end in ranges:
            found[first:end] = SCRIPTS.index(name)
    counts = np.fromiter((chr(i).isalnum() for i in range(0x10000)), bool, 0x10000)
    known = found > 0
    other = np.zeros(0x110000, bool)
    other[:0x10000] = counts & ~known[:0x10000]
    other[0x10000:0x1F000] = ~known[0x10000:0x1F000]  # emoji and what has no letters come after
    found[other] = SCRIPTS.index("other")
    found[:0x10000][~counts] = 0
    digits = [i for i in range(0x10000) if chr(i).isnumeric() and not known[i]]
    found[digits] = 0  # of no script, and yet words
    alone = np.isin(found, [SCRIPTS.index(name) for name in ALONE])
    word = (found > 0) & ~alone
    word[digits] = True
    return found | (alone * np.uint8(64)) | (word * np.uint8(128))


@cache
def lower() -> NDArray[np.uint32]:
    """(0x10000,) uint32: small letters, of what has one."""
    return np.fromiter(
        (ord(c) if len(c := chr(i).lower()) == 1 else i for i in range(0x10000)), np.uint32, 0x10000
    )

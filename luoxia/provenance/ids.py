"""Names of creations: ``L`` and a ULID, whose last 48 bits are the number that a watermark carries.

A ULID is 128 bits in 26 characters of Crockford's base32: 48 bits of milliseconds since 1970, then 80 random ones; so
ids sort by the time they were drawn, and their letters cannot be mistaken for digits (no I, L, O or U).
"""

from __future__ import annotations

import secrets
import time

from luoxia.core.errors import UserError

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 27
NUMBER_BITS = 48
_READ_AS = str.maketrans("ILO", "110")  # how Crockford has the letters read that he leaves out


def drawn(milliseconds: int | None = None) -> str:
    """A fresh id, of now or of a time given in milliseconds since 1970, at most 2**48 - 1."""
    at = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    assert 0 <= at < 1 << 48
    bits = at << 80 | secrets.randbits(80)
    return "L" + "".join(ALPHABET[bits >> shift & 31] for shift in range(125, -1, -5))


def is_one(text: str) -> bool:
    """Whether ``text`` is a whole id."""
    return len(text) == LENGTH and text[0] == "L" and all(c in ALPHABET for c in text[1:])


def number_of(id: str) -> int:
    """The last 48 bits of a whole id, 0 to 2**48 - 1."""
    bits = 0
    for character in id[1:]:
        bits = bits << 5 | ALPHABET.index(character)
    return bits & (1 << NUMBER_BITS) - 1


def prefix(text: str) -> str:
    """An id, or its beginning, as it is written in records, however a person typed it.

    Raises :class:`UserError` for what no id can begin with.
    """
    typed = "".join(text.split()).replace("-", "").upper()
    found = "L" + typed[1:].translate(_READ_AS)
    if typed[:1] != "L" or not 2 <= len(found) <= LENGTH or any(c not in ALPHABET for c in found[1:]):
        raise UserError(
            f"{text[:40]!r} is no id of a creation: L and up to {LENGTH - 1} digits and letters; `luoxia history` lists them",
            f"{text[:40]!r} 不是作品编号：应为 L 加至多 {LENGTH - 1} 位数字与字母；`luoxia history` 可列出",
        )
    return found

"""What pictures are asked to be: how freely they are drawn, how many, and of what size. PyTorch is not needed for it."""

from __future__ import annotations

from dataclasses import dataclass

from luoxia.core.errors import UserError
from luoxia.core.ranges import check_number

MOST, MOST_CANDIDATES = 64, 256
SIZES = (16, 2048)  # pixels a side


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """``guidance`` 1 is the model's own distribution, 0 that without the caption. ``temperature`` 0 takes the likeliest
    code; ``top_k`` 0 and ``top_p`` 1 are off."""

    guidance: float = 3.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 0.95

    def __post_init__(self) -> None:
        check_number("guidance", self.guidance, 0, 20)
        check_number("temperature", self.temperature, 0, 10)
        check_number("top_k", self.top_k, 0, 1 << 20, whole=True)
        check_number("top_p", self.top_p, 0, 1)


def check_counts(n: int, candidates: int | None) -> None:
    """Of the pictures, and of those that they are chosen from."""
    if not 1 <= n <= MOST:
        raise UserError(f"n is {n}; give 1 to {MOST}", f"n 为 {n}；请给 1 到 {MOST}")
    if candidates is not None and not n <= candidates <= MOST_CANDIDATES:
        raise UserError(
            f"candidates is {candidates}; give {n}, as many as pictures, to {MOST_CANDIDATES}",
            f"candidates 为 {candidates}；请给 {n}（图片数）到 {MOST_CANDIDATES}",
        )


def check_size(size: int | None) -> None:
    """Of each picture; None is the model's own."""
    if size is not None and not SIZES[0] <= size <= SIZES[1]:
        raise UserError(
            f"size is {size}; give {SIZES[0]} to {SIZES[1]} pixels",
            f"size 为 {size}；请给 {SIZES[0]} 到 {SIZES[1]} 像素",
        )


def check_strength(strength: float) -> None:
    """The share of a picture that is drawn anew."""
    if not 0 < strength <= 1:
        raise UserError(
            f"strength is {strength:g}; give a number above 0, up to 1",
            f"strength 为 {strength:g}；请给大于 0、不超过 1 的数",
        )

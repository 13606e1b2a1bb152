"""Shapes of arrays from files."""

from __future__ import annotations


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether ``shape`` is as ``wanted``, where None takes any length."""
    return len(shape) == len(wanted) and all(b in (None, a) for a, b in zip(shape, wanted, strict=True))

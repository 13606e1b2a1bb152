"""Numbers that are asked for, held to their ranges."""

from __future__ import annotations

from luoxia.core.errors import UserError


def check_number(name: str, value: object, low: float, high: float, *, whole: bool = False) -> None:
    """Raise :class:`UserError` where ``value`` is no number, or no ``whole`` one, from ``low`` to ``high``, both included."""
    kind = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise UserError(
            f"{name} is {value}; give a {'whole ' if whole else ''}number from {low} to {high}",
            f"{name} 为 {value}；请给 {low} 到 {high} 的{'整' if whole else ''}数",
        )

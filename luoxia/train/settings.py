"""How a run goes, whatever it trains: the part of a recipe's configuration that the engine reads."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from luoxia.core.errors import UserError

PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class Settings:
    """``batch_size`` is of one process; each step sees ``world`` times as many images.

    ``half_life`` of the weights' average is in images; ``clip`` bounds the norm of a phase's gradient (0: no bound);
    the ``*_every`` are in steps; ``keep_every`` 0 keeps the two newest checkpoints and the best alone. ``auto``: a
    run that breaks goes back to its newest checkpoint and on at half the rate. ``shard``: processes split the weights
    between them, where each would hold them all. ``patience``: the run ends when so many scored checkpoints in a row
    were no better than the best before them (0: never before the last step).

    A setting that a recipe's own settings have 0 for by default is left open: the recipe chooses it before the engine reads it.
    """

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: int = 0
    cosine: bool = False
    accumulate: int = 1
    clip: float = 0.0
    half_life: float = 10_000.0
    precision: str = "float32"
    mirror: bool = False
    augment: float = 0.0
    workers: int = 2
    log_every: int = 50
    sample_every: int = 500
    checkpoint_every: int = 500
    keep_every: int = 0
    auto: bool = False
    shard: bool = False
    patience: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "log_every", "sample_every", "checkpoint_every"):
            if getattr(self, name) < 1 and not self._chosen_later(name):
                raise _refused(name, getattr(self, name), "1 or more", "1 或更大的数")
        for name in ("warmup", "clip", "half_life", "augment", "workers", "keep_every", "patience"):
            if getattr(self, name) < 0:
                raise _refused(name, getattr(self, name), "0 or more", "0 或更大的数")
        if not 0 < self.learning_rate < 10 and not self._chosen_later("learning_rate"):
            raise _refused(
                "learning_rate", self.learning_rate, "a number between 0 and 10", "0 到 10 之间的数"
            )
        if self.precision not in PRECISIONS:
            raise _refused("precision", self.precision, " or ".join(PRECISIONS), " 或 ".join(PRECISIONS))
        if self.accumulate and self.batch_size % self.accumulate:
            raise _refused("accumulate", self.accumulate, "a divisor of batch_size", "batch_size 的约数")

    def _chosen_later(self, name: str) -> bool:
        return getattr(self, name) == 0 == getattr(type(self), name)


def parts(batch_size: int, at_once: int) -> int:
    """What to ``accumulate``: the least number of equal parts of a batch with no more than ``at_once`` each, or one each."""
    return next(
        n for n in range(1, batch_size + 1) if batch_size % n == 0 and batch_size // n <= max(1, at_once)
    )


def _refused(name: str, value: object, en: str, zh: str) -> UserError:
    return UserError(f"{name} is {value}; give {en}", f"{name} 为 {value}；请给{zh}")


S = TypeVar("S", bound=Settings)


def changed(settings: S, changes: Mapping[str, Any]) -> S:
    """``settings`` with ``changes``; texts as a command line gives them become the field's type.

    Raises :class:`UserError` for a name that does not exist, offering the nearest, and for a value of another type.
    """
    fields = {f.name: type(getattr(settings, f.name)) for f in dataclasses.fields(settings)}
    values = {}
    for name, value in changes.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 3, 0.5) or sorted(fields)
            raise UserError(
                f"this recipe has no option {name!r}; it has {', '.join(near)}",
                f"此配方没有选项 {name!r}；有 {'、'.join(near)}",
            )
        values[name] = _typed(name, value, fields[name])
    return dataclasses.replace(settings, **values)


def _typed(name: str, value: Any, kind: type) -> Any:
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                str(value).lower()
            ]
        if kind is int:
            number = float(value)
            if number != int(number):
                raise ValueError
            return int(number)
        if kind is float:
            number = float(value)
            if not math.isfinite(number):
                raise ValueError
            return number
        return str(value)
    except (KeyError, ValueError, OverflowError):
        names = {bool: ("true or false", "true 或 false"), int: ("a whole number", "整数")}
        en, zh = names.get(kind, ("a number", "数"))
        raise _refused(name, value, en, zh) from None

"""Sums as Brown et al. 2020 ask them (arXiv:2005.14165, section 3.9.1): made from a seed, so that no file holds them.

Two to five digits, added and subtracted, with both numbers drawn evenly from 0 to 10^d - 1; two digits multiplied; and
three one-digit numbers with two operations, brackets about the last two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from luoxia.core import seeds
from luoxia.data.task import Example, Task, Template

Make = Callable[[np.random.Generator], tuple[str, int]]


def _sum(digits: int, word: str, apply: Callable[[int, int], int]) -> Make:
    def make(random: np.random.Generator) -> tuple[str, int]:
        a, b = (int(n) for n in random.integers(0, 10**digits, 2))
        return f"{a} {word} {b}", apply(a, b)

    return make


def _composite(random: np.random.Generator) -> tuple[str, int]:
    a, b, c = (int(n) for n in random.integers(0, 10, 3))
    outer, inner = (int(n) for n in random.integers(0, 3, 2))
    apply = (lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y)
    return f"{a}{'+-*'[outer]}({b}{'+-*'[inner]}{c})", apply[outer](a, apply[inner](b, c))


SUMS: dict[str, Make] = {
    **{f"add-{d}": _sum(d, "plus", lambda a, b: a + b) for d in (2, 3, 4, 5)},
    **{f"subtract-{d}": _sum(d, "minus", lambda a, b: a - b) for d in (2, 3, 4, 5)},
    "multiply-2": _sum(2, "times", lambda a, b: a * b),
    "three-operands": _composite,
}


def load(name: str, *, limit: int, shots: int, seed: int) -> Task:
    """``limit`` sums of kind ``name`` (one of :data:`SUMS`) and as many others to show, all different where there are
    enough of them."""
    random, found = seeds.generator(seed), dict[str, int]()
    wanted = limit + max(shots, 64)
    for _ in range(20 * wanted):
        asked, answer = SUMS[name](random)
        found.setdefault(asked, answer)
        if len(found) == wanted:
            break
    made = [Example({"question": asked}, str(answer)) for asked, answer in found.items()]
    template = Template("Q: What is {question}?\nA: {answer}")
    return Task(name, "exact", template, tuple(made[:limit]), tuple(made[limit:]))

"""Words to put in order again, as Brown et al. 2020 scramble them (arXiv:2005.14165, section 3.9.2).

The words are common English ones of five to fourteen letters, listed in ``tasks/words.txt``; the paper takes the most
frequent ones of a web corpus.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import numpy as np

from luoxia.core import seeds
from luoxia.data.task import Example, Task, Template

MARKS = " .,!?;:'-/_"  # one of these goes between two letters
Scramble = Callable[[str, np.random.Generator], str]


def cycled(word: str, random: np.random.Generator) -> str:
    """The letters turned round: lyinevitab."""
    at = int(random.integers(1, len(word)))
    return word[at:] + word[:at]


def anagram(kept: int) -> Scramble:
    """All letters but ``kept`` at each end in another order: criroptuon."""

    def scramble(word: str, random: np.random.Generator) -> str:
        middle = list(word[kept : len(word) - kept])
        return word[:kept] + "".join(random.permutation(middle)) + word[len(word) - kept :]

    return scramble


def inserted(word: str, random: np.random.Generator) -> str:
    """A mark or a space between any two letters: s.u!c/c!e.s s i/o/n."""
    marks = random.integers(0, len(MARKS), len(word) - 1)
    return word[0] + "".join(MARKS[m] + letter for m, letter in zip(marks, word[1:], strict=True))


def backwards(word: str, random: np.random.Generator) -> str:  # noqa: ARG001 (all scrambles are called alike)
    """stcejbo."""
    return word[::-1]


SCRAMBLES: dict[str, Scramble] = {
    "cycle-letters": cycled,
    "anagram-1": anagram(1),
    "anagram-2": anagram(2),
    "random-insertion": inserted,
    "reversed-words": backwards,
}


def words() -> list[str]:
    return (files("luoxia.data") / "tasks" / "words.txt").read_text(encoding="utf-8").split()


def load(name: str, *, limit: int, shots: int, seed: int) -> Task:
    """Up to ``limit`` words scrambled in the way ``name`` (one of :data:`SCRAMBLES`), and others to show."""
    random, made = seeds.generator(seed), list[Example]()
    for word in random.permutation(words()).tolist():
        for _ in range(20):  # until it differs; a word such as "puppy" may have few other orders
            mixed = SCRAMBLES[name](word, random)
            if mixed != word:
                made.append(Example({"text": mixed}, word))
                break
    pool = max(shots, min(64, len(made) // 3))
    return Task(
        name,
        "exact",
        Template("{text} = {answer}"),
        tuple(made[pool:][:limit]),
        tuple(made[:pool]),
        description="Please unscramble the letters into a word, and write that word:",
        separator="\n",
    )

"""A task for few-shot learning: items with the answers that are right, and how an item is put to a model.

A prompt is, after Brown et al. 2020 (arXiv:2005.14165, section 2.4 and appendix G): a description where the task has one,
k examples with their answers, and the item without; ``separator`` stands between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from luoxia.core import seeds
from luoxia.core.errors import UserError

Kind = Literal["choice", "exact", "number"]
Rule = Literal["summed", "per_token", "normalised", "calibrated"]
RULES: tuple[Rule, ...] = ("summed", "per_token", "normalised", "calibrated")
KINDS: tuple[Kind, ...] = ("choice", "exact", "number")

ANSWER = "{answer}"
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Example:
    """``fields`` by name, as the template places them. ``shown`` is what stands behind it where it is an example,
    ``answer`` what is right; they differ where a worked answer ends in a number."""

    fields: Mapping[str, str]
    answer: str
    choices: tuple[str, ...] = ()
    shown: str = ""

    @property
    def worked(self) -> str:
        return self.shown or self.answer


@dataclass(frozen=True)
class Template:
    """Text with ``{field}`` where an item's fields go, ending in ``{answer}``.

    White space before the answer belongs to the answer: byte-pair vocabularies keep it with the word behind it.
    """

    text: str

    def __post_init__(self) -> None:
        if self.text.count(ANSWER) != 1 or not self.text.endswith(ANSWER) or not self._before.strip():
            raise UserError(
                f"the template {self.text[:80]!r} must end in {ANSWER}, stand before it, and hold it once",
                f"模板 {self.text[:80]!r} 必须以 {ANSWER} 结尾，其前应有文字，且只出现一次",
            )

    @property
    def _before(self) -> str:
        return self.text.removesuffix(ANSWER)

    @property
    def names(self) -> frozenset[str]:
        """The fields that an item must have."""
        return frozenset(_FIELD.findall(self._before))

    @property
    def generic(self) -> str:
        """The last line before the answer where it holds no field, as "A:" or "Answer:": a context that says no more
        than that an answer comes (section 2.4)."""
        last = self._before.rstrip().rsplit("\n", 1)[-1]
        return last if last and not _FIELD.search(last) else "Answer:"

    def context(self, example: Example) -> str:
        """What stands before the answer."""
        return _FIELD.sub(lambda found: example.fields[found[1]], self._before.rstrip())

    @property
    def blank(self) -> Example:
        """An item that says nothing, to see which answer the examples alone lead to."""
        return Example(dict.fromkeys(self.names, "N/A"), "")

    def answer(self, text: str) -> str:
        """``text`` with the white space before it."""
        return self._before[len(self._before.rstrip()) :] + text


@dataclass(frozen=True)
class Task:
    """``items`` to measure with, and a ``pool`` that examples are drawn from, without one in common.

    ``kind``: "choice" picks one of an item's choices; "exact" writes the answer word for word and then ends the line;
    "number" writes at length, and the last number counts. ``rule`` says which likelihood of a choice decides.
    ``left_out`` items of the source could not be used.
    """

    name: str
    kind: Kind
    template: Template
    items: tuple[Example, ...]
    pool: tuple[Example, ...]
    description: str = ""
    separator: str = "\n\n"
    generic: str = ""
    rule: Rule = "per_token"
    licence: tuple[str, ...] = ()
    left_out: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def chance(self) -> float:
        """What drawing lots among the choices scores, on average; 0 where there are none."""
        return sum(1 / len(e.choices) for e in self.items) / len(self.items) if self.kind == "choice" else 0.0

    def examples(self, shots: int, draw: int, seed: int) -> tuple[Example, ...]:
        """The first ``shots`` of the pool in the order of draw ``draw``: 4 examples are the first 4 of 16."""
        order = seeds.generator(seed, draw + 1).permutation(len(self.pool))[:shots]
        return tuple(self.pool[i] for i in order)

    def prompt(self, examples: Sequence[Example], item: Example) -> str:
        """Everything before the answer of ``item``."""
        shown = [self.template.context(e) + self.template.answer(e.worked) for e in examples]
        parts = [self.description] if self.description else []
        return self.separator.join([*parts, *shown, self.template.context(item)])


def split(examples: Sequence[Example], limit: int, shots: int, seed: int) -> tuple[tuple[Example, ...], ...]:
    """(items, pool) of one source: a third is the pool, or as many as ``shots`` where that is more; of the rest,
    ``limit`` are measured. Raises :class:`UserError` when nothing is left to measure."""
    order = seeds.generator(seed).permutation(len(examples))
    pool = max(shots, len(examples) // 3)
    if pool >= len(examples):
        raise UserError(
            f"{len(examples)} examples do not give {shots} to show and one to measure; give more, or fewer shots",
            f"{len(examples)} 个样例不足以展示 {shots} 个并留一个测量；请给更多样例，或减少示例数",
        )
    chosen = [examples[i] for i in order]
    return tuple(chosen[pool:][:limit]), tuple(chosen[:pool])


def limited(task: Task, items: int) -> Task:
    """``task`` with its first ``items``."""
    return replace(task, items=task.items[:items])

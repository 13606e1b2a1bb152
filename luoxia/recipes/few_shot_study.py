"""Accuracy against the number of examples shown, over draws of examples.

Tasks by likelihood go through ``evaluate.few_shot``; worked answers that end in a number are written out greedily, and
the constrained way, where it is asked for, writes one of the choices token by token under a grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.data.labelled import number
from luoxia.data.task import Example, Task
from luoxia.evaluate import few_shot
from luoxia.evaluate.few_shot import Reader
from luoxia.evaluate.intervals import interval
from luoxia.evaluate.token_tree import common
from luoxia.generate.after_prompt import AfterPrompt
from luoxia.generate.text import TextModel

WORKING = 256  # tokens, at most, of a worked answer
Note = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """``shots`` to show, each with ``draws`` draws of examples from ``seed``; ``constrained`` adds the constrained way."""

    shots: tuple[int, ...] = (0, 1, 4, 16)
    draws: int = 3
    limit: int = 200
    seed: int = 0
    constrained: bool = False

    def __post_init__(self) -> None:
        for name, least, most in (("draws", 1, 100), ("limit", 1, 1_000_000)):
            if not least <= getattr(self, name) <= most:
                raise UserError(
                    f"{name} is {getattr(self, name)}; give a number from {least} to {most}",
                    f"{name} 为 {getattr(self, name)}；请给 {least} 到 {most} 的数",
                )
        if not self.shots or min(self.shots) < 0:
            raise UserError(
                f"shots are {list(self.shots)}; give whole numbers from 0, as in 0,1,4,16",
                f"示例数为 {list(self.shots)}；请给从 0 起的整数，如 0,1,4,16",
            )
        object.__setattr__(self, "shots", tuple(sorted(set(self.shots))))


def study(model: TextModel, task: Task, plan: Plan, note: Note = lambda *_: None) -> dict[str, Any]:
    """What the report keeps of one task: ``rows``, one for each number of shots, and what they depend on."""
    reader = Reader(model.network, model.tokenizer, model.lock)
    few_shot.checked(reader, task)
    room = WORKING if task.kind == "number" else 1
    long = set(few_shot.too_long(reader, task, room))
    if len(long) == len(task.items):
        raise UserError(
            f"no item of {task.name} fits the {model.context} tokens that {model.id} reads",
            f"{model.id} 的上下文为 {model.context} 个词元，{task.name} 没有一题放得下",
        )
    task = replace(task, items=tuple(e for i, e in enumerate(task.items) if i not in long))
    drawn = [task.examples(max(plan.shots), draw, plan.seed) for draw in range(plan.draws)]
    fit = min(few_shot.fitting(reader, task, examples, room) for examples in drawn)
    told = tuple(dict.fromkeys(min(asked, fit) for asked in plan.shots))
    runs = [(shots, draw) for shots in told for draw in range(plan.draws if shots else 1)]
    rights: dict[int, list[dict[str, NDArray[np.bool_]]]] = {shots: [] for shots in told}
    for i, (shots, draw) in enumerate(runs):

        def heard(done: int, total: int, run: int = i) -> None:
            note(f"{model.id}, {task.name}", run * total + done, len(runs) * total)

        rights[shots].append(_answers(model, reader, task, drawn[draw][:shots], plan, heard))
    asked = {shots: max(a for a in plan.shots if min(a, fit) == shots) for shots in told}
    rows = [_row(task, shots, asked[shots], rights[shots], plan.seed) for shots in told]
    return {
        "task": task.name,
        "kind": task.kind,
        "rule": _deciding(task),
        "items": len(task.items),
        "pool": len(task.pool),
        "left_out": task.left_out,
        "too_long": len(long),
        "chance": task.chance,
        "fit": fit if fit < max(plan.shots) else None,
        "draws": plan.draws,
        "seed": plan.seed,
        "prompt": task.prompt(drawn[0][: min(1, fit)], task.items[0]),
        "licence": list(task.licence),
        "rows": rows,
    }


def _deciding(task: Task) -> str:
    return task.rule if task.kind == "choice" else task.kind


def _row(
    task: Task, shots: int, asked: int, rights: Sequence[dict[str, NDArray[np.bool_]]], seed: int
) -> dict[str, Any]:
    table = np.stack([right[_deciding(task)] for right in rights])
    low, high = interval(table, seed)
    by_draw = [float(right.mean()) for right in table]
    row: dict[str, Any] = {"shots": shots, "accuracy": float(table.mean()), "low": low, "high": high}
    if asked > shots:
        row["asked"] = asked
    if task.kind == "choice":
        row |= {way: float(np.mean([right[way].mean() for right in rights])) for way in rights[0]}
    return row | {"by_draw": by_draw}


def _answers(
    model: TextModel,
    reader: Reader,
    task: Task,
    examples: Sequence[Example],
    plan: Plan,
    heard: few_shot.Heard,
) -> dict[str, NDArray[np.bool_]]:
    if task.kind == "number":
        return {"number": _numbers(model, task, examples, heard)}
    right = few_shot.measure(reader, task, examples, heard).right
    if plan.constrained and task.kind == "choice":
        right = right | {"constrained": _constrained(model, task, examples, heard)}
    return right


def _numbers(
    model: TextModel, task: Task, examples: Sequence[Example], heard: few_shot.Heard
) -> NDArray[np.bool_]:
    """Whether the last number of each answer, written out until the next item would begin, is the right one."""
    stops = _stops(task)
    prompts = [model.tokenizer.encode(task.prompt(examples, item)) for item in task.items]
    writer, first = _writer(model, prompts, WORKING)
    right = np.zeros(len(prompts), bool)
    for i, (ids, item) in enumerate(zip(prompts, task.items, strict=True)):
        text = writer.answer(ids[first:], WORKING, stop=stops)
        right[i] = number(text) == number(item.answer)
        heard(i + 1, len(prompts))
    return right


def _stops(task: Task) -> tuple[str, ...]:
    """Where the next item would begin: the first word of the template, on a line of its own."""
    begins = task.template.text.split("{", 1)[0].split("\n", 1)[0].strip()
    return (f"\n{begins}",) if begins else (task.separator or "\n",)


def _constrained(
    model: TextModel, task: Task, examples: Sequence[Example], heard: few_shot.Heard
) -> NDArray[np.bool_]:
    """Whether the choice that is written greedily, where nothing but a choice may be written, is the right one."""
    from luoxia.generate.constraint import Constraint  # brings a grammar compiler that few need

    grammars: dict[tuple[str, ...], Constraint] = {}
    prompts = [model.tokenizer.encode(task.prompt(examples, item)) for item in task.items]
    answers = [[task.template.answer(choice) for choice in item.choices] for item in task.items]
    room = 2 + max(len(model.tokenizer.encode(text, bos=False)) for texts in answers for text in texts)
    writer, first = _writer(model, prompts, room)
    right = np.zeros(len(prompts), bool)
    for i, (ids, texts, item) in enumerate(zip(prompts, answers, task.items, strict=True)):
        grammar = grammars.setdefault(item.choices, Constraint.from_choices(texts))
        text = writer.answer(ids[first:], room, constraint=grammar)
        right[i] = text.strip() == item.answer
        heard(i + 1, len(prompts))
    return right


def _writer(model: TextModel, prompts: Sequence[list[int]], room: int) -> tuple[AfterPrompt, int]:
    """A writer behind what all prompts begin with, and how many tokens that is."""
    first = common([tuple(ids[:-1]) for ids in prompts])
    return AfterPrompt(model, prompts[0][:first], max(map(len, prompts)) - first + room), first

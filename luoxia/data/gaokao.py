"""Objective questions of the Chinese university entrance examination, as GAOKAO-Bench publishes them (arXiv:2305.12474).

A folder ``Objective_Questions`` holds a JSON file a subject, each with ``keywords`` and a list ``example`` of questions
with their options A to D in their text and a list of answers. Questions with one answer of one letter are measured: the
letter is picked. A text with several questions, and a question with several right letters, are left out and counted.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError
from luoxia.data.labelled import read
from luoxia.data.task import Example, Task, Template, split

FOLDER = "Objective_Questions"
LETTERS = ("A", "B", "C", "D")
LICENCE = ("GAOKAO-Bench, OpenLMLab: Apache-2.0",)


def is_one(folder: Path) -> bool:
    return (folder / FOLDER).is_dir()


def load(folder: Path, *, limit: int, shots: int, seed: int) -> Task:
    """``limit`` questions of all subjects, drawn evenly, and others to show."""
    made, left_out = list[Example](), 0
    for path in sorted((folder / FOLDER).glob("*.json")):
        for question in _questions(path):
            example = _example(question)
            if example is None:
                left_out += 1
            else:
                made.append(example)
    if not made:
        raise UserError(
            f"{folder / FOLDER} holds no question with one answer of A to D",
            f"{folder / FOLDER} 中没有以 A 至 D 单选作答的题目",
        )
    items, pool = split(made, limit, shots, seed)
    template = Template("题目：{question}\n答案：{answer}")
    return Task("gaokao", "choice", template, items, pool, licence=LICENCE, left_out=left_out)


def _questions(path: Path) -> list[Any]:
    text = read(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON", f"{path} 不是 JSON") from error
    examples = found.get("example") if isinstance(found, dict) else None
    if not isinstance(examples, list):
        raise UserError(f"{path} has no list 'example'", f"{path} 中没有列表 example")
    return examples


def _example(question: Any) -> Example | None:
    if not isinstance(question, dict):
        return None
    text, answer = question.get("question"), question.get("answer")
    if (
        not isinstance(text, str)
        or not isinstance(answer, list)
        or len(answer) != 1
        or answer[0] not in LETTERS
    ):
        return None
    if not all(re.search(rf"{letter}\s*[.．、]", text) for letter in LETTERS):
        return None
    text = re.sub(r"^\s*\d+\s*[.．、]\s*", "", text).strip()
    return Example({"question": text}, answer[0], LETTERS)

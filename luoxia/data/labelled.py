"""Labelled data into tasks: JSON lines, or a folder of them, with an optional ``task.json`` that says how to ask.

A line is an object with a ``text`` (or question, sentence, input, prompt) and a ``label`` (or answer, output,
completion), and where its choices are its own, ``choices`` (or options): a list, or a dataset's {"text": [...],
"label": [...]}. An answer may be a choice itself, its number from 0, or its letter.

``NAME.task.json`` beside ``NAME.jsonl``, or ``task.json`` in a folder, may set: template, description, separator,
generic, kind (choice, exact, number), rule (summed, per_token, normalised,
calibrated), labels ({"0": "negative"}), licence.
A folder has ``test.jsonl`` and, for the examples, ``train.jsonl``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from luoxia.core.errors import UserError
from luoxia.core.reading import read_bytes, utf8
from luoxia.data.task import ANSWER, KINDS, RULES, Example, Kind, Task, Template, split

ASKED = ("question", "text", "sentence", "input", "prompt", "context")
ANSWERED = ("answer", "label", "output", "completion", "target")
CHOSEN = ("choices", "options")
DEFAULTS = {
    "question": "Q: {question}\nA: {answer}",
    "context": "{context} {answer}",
    "prompt": "{prompt} {answer}",
}
LARGEST_FILE = 256 << 20  # bytes
FEW = 20  # different labels, at most, that are taken to be all the choices there are
SETTINGS = ("template", "description", "separator", "generic", "kind", "rule", "labels", "licence")

_WORKED = re.compile(r"\n#{2,} *([-+$]?[\d,.]*\d)\s*$")  # how GSM8K ends a worked answer (Cobbe et al. 2021)
_CALCULATOR = re.compile(r"<<[^<>\n]*>>")


@dataclass(frozen=True)
class Row:
    """One line, as yet without a template. ``place`` names it in messages."""

    place: str
    fields: Mapping[str, str]
    asked: str
    answer: str
    choices: tuple[str, ...]


def load(path: Path, *, limit: int, shots: int, seed: int) -> Task:
    """The task in the file or folder ``path``: ``limit`` items to measure with, at least ``shots`` to show."""
    if path.is_dir():
        settings = _settings(path / "task.json")
        test, train = path / "test.jsonl", path / "train.jsonl"
        if not test.is_file():
            raise UserError(
                f"{path} has no test.jsonl; a task's folder holds one, and train.jsonl for the examples",
                f"{path} 中没有 test.jsonl；任务文件夹应有它，示例另放 train.jsonl",
            )
        held = rows(test, settings)
        shown = rows(train, settings) if train.is_file() else []
        return _task(path.name, held, shown, settings, limit, shots, seed)
    settings = _settings(path.with_name(f"{path.name.split('.')[0]}.task.json"))
    return _task(path.name.split(".")[0], rows(path, settings), [], settings, limit, shots, seed)


def rows(path: Path, settings: Mapping[str, Any]) -> list[Row]:
    """Every line of ``path`` that is not blank. Raises :class:`UserError` with the line that is wrong."""
    found = [
        _row(line, f"{path}:{number}", settings.get("labels", {}))
        for number, line in enumerate(read(path).split("\n"), start=1)
        if line.strip()
    ]
    if not found:
        raise UserError(f"{path} has no examples in it", f"{path} 中没有样例")
    return found


def read(path: Path) -> str:
    """The file's text, which must be UTF-8."""
    return utf8(read_bytes(path, LARGEST_FILE), LARGEST_FILE, str(path), f"{path} ")


def _task(
    name: str,
    held: Sequence[Row],
    shown: Sequence[Row],
    settings: Mapping[str, Any],
    limit: int,
    shots: int,
    seed: int,
) -> Task:
    every = [*held, *shown]
    worked = all(_WORKED.search(row.answer) for row in every)
    kind: Kind = settings.get("kind") or ("number" if worked else "choice" if _is_choice(every) else "exact")
    template = Template(settings.get("template") or _default(held[0]))
    labels = () if kind != "choice" else tuple(dict.fromkeys(row.answer for row in every if not row.choices))
    made = [_example(row, template, kind, labels) for row in every]
    if shown:
        items = split(made[: len(held)], limit, 0, seed)[0] if len(held) > limit else tuple(made[: len(held)])
        pool = tuple(made[len(held) :])
        if len(pool) < shots:
            raise UserError(
                f"{name} has {len(pool)} examples to show, {shots} are asked for; ask for fewer shots",
                f"{name} 有 {len(pool)} 个可展示的样例，却要求 {shots} 个；请减少示例数",
            )
    else:
        items, pool = split(made, limit, shots, seed)
    return Task(
        name,
        kind,
        template,
        items,
        pool,
        description=settings.get("description", ""),
        separator=settings.get("separator", "\n\n"),
        generic=settings.get("generic", ""),
        rule=settings.get("rule", "per_token"),
        licence=tuple(settings.get("licence", ())),
    )


def _is_choice(found: Sequence[Row]) -> bool:
    """Whether every line brings its choices, or there are few labels that come again and again."""
    if all(row.choices for row in found):
        return True
    labels = {row.answer for row in found}
    return 1 < len(labels) <= min(FEW, len(found) // 2) and not any(row.choices for row in found)


def _default(row: Row) -> str:
    return DEFAULTS.get(row.asked, f"{row.asked.capitalize()}: {{{row.asked}}}\nLabel: {ANSWER}")


def _example(row: Row, template: Template, kind: Kind, labels: tuple[str, ...]) -> Example:
    missing = template.names - row.fields.keys()
    if missing:
        _refuse(
            row.place,
            f"it has no {', '.join(sorted(missing))}, which the template names",
            f"缺少模板所用的字段 {'、'.join(sorted(missing))}",
        )
    if kind == "number":
        found = _WORKED.search(row.answer)
        if not found and number(row.answer) is None:
            _refuse(row.place, "its answer holds no number", "答案中没有数字")
        shown = _CALCULATOR.sub("", row.answer)
        return Example(row.fields, (found[1] if found else row.answer).replace(",", ""), shown=shown)
    if kind == "exact":
        return Example(row.fields, row.answer)
    choices = row.choices or labels
    if len(choices) < 2:
        _refuse(row.place, "a choice needs two choices at least", "至少需要两个选项")
    return Example(row.fields, row.answer, choices)


def number(text: str) -> float | None:
    """The last number in ``text``, or the one behind its first ``####``; thousands may be set apart by commas."""
    if "####" in text:
        after = _numbers(text.split("####", 1)[1])
        if after:
            return after[0]
    found = _numbers(text)
    return found[-1] if found else None


def _numbers(text: str) -> list[float]:
    found = re.findall(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?", text[:10_000])
    return [float(each.replace(",", "")) for each in found]


def _row(line: str, place: str, labels: Mapping[str, str]) -> Row:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "nested too deeply")
        _refuse(place, f"it is not JSON ({reason})", f"不是 JSON（{reason}）")
    if not isinstance(data, dict):
        _refuse(place, "it is no object", "不是一个对象")
    asked = next((key for key in ASKED if isinstance(data.get(key), str) and data[key].strip()), None)
    answered = next((key for key in ANSWERED if isinstance(data.get(key), str | int | float)), None)
    if asked is None or answered is None:
        _refuse(
            place,
            f"it needs one of {', '.join(ASKED)} with text, and one of {', '.join(ANSWERED)}",
            f"应有 {'、'.join(ASKED)} 之一（文字），以及 {'、'.join(ANSWERED)} 之一",
        )
    choices = _choices(data, place)
    answer = _answer(data[answered], choices, data, place)
    answer = labels.get(answer, answer)
    choices = tuple(labels.get(each, each) for each in choices)
    if not answer.strip():
        _refuse(place, "its answer is empty", "答案为空")
    fields = {
        k: str(v) for k, v in data.items() if isinstance(v, str | int | float) and not isinstance(v, bool)
    }
    return Row(place, fields, asked, answer.strip(), choices)


def _choices(data: Mapping[str, Any], place: str) -> tuple[str, ...]:
    given = next((data[key] for key in CHOSEN if data.get(key)), None)
    if isinstance(given, dict):
        given = given.get("text")
    if given is None:
        return ()
    if not isinstance(given, list) or not all(
        isinstance(c, str | int | float) and str(c).strip() for c in given
    ):
        _refuse(place, "its choices are no list of texts that are not empty", "选项应为非空文本的列表")
    choices = tuple(str(c).strip() for c in given)
    if len(set(choices)) < len(choices) or len(choices) < 2:
        _refuse(place, "its choices must be two or more, all different", "选项至少两个，且互不相同")
    return choices


def _answer(given: Any, choices: tuple[str, ...], data: Mapping[str, Any], place: str) -> str:
    text = str(given).strip()
    if not choices or text in choices:
        return text
    keys = data.get("choices")
    letters = keys.get("label") if isinstance(keys, dict) else None
    if isinstance(letters, list) and text in [str(each) for each in letters]:
        return choices[[str(each) for each in letters].index(text)]
    if text.isdigit() and int(text) < len(choices):
        return choices[int(text)]
    at = ord(text) - ord("A") if len(text) == 1 else -1
    if 0 <= at < len(choices):
        return choices[at]
    _refuse(place, f"its answer {text[:40]!r} is none of its choices", f"答案 {text[:40]!r} 不在选项之中")


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    text = read(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        _refuse(str(path), "it is not JSON", "不是 JSON")
    return checked(found, str(path))


def checked(found: Any, place: str) -> dict[str, Any]:
    """The settings of a ``task.json``. Raises :class:`UserError` for one that is unknown or of the wrong kind."""
    if not isinstance(found, dict):
        _refuse(place, "it is no object", "不是一个对象")
    for key, value in found.items():
        if key not in SETTINGS:
            _refuse(
                place,
                f"{key!r} is not one of {', '.join(SETTINGS)}",
                f"{key!r} 不在 {'、'.join(SETTINGS)} 之列",
            )
        right = {
            "labels": isinstance(value, dict) and all(isinstance(v, str) for v in value.values()),
            "licence": isinstance(value, list) and all(isinstance(v, str) for v in value),
            "kind": value in KINDS,
            "rule": value in RULES,
        }.get(key, isinstance(value, str))
        if not right:
            _refuse(
                place,
                f"{key} is {str(value)[:60]!r}, which it cannot be",
                f"{key} 的值 {str(value)[:60]!r} 不对",
            )
    return found


def _refuse(place: str, en: str, zh: str) -> NoReturn:
    raise UserError(f"{place}: {en}", f"{place}：{zh}")

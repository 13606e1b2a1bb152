"""Reads what a command is given: prompts, examples, schemas. Every failure names the place."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from luoxia.core.errors import UserError
from luoxia.core.reading import read_bytes, utf8

LARGEST_FILE = 16 << 20  # bytes

FIELDS = (("user", "assistant"), ("input", "output"))
SHAPE = '{"user": "...", "assistant": "..."}'


def prompt_text(prompt: str) -> str:
    """The prompt itself, or standard input for ``-``, without its last line break."""
    if prompt == "-":
        text = _decoded(sys.stdin.buffer.read(LARGEST_FILE + 1), "standard input", "标准输入")
        text = text.removesuffix("\n").removesuffix("\r")
    else:
        text = _decoded(prompt.encode("utf-8", "surrogateescape"), "the prompt", "提示")
    if not text.strip():
        raise UserError("the prompt is empty; write what you want", "提示为空；请写下您想要的内容")
    return text


def examples(path: Path) -> list[dict[str, str]]:
    """Messages from a file of JSON lines with ``user`` and ``assistant``, or ``input`` and ``output``."""
    messages = []
    for number, line in enumerate(contents(path).split("\n"), start=1):
        if not line.strip():
            continue
        asked, answered = _example(line, f"{path}:{number}")
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    if not messages:
        raise UserError(f"{path} has no examples in it", f"{path} 中没有示例")
    return messages


def schema(path: Path) -> str:
    """The text of a JSON schema, which is at least JSON."""
    text = contents(path)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{path}:{error.lineno}:{error.colno}"
        raise UserError(f"{place}: not JSON ({error.msg})", f"{place}：不是 JSON（{error.msg}）") from error
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply", f"{path}：嵌套过深") from error
    return text


def _example(line: str, place: str) -> tuple[str, str]:
    try:
        example = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "nested too deeply")
        raise UserError(f"{place}: not JSON ({reason})", f"{place}：不是 JSON（{reason}）") from error
    for pair in FIELDS:
        if isinstance(example, dict) and all(isinstance(example.get(name), str) for name in pair):
            return example[pair[0]], example[pair[1]]
    raise UserError(
        f"{place}: an example is {SHAPE}, with input and output as other names for the two",
        f"{place}：示例的格式为 {SHAPE}，两个字段也可命名为 input 与 output",
    )


def contents(path: Path) -> str:
    """The text of a file in UTF-8. Raises :class:`UserError` with the place that is not."""
    return _decoded(read_bytes(path, LARGEST_FILE), str(path), str(path))


def _decoded(data: bytes, en: str, zh: str) -> str:
    return utf8(data, LARGEST_FILE, en, zh)

"""Which columns of a row are the question and which the answer, and the conversation that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Conversation = tuple[dict[str, str], ...]

PAIRS = (
    ("prompt", "completion"),
    ("question", "answer"),
    ("instruction", "output"),
    ("input", "output"),
    ("user", "assistant"),
    ("prompt", "response"),
    ("问题", "答案"),
    ("问", "答"),
)
ROLES = ("system", "user", "assistant")


class RowError(ValueError):
    """A row that no example can be made of, and why, in both languages."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en, self.zh = en, zh


@dataclass(frozen=True)
class Fields:
    """The columns to read: ``question`` and ``answer``; or ``messages``, a whole conversation; or ``text`` to be learned
    as it stands. ``system`` and ``context`` may stand beside a pair: what the model is to be, and what the question is about."""

    question: str = ""
    answer: str = ""
    messages: str = ""
    text: str = ""
    system: str = ""
    context: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Those that every row must have."""
        return tuple(filter(None, (self.question, self.answer, self.messages, self.text)))

    @classmethod
    def of(cls, names: set[str]) -> Fields | None:
        """What columns of these ``names`` are, or None where no pair is among them."""
        system = "system" if "system" in names else ""
        if "messages" in names:
            return cls(messages="messages")
        for question, answer in PAIRS:
            if question in names and answer in names:
                context = "input" if question == "instruction" and "input" in names else ""
                return cls(question, answer, system=system, context=context)
        return cls(text="text") if "text" in names else None

    def conversation(self, row: Mapping[str, Any]) -> Conversation:
        """The row as messages; of a ``text`` one alone, of role "text". Raises :class:`RowError`."""
        missing = [name for name in self.names if row.get(name) in (None, "")]
        if missing:
            names = ", ".join(missing)
            raise RowError(f"no {names}", f"缺少 {names}")
        if self.messages:
            return _messages(row[self.messages])
        if self.text:
            return ({"role": "text", "content": _text(self.text, row[self.text])},)
        asked = _text(self.question, row[self.question])
        beside = row.get(self.context) if self.context else None
        if beside:
            asked = f"{asked}\n\n{_text(self.context, beside)}"
        told = row.get(self.system) if self.system else None
        before = [{"role": "system", "content": _text("system", told)}] if told else []
        answer = _text(self.answer, row[self.answer])
        return (*before, {"role": "user", "content": asked}, {"role": "assistant", "content": answer})


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"{name} is no text", f"{name} 不是文字")
    text = str(value).strip()
    if not text:
        raise RowError(f"{name} is empty", f"{name} 为空")
    return text


def _messages(value: Any) -> Conversation:
    if not isinstance(value, list) or not all(isinstance(m, dict) for m in value):
        raise RowError(
            'messages is no list of {"role", "content"}', 'messages 不是 {"role", "content"} 的列表'
        )
    found = []
    for message in value:
        role = message.get("role")
        if role not in ROLES:
            raise RowError(
                f"role {str(role)[:20]!r} is none of {', '.join(ROLES)}",
                f"role {str(role)[:20]!r} 不在 {'、'.join(ROLES)} 之列",
            )
        if message.get("content") in (None, ""):
            raise RowError(f"a message of the {role} has no content", f"有一条 {role} 消息没有 content")
        found.append({"role": role, "content": _text("content", message["content"])})
    if not any(m["role"] == "assistant" for m in found):
        raise RowError("no message of the assistant", "没有 assistant 的消息")
    return tuple(found)

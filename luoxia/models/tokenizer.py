"""Text to token ids and back, with the model's own chat template.

The byte-pair work is done by the ``tokenizers`` library; this module adds what generation needs around it.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

import tokenizers
from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers.decoders import DecodeStream

from luoxia.core.errors import MalformedFileError, UserError

Message = Mapping[str, str]

MAX_RENDERED = 1 << 24  # characters that a chat template may write
_PLAIN_TEMPLATE = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"


@functools.lru_cache(8)
def _program(template: str) -> Template:
    """A chat template, compiled. It comes with the weights: it is somebody's program, and runs without access to objects."""

    def raise_exception(reason: str) -> NoReturn:
        raise TemplateError(reason)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": lambda form: datetime.now().astimezone().strftime(form),
    }
    return environment.from_string(template)


@dataclass(frozen=True)
class Tokenizer:
    """``engine`` does the splitting; ``stop_ids`` end a generation; ``template`` is the model's, or None."""

    engine: tokenizers.Tokenizer
    bos: str | None = None
    eos: str | None = None
    stop_ids: frozenset[int] = frozenset()
    template: str | None = None
    add_bos: bool = False
    specials: tuple[str, ...] = field(default=())

    @property
    def vocab_size(self) -> int:
        return self.engine.get_vocab_size(with_added_tokens=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the splitting and its vocabulary: tokens of two texts belong together where it is the same."""
        return hashlib.sha256(self.engine.to_str().encode()).hexdigest()

    def encode(self, text: str, *, bos: bool | None = None) -> list[int]:
        """``text`` as ids, special tokens written in it recognised; begins with bos where the model wants it."""
        ids = self.engine.encode(text, add_special_tokens=False).ids
        wanted = self.add_bos if bos is None else bos
        first = self.engine.token_to_id(self.bos) if self.bos else None
        return [first, *ids] if wanted and first is not None and ids[:1] != [first] else ids

    def decode(self, ids: Sequence[int], *, specials: bool = False) -> str:
        return self.engine.decode(list(ids), skip_special_tokens=not specials)

    def token(self, token: int) -> str:
        """One token as readable text; half a character shows as a replacement mark."""
        return self.engine.decode([token], skip_special_tokens=False)

    def chat(self, messages: Sequence[Message], *, answer: bool = True) -> list[int]:
        """The ids of a conversation by the model's template, ready for the assistant's answer.

        A special token that someone typed into a message stays the letters it is made of.
        """
        hidden = any(s in m["content"] for m in messages for s in self.specials)
        if not hidden:
            return self.encode(self._render(messages, answer), bos=False)
        _no_marks(messages)
        text = self._render([{**m, "content": f"\ue000{i}\ue001"} for i, m in enumerate(messages)], answer)
        contents, ids = {str(i): m["content"] for i, m in enumerate(messages)}, []
        # A template may leave a message out, or write it in another place.
        for at, part in enumerate(re.split("\ue000([0-9]+)\ue001", text)):
            ids += self._encode_letters(contents.get(part, "")) if at % 2 else self.encode(part, bos=False)
        return ids

    def lesson(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        """The ids of a whole conversation by the model's template, and which of them are to be learned: what the
        assistant says, and the token that ends it. The ids before an answer are those that :meth:`chat` gives.

        Where the template ends an answer with no stop token, the end of text is put behind it.
        """
        answers = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
        hidden = any(s in m["content"] for m in messages for s in self.specials)
        _no_marks(messages)
        marked = [
            {**m, "content": f"\ue000{i}\ue001"} if hidden or i in answers else m
            for i, m in enumerate(messages)
        ]
        ids: list[int] = []
        learned: list[bool] = []
        open_turn = False
        for at, part in enumerate(re.split("\ue000([0-9]+)\ue001", self._render(marked, False))):
            is_answer = at % 2 == 1 and int(part) in answers
            if at % 2 == 0:
                new = self.encode(part, bos=False)
                end = next((k + 1 for k, token in enumerate(new) if token in self.stop_ids), 0)
                if open_turn and not end:
                    new, end = [*self._end(), *new], len(self._end())
                ids += new
                learned += [open_turn and k < end for k in range(len(new))]
                open_turn = False
            else:
                new = self._encode_letters(messages[int(part)]["content"])
                ids += new
                learned += [is_answer] * len(new)
                open_turn = is_answer
        return ids, learned

    def _end(self) -> list[int]:
        end = self.engine.token_to_id(self.eos) if self.eos else None
        return [] if end is None else [end]

    def _encode_letters(self, text: str) -> list[int]:
        """``text`` with every special token cut in two, so that none of them is recognised."""
        for special in self.specials:
            if len(special) > 1:
                text = text.replace(special, f"{special[0]}\ue002{special[1:]}")
        pieces = text.split("\ue002")
        return list(itertools.chain.from_iterable(self.encode(piece, bos=False) for piece in pieces))

    def _render(self, messages: Sequence[Message], answer: bool) -> str:
        values = {"messages": list(messages), "add_generation_prompt": answer}
        values |= {"bos_token": self.bos or "", "eos_token": self.eos or "", "tools": None}
        try:
            pieces, size = [], 0
            for piece in _program(self.template or _PLAIN_TEMPLATE).generate(**values):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_RENDERED:
                    raise TemplateError("it writes without end")
        except Exception as error:  # a program fails in any way it likes
            raise MalformedFileError(
                f"the model's chat template refused the conversation: {error}; try without a chat template",
                f"模型的对话模板拒绝了这段对话：{error}；可不用对话模板再试",
            ) from error
        return "".join(pieces)

    def stream(self) -> TokenStream:
        return TokenStream(self)


def _no_marks(messages: Sequence[Message]) -> None:
    if any(mark in m["content"] for m in messages for mark in "\ue000\ue001\ue002"):
        _refuse_message("a message holds private-use characters", "消息中含有私用区字符")


def _refuse_message(en: str, zh: str) -> NoReturn:
    raise UserError(f"the conversation cannot be used: {en}", f"这段对话无法使用：{zh}")


class TokenStream:
    """Ids in, text out, never half a character: what is not yet whole waits for the next token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._engine = tokenizer.engine
        self._decoder = DecodeStream(skip_special_tokens=True)
        self._waiting: list[int] = []

    def push(self, token: int) -> str:
        piece = self._decoder.step(self._engine, token)
        if piece is None:
            self._waiting.append(token)
            return ""
        self._waiting.clear()
        return piece

    def rest(self) -> str:
        """What still waits when no more tokens come: cut-off characters show as replacement marks."""
        text = self._engine.decode(self._waiting, skip_special_tokens=True) if self._waiting else ""
        self._waiting.clear()
        return text


def held_back(text: str, stops: Sequence[str]) -> int:
    """Length of the longest end of ``text`` with which one of ``stops`` could begin."""
    return max((n for stop in stops for n in _overlaps(text, stop)), default=0)


def _overlaps(text: str, stop: str) -> Iterator[int]:
    return (n for n in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-n:]))

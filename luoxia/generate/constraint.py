"""Text that must match a JSON schema, a regular expression or one of a few choices.

The grammar is followed by ``llguidance``, which says before each token which ones may come; here it is compiled
against a vocabulary and applied to the logits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import llguidance
import llguidance.numpy
import numpy as np
import tokenizers
from numpy.typing import NDArray

from luoxia.core.errors import ConstraintError
from luoxia.models.tokenizer import Tokenizer

MAX_SOURCE = 1 << 20  # characters of a schema, an expression or all choices together

_vocabularies: WeakKeyDictionary[tokenizers.Tokenizer, llguidance.LLTokenizer] = WeakKeyDictionary()


@dataclass(frozen=True)
class Constraint:
    """A grammar not yet bound to a model; ``what`` names it in messages."""

    grammar: str
    what: str

    @classmethod
    def from_json_schema(cls, schema: dict[str, Any] | bool | str) -> Constraint:
        """JSON text (compact separators or usual spacing) that ``schema`` accepts."""
        if isinstance(schema, str):
            try:
                schema = json.loads(schema)
            except (ValueError, RecursionError) as error:
                raise ConstraintError(
                    f"the JSON schema is not JSON: {error}", f"JSON 模式不是合法 JSON：{error}"
                ) from error
        if isinstance(schema, bool):  # the shortest schemas: anything, and nothing
            schema = {} if schema else {"enum": []}
        if not isinstance(schema, dict):
            raise ConstraintError("a JSON schema is an object", "JSON 模式应为一个对象")
        try:
            text = json.dumps(schema)
        except (TypeError, ValueError, RecursionError) as error:
            raise _cannot("JSON schema", str(error)) from error
        _bounded(text, "the JSON schema", "JSON 模式")
        # A fixed, short white space: models that are free in it can go on writing blanks for ever.
        options: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
        return cls._checked(
            lambda: llguidance.LLMatcher.grammar_from_json_schema(text, defaults=options), "JSON schema"
        )

    @classmethod
    def from_regex(cls, pattern: str) -> Constraint:
        """Text that matches the whole of ``pattern``, matched as an automaton: it cannot back-track."""
        _bounded(pattern, "the regular expression", "正则表达式")
        if (len(pattern) - len(pattern.rstrip("\\"))) % 2:  # llguidance would drop it in silence
            raise _cannot("regular expression", "it ends in a single backslash")
        return cls._checked(lambda: llguidance.LLMatcher.grammar_from_regex(pattern), "regular expression")

    @classmethod
    def from_choices(cls, choices: Sequence[str]) -> Constraint:
        """Exactly one of ``choices``."""
        if isinstance(choices, str) or not choices or not all(isinstance(c, str) and c for c in choices):
            raise ConstraintError(
                "choices must be one or more texts that are not empty", "选项必须是一个或多个非空文本"
            )
        _bounded("".join(choices), "the list of choices", "选项列表")
        rules = " | ".join(json.dumps(c) for c in choices)
        return cls._checked(
            lambda: llguidance.LLMatcher.grammar_from_lark(f"start: {rules}"), "list of choices"
        )

    @classmethod
    def _checked(cls, make: Any, what: str) -> Constraint:
        try:
            grammar = make()
        except (ValueError, RuntimeError, TypeError) as error:
            raise _cannot(what, str(error)) from error
        problem = llguidance.LLMatcher.validate_grammar(grammar)
        if problem:
            raise _cannot(what, problem)
        return cls(grammar, what)

    def bind(self, tokenizer: Tokenizer, vocab_size: int) -> Guide:
        """A :class:`Guide` over ``vocab_size`` logits."""
        return Guide(self, _vocabulary(tokenizer, vocab_size), vocab_size)


def _vocabulary(tokenizer: Tokenizer, vocab_size: int) -> llguidance.LLTokenizer:
    known = _vocabularies.get(tokenizer.engine)
    if known is None:
        ends = sorted(tokenizer.stop_ids) or None
        known = llguidance.LLTokenizer(_renamed(tokenizer.engine), n_vocab=vocab_size, eos_token=ends)
        _vocabularies[tokenizer.engine] = known
    return known


def _renamed(engine: tokenizers.Tokenizer) -> str:
    """``engine`` as JSON, its special tokens under names that nobody writes: where a grammar leaves one text only,
    llguidance encodes it with this, and would take ``<|im_end|>`` for the token instead of its letters."""
    data = json.loads(engine.to_str())
    added, model = data["added_tokens"], data["model"]
    names = {t["content"]: f"\ue000{t['id']}\ue001" for t in added if t["special"]}
    names.pop(model.get("unk_token"), None)
    for token in added:
        token["content"] = names.get(token["content"], token["content"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(text, text): id for text, id in model["vocab"].items()}
    return json.dumps(data)


def _bounded(text: str, en: str, zh: str) -> str:
    if len(text) > MAX_SOURCE:
        raise ConstraintError(
            f"{en} has {len(text)} characters; {MAX_SOURCE} are the most",
            f"{zh}有 {len(text)} 个字符，上限为 {MAX_SOURCE}",
        )
    return text


def _cannot(what: str, why: str) -> ConstraintError:
    why = " ".join(why.split())[:300]
    chinese = {"JSON schema": "JSON 模式", "regular expression": "正则表达式"}.get(what, "选项列表")
    return ConstraintError(f"the {what} cannot be met: {why}", f"{chinese}无法满足：{why}")


class Guide:
    """One generation under a constraint: :meth:`allow` masks logits, :meth:`take` follows the chosen token."""

    def __init__(self, constraint: Constraint, vocabulary: llguidance.LLTokenizer, vocab_size: int) -> None:
        self._what = constraint.what
        self._matcher = llguidance.LLMatcher(vocabulary, constraint.grammar, log_level=0)
        self._mask = llguidance.numpy.allocate_token_bitmask(1, vocab_size)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise _cannot(self._what, self._matcher.get_error())

    def allow(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """``logits`` with -inf wherever a token may not come next."""
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._mask)
        self._check()
        allowed = np.unpackbits(self._mask.view(np.uint8)[0], bitorder="little")[: len(logits)].astype(bool)
        if not allowed.any():
            raise _cannot(self._what, "no token may come next")
        return np.where(allowed, logits, np.float32(-np.inf))

    def take(self, token: int) -> None:
        self._matcher.consume_token(token)
        self._check()

    @property
    def finished(self) -> bool:
        """Nothing more can follow."""
        return self._matcher.is_stopped()

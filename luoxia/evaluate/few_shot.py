"""Few-shot learning as Brown et al. 2020 measure it (arXiv:2005.14165, section 2.4): no weight moves, examples stand in
the prompt, and the likelihood of each answer decides.

    summed      log p(a | c)
    per token   log p(a | c) / |a|
    normalised  log p(a | c) - log p(a | generic context), such as "Answer:"
    calibrated  log p(a | c) - log p(a | the same examples before an item that reads "N/A")

The last is not the paper's but Zhao et al. 2021's (arXiv:2102.09690, section 5), in its form without a learned scale:
what examples come last, or most often, sways small models more than what an item says.

An item of a "choice" is right when the right choice is the likeliest. One of "exact" is right when the likeliest token at
every place is the answer's, and behind it the line or the text ends: what greedy decoding writes, found in one pass.

One draw of examples serves all items here, where the paper draws anew for each of them: what the examples contribute is
then seen between draws, and computed once. A prompt is tokenised whole, so that no token ends where a part does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.data.task import RULES, Example, Rule, Task
from luoxia.evaluate.token_tree import Request, Scored, score
from luoxia.models.gpt import GPT
from luoxia.models.tokenizer import Tokenizer

Heard = Callable[[int, int], None]


@dataclass(frozen=True)
class Reader:
    """A network with its tokenizer: what prompts are scored by. ``lock`` is held while it computes."""

    network: GPT
    tokenizer: Tokenizer
    lock: threading.Lock | None = None

    @property
    def context(self) -> int:
        return self.network.config.block_size

    def requests(self, context: str, answers: Sequence[str], *, end: bool = False) -> list[Request]:
        """Each of ``answers`` behind ``context``, tokenised as one text where the context stays what it is."""
        before, found = tuple(self.tokenizer.encode(context)), list[Request]()
        for answer in answers:
            whole = tuple(self.tokenizer.encode(context + answer))
            joined = whole[: len(before)] == before and len(whole) > len(before)
            after = whole[len(before) :] if joined else tuple(self.tokenizer.encode(answer, bos=False))
            found.append(Request(before, after, end))
        return found


@dataclass(frozen=True)
class Answers:
    """``right`` (N,) bool for each rule that applies; of "exact" tasks, under "exact" alone."""

    right: dict[str, NDArray[np.bool_]]


def checked(reader: Reader, task: Task) -> None:
    """Raises :class:`UserError` for an answer that the tokenizer makes nothing of, or two choices that are one to it."""
    looked = set[tuple[str, ...]]()
    for example in (*task.items, *task.pool):
        texts = example.choices or (example.answer,)
        if texts in looked:
            continue
        looked.add(texts)
        ids = [tuple(reader.tokenizer.encode(task.template.answer(text), bos=False)) for text in texts]
        for text, found in zip(texts, ids, strict=True):
            if not found or not reader.tokenizer.decode(found, specials=True).strip():
                raise UserError(
                    f"the answer {text[:40]!r} of {task.name} is no token of the model's vocabulary; give it another name "
                    "under labels in its task.json",
                    f"任务 {task.name} 的答案 {text[:40]!r} 在模型词表中没有词元；请在 task.json 的 labels 中换一个名称",
                )
        if len(set(ids)) < len(ids):
            raise UserError(
                f"two choices of {task.name} are the same tokens: {', '.join(texts)[:120]}; give them other names",
                f"任务 {task.name} 的两个选项对应相同的词元：{'、'.join(texts)[:120]}；请换名称",
            )


def fitting(reader: Reader, task: Task, examples: Sequence[Example], room: int = 0) -> int:
    """How many of ``examples`` fit before the longest item, with its longest answer and ``room`` tokens more."""
    longest = max(task.items, key=lambda item: _length(reader, task, item))

    def fits(count: int) -> bool:
        return _length(reader, task, longest, examples[:count]) + room < reader.context

    low, high = 0, len(examples)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def too_long(reader: Reader, task: Task, room: int = 0) -> tuple[int, ...]:
    """The items that do not fit even alone."""
    return tuple(
        i for i, item in enumerate(task.items) if _length(reader, task, item) + room >= reader.context
    )


def _length(reader: Reader, task: Task, item: Example, examples: Sequence[Example] = ()) -> int:
    texts = item.choices or ((item.answer,) if task.kind == "exact" else ())
    answers = (len(reader.tokenizer.encode(task.template.answer(text), bos=False)) for text in texts)
    return len(reader.tokenizer.encode(task.prompt(examples, item))) + max(answers, default=0)


def measure(
    reader: Reader, task: Task, examples: Sequence[Example], heard: Heard = lambda *_: None
) -> Answers:
    """Which items are answered rightly behind ``examples``."""
    exact, requests = task.kind == "exact", list[Request]()
    for item in task.items:
        answers = [task.template.answer(text) for text in ((item.answer,) if exact else item.choices)]
        requests += reader.requests(task.prompt(examples, item), answers, end=exact)
    total = len(requests)
    found = score(reader.network, requests, lock=reader.lock, heard=lambda done: heard(done, total))
    if exact:
        return Answers({"exact": np.array([written(reader.tokenizer, each) for each in found])})
    texts = list(dict.fromkeys(choice for item in task.items for choice in item.choices))
    plain = unconditional(reader, task, texts, task.generic or task.template.generic)
    blank = unconditional(reader, task, texts, task.prompt(examples, task.template.blank))
    right = {rule: np.zeros(len(task.items), bool) for rule in RULES}
    at = 0
    for i, item in enumerate(task.items):
        scored = found[at : at + len(item.choices)]
        at += len(item.choices)
        for rule in RULES:
            values = [by(rule, s, plain[c], blank[c]) for s, c in zip(scored, item.choices, strict=True)]
            right[rule][i] = item.choices[int(np.argmax(values))] == item.answer
    return Answers(right)


def by(rule: Rule, scored: Scored, plain: float, blank: float) -> float:
    """A choice's score under ``rule``; ``plain`` and ``blank`` are its log-probabilities behind the generic context and
    behind the examples with an item that says nothing."""
    if rule == "summed":
        return scored.total
    if rule == "per_token":
        return scored.total / len(scored.logprobs)
    return scored.total - (plain if rule == "normalised" else blank)


def unconditional(reader: Reader, task: Task, texts: Sequence[str], context: str) -> dict[str, float]:
    """log p(choice | context) of each of ``texts`` behind a context that says nothing of an item."""
    requests = reader.requests(context, [task.template.answer(text) for text in texts])
    found = score(reader.network, requests, lock=reader.lock)
    return {text: scored.total for text, scored in zip(texts, found, strict=True)}


def written(tokenizer: Tokenizer, scored: Scored) -> bool:
    """Whether greedy decoding writes the answer and then ends the line or the text."""
    if not scored.likeliest.all():
        return False
    return scored.next in tokenizer.stop_ids or tokenizer.token(scored.next).startswith("\n")

"""Conversations as rows of tokens to learn answers from: cut, held out, packed.

A row has T tokens of several conversations one behind the other; ``documents`` tells which is which, so that none sees
another. ``targets[t]`` is the token behind token t where it is the assistant's, -100 elsewhere: questions are read, and
answers alone are learned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.examples import Unit, no_images
from luoxia.data.pair_fields import Conversation
from luoxia.data.pairs import Pairs
from luoxia.models.tokenizer import Tokenizer

UNTOLD = -100
HELD_OUT, MOST_HELD_OUT = 0.1, 200  # share of the examples that is not trained on, and how many at most


@dataclass(frozen=True)
class Lesson:
    """``ids`` of one conversation, and the ``targets`` behind each of them."""

    ids: NDArray[np.int32]
    targets: NDArray[np.int32]

    @property
    def learned(self) -> int:
        return int((self.targets != UNTOLD).sum())


def lesson(conversation: Conversation, tokenizer: Tokenizer) -> Lesson:
    """One conversation as tokens; what comes behind the last token that is learned is left out."""
    if conversation[0]["role"] == "text":
        ids = tokenizer.encode(conversation[0]["content"])
        end = tokenizer.engine.token_to_id(tokenizer.eos) if tokenizer.eos else None
        ids = ids if end is None else [*ids, end]
        learned = [False] + [True] * (len(ids) - 1)  # the first has nothing before it
    else:
        ids, learned = tokenizer.lesson(conversation)
    last = max((i for i, told in enumerate(learned) if told), default=0)
    taken = np.asarray(ids[: last + 1], np.int32)
    targets = np.full(len(taken), UNTOLD, np.int32)
    targets[:-1] = np.where(learned[1 : last + 1], taken[1:], UNTOLD)
    return Lesson(taken, targets)


def pack(sizes: Sequence[int], width: int) -> list[list[int]]:
    """Which examples share a row of ``width`` tokens: the largest first, each into the first row that has room."""
    rows: list[list[int]] = []
    room: list[int] = []
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        at = next((r for r, left in enumerate(room) if left >= sizes[i]), len(rows))
        if at == len(rows):
            rows.append([])
            room.append(width)
        rows[at].append(i)
        room[at] -= sizes[i]
    return rows


def held_out(conversations: Sequence[Conversation], share: float) -> NDArray[np.bool_]:
    """Which examples are not trained on: chosen by the hash of what is asked, so that the same question is never on both
    sides, and the choice stays when the file grows."""
    asked = [c[:-1] if len(c) > 1 else c for c in conversations]
    keys = [hashlib.sha256(repr([sorted(m.items()) for m in q]).encode()).digest() for q in asked]
    wanted = min(MOST_HELD_OUT, max(1, round(share * len(keys)))) if share else 0
    chosen: set[bytes] = set()
    count = 0
    for key in sorted(set(keys)):
        if count >= wanted:
            break
        count += keys.count(key)
        chosen.add(key)
    return np.array([key in chosen for key in keys])


@dataclass(frozen=True)
class LessonRows:
    """``ids``, ``targets``, ``documents`` (N, T) int32, padded with documents of number -1; the last ``held`` rows are held
    out. ``asked`` are held-out conversations, for a look at answers. ``notes`` are for the user."""

    name: str
    ids: NDArray[np.int32]
    targets: NDArray[np.int32]
    documents: NDArray[np.int32]
    held: int
    asked: tuple[Conversation, ...]
    examples: int
    licence: tuple[str, ...]
    digest: str
    notes: tuple[Text, ...] = ()

    @property
    def images(self) -> NDArray[np.uint8]:
        return no_images(len(self.ids))

    @property
    def labels(self) -> None:
        return None

    @property
    def unit(self) -> Unit:
        """A row counts as its tokens on an average, padding left out."""
        return Unit("tokens", Text("tokens/s", "词元/秒"), max(1, self.tokens(self.train) // len(self.train)))

    @property
    def counted(self) -> Text:
        n, tokens = self.examples, self.tokens(self.train)
        return Text(
            f"{n} examples of {tokens} tokens in {len(self.train)} rows of {self.width}",
            f"{n} 个样例、{tokens} 个词元，装入 {len(self.train)} 行，每行 {self.width} 个",
        )

    @property
    def width(self) -> int:
        return self.ids.shape[1]

    @property
    def train(self) -> NDArray[np.int64]:
        return np.arange(len(self.ids) - self.held)

    @property
    def held_out(self) -> NDArray[np.int64]:
        return np.arange(len(self.ids) - self.held, len(self.ids))

    def tokens(self, rows: NDArray[np.int64]) -> int:
        """Tokens of ``rows`` that are no padding."""
        return int((self.documents[rows] >= 0).sum())

    def learned(self, rows: NDArray[np.int64]) -> int:
        return int((self.targets[rows] != UNTOLD).sum())

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "examples": self.examples,
            "rows": len(self.train),
            "held_out_rows": self.held,
            "tokens": self.tokens(self.train),
            "tokens_learned": self.learned(self.train),
        }


def rows(pairs: Pairs, tokenizer: Tokenizer, *, length: int, share: float, licence: str = "") -> LessonRows:
    """``pairs`` as rows. What is longer than ``length`` tokens is cut behind; an example whose question fills it is left
    out and said. Raises :class:`UserError` where nothing is left, or an answer has no tokens."""
    lessons = [lesson(c, tokenizer) for c in pairs.conversations]
    silent = [line for line, one in zip(pairs.lines, lessons, strict=True) if not one.learned]
    if silent:
        some = ", ".join(map(str, silent[:8]))
        raise UserError(
            f"{pairs.name}: the answers on lines {some} have no tokens to learn ({len(silent)} in all)",
            f"{pairs.name}：第 {some} 行的答案没有可学习的词元（共 {len(silent)} 处）",
        )
    notes = list(pairs.notes)
    cut = [Lesson(one.ids[:length], one.targets[:length]) for one in lessons]
    kept = [i for i, one in enumerate(cut) if one.learned]
    notes += _told_of_length(lessons, kept, length)
    out = held_out([pairs.conversations[i] for i in kept], share)
    if not kept or out.all():
        raise UserError(
            f"{pairs.name} leaves nothing to train on: {len(kept)} of {len(lessons)} examples fit into {length} tokens",
            f"{pairs.name} 没有可训练的内容：{len(lessons)} 个样例中有 {len(kept)} 个不超过 {length} 个词元",
        )
    width = max(len(cut[i].ids) for i in kept)
    width = min(length, max(512, -(-width // 64) * 64))
    parts = [
        _packed([cut[i] for i, is_out in zip(kept, out, strict=True) if is_out == side], width)
        for side in (False, True)
    ]
    ids, targets, documents = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return LessonRows(
        pairs.name,
        ids,
        targets,
        documents,
        len(parts[1][0]),
        tuple(pairs.conversations[i] for i, is_out in zip(kept, out, strict=True) if is_out),
        int((~out).sum()),
        (licence or Text("not stated by whoever gave it", "提供者未说明").en,),
        pairs.digest,
        tuple(notes),
    )


def _told_of_length(lessons: list[Lesson], kept: list[int], length: int) -> list[Text]:
    found = []
    long = sum(len(lessons[i].ids) > length for i in kept)
    if long:
        found.append(
            Text(
                f"{long} answers are cut: with their questions they are longer than {length} tokens",
                f"{long} 个答案被截断：连同问题超过 {length} 个词元",
            )
        )
    if len(kept) < len(lessons):
        n = len(lessons) - len(kept)
        found.append(
            Text(
                f"{n} examples are left out: their questions alone fill {length} tokens",
                f"{n} 个样例未采用：仅问题就占满 {length} 个词元",
            )
        )
    return found


def _packed(lessons: list[Lesson], width: int) -> tuple[NDArray[np.int32], ...]:
    plan = pack([len(one.ids) for one in lessons], width)
    ids = np.zeros((len(plan), width), np.int32)
    targets, documents = np.full_like(ids, UNTOLD), np.full_like(ids, -1)
    for row, members in enumerate(plan):
        at = 0
        for number, i in enumerate(sorted(members)):
            here = slice(at, at + len(lessons[i].ids))
            ids[row, here], targets[row, here], documents[row, here] = (
                lessons[i].ids,
                lessons[i].targets,
                number,
            )
            at = here.stop
    return ids, targets, documents

"""What is looked at while a model is fine-tuned: loss on held-out answers, the answers themselves, and what was forgotten."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from luoxia.data.general_text import general_text
from luoxia.data.lessons import LessonRows
from luoxia.data.pair_fields import Conversation
from luoxia.evaluate.perplexity import perplexity
from luoxia.generate.decoding import continued
from luoxia.generate.sampling import Sampling
from luoxia.models.gpt import GPT
from luoxia.models.tokenizer import Tokenizer
from luoxia.objectives.answers import NextAnswer
from luoxia.objectives.phase import Draw

SHOWN, WRITTEN = 6, 128  # held-out questions that are answered, and the tokens of an answer
ROWS = 2  # scored at once
GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0)


@dataclass(frozen=True)
class Look:
    """One look at a model: ``nats`` a token of held-out answers, ``general`` nats a token of a page of plain prose in the
    base's language, and its ``answers`` to held-out questions."""

    nats: float
    general: float
    answers: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"nats_per_token": self.nats, "general_nats": self.general, "answers": list(self.answers)}


class FinetuneStudy:
    """Scores and answers of ``network`` as it stands, whatever stands beside its layers."""

    def __init__(
        self,
        network: GPT,
        tokenizer: Tokenizer,
        rows: LessonRows,
        loss: NextAnswer,
        language: str,
        bf16: bool,
    ) -> None:
        self.network, self.tokenizer, self.rows, self.loss = network, tokenizer, rows, loss
        self.language, self.bf16 = language, bf16
        self.asked = [_question(c) for c in rows.asked[:SHOWN]]

    def of(self, network: GPT, loss: NextAnswer) -> FinetuneStudy:
        """The same look at another network."""
        return FinetuneStudy(network, self.tokenizer, self.rows, loss, self.language, self.bf16)

    def scores(self) -> dict[str, float]:
        """``nats_per_token`` and ``accuracy`` over all tokens of held-out answers."""
        index = torch.from_numpy(self.rows.held_out)
        device = next(iter(self.network.norm.parameters())).device
        sums, count = {"nats_per_token": 0.0, "accuracy": 0.0}, 0
        with self._looking():
            for part in index.split(ROWS):
                learned = self.rows.learned(part.numpy())
                notes = self.loss(Draw(torch.empty(0), None, torch.Generator(), part.to(device))).notes
                sums = {name: total + float(notes[name]) * learned for name, total in sums.items()}
                count += learned
        return {name: total / count for name, total in sums.items()}

    def look(self) -> Look:
        return Look(self.scores()["nats_per_token"], self.general(), self.answers())

    def general(self) -> float:
        """Nats a token of a page of plain prose: what grows when a model forgets."""
        text = general_text(self.language)
        ids = self.tokenizer.encode(text)
        with self._looking():
            return perplexity(self.network, ids, len(text.encode())).nats

    def answers(self) -> tuple[str, ...]:
        """The likeliest answer to each of some held-out questions, token by token."""
        prompts = [self.tokenizer.chat(c) if c[0]["role"] != "text" else self._opening(c) for c in self.asked]
        room = self.network.config.block_size - max(map(len, prompts), default=0)
        if not prompts or room < 1:
            return ()
        new, stops = min(WRITTEN, room), self.tokenizer.stop_ids
        with self._looking():
            written = continued(self.network, prompts, new, GREEDY, 0, ends=stops)
        return tuple(
            self.tokenizer.decode(row[:-1]) if row[-1] in stops else self.tokenizer.decode(row) + " …"
            for row in written
        )

    def texts(self) -> tuple[str, ...]:
        """Questions and answers as a run's samples show them."""
        return tuple(f"{_shown(c)} ▸ {answer}" for c, answer in zip(self.asked, self.answers(), strict=True))

    def table(self, before: dict[str, Any], after: Look) -> list[dict[str, Any]]:
        """A row for each held-out question: the answer before, after, and the one that was to be learned."""
        wanted = [_wanted(c) for c in self.rows.asked[: len(self.asked)]]
        answers = zip(self.asked, before["answers"], after.answers, wanted, strict=True)
        return [
            {"question": _shown(c), "before": old, "after": new, "wanted": right}
            for c, old, new, right in answers
        ]

    def _opening(self, conversation: Conversation) -> list[int]:
        ids = self.tokenizer.encode(conversation[0]["content"])
        return ids[: max(1, min(24, len(ids) // 2))]

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        """No gradients, no dropout, and the run's precision."""
        device = next(iter(self.network.norm.parameters())).device.type
        was = self.network.training
        self.network.eval()
        try:
            with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=self.bf16):
                yield
        finally:
            self.network.train(was)


def _question(conversation: Conversation) -> Conversation:
    """The conversation up to its last answer."""
    last = max((i for i, m in enumerate(conversation) if m["role"] == "assistant"), default=1)
    return conversation[:last]


def _wanted(conversation: Conversation) -> str:
    return next((m["content"] for m in reversed(conversation) if m["role"] == "assistant"), "")


def _shown(conversation: Conversation) -> str:
    text = next((m["content"] for m in reversed(conversation) if m["role"] != "assistant"), "")
    return text if len(text) <= 400 else f"{text[:400]} …"


def scores_of(before: dict[str, Any], after: Look) -> dict[str, float]:
    """What a report says in numbers."""
    return {
        "answers_nats_before": float(before["nats_per_token"]),
        "answers_nats_after": after.nats,
        "general_perplexity_before": math.exp(before["general_nats"]),
        "general_perplexity_after": math.exp(after.general),
    }

"""One generation as it happens: pieces of text, and what is known about them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from luoxia.core import seeds
from luoxia.generate.constraint import Constraint
from luoxia.generate.decoding import Decoding
from luoxia.generate.sampling import Chooser, Sampling
from luoxia.models.tokenizer import Tokenizer, held_back

if TYPE_CHECKING:
    from luoxia.generate.text import TextModel

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class TokenScore:
    """A chosen token with its natural log-probability and the likeliest alternatives (token, id, log-probability)."""

    token: str
    id: int
    logprob: float
    top: tuple[tuple[str, int, float], ...] = ()


class Piece(str):
    """Some characters of the answer; ``tokens`` are those that ended in it, when log-probabilities were asked for."""

    tokens: tuple[TokenScore, ...]

    def __new__(cls, text: str, tokens: Sequence[TokenScore] = ()) -> Piece:
        piece = super().__new__(cls, text)
        piece.tokens = tuple(tokens)
        return piece


def score(logits: NDArray[np.float32], token: int, n: int, tokenizer: Tokenizer) -> TokenScore:
    """log softmax(logits) at ``token`` and at the ``n`` likeliest."""
    wide = logits.astype(np.float64)
    wide -= wide.max()
    wide -= np.log(np.exp(wide).sum())
    best = np.argsort(-wide, kind="stable")[:n] if n else []
    top = tuple((tokenizer.token(int(i)), int(i), float(wide[i])) for i in best)
    return TokenScore(tokenizer.token(token), token, float(wide[token]), top)


class TextStream:
    """Iterate for pieces of text. ``finish_reason`` is None until the end: "stop" (the model or a stop text ended it),
    "length" (``max_new_tokens`` or the context is full) or "cancelled" (:meth:`close`).

    Stop texts are not part of the answer, and nothing that could still become one is given out.
    """

    def __init__(
        self, model: TextModel, ids: Sequence[int], sampling: Sampling, constraint: Constraint | None
    ) -> None:
        self.seed = seeds.checked(sampling.seed)
        self.prompt_tokens = len(ids)
        self.completion_tokens = 0
        self.finish_reason: FinishReason | None = None
        self.first_token_seconds = 0.0
        self.seconds = 0.0
        self._model, self._ids, self._sampling = model, list(ids), sampling
        self._guide = constraint.bind(model.tokenizer, model.config.vocab_size) if constraint else None
        self._closed = threading.Event()
        self._pieces = self._run()

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        return next(self._pieces)

    def close(self) -> None:
        """Stop at the next token; may be called from any thread."""
        self._closed.set()

    def text(self) -> str:
        """Everything that is still to come, joined."""
        return "".join(self)

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second after the first."""
        spent = self.seconds - self.first_token_seconds
        return (self.completion_tokens - 1) / spent if self.completion_tokens > 1 and spent > 0 else 0.0

    def _run(self) -> Iterator[Piece]:
        began = time.perf_counter()
        try:
            if not self._closed.is_set():
                yield from self._generate(began)
        finally:
            self.finish_reason = self.finish_reason or "cancelled"
            self.seconds = time.perf_counter() - began

    def _generate(self, began: float) -> Iterator[Piece]:
        sampling, tokenizer = self._sampling, self._model.tokenizer
        room = min(sampling.max_new_tokens, self._model.context - len(self._ids))
        decoding = Decoding(self._model.network, len(self._ids) + room, self._model.fused, self._model.lock)
        choose = Chooser(sampling, seeds.generator(self.seed))
        out = Emitter(tokenizer, sampling.stop)
        seen = list(self._ids)
        logits = decoding.prefill(self._ids, self._closed.is_set)
        scores: list[TokenScore] = []
        while logits is not None and not self._closed.is_set():
            token = choose(self._guide.allow(logits) if self._guide else logits, seen)
            self.completion_tokens += 1
            if self.completion_tokens == 1:
                self.first_token_seconds = time.perf_counter() - began
            self.seconds = time.perf_counter() - began
            if token in tokenizer.stop_ids:
                self.finish_reason = "stop"
                break
            seen.append(token)
            if sampling.logprobs is not None:
                scores.append(score(logits, token, sampling.logprobs, tokenizer))
            text = out.push(token)
            if text:
                yield Piece(text, scores)
                scores = []
            if self._guide:
                self._guide.take(token)
            if out.stopped or (self._guide and self._guide.finished):
                self.finish_reason = "stop"
                break
            if self.completion_tokens >= room:
                self.finish_reason = "length"
                break
            logits = decoding.step(token)
        rest = out.rest()
        if rest or scores:
            yield Piece(rest, scores)


class Emitter:
    """Tokens in, text out that is certain to belong to the answer."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str]) -> None:
        self._stream, self._stops, self._held = tokenizer.stream(), stops, ""
        self.stopped = False

    def push(self, token: int) -> str:
        return self._release(self._stream.push(token))

    def rest(self) -> str:
        if self.stopped:
            return ""
        return self._release(self._stream.rest()) + ("" if self.stopped else self._held)

    def _release(self, text: str) -> str:
        text = self._held + text
        ends = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if ends:
            self.stopped = True
            return text[: min(ends)]
        keep = held_back(text, self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

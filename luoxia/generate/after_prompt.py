"""Greedy answers to many prompts that begin alike, the beginning read once.

What is written to one prompt leaves no trace in the next: the keys and values behind the beginning are written over.
"""

from __future__ import annotations

from collections.abc import Sequence

from luoxia.core.errors import ContextError
from luoxia.generate.constraint import Constraint
from luoxia.generate.decoding import Decoding
from luoxia.generate.stream import Emitter
from luoxia.generate.text import TextModel


class AfterPrompt:
    """``beginning``: token ids that every prompt starts with, maybe none; ``room``: for the rest of a prompt and its
    answer."""

    def __init__(self, model: TextModel, beginning: Sequence[int], room: int) -> None:
        self.model, self.first = model, len(beginning)
        size = min(self.first + room, model.context)
        self._decoding = Decoding(model.network, size, model.fused, model.lock)
        if self.first:
            self._decoding.prefill(beginning)

    def answer(
        self,
        rest: Sequence[int],
        most: int,
        *,
        stop: Sequence[str] = (),
        constraint: Constraint | None = None,
    ) -> str:
        """The likeliest next tokens behind the beginning and ``rest`` (one at least), up to ``most`` of them: until the
        model or a stop text ends them, or the constraint is met."""
        model, decoding = self.model, self._decoding
        if self.first + len(rest) + most > decoding.cache.size:
            raise ContextError(
                f"a prompt of {self.first + len(rest)} tokens leaves no room for {most} more in {decoding.cache.size}",
                f"{self.first + len(rest)} 个词元的提示在 {decoding.cache.size} 中容不下另外 {most} 个",
            )
        decoding.cache.length = self.first
        guide = constraint.bind(model.tokenizer, model.config.vocab_size) if constraint else None
        out, text = Emitter(model.tokenizer, stop), list[str]()
        logits = decoding.prefill(rest)
        assert logits is not None
        for left in range(most, 0, -1):
            token = int((guide.allow(logits) if guide else logits).argmax())
            if token in model.tokenizer.stop_ids:
                break
            text.append(out.push(token))
            if guide:
                guide.take(token)
            if out.stopped or (guide and guide.finished) or left == 1:
                break
            logits = decoding.step(token)
        return "".join(text) + out.rest()

"""A loaded text model: what ``luoxia.load`` returns."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from luoxia.core import seeds
from luoxia.core.errors import ContextError, UserError
from luoxia.core.runtime import Runtime
from luoxia.generate.constraint import Constraint
from luoxia.generate.decoding import BatchDecoding, Decoding
from luoxia.generate.fused import FusedDecoder, fits
from luoxia.generate.sampling import Chooser, Sampling
from luoxia.generate.stream import Emitter, FinishReason, TextStream
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Message, Tokenizer
from luoxia.nn.kernels import Team


@dataclass(frozen=True)
class Completion:
    """One finished generation."""

    text: str
    seed: int
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


class TextModel:
    """A decoder, its tokenizer and where they run. Streams may run side by side; they take turns token by token.

    ``stream``, ``chat`` and ``complete`` take the fields of :class:`Sampling` as keywords. At the context limit a
    prompt that leaves no room for one token is refused with :class:`ContextError`; a generation that fills the
    context ends with ``finish_reason`` "length".
    """

    def __init__(
        self, id: str, network: GPT, tokenizer: Tokenizer, runtime: Runtime, team: Team | None = None
    ) -> None:
        self.id, self.network, self.tokenizer, self.runtime = id, network, tokenizer, runtime
        self.fused = FusedDecoder(network, team or Team(runtime.threads)) if fits(network) else None
        self.lock = threading.Lock()

    def warm_up(self) -> None:
        """Bring the compiled code in, so that the first token does not wait for it. Compiles it where it is not kept
        from an earlier run, which takes some seconds once for a version of Luoxia on a machine."""
        decoding = Decoding(self.network, 2, self.fused, self.lock)
        decoding.prefill([0])
        decoding.step(0)

    @property
    def config(self) -> GPTConfig:
        return self.network.config

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        return self.network.config.block_size

    def stream(self, prompt: str, *, constraint: Constraint | None = None, **sampling: Any) -> TextStream:
        """Continue ``prompt`` as it stands."""
        return self.stream_ids(self.tokenizer.encode(prompt), constraint=constraint, **sampling)

    def chat(
        self, messages: Sequence[Message], *, constraint: Constraint | None = None, **sampling: Any
    ) -> TextStream:
        """Answer a conversation of ``{"role": ..., "content": ...}`` in the model's own chat format."""
        if not messages:
            raise UserError(
                "the conversation is empty; give at least one message", "对话为空；请至少给一条消息"
            )
        return self.stream_ids(self.tokenizer.chat(messages), constraint=constraint, **sampling)

    def stream_ids(
        self, ids: Sequence[int], *, constraint: Constraint | None = None, **sampling: Any
    ) -> TextStream:
        """Continue token ``ids``."""
        return TextStream(self, self._checked(ids), Sampling(**sampling), constraint)

    def complete(self, prompts: Sequence[str], **sampling: Any) -> list[Completion]:
        """Continue several prompts in one batch. Sample i draws from (seed, i) alone, whatever the batch."""
        options = Sampling(**sampling)
        if not prompts:
            return []
        seed = seeds.checked(options.seed)
        ids = [self._checked(self.tokenizer.encode(p)) for p in prompts]
        new = min(options.max_new_tokens, self.context - max(map(len, ids)))
        rows = [_Row(self.tokenizer, options, seed, i, prompt) for i, prompt in enumerate(ids)]
        with self.lock:
            decoding = BatchDecoding(self.network, ids, new)
            logits = decoding.prefill()
            for left in range(new, 0, -1):
                tokens = [
                    row.take(row_logits, last=left == 1) for row, row_logits in zip(rows, logits, strict=True)
                ]
                if all(row.reason for row in rows):
                    break
                logits = decoding.step(tokens)
        return [row.completion() for row in rows]

    def _checked(self, ids: Sequence[int]) -> Sequence[int]:
        if not ids:
            raise UserError("the prompt is empty; write something to continue", "提示为空；请写点内容")
        if not 0 <= min(ids) <= max(ids) < self.config.vocab_size:
            raise UserError(
                f"token ids of {self.id} lie between 0 and {self.config.vocab_size - 1}",
                f"{self.id} 的词元编号在 0 到 {self.config.vocab_size - 1} 之间",
            )
        if len(ids) >= self.context:
            raise ContextError(
                f"the prompt has {len(ids)} tokens and {self.id} reads {self.context} with its answer; shorten the prompt",
                f"提示有 {len(ids)} 个词元，而 {self.id} 连同回答最多 {self.context} 个；请缩短提示",
            )
        return ids


class _Row:
    """One sample of a batch: chooses its tokens until it has its reason to end."""

    def __init__(
        self, tokenizer: Tokenizer, sampling: Sampling, seed: int, index: int, prompt: Sequence[int]
    ) -> None:
        self._choose = Chooser(sampling, seeds.generator(seed, index))
        self._out, self._stops, self._seed = Emitter(tokenizer, sampling.stop), tokenizer.stop_ids, seed
        self._seen, self._prompt_tokens, self._new = list(prompt), len(prompt), 0
        self._text: list[str] = []
        self.reason: FinishReason | None = None

    def take(self, logits: Any, *, last: bool) -> int:
        if self.reason:
            return 0
        token = self._choose(logits, self._seen)
        self._new += 1
        if token in self._stops:
            self.reason = "stop"
            return token
        self._seen.append(token)
        self._text.append(self._out.push(token))
        self.reason = "stop" if self._out.stopped else "length" if last else None
        return token

    def completion(self) -> Completion:
        assert self.reason
        text = "".join(self._text) + self._out.rest()
        return Completion(text, self._seed, self.reason, self._prompt_tokens, self._new)

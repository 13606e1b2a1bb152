"""What is looked at while a GPT learns: bits per byte of held-out text, and what it writes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from luoxia.data.tokens import TokenSet
from luoxia.generate.decoding import continued
from luoxia.generate.sampling import Sampling
from luoxia.models.gpt import GPT
from luoxia.models.tokenizer import Tokenizer
from luoxia.nn.head_loss import head_loss
from luoxia.train.engine import Modules

MOST = 1 << 18  # held-out tokens that a checkpoint is scored on
TOKENS = 4_096  # of them that are computed at once
OPENING, WRITTEN = 16, 96  # tokens of a held-out beginning that is continued, and of what is written
DRAWN = Sampling(temperature=0.8, top_p=0.95, repetition_penalty=1.0)


class GPTStudy:
    """Scores and texts of the modules of a run on ``corpus``."""

    def __init__(
        self,
        corpus: TokenSet,
        tokenizer: Tokenizer,
        block_size: int,
        by_document: bool,
        seed: int,
        bf16: bool,
    ) -> None:
        self.corpus, self.tokenizer, self.block_size = corpus, tokenizer, block_size
        self.by_document, self.seed, self.bf16 = by_document, seed, bf16
        self.count = min(MOST, len(corpus.held_out.tokens) - 1)

    @property
    def told(self) -> dict[str, int]:
        """What the score depends on."""
        return {"held_out_tokens": self.count, "window": self.block_size}

    @torch.no_grad()
    def scores(self, modules: Modules) -> dict[str, float]:
        """``bits_per_byte`` and ``nats_per_token`` of the first held-out tokens, in windows that stand side by side: a
        token is predicted from those before it in its window."""
        gpt = modules["gpt"]
        assert isinstance(gpt, GPT)
        device, split = gpt.wte.weight.device, self.corpus.held_out
        seen = torch.from_numpy(split.tokens[: self.count + 1].astype("int64")).to(device)
        nats, rows = 0.0, max(1, TOKENS // self.block_size)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            for at in range(0, self.count, rows * self.block_size):
                part = seen[at : at + rows * self.block_size + 1]
                for ids, targets, first in _windows(part, self.block_size):
                    documents = self._documents(ids, at + first) if self.by_document else None
                    hidden = gpt.hidden(ids, documents=documents)
                    nats += float(head_loss(hidden.flatten(0, 1), gpt.last(), targets.flatten())[0])
        size = split.bytes_before(self.count + 1) - split.bytes_before(1)
        return {"bits_per_byte": nats / math.log(2) / size, "nats_per_token": nats / self.count}

    def _documents(self, ids: Tensor, first: int) -> Tensor:
        places = torch.arange(first, first + ids.numel()).numpy()
        return torch.from_numpy(self.corpus.held_out.document_of(places)).view(ids.shape).to(ids.device)

    def texts(self, modules: Modules, generator: torch.Generator) -> tuple[str, ...]:
        """Two texts from nothing, and two that continue the beginnings of held-out documents, which end at "▸"."""
        gpt, end = modules["gpt"], self.corpus.end
        assert isinstance(gpt, GPT)
        opened = [self._opening(i) for i in range(min(2, len(self.corpus.held_out.documents)))]
        prompts = [[end, *ids] for ids in ([], [], *opened)]
        seed = int(torch.randint(1 << 62, (), generator=generator, device=generator.device))
        new = min(WRITTEN, gpt.config.block_size - max(map(len, prompts)))
        written = continued(gpt, prompts, new, DRAWN, seed, ends=(end,))
        said = [self.tokenizer.decode(row[: row.index(end)] if end in row else row) for row in written]
        begun = [f"{self.tokenizer.decode(ids[1:])}▸" if ids[1:] else "" for ids in prompts]
        return tuple(a + b for a, b in zip(begun, said, strict=True))

    def _opening(self, number: int) -> list[int]:
        """The first tokens of a held-out document, half of it at most and of what a row holds."""
        split = self.corpus.held_out
        starts = [*split.documents[:, 0].tolist(), len(split.tokens)]
        first, last = starts[number], starts[number + 1]
        length = max(1, min(OPENING, (last - first) // 2, self.block_size // 2 - 1))
        return split.tokens[first : first + length].tolist()


def _windows(tokens: Tensor, size: int) -> list[tuple[Tensor, Tensor, int]]:
    """Ids and targets (B, T) of as many whole windows as there are, and of what is left; and where each begins."""
    whole = (len(tokens) - 1) // size
    found = []
    if whole:
        ids, targets = (
            tokens[: whole * size].view(whole, size),
            tokens[1 : whole * size + 1].view(whole, size),
        )
        found.append((ids, targets, 0))
    if whole * size < len(tokens) - 1:
        found.append((tokens[whole * size : -1][None], tokens[whole * size + 1 :][None], whole * size))
    return found

"""DALL·E: one decoder over the tokens of a caption and the codes of its picture (Ramesh et al. 2021, arXiv:2102.12092).

    p(picture, caption) = prod_i p(s_i | s_1 .. s_{i-1}),   s = caption (T tokens), then codes (n = side^2)

A code's place is told by an embedding of its row and one of its column; a caption's unused places are filled by padding
that is learned for each place (section 2.2). The vocabularies are apart: what follows within the caption is one of
its V tokens, what follows at its end is one of the K codes.

Blocks are GPT's: LayerNorm, exact GELU, learned positions, as GPT-2 has them, so that the whole is a GPT-2 under other
names. Attention is dense by default: with 64 codes, sparse patterns save nothing.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.models.captions import PAD
from luoxia.models.gpt import Block, GPTConfig
from luoxia.nn.attention import KVCache
from luoxia.nn.sparse import Sparse, cycle


@dataclass(frozen=True)
class DalleConfig:
    """``vocab_size`` V of captions, ``text_length`` T; ``codes`` K, ``side`` of their square. ``sparse`` names the
    kinds of attention that the layers take in turn, "dense" among them; a last one after "/" is that of the last
    layer. Empty: dense."""

    vocab_size: int
    codes: int
    text_length: int = 16
    side: int = 8
    n_layer: int = 8
    n_head: int = 4
    n_embd: int = 256
    sparse: tuple[str, ...] = ()
    kernel: int = 11

    def __post_init__(self) -> None:
        object.__setattr__(self, "sparse", tuple(self.sparse))
        for name in ("vocab_size", "codes", "side", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.text_length < 2:
            raise ValueError(f"text_length is {self.text_length}; a caption begins and ends, which is 2")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}")

    @property
    def places(self) -> int:
        """n, codes of a picture."""
        return self.side**2

    @property
    def block(self) -> GPTConfig:
        return GPTConfig(
            self.vocab_size + self.codes,
            self.text_length + self.places,
            self.n_layer,
            self.n_head,
            self.n_embd,
            mlp="gelu-erf",
            qkv_bias=False,
            out_bias=False,
            mlp_bias=False,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"sparse": list(self.sparse)}


class Dalle(nn.Module):
    """Captions (B, T) int64 and codes (B, n) int64 to logits of both.

    Weights are drawn from ``generator``.
    """

    def __init__(self, config: DalleConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        c = config.n_embd
        self.words = nn.Parameter(torch.empty(config.vocab_size, c))  # the table of captions, and their head
        self.padding = nn.Parameter(torch.empty(config.text_length, c))
        self.order = nn.Parameter(torch.empty(config.text_length, c))
        self.codes = nn.Parameter(torch.empty(config.codes, c))
        self.rows = nn.Parameter(torch.empty(config.side, c))
        self.columns = nn.Parameter(torch.empty(config.side, c))
        shared: dict[str, Sparse] = {}
        kinds = cycle(config.sparse, config.n_layer)
        for kind in kinds:
            if kind != "dense" and kind not in shared:
                shared[kind] = Sparse(kind, config.text_length, config.side, config.kernel)
        self.blocks = nn.ModuleList(Block(config.block, i, shared.get(kind)) for i, kind in enumerate(kinds))
        self.norm = nn.LayerNorm(c)
        self.head = nn.Linear(c, config.codes, bias=False)
        initialise(self, generator)

    def forward(self, ids: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of what follows, from what stands before it: of the captions' own tokens (M, V), those of
        ``ids[:, 1:]`` that are not padding, one caption after the other; and of the codes (B, n, K)."""
        hidden = self.run(torch.cat([self.embed_text(ids), self.embed_codes(codes[:, :-1], 0)], 1))
        t = self.config.text_length
        told = hidden[:, : t - 1][ids[:, 1:] != PAD]
        return F.linear(told, self.words), self.head(hidden[:, t - 1 :])

    def embed_text(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, C)."""
        x = torch.where((ids == PAD)[..., None], self.padding, F.embedding(ids, self.words))
        return x + self.order

    def embed_codes(self, codes: Tensor, first: int) -> Tensor:
        """Codes (B, m) of the places from ``first`` on -> (B, m, C)."""
        place = torch.arange(first, first + codes.shape[1], device=codes.device)
        at = self.rows[place // self.config.side] + self.columns[place % self.config.side]
        return F.embedding(codes, self.codes) + at

    def run(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        """Embeddings (B, m, C) through the blocks -> (B, m, C), normed. With a cache they continue what it holds."""
        for i, block in enumerate(self.blocks):
            x = block(x, None, cache, i, x.dtype)
        if cache is not None:
            cache.length += x.shape[1]
        return self.norm(x)

    def cache(self, batch: int) -> KVCache:
        """An empty cache for ``batch`` pictures."""
        b, at = self.config.block, self.words
        return KVCache(b.n_layer, batch, b.kv_heads, b.block_size, b.hs, dtype=at.dtype, device=at.device)


@torch.no_grad()
def initialise(model: Dalle, generator: torch.Generator | None = None) -> None:
    """As GPT-2: N(0, 0.02), zero biases, positions N(0, 0.01), the ends of residual branches by 1 / sqrt(2 n_layer)."""
    for name, p in model.named_parameters():
        if "norm" in name:
            continue
        if name.endswith("bias"):
            p.zero_()
            continue
        std = 0.01 if name in ("order", "rows", "columns") else 0.02
        if name.endswith(("attn.o.weight", "mlp.down.weight")):
            std /= math.sqrt(2 * model.config.n_layer)
        p.normal_(0.0, std, generator=generator)

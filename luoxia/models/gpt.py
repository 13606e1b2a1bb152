"""GPT: one decoder-only transformer for GPT-2, GPT-3 and the Llama, SmolLM2, Qwen2 and Qwen3 line.

Pre-norm blocks (Radford et al. 2019; Brown et al. 2020, section 2.1):

    x <- x + Attention(norm(x));   x <- x + MLP(norm(x));   logits = norm(x) W_head^T

What differs between the families is in :class:`GPTConfig`: learned or rotary positions, LayerNorm or RMSNorm,
GELU or SwiGLU, grouped keys, biases, norms on q and k, banded layers, a tied or separate head.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.nn.attention import CausalSelfAttention, KVCache, within
from luoxia.nn.documents import Documents
from luoxia.nn.gated import gated
from luoxia.nn.lowbit import BlockWeights
from luoxia.nn.rotary import rotary_table, spread
from luoxia.nn.sparse import Sparse


@dataclass(frozen=True)
class GPTConfig:
    """Shape and kind of a decoder. Sizes in units; ``block_size`` is the context in tokens.

    ``band``: when set, every second layer (1, 3, ...) sees only the last ``band`` tokens, the others all of them.
    """

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    n_kv_head: int | None = None
    head_size: int | None = None
    n_ff: int | None = None
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    norm_eps: float = 1e-5
    position: Literal["learned", "rotary"] = "learned"
    rope_theta: float = 10_000.0
    rope_factors: tuple[float, ...] | None = None
    mlp: Literal["gelu", "gelu-erf", "swiglu"] = "gelu"
    qkv_bias: bool = True
    out_bias: bool = True
    mlp_bias: bool = True
    qk_norm: bool = False
    tied_head: bool = True
    band: int | None = None
    init_std: float = 0.02

    def __post_init__(self) -> None:
        sizes = {
            name: getattr(self, name) for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")
        }
        sizes |= {"n_kv_head": self.kv_heads, "head_size": self.hs, "n_ff": self.ff}
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"{name} is {size}; it must be at least 1")
        if self.n_head % self.kv_heads:
            raise ValueError(f"n_head {self.n_head} is not a multiple of n_kv_head {self.kv_heads}")
        if self.position == "rotary" and self.hs % 2:
            raise ValueError(f"head_size {self.hs} is odd; rotary positions turn pairs")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def kv_heads(self) -> int:
        return self.n_kv_head or self.n_head

    @property
    def hs(self) -> int:
        return self.head_size or self.n_embd // self.n_head

    @property
    def ff(self) -> int:
        return self.n_ff or 4 * self.n_embd


def _gpt3(n_layer: int, n_embd: int, n_head: int) -> GPTConfig:
    return GPTConfig(50_257, 2048, n_layer, n_head, n_embd, band=128)


GPT3_SIZES: dict[str, GPTConfig] = {
    "gpt3-small": _gpt3(12, 768, 12),  # 125M
    "gpt3-medium": _gpt3(24, 1024, 16),  # 350M
    "gpt3-large": _gpt3(24, 1536, 16),  # 760M
    "gpt3-xl": _gpt3(24, 2048, 16),  # 1.3B
    "gpt3-2.7b": _gpt3(32, 2560, 32),
    "gpt3-6.7b": _gpt3(32, 4096, 32),
    "gpt3-13b": _gpt3(40, 5120, 40),
    "gpt3-175b": _gpt3(96, 12_288, 96),
}
"""Brown et al. 2020, table 2.1. Two of its rows contradict themselves (XL prints 24 heads of 128 for a width of
2048, 13B a width of 5140 for 40 heads of 128); here the heads fill the width, which gives the printed sizes.
The paper does not print the width of the band: 128 is the stride of its reference, Child et al. 2019."""


def _table(rows: int, columns: int) -> nn.Embedding:
    # The constructor would draw normal numbers, for which a meta device imports a second of compiler.
    return nn.Embedding.from_pretrained(torch.empty(rows, columns), freeze=False)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis, in float32 (Zhang and Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps).to(x.dtype)


def _norm(config: GPTConfig, size: int) -> nn.Module:
    return RMSNorm(size, config.norm_eps) if config.norm == "rmsnorm" else nn.LayerNorm(size, config.norm_eps)


class GELU(nn.Module):
    """down(gelu(up(x))): the tanh form of GELU that GPT-2 was trained with, or the exact one, which takes half the time
    on a CPU."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.n_embd, config.ff, bias=config.mlp_bias)
        self.down = nn.Linear(config.ff, config.n_embd, bias=config.mlp_bias)
        self.approximate = "tanh" if config.mlp == "gelu" else "none"

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x), approximate=self.approximate))


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)) (Shazeer 2020, arXiv:2002.05202, equation 6)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.n_embd, config.ff, bias=config.mlp_bias)
        self.up = nn.Linear(config.n_embd, config.ff, bias=config.mlp_bias)
        self.down = nn.Linear(config.ff, config.n_embd, bias=config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(gated(self.gate(x), self.up(x)))


class Block(nn.Module):
    """One layer: attention and MLP, each behind its norm and added to the residual stream. ``sparse`` tells which keys
    each query sees, where it is not all of the earlier ones."""

    def __init__(self, config: GPTConfig, layer: int, sparse: Sparse | None = None) -> None:
        super().__init__()
        qk = [_norm(config, config.hs) for _ in range(2)] if config.qk_norm else [None, None]
        self.attn_norm = _norm(config, config.n_embd)
        self.attn = CausalSelfAttention(
            config.n_embd,
            config.n_head,
            config.kv_heads,
            config.hs,
            qkv_bias=config.qkv_bias,
            out_bias=config.out_bias,
            band=config.band if config.band and layer % 2 else None,
            q_norm=qk[0],
            k_norm=qk[1],
            sparse=sparse,
        )
        self.mlp_norm = _norm(config, config.n_embd)
        self.mlp = SwiGLU(config) if config.mlp == "swiglu" else GELU(config)

    def forward(
        self,
        x: Tensor,
        rotary: tuple[Tensor, Tensor] | None,
        cache: KVCache | None,
        layer: int,
        compute: torch.dtype,
        sees: Tensor | Documents | None = None,
    ) -> Tensor:
        x = x + self.attn(self.attn_norm(x).to(compute), rotary, cache, layer, sees)
        return x + self.mlp(self.mlp_norm(x).to(compute))


class GPT(nn.Module):
    """ids (B, T) int64 -> logits (B, T, V). ``compute``, when set, is the dtype inside the branches of each block; the
    residual stream and the norms keep that of the embedding.

    Weights are drawn as published from ``generator``, or left alone on the meta device.
    """

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.compute: torch.dtype | None = None
        self.wte = _table(config.vocab_size, config.n_embd)
        self.wpe = _table(config.block_size, config.n_embd) if config.position == "learned" else None
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.n_layer))
        self.norm = _norm(config, config.n_embd)
        self.head = None if config.tied_head else nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self._rotary: tuple[Tensor, Tensor] | None = None
        if not self.wte.weight.is_meta:
            initialise(self, generator)

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        return self.logits(self.hidden(ids, cache))

    def hidden(
        self, ids: Tensor, cache: KVCache | None = None, documents: Tensor | Documents | None = None
    ) -> Tensor:
        """The normed last layer (B, T, C). With a cache, ``ids`` continue what it holds, and it grows by T. With
        ``documents``, the numbers (B, T) of those that the tokens are of, none sees another document's; as
        :class:`Documents`, ids (1, T) are whole documents one behind the other, each with positions of its own."""
        new, seen = ids.shape[1], cache.length if cache else 0
        reach = seen + (cache.branches.reach if cache and cache.branches else new)
        if isinstance(documents, Documents):
            reach = documents.longest
        if reach > self.config.block_size:
            raise ValueError(f"{reach} tokens do not fit a context of {self.config.block_size}")
        if isinstance(documents, Documents):
            positions = documents.positions(ids.device)
        else:
            positions = cache.positions(new) if cache else torch.arange(new, device=ids.device)[None]
        x = self.wte(ids)
        rotary = None
        if self.wpe is not None:
            x = x + self.wpe(positions)
        else:
            cos, sin = self.rotary(x.device)
            rotary = spread(cos[positions].unsqueeze(1), sin[positions].unsqueeze(1))  # (B or 1, 1, T, hs)
        sees = within(documents) if isinstance(documents, Tensor) else documents
        for i, block in enumerate(self.blocks):
            x = block(x, rotary, cache, i, self.compute or x.dtype, sees)
        if cache is not None:
            cache.length += new
        return self.norm(x)

    def last(self) -> Tensor:
        """The head's matrix (V, C), the table where they are tied; unpacked where it is in blocks."""
        last = self.wte if self.head is None else self.head
        return last.dense() if isinstance(last, BlockWeights) else last.weight

    def logits(self, hidden: Tensor) -> Tensor:
        """hidden (..., C) -> (..., V)."""
        if self.head is not None:
            return self.head(hidden)
        times = getattr(self.wte, "times", None)  # a table in blocks multiplies for itself
        return times(hidden) if times else F.linear(hidden, self.wte.weight)

    def rotary(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """cos and sin (block_size, hs / 2), made at first use."""
        if self._rotary is None or self._rotary[0].device != device:
            c = self.config
            cos, sin = rotary_table(c.block_size, c.hs, c.rope_theta, c.rope_factors)
            self._rotary = cos.to(device), sin.to(device)
        return self._rotary

    def cache(
        self, batch: int, size: int, *, dtype: torch.dtype | None = None, start: Tensor | None = None
    ) -> KVCache:
        """An empty cache for ``batch`` samples of up to ``size`` tokens."""
        c, at = self.config, next(iter(self.norm.parameters()))
        kind = dtype or self.compute or at.dtype
        return KVCache(c.n_layer, batch, c.kv_heads, size, c.hs, dtype=kind, device=at.device, start=start)


@torch.no_grad()
def initialise(model: GPT, generator: torch.Generator | None = None) -> None:
    """Weights as published for GPT-2: N(0, init_std), zero biases, positions N(0, init_std / 2).

    The maps that end a residual branch are scaled by 1 / sqrt(2 n_layer) (Radford et al. 2019, section 2.3).
    """
    config = model.config
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            std = config.init_std
            if name.endswith(("attn.o", "mlp.down")):
                std /= math.sqrt(2 * config.n_layer)
            elif name == "wpe":
                std /= 2
            module.weight.normal_(0.0, std, generator=generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()


def parameter_count(config: GPTConfig) -> int:
    """Number of weights, counted without allocating them."""
    with torch.device("meta"):
        return sum(p.numel() for p in GPT(config).parameters())

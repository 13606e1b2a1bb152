"""Low-rank adaptation: a frozen linear map and a small learned one beside it (Hu et al. 2021, arXiv:2106.09685).

    y = W x + b + (alpha / r) B A x,   A (r, in) drawn as a linear map's weights are, B (out, r) zero (section 4.1)

so that a map which nobody has trained yet is the frozen one, bit for bit. The frozen W may be in blocks of 4 or 8
bits: it is unpacked for each product and, in the backward pass, again, or held unpacked where memory allows; no gradient
of W is computed or kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.nn.lowbit import BLOCK, BlockLinear, BlockWeights

LAYERS = ("q", "k", "v", "o", "gate", "up", "down")
"""The linear maps of a block by their last name: attention's four, and the MLP's (no gate where it has none)."""


class LowRank(nn.Module):
    """x (..., in) -> scale B A x (..., out). ``a`` (r, in) and ``b`` (out, r) are kept in float32."""

    def __init__(self, a: Tensor, b: Tensor, scale: float = 1.0, dropout: float = 0.0) -> None:
        super().__init__()
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
            raise ValueError(f"A {tuple(a.shape)} and B {tuple(b.shape)} do not share a rank")
        self.a, self.b = nn.Parameter(a.float()), nn.Parameter(b.float())
        self.scale, self.dropout = scale, dropout

    @property
    def rank(self) -> int:
        return self.a.shape[0]

    def delta(self) -> Tensor:
        """scale B A (out, in) in float32: what is added to the frozen weights."""
        return self.scale * (self.b @ self.a)

    def forward(self, x: Tensor) -> Tensor:
        dropped = F.dropout(x, self.dropout, self.training)
        return F.linear(F.linear(dropped, self.a.to(x.dtype)), (self.scale * self.b).to(x.dtype))


class Adapter(nn.Module):
    """Low-rank maps by the place of the layer they stand beside, as "blocks.0.attn.q"."""

    def __init__(self, maps: Mapping[str, LowRank]) -> None:
        super().__init__()
        # A dot in a module's name would be a step down.
        self.maps = nn.ModuleDict({place.replace(".", "/"): low for place, low in maps.items()})

    @classmethod
    def fresh(
        cls,
        network: nn.Module,
        *,
        layers: Sequence[str] = LAYERS,
        rank: int = 16,
        alpha: float = 32.0,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Adapter:
        """Untrained maps beside the ``layers`` of every block of ``network``. Entries of A are uniform in
        +-1 / sqrt(in)."""
        if rank < 1:
            raise ValueError(f"rank is {rank}; it must be at least 1")
        maps = {}
        for place, layer in places(network, layers).items():
            rows, columns = _shape(layer)
            a = torch.empty(rank, columns).uniform_(-1, 1, generator=generator) / math.sqrt(columns)
            maps[place] = LowRank(a, torch.zeros(rows, rank), alpha / rank, dropout)
        return cls(maps)

    @classmethod
    def stacked(cls, adapters: Sequence[tuple[Adapter, float]]) -> Adapter:
        """One adapter that adds what ``adapters`` add, each times its weight: their ranks lie side by side."""
        found: dict[str, list[tuple[LowRank, float]]] = {}
        for adapter, weight in adapters:
            for place, low in adapter.items():
                found.setdefault(place, []).append((low, weight))
        return cls(
            {
                place: LowRank(
                    torch.cat([low.a.detach() for low, _ in lows]),
                    torch.cat([weight * low.scale * low.b.detach() for low, weight in lows], dim=1),
                )
                for place, lows in found.items()
            }
        )

    def items(self) -> Iterator[tuple[str, LowRank]]:
        for name, low in self.maps.items():
            yield name.replace("/", "."), cast(LowRank, low)

    def attach(self, network: nn.Module) -> None:
        """Put every map beside its layer, in the place of what stood beside it before."""
        for place, low in self.items():
            owner, _, leaf = place.rpartition(".")
            parent, layer = network.get_submodule(owner), network.get_submodule(place)
            if isinstance(layer, LoRALinear):
                layer = layer.base
            rows, columns = _shape(layer)
            if (low.b.shape[0], low.a.shape[1]) != (rows, columns):
                raise ValueError(
                    f"{place} is {rows} x {columns}; the adapter's is {low.b.shape[0]} x {low.a.shape[1]}"
                )
            setattr(parent, leaf, LoRALinear(layer, low))


def detach(network: nn.Module) -> None:
    """The network without what stands beside its layers."""
    for place, layer in list(network.named_modules()):
        if isinstance(layer, LoRALinear):
            owner, _, leaf = place.rpartition(".")
            setattr(network.get_submodule(owner), leaf, layer.base)


@torch.no_grad()
def merge(network: nn.Module) -> None:
    """W <- W + scale B A in every adapted layer of float weights; what stood beside them is gone.

    Raises ``ValueError`` for layers in blocks: rounded to 4 bits again, most of what was learned would be lost.
    """
    for place, layer in list(network.named_modules()):
        if not isinstance(layer, LoRALinear):
            continue
        if not isinstance(layer.base, nn.Linear):
            raise ValueError(  # noqa: TRY004 (it is what a user asked for)
                f"{place} is in blocks of few bits; unpack the model to merge into it"
            )
        layer.base.weight += layer.low.delta().to(layer.base.weight)
        owner, _, leaf = place.rpartition(".")
        setattr(network.get_submodule(owner), leaf, layer.base)


def places(network: nn.Module, layers: Sequence[str]) -> dict[str, nn.Module]:
    """The layers of ``network``'s blocks by place, those whose last name is one of ``layers``."""
    return {
        place: module
        for place, module in network.named_modules()
        if place.startswith("blocks.")
        and place.rpartition(".")[2] in layers
        and isinstance(module, nn.Linear | BlockLinear)
    }


class LoRALinear(nn.Module):
    """A frozen ``base`` and what ``low`` adds to it: x (..., in) -> (..., out) in x's dtype."""

    def __init__(self, base: nn.Module, low: LowRank) -> None:
        super().__init__()
        self.base, self.low = base, low
        self.held: Tensor | None = None

    def hold(self, dtype: torch.dtype) -> None:
        """Keep the frozen weights in ``dtype`` beside, where there is memory for them: they are not unpacked each time."""
        self.held = _weights(self.base, dtype)

    def frozen(self, dtype: torch.dtype) -> Tensor:
        """The frozen weights (out, in) in ``dtype``."""
        return self.held if self.held is not None and self.held.dtype is dtype else _weights(self.base, dtype)

    @property
    def bias(self) -> Tensor | None:
        return cast(Any, self.base).bias

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            return self._learning(x)
        if isinstance(self.base, nn.Linear) and self.base.weight.dtype is not x.dtype:
            return _frozen(x, self.base) + self.low(x)
        return self.base(x) + self.low(x)

    def _learning(self, x: Tensor) -> Tensor:
        low = self.low
        if low.dropout and low.training:
            y = cast(Tensor, _Frozen.apply(x, self)) + low(x)
        else:
            y = cast(Tensor, _Adapted.apply(x, self, low.a, low.b, low.scale))
        return y if self.bias is None else y + self.bias.to(y.dtype)


def _weights(base: nn.Module, dtype: torch.dtype) -> Tensor:
    if isinstance(base, BlockWeights):
        return base.dense().to(dtype)
    return cast(Tensor, base.weight).to(dtype)


def _frozen(x: Tensor, base: nn.Linear) -> Tensor:
    y = F.linear(x, base.weight.to(x.dtype))
    return y if base.bias is None else y + base.bias.to(x.dtype)


def _shape(layer: nn.Module) -> tuple[int, int]:
    if isinstance(layer, BlockWeights):
        return layer.rows, layer.n_blocks * BLOCK
    rows, columns = cast(Tensor, layer.weight).shape
    return rows, columns


class _Frozen(torch.autograd.Function):
    """y = x W^T, whose backward pass asks for W again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: LoRALinear) -> Tensor:
        ctx.layer = layer
        return F.linear(x, layer.frozen(x.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None]:
        (dy,) = grads
        return (dy @ ctx.layer.frozen(dy.dtype) if ctx.needs_input_grad[0] else None), None


class _Adapted(torch.autograd.Function):
    """y = x W^T + scale (x A^T) B^T, in x's dtype. With h = x A^T and g = scale dy B:

        dx = dy W + g A,   dA = g^T x,   dB = scale dy^T h.

    The second products are added in place, so that a layer's output is written once; x and h are what is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: LoRALinear, a: Tensor, b: Tensor, scale: float) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        down, up = a.to(x.dtype), (scale * b).to(x.dtype)
        h = F.linear(flat, down)
        y = F.linear(flat, layer.frozen(x.dtype)).addmm_(h, up.t())
        ctx.save_for_backward(flat, h, down, up)
        ctx.layer, ctx.scale, ctx.shape = layer, scale, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, h, down, up = ctx.saved_tensors
        dy = grads[0].reshape(len(x), -1)
        g = dy @ up
        dx = None
        if ctx.needs_input_grad[0]:
            dx = (dy @ ctx.layer.frozen(dy.dtype)).addmm_(g, down).view(ctx.shape)
        return dx, None, (g.t() @ x).float(), (dy.t() @ h).float() * ctx.scale, None

"""Cross entropy behind a linear head, without the table of all logits.

    L = sum_i -log softmax(h_i W^T)[t_i]

The logits of M tokens over V words are 4 M V bytes in float32: a gigabyte for 16,384 tokens and 16,000 words, which is
written and read several times where loss and gradient are taken one after the other. Here they are made for ``ROWS``
tokens at a time, while they are in the cache, and so is their gradient softmax - onehot (as in Hsu et al. 2024,
arXiv:2410.10989, section 3.2), of which only the products with W and h are kept.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

ROWS = 512  # of logits at a time
UNTOLD = -100  # the target of a token that is not learned from


def head_loss(hidden: Tensor, head: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of -log p in nats over the targets that are not ``UNTOLD``, and how many of these the model holds likeliest, be it
    with others.

    hidden (M, C), head (V, C), targets (M,) int64 -> two float32 scalars; the second has no gradient. Products are taken in autocast's dtype
    where it is on, the softmax in float32. Where no target is told both are 0, and so is every gradient.
    """
    kind = (
        torch.get_autocast_dtype(hidden.device.type)
        if torch.is_autocast_enabled(hidden.device.type)
        else None
    )
    return _HeadLoss.apply(hidden, head, targets, kind or hidden.dtype)  # type: ignore[no-any-return]


class _HeadLoss(torch.autograd.Function):
    """Gradients are computed in ``forward``, beside the logits; ``backward`` scales them."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, hidden: Tensor, head: Tensor, targets: Tensor, kind: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        learns = ctx.needs_input_grad  # type: ignore[attr-defined]
        x, w = hidden.detach().to(kind), head.detach().to(kind)
        d_hidden = torch.empty_like(hidden) if learns[0] else None
        d_head = torch.zeros(head.shape, device=head.device) if learns[1] else None
        total, hits = torch.zeros(2, device=hidden.device)
        # One buffer for all rows: memory that is freed and asked for again would be cleared by the system each time.
        buffer = torch.empty(min(ROWS, len(x)), len(w), device=x.device)
        for at in range(0, len(x), ROWS):
            rows, wanted = x[at : at + ROWS], targets[at : at + ROWS]
            told = wanted != UNTOLD
            wanted = wanted.clamp(min=0)[:, None]
            logits = torch.nn.functional.linear(rows, w)  # (R, V)
            p = torch.softmax(logits, -1, dtype=torch.float32, out=buffer[: len(rows)])
            top, mine = logits.amax(-1, keepdim=True), logits.gather(1, wanted)
            nats = top.float() - p.amax(-1, keepdim=True).log() - mine.float()
            total += nats[:, 0].where(told, 0).sum()
            hits += ((mine == top)[:, 0] & told).sum()
            if d_hidden is None and d_head is None:
                continue
            p.scatter_add_(1, wanted, torch.full_like(nats, -1.0))
            slope = logits.copy_(p)  # in its place: the logits have done their work
            if not told.all():
                slope.masked_fill_(~told[:, None], 0)
            if d_hidden is not None:
                d_hidden[at : at + ROWS] = slope @ w
            if d_head is not None:
                d_head += slope.T @ rows
        ctx.save_for_backward(d_hidden, d_head)  # type: ignore[attr-defined]
        ctx.mark_non_differentiable(hits)  # type: ignore[attr-defined]
        return total, hits

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        d_hidden, d_head = ctx.saved_tensors  # type: ignore[attr-defined]
        by = gradients[0]
        return (
            None if d_hidden is None else d_hidden * by.to(d_hidden.dtype),
            None if d_head is None else d_head * by,
            None,
            None,
        )

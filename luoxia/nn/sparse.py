"""Sparse causal attention over a text and a square of codes (Child et al. 2019, arXiv:1904.10509; Ramesh et al. 2021,
arXiv:2102.12092, appendix B.1).

Positions 0 .. T-1 are the text, T .. T+n-1 the codes of a square of n = side^2, row after row. Text sees the text before
it. A code sees all of the text, and of the codes up to itself

    row     the last ``side`` ones in reading order: those to the left, and the end of the row above
    column  those above it
    conv    those in the square of ``kernel`` codes a side around it

The square is taken a row (of the transposed square: a column) at a time, so that scores that no code sees are not
computed but for those of one such block.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("row", "column", "conv")


class Sparse:
    """One pattern: a plain object without weights, whose masks are made once for all layers that share it."""

    def __init__(self, kind: str, text: int, side: int, kernel: int = 11) -> None:
        if kind not in KINDS:
            raise ValueError(f"sparse attention {kind!r} is not known; give {', '.join(KINDS)}")
        if kind == "conv" and (kernel < 1 or kernel % 2 == 0):
            raise ValueError(f"kernel is {kernel}; a square around a code has an odd side")
        self.kind, self.text, self.side = kind, text, side
        self.mask = pattern(kind, text, side, kernel)  # (S, S)
        self.reach = {"row": 1, "column": 0, "conv": kernel // 2}[kind]  # rows above that a block looks into
        self.reach = min(self.reach, side - 1)
        self._seen = [row.nonzero()[:, 0] for row in self.mask]

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The last T' of S' positions attend: q (B, nh, T', hs), k v (B, nh, S', hs) -> (B, nh, T', hs)."""
        new, total = q.shape[2], k.shape[2]
        assert k.shape[1] == q.shape[1], "every head has keys of its own"
        if new == 1:
            seen = self._seen[total - 1].to(k.device)
            return F.scaled_dot_product_attention(q, k.index_select(2, seen), v.index_select(2, seen))
        if new == total > self.text:
            return self._by_blocks(q, k, v)
        mask = self.mask[total - new : total, :total].to(q.device)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    def _by_blocks(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        t, total = self.text, q.shape[2]
        words = F.scaled_dot_product_attention(q[:, :, :t], k[:, :, :t], v[:, :, :t], is_causal=True)
        rows = [self._square(x[:, :, t:]) for x in (q, k, v)]  # (B, nh, side, side, hs) each
        keys, values = (self._with_text(x[:, :, :t], of) for x, of in ((k, rows[1]), (v, rows[2])))
        seen = self._block_mask(q.device)  # (side, side, T + (reach + 1) side)
        codes = F.scaled_dot_product_attention(rows[0], keys, values, attn_mask=seen)
        codes = codes.transpose(2, 3) if self.kind == "column" else codes
        return torch.cat([words, codes.flatten(2, 3)[:, :, : total - t]], 2)

    def _square(self, x: Tensor) -> Tensor:
        """(B, nh, up to n, hs) -> (B, nh, side, side, hs), zeros in the place of codes that are not there yet."""
        x = F.pad(x, (0, 0, 0, self.side**2 - x.shape[2])).unflatten(2, (self.side, self.side))
        return x.transpose(2, 3) if self.kind == "column" else x

    def _with_text(self, words: Tensor, rows: Tensor) -> Tensor:
        """For each row the text, the rows within reach above it, and itself."""
        above = [F.pad(rows, (0, 0, 0, 0, d, 0))[:, :, : self.side] for d in range(self.reach, 0, -1)]
        words = words.unsqueeze(2).expand(-1, -1, self.side, -1, -1)
        return torch.cat([words, *above, rows], 3)

    @functools.cache  # noqa: B019  # a model keeps its patterns for as long as it lives
    def _block_mask(self, device: torch.device) -> Tensor:
        t, side = self.text, self.side
        square = self.mask[t:, t:].view(side, side, side, side)  # query row, column; key row, column
        if self.kind == "column":
            square = square.permute(1, 0, 3, 2)
        parts = [torch.ones(side, side, t, dtype=torch.bool)]
        for d in range(self.reach, -1, -1):
            part = torch.zeros(side, side, side, dtype=torch.bool)
            for row in range(d, side):
                part[row] = square[row, :, row - d]
            parts.append(part)
        return torch.cat(parts, 2).to(device)


def pattern(kind: str, text: int, side: int, kernel: int = 11) -> Tensor:
    """Which key (axis 1) each query (axis 0) sees: (S, S) bool, S = text + side^2."""
    n = side**2
    place = torch.arange(n)
    row, column = place // side, place % side
    back = place[:, None] - place[None, :]
    if kind == "row":
        near = back < side
    elif kind == "column":
        near = column[:, None] == column[None, :]
    else:
        half = kernel // 2
        near = ((row[:, None] - row[None, :]).abs() <= half) & (
            (column[:, None] - column[None, :]).abs() <= half
        )
    mask = torch.ones(text + n, text + n, dtype=torch.bool).tril()
    mask[text:, text:] &= near
    return mask


def cycle(kinds: tuple[str, ...], layers: int) -> tuple[str, ...]:
    """The kind of each layer: ``kinds`` over and over. ("row", "column", "row", "row") is the paper's, whose last layer
    alone is "conv": written "row,column,row,row,/conv" as a setting."""
    ends = tuple(k[1:] for k in kinds if k.startswith("/"))
    turns = tuple(k for k in kinds if not k.startswith("/"))
    every = tuple(turns[i % len(turns)] for i in range(layers)) if turns else ("dense",) * layers
    return (*every[: layers - len(ends)], *ends)

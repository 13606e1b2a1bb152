"""Linear maps whose weights stay at 4 or 8 bits, in blocks of 32 along the input.

Two forms, byte for byte those of GGUF, so that a file's tensors are used as they lie:

    Q4_1   w_i = d * q_i + m,  q_i in 0..15     20 bytes a block (f16 d, f16 m, 16 bytes: low nibbles i, high i+16)
    Q8_0   w_i = d * q_i,      q_i in -127..127  34 bytes a block (f16 d, 32 codes)

A few input rows meet the blocks directly, with activations at 8 bits; many rows are multiplied by the weights
unpacked for this one call, in bf16 where the processor has it. Which way is taken depends on the row count alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from luoxia.nn.kernels import Team

BLOCK = 32
FORMS = {"Q4_1": 0, "Q8_0": 1}
BLOCK_BYTES = {"Q4_1": 20, "Q8_0": 34}
FEW_ROWS = 6  # from here on, unpacking once is cheaper than one integer product a row


def unpack(blocks: Tensor, form: str) -> Tensor:
    """Weights of ``blocks`` (..., n_blocks, bytes) uint8 as float32 (..., n_blocks * 32), on any device."""
    half = blocks[..., : 4 if form == "Q4_1" else 2].contiguous().view(torch.float16).float()
    if form == "Q4_1":
        pairs = blocks[..., 4:]
        codes = torch.cat([pairs & 15, pairs >> 4], dim=-1).float()
        weights = codes * half[..., :1] + half[..., 1:]
    else:
        weights = blocks[..., 2:].contiguous().view(torch.int8).float() * half
    return weights.flatten(-2)


def pack(weights: Tensor, form: str) -> Tensor:
    """Quantise float weights (..., K), K a multiple of 32, to blocks (..., K / 32, bytes) uint8.

    Q4_1 spans each block's range: d = (max - min) / 15, m = min. Q8_0: d = max |w| / 127.
    """
    if weights.shape[-1] % BLOCK:
        raise ValueError(f"rows of {weights.shape[-1]} weights cannot be cut into blocks of {BLOCK}")
    w = weights.float().unflatten(-1, (-1, BLOCK))
    if form == "Q8_0":
        d = (w.abs().amax(-1, keepdim=True) / 127).half()
        codes = torch.where(d > 0, w / d.float(), 0.0).round().clamp(-127, 127).to(torch.int8)
        return torch.cat([d.view(torch.uint8), codes.view(torch.uint8)], dim=-1)
    low, high = w.amin(-1, keepdim=True), w.amax(-1, keepdim=True)
    d, m = ((high - low) / 15).half(), low.half()
    codes = torch.where(d > 0, (w - m.float()) / d.float(), 0.0).round().clamp(0, 15).to(torch.uint8)
    pairs = codes[..., :16] | codes[..., 16:] << 4
    return torch.cat([d.view(torch.uint8), m.view(torch.uint8), pairs], dim=-1)


class BlockWeights(nn.Module):
    """A matrix (rows, columns) held in blocks; the base of the two modules that use one."""

    def __init__(self, blocks: Tensor, form: str, team: Team, unpacked: torch.dtype = torch.float32) -> None:
        super().__init__()
        if blocks.dtype != torch.uint8 or blocks.ndim != 3 or blocks.shape[-1] != BLOCK_BYTES[form]:
            raise ValueError(
                f"{form} blocks are uint8 (rows, n_blocks, {BLOCK_BYTES[form]}), not {tuple(blocks.shape)}"
            )
        self.register_buffer("blocks", blocks.contiguous())
        self.form, self.team, self.unpacked = form, team, unpacked
        self.rows, self.n_blocks = blocks.shape[0], blocks.shape[1]

    blocks: Tensor

    @property
    def weight(self) -> Tensor:
        """The whole matrix in float32 (rows, columns)."""
        return unpack(self.blocks, self.form)

    def dense(self) -> Tensor:
        """The whole matrix unpacked (rows, columns) to ``self.unpacked``."""
        if self.blocks.device.type != "cpu":
            return self.weight.to(self.unpacked)
        from luoxia.nn import kernels

        dense = torch.empty(self.rows, self.n_blocks * BLOCK, dtype=self.unpacked)
        bf16 = self.unpacked is torch.bfloat16
        out = dense.view(torch.int16).numpy().view(np.uint16) if bf16 else dense.numpy()
        job = kernels.unpack_bf16 if bf16 else kernels.unpack_f32
        address, form, n = self.blocks.data_ptr(), FORMS[self.form], self.n_blocks
        self.team.split(lambda first, last: job(address, form, first, last, n, out), self.rows)
        return dense

    def times(self, x: Tensor) -> Tensor:
        """x (..., columns) -> (..., rows) in x's dtype."""
        flat = x.reshape(-1, x.shape[-1])
        if len(flat) < FEW_ROWS and self.blocks.device.type == "cpu":
            out = self._few(flat.float())
        else:
            out = F.linear(flat.to(self.unpacked), self.dense())
        return out.to(x.dtype).view(*x.shape[:-1], self.rows)

    def _few(self, x: Tensor) -> Tensor:
        from luoxia.nn import kernels

        out = torch.empty(len(x), self.rows)
        vectors, result = x.contiguous().numpy(), out.numpy()
        address, form = self.blocks.data_ptr(), FORMS[self.form]
        self.team.split(
            lambda first, last: kernels.vectors_times(
                address, form, first, last, self.n_blocks, vectors, result
            ),
            self.rows,
        )
        return out


class BlockLinear(BlockWeights):
    """y = x W^T + b with W in blocks: x (..., in) -> y (..., out) of one dtype. For inference only."""

    def __init__(
        self, blocks: Tensor, form: str, team: Team, unpacked: torch.dtype, bias: Tensor | None = None
    ) -> None:
        super().__init__(blocks, form, team, unpacked)
        self.register_buffer("bias", bias)

    bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        y = self.times(x)
        return y if self.bias is None else y + self.bias


class BlockEmbedding(BlockWeights):
    """A token table in blocks: ids (...) int64 -> (..., columns) float32; ``times`` serves a tied head."""

    def forward(self, ids: Tensor) -> Tensor:
        return unpack(self.blocks[ids], self.form)

"""GGML tensor types into the two block forms of ``nn.lowbit``, or into plain floats.

Q4_1 and Q8_0 are used as they lie. Q4_0 and Q4_K become Q4_1 with the same codes: their scale and minimum are
written out for every 32 weights. Every other quantised type is quantised again to Q8_0, Q6_K in compiled code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from luoxia.core.errors import MalformedFileError
from luoxia.nn.lowbit import BLOCK, BLOCK_BYTES, pack, unpack

F32, F16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K, BF16 = 0, 1, 2, 3, 8, 12, 14, 30
FLOATS = {F32: torch.float32, F16: torch.float16, BF16: torch.bfloat16}


@dataclass(frozen=True)
class Blocks:
    """A matrix in blocks: ``data`` uint8 (rows, n_blocks, bytes a block)."""

    data: Tensor
    form: str

    def rows(self, index: Tensor | slice) -> Blocks:
        if isinstance(index, slice):
            return Blocks(self.data[index].contiguous(), self.form)
        return Blocks(torch.from_numpy(self.data.numpy()[index.numpy()]), self.form)

    def dense(self) -> Tensor:
        return unpack(self.data, self.form)


def convert(raw: Tensor, kind: int) -> Tensor | Blocks:
    """Bytes (rows, bytes a row) of GGML type ``kind`` as a float tensor (rows, columns) or as :class:`Blocks`."""
    if kind in FLOATS:
        return raw.view(FLOATS[kind])
    if kind == Q4_1:
        return Blocks(raw.unflatten(1, (-1, BLOCK_BYTES["Q4_1"])), "Q4_1")
    if kind == Q8_0:
        return Blocks(raw.unflatten(1, (-1, BLOCK_BYTES["Q8_0"])), "Q8_0")
    if kind == Q4_0:
        return Blocks(_from_q4_0(raw.unflatten(1, (-1, 18))), "Q4_1")
    if kind == Q4_K:
        return Blocks(_from_q4_k(raw.unflatten(1, (-1, 144))), "Q4_1")
    if kind == Q6_K:
        return Blocks(_from_q6_k(raw), "Q8_0")
    dense = dequantise(raw, kind)
    return Blocks(pack(dense, "Q8_0"), "Q8_0") if dense.shape[1] % BLOCK == 0 else dense


def dequantise(raw: Tensor, kind: int) -> Tensor:
    """Bytes (rows, bytes a row) of any GGML type as float32 (rows, columns), by the ``gguf`` library."""
    if kind in FLOATS:
        return raw.view(FLOATS[kind]).float()
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        return torch.from_numpy(dequantize(raw.numpy(), GGMLQuantizationType(kind)))
    except NotImplementedError as error:
        name = GGMLQuantizationType(kind).name
        raise MalformedFileError(
            f"tensors of type {name} cannot be unpacked; get the model in another form, such as Q8_0",
            f"无法展开类型为 {name} 的张量；请改用模型的其他形式，例如 Q8_0",
        ) from error


def _from_q4_0(blocks: Tensor) -> Tensor:
    """w = d (q - 8), as d q + m with m = -8 d, which half precision holds exactly."""
    d = blocks[..., :2].contiguous().view(torch.float16)
    return torch.cat([blocks[..., :2], (-8 * d).view(torch.uint8), blocks[..., 2:]], dim=-1)


def _from_q4_k(blocks: Tensor) -> Tensor:
    """Super-blocks of 256 (..., n, 144) to eight blocks of 32 each.

    w = d s_j q - dmin m_j; s_j and m_j are 6-bit numbers in 12 bytes. The 128 code bytes hold four pairs of
    sub-blocks: low nibbles the first of a pair, high nibbles the second.
    """
    head = blocks[..., :4].contiguous().view(torch.float16).float()
    packed = blocks[..., 4:16].to(torch.int32)
    first, second, third = packed[..., :4], packed[..., 4:8], packed[..., 8:]
    scale = torch.cat([first & 63, (third & 15) | (first >> 6) << 4], dim=-1)
    minimum = torch.cat([second & 63, (third >> 4) | (second >> 6) << 4], dim=-1)
    d = (head[..., :1] * scale).half().unsqueeze(-1).view(torch.uint8)
    m = (-head[..., 1:] * minimum).half().unsqueeze(-1).view(torch.uint8)  # (..., n, 8, 2)
    pairs = blocks[..., 16:].unflatten(-1, (4, 32))
    codes = torch.stack([pairs & 15, pairs >> 4], dim=-2).flatten(-3, -2)  # (..., n, 8, 32)
    halves = codes[..., :16] | codes[..., 16:] << 4
    return torch.cat([d, m, halves], dim=-1).flatten(-3, -2)


def _from_q6_k(raw: Tensor) -> Tensor:
    """w = d s_j q in sixteens, quantised again in blocks of 32 to 8 bits: off by half a step of 1/127 at most."""
    from luoxia.nn import kernels

    rows, n_super = raw.shape[0], raw.shape[1] // 210
    out = torch.empty(rows, n_super * 8, BLOCK_BYTES["Q8_0"], dtype=torch.uint8)
    address, target = raw.data_ptr(), out.view(rows, -1).numpy()
    team = kernels.Team(torch.get_num_threads())
    team.split(lambda first, last: kernels.q8_0_from_q6_k(address, first, last, n_super, target), rows)
    return out

"""One token through a low-bit decoder in one call: the whole network in compiled code on a few CPU threads.

The arithmetic is that of ``models.gpt`` with rotary positions, RMSNorm and SwiGLU; a test holds the two together.
Each thread owns an equal share of the rows of every matrix and of the cached positions, and repeats the cheap work
on vectors for itself, so that a layer needs five barriers and no copying.

What low-rank adapters add to a matrix is computed beside it: A x from the same 8-bit activations, with A in blocks of
8 bits and by every thread for itself, then the thread's own rows of B, which is bf16 and transposed.
"""

# pyright: reportCallIssue=false
# An intrinsic is declared with the typing context that Numba passes, and called without it.

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from luoxia.models.gpt import GPT
from luoxia.nn.attention import KVCache
from luoxia.nn.kernels import Q8_0, Team, compiled, exp, quantise, read_row, rows_times, to_bf16, wait
from luoxia.nn.lora import LoRALinear, LowRank
from luoxia.nn.lowbit import FORMS, BlockWeights, pack
from luoxia.nn.simd import LANES, dots_bf16_1, dots_bf16_3, weigh_bf16_1, weigh_bf16_3

_jit = compiled(__file__)

TILE = 64  # positions whose values stay in the first-level cache while every column of them is weighed


@_jit
def _rms_norm(x, weight, eps, out):
    total = np.float32(0.0)
    for i in range(len(x)):
        total += x[i] * x[i]
    scale = np.float32(1.0) / np.sqrt(total / np.float32(len(x)) + np.float32(eps))
    for i in range(len(x)):
        out[i] = x[i] * scale * weight[i]


@_jit
def _rotate(x, cos, sin):
    half = len(cos)
    for j in range(half):
        a, b = x[j], x[half + j]
        x[j] = a * cos[j] - b * sin[j]
        x[half + j] = b * cos[j] + a * sin[j]


@_jit
def _attend_share(q, keys, values, first, last, group, scale, scores, out, peak, mass):
    """Attention of every head over positions first..last-1: sums, not yet divided by their mass.

    q (nh, hs); keys, values (n_kv, S, hs) bf16; out (nh, hs), peak (nh,), mass (nh,) are of this share alone.
    The heads that share keys are taken three at a time, so that a row is widened once for them.
    """
    n_head, hs = q.shape
    n, lanes, pitch, stride = last - first, hs // LANES, hs * 2, scores.shape[1] * 4
    weights = scores.ctypes.data
    out[:] = 0
    h = 0
    while h < n_head:
        several = h % group + 3 <= group
        key, value = keys[h // group, first:].ctypes.data, values[h // group, first:].ctypes.data
        x, to = q[h:].ctypes.data, out[h:].ctypes.data
        for t in range(n):
            if several:
                dots_bf16_3(x, key + t * pitch, lanes, weights + t * 4, stride)
            else:
                dots_bf16_1(x, key + t * pitch, lanes, weights + t * 4, stride)
        for k in range(3 if several else 1):
            peak[h + k], mass[h + k] = _exponentials(scores[k], n, scale)
        for t in range(0, n, TILE):
            count = min(TILE, n - t)
            for c in range(lanes):
                rows = value + t * pitch + c * LANES * 2
                if several:
                    weigh_bf16_3(rows, pitch, count, weights + t * 4, stride, to + c * LANES * 4, lanes)
                else:
                    weigh_bf16_1(rows, pitch, count, weights + t * 4, stride, to + c * LANES * 4, lanes)
        h += 3 if several else 1


@_jit
def _exponentials(scores, n, scale):
    """scores[:n] -> e^(scale scores - peak) in place; the peak and the sum. An empty share has no mass."""
    tops = np.full(16, -np.inf, np.float32)
    for t in range(n // 16):
        for j in range(16):
            tops[j] = max(tops[j], scores[t * 16 + j])
    top = np.float32(-np.inf)
    for j in range(16):
        top = max(top, tops[j])
    for t in range(n - n % 16, n):
        top = max(top, scores[t])
    for t in range(n):
        scores[t] = exp((scores[t] - top) * scale)
    total = np.float32(0.0)
    for t in range(n):
        total += scores[t]
    return top * scale, total


@_jit
def _merge(parts, peaks, masses, n, out):
    """Joins the shares' sums (n, nh, hs) into attention (nh * hs,)."""
    n_head, hs = parts.shape[1], parts.shape[2]
    for h in range(n_head):
        top = np.float32(-np.inf)
        for k in range(n):
            top = max(top, peaks[k, h])
        total = np.float32(0.0)
        for j in range(hs):
            out[h * hs + j] = np.float32(0.0)
        for k in range(n):
            if masses[k, h] > 0:
                factor = exp(peaks[k, h] - top)
                total += masses[k, h] * factor
                for j in range(hs):
                    out[h * hs + j] += parts[k, h, j] * factor
        for j in range(hs):
            out[h * hs + j] /= total


@_jit
def _times(matrix, low, first, last, n_blocks, xq, xs, xsum, between, out):
    """out[r] = <row r, x> for first <= r < last, and what ``low`` adds: address of A, of B transposed, rank, bytes from
    one row of the latter to the next. ``between`` has room for A x, and for as many numbers as there are lanes."""
    rows_times(matrix[0], matrix[1], first, last, n_blocks, xq, xs, xsum, out)
    rank, pitch = low[2], low[3]
    if rank == 0:
        return
    rows_times(low[0], Q8_0, 0, rank, n_blocks, xq, xs, xsum, between)
    h, to, rest = between.ctypes.data, out.ctypes.data, (last - first) % LANES
    for r in range(first, last - rest, LANES):
        weigh_bf16_1(low[1] + r * 2, pitch, rank, h, 0, to + r * 4, 0)
    if rest:  # the last rows of this share, in lanes that reach back into what is done
        begin, spare = max(0, last - LANES), between[len(between) - LANES :]
        spare[:] = 0
        weigh_bf16_1(low[1] + begin * 2, pitch, rank, h, 0, spare.ctypes.data, 0)
        for r in range(last - rest, last):
            out[r] += spare[r - begin]


@_jit
def _step(
    member, n, counter, position, eps, matrices, lows, table, head, norms, qk_norms, biases, cos, sin,
    keys, values, x, qkv, ffn, parts, peaks, masses, scratch, codes, scales, sums, scores, betweens, logits,
):  # fmt: skip
    """Thread ``member`` of ``n`` takes the token of row ``table`` to ``logits`` (V,). Shapes: see FusedDecoder."""
    n_layer, n_kv, _, hs = keys.shape
    n_embd, n_ff, n_head = x.shape[0], ffn.shape[0], parts.shape[1]
    nq, nk = n_head * hs, n_kv * hs
    h, xq, xs, xsum = scratch[member], codes[member], scales[member], sums[member]
    between = betweens[member]
    blocks, q_blocks, ff_blocks = n_embd // 32, nq // 32, n_ff // 32
    row = 0
    if member == 0:
        read_row(table[0], table[1], blocks, x)
    row += n
    wait(counter, row)
    total = position + 1
    first, last = total * member // n, total * (member + 1) // n
    q0, q1 = nq * member // n, nq * (member + 1) // n
    k0, k1 = nk * member // n, nk * (member + 1) // n
    e0, e1 = n_embd * member // n, n_embd * (member + 1) // n
    f0, f1 = n_ff * member // n, n_ff * (member + 1) // n
    for layer in range(n_layer):
        m, low = matrices[layer], lows[layer]
        _rms_norm(x, norms[layer, 0], eps, h[:n_embd])
        quantise(h, n_embd, xq, xs, xsum)
        _times(m[0], low[0], q0, q1, blocks, xq, xs, xsum, between, qkv)
        _times(m[1], low[1], k0, k1, blocks, xq, xs, xsum, between, qkv[nq:])
        _times(m[2], low[2], k0, k1, blocks, xq, xs, xsum, between, qkv[nq + nk :])
        row += n
        wait(counter, row)
        mine = h[: nq + 2 * nk]
        for i in range(nq + 2 * nk):
            mine[i] = qkv[i]
        if biases.shape[1]:
            for i in range(nq + 2 * nk):
                mine[i] += biases[layer, i]
        for head_index in range(n_head + n_kv):
            part = mine[head_index * hs : (head_index + 1) * hs]
            if qk_norms.shape[1]:
                _rms_norm(part, qk_norms[layer, 0 if head_index < n_head else 1], eps, part)
            _rotate(part, cos, sin)
        if member == n - 1:  # the share that holds the newest position
            for g in range(n_kv):
                for j in range(hs):
                    keys[layer, g, position, j] = to_bf16(mine[nq + g * hs + j])
                    values[layer, g, position, j] = to_bf16(mine[nq + nk + g * hs + j])
        _attend_share(
            mine[:nq].reshape(n_head, hs), keys[layer], values[layer], first, last, n_head // n_kv,
            np.float32(1.0) / np.sqrt(np.float32(hs)), scores[member], parts[member], peaks[member], masses[member],
        )  # fmt: skip
        row += n
        wait(counter, row)
        _merge(parts, peaks, masses, n, h)
        quantise(h, nq, xq, xs, xsum)
        _times(m[3], low[3], e0, e1, q_blocks, xq, xs, xsum, between, h)
        for i in range(e0, e1):
            x[i] += h[i]
        row += n
        wait(counter, row)
        _rms_norm(x, norms[layer, 1], eps, h[:n_embd])
        quantise(h, n_embd, xq, xs, xsum)
        _times(m[4], low[4], f0, f1, blocks, xq, xs, xsum, between, h)
        _times(m[5], low[5], f0, f1, blocks, xq, xs, xsum, between, ffn)
        for i in range(f0, f1):
            ffn[i] *= h[i] / (np.float32(1.0) + exp(-h[i]))
        row += n
        wait(counter, row)
        quantise(ffn, n_ff, xq, xs, xsum)
        _times(m[6], low[6], e0, e1, ff_blocks, xq, xs, xsum, between, h)
        for i in range(e0, e1):
            x[i] += h[i]
        row += n
        wait(counter, row)
    _rms_norm(x, norms[n_layer, 0], eps, h[:n_embd])
    quantise(h, n_embd, xq, xs, xsum)
    vocabulary = len(logits)
    rows_times(
        head[0],
        head[1],
        vocabulary * member // n,
        vocabulary * (member + 1) // n,
        blocks,
        xq,
        xs,
        xsum,
        logits,
    )


def fits(model: GPT) -> bool:
    """Whether every matrix of ``model`` is in blocks on the CPU and its family is one that ``_step`` computes."""
    c = model.config
    family = c.position == "rotary" and c.norm == "rmsnorm" and c.mlp == "swiglu" and c.band is None
    plain = not (c.out_bias or c.mlp_bias) and c.n_head * c.hs % 32 == c.hs % LANES == 0
    return (
        family
        and plain
        and all(isinstance(m, BlockWeights) and m.blocks.device.type == "cpu" for m in _matrices(model))
    )


def _parts(block: Any) -> tuple[Any, ...]:
    a, m = block.attn, block.mlp
    return a.q, a.k, a.v, a.o, m.gate, m.up, m.down


class _Low:
    """What stands beside a matrix as the compiled code reads it: ``entry`` is (address of A, of B^T, rank, bytes a row of
    B^T)."""

    def __init__(self, part: Any) -> None:
        self.entry = (0, 0, 0, 0)
        if isinstance(part, LoRALinear):
            low: LowRank = part.low
            self.a = pack(low.a.detach(), "Q8_0").contiguous()
            self.b = (low.scale * low.b.detach()).T.to(torch.bfloat16).contiguous()
            self.entry = (self.a.data_ptr(), self.b.data_ptr(), low.rank, 2 * self.b.shape[1])


def _matrices(model: GPT) -> list[Any]:
    """Of each layer q, k, v, o, gate, up and down; then the token table and the head."""
    layers = [
        part.base if isinstance(part, LoRALinear) else part
        for b in cast(list[Any], model.blocks)
        for part in _parts(b)
    ]
    return [*layers, model.wte, model.head or model.wte]


class FusedDecoder:
    """Decodes one sample of ``model`` token by token; keys and values (bf16) are shared with its cache."""

    def __init__(self, model: GPT, team: Team) -> None:
        assert fits(model)
        c, layers = model.config, cast(list[Any], model.blocks)
        self.model, self.team, n = model, team, team.n
        entries = [(m.blocks.data_ptr(), FORMS[m.form]) for m in _matrices(model)]
        self._matrices = np.array(entries[:-2], np.int64).reshape(c.n_layer, 7, 2)
        lows = [_Low(part) for b in layers for part in _parts(b)]
        self._lows = np.array([low.entry for low in lows], np.int64).reshape(c.n_layer, 7, 4)
        self._kept = lows  # whose memory the addresses lead to
        self._table, self._head = entries[-2], np.array(entries[-1], np.int64)
        self._row_bytes = cast(Any, model.wte).blocks[0].numel()
        self._norms = self._stack(
            [[b.attn_norm.weight, b.mlp_norm.weight] for b in layers] + [[model.norm.weight] * 2]
        )
        empty = np.zeros((c.n_layer, 0, c.hs), np.float32)
        self._qk_norms = (
            self._stack([[b.attn.q_norm.weight, b.attn.k_norm.weight] for b in layers])
            if c.qk_norm
            else empty
        )
        qkv = (c.n_head + 2 * c.kv_heads) * c.hs
        self._biases = np.zeros((c.n_layer, 0), np.float32)
        if c.qkv_bias:
            rows = [torch.cat([b.attn.q.bias, b.attn.k.bias, b.attn.v.bias]) for b in layers]
            self._biases = torch.stack(rows).float().numpy()
        self._cos, self._sin = (t.numpy() for t in model.rotary(torch.device("cpu")))
        widest = max(c.n_embd, c.ff, qkv)
        f32 = np.float32
        self._vectors = (np.zeros(c.n_embd, f32), np.zeros(qkv, f32), np.zeros(c.ff, f32))
        self._shares = (
            np.zeros((n, c.n_head, c.hs), f32),
            np.zeros((n, c.n_head), f32),
            np.zeros((n, c.n_head), f32),
        )
        blocks = -(-widest // 32)
        self._scratch = (
            np.zeros((n, widest), f32), np.zeros((n, blocks * 32), np.int8),
            np.zeros((n, blocks), f32), np.zeros((n, blocks), f32),
            np.zeros((n, 3, -(-c.block_size // n) + 1), f32),
            np.zeros((n, int(self._lows[..., 2].max()) + LANES), f32),
        )  # fmt: skip
        self._counter = np.zeros(1, np.int64)
        self._eps = np.float32(c.norm_eps)

    @staticmethod
    def _stack(rows: list) -> NDArray[np.float32]:
        return torch.stack([torch.stack([w.detach().float() for w in row]) for row in rows]).numpy()

    def step(self, token: int, cache: KVCache) -> NDArray[np.float32]:
        """Append ``token`` to ``cache`` (one sample, bf16) and return the logits (V,) for the one after it."""
        position = cache.length
        assert position < cache.size
        assert cache.k.shape[1] == 1
        assert cache.k.dtype is torch.bfloat16
        keys, values = (t[:, 0].view(torch.int16).numpy().view(np.uint16) for t in (cache.k, cache.v))
        logits = np.empty(self.model.config.vocab_size, np.float32)
        self._counter[0] = 0
        table = np.array([self._table[0] + token * self._row_bytes, self._table[1]], np.int64)
        self.team.run(
            _step, self._counter.ctypes.data, position, self._eps, self._matrices, self._lows, table, self._head,
            self._norms, self._qk_norms, self._biases, self._cos[position], self._sin[position], keys, values,
            *self._vectors, *self._shares, *self._scratch, logits,
        )  # fmt: skip
        cache.length += 1
        return logits

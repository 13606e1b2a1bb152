"""Arithmetic on low-bit blocks for the CPU, compiled by Numba for the processor it runs on.

Weights stay as GGUF stores them, 32 to a block. An activation vector x is quantised once per matrix to 8 bits,

    x_i = xs_b * xq_i,  xq_i in [-127, 127],  b = i // 32,

so that a row costs one integer dot product a block:

    <w, x> = sum_b d_b * xs_b * sum_i(q_i * xq_i) + m_b * sum_i(x_i).

The functions take addresses and are called with the interpreter lock released.
"""

# pyright: reportCallIssue=false
# An intrinsic is declared with the typing context that Numba passes, and called without it.

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numba import njit, types
from numba.core import config

from luoxia.nn import simd
from luoxia.nn.simd import (
    atomic_add,
    atomic_load,
    bits_float,
    dot_q4_1,
    dot_q8_0,
    float_bits,
    load_f16,
    load_u8,
    store_f16,
    unpack_q4_1_bf16,
    unpack_q4_1_f32,
    unpack_q8_0_bf16,
    unpack_q8_0_f32,
)

Q4_1, Q8_0 = 0, 1

numba_config: Any = config  # its settings are made at run time

_sched_yield = types.ExternalFunction("sched_yield", types.intc())


def _folder(digest: str) -> Path:
    folder = platformdirs.user_cache_path("luoxia", appauthor=False) / "kernels" / digest
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (
        OSError
    ):  # a home that cannot be written: compiled anew in each process, in a folder nobody else can fill
        return Path(tempfile.mkdtemp(prefix="luoxia-kernels-"))
    return folder


def compiled(*sources: str) -> Callable:
    """``njit`` whose machine code is kept on disk under the hash of every file that it is made from.

    Numba alone looks at the time stamp of one file, which a wheel does not change from version to version.
    """
    names = {__file__, simd.__file__, *sources}
    digest = hashlib.sha256(b"".join(Path(name).read_bytes() for name in sorted(names))).hexdigest()[:16]
    folder = _folder(digest)

    def decorate(function: Callable) -> Callable:
        before = numba_config.CACHE_DIR
        numba_config.CACHE_DIR = str(folder)
        try:
            return njit(
                nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"}, cache=True, error_model="numpy"
            )(function)
        finally:
            numba_config.CACHE_DIR = before

    return decorate


_jit = compiled()


@_jit
def exp(x):
    """e^x in float32, relative error below (|x| + 4) 1.2e-7, written so that loops of it become vector code."""
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    t = x * np.float32(1.4426950408889634)
    n = np.floor(t + np.float32(0.5))
    r = (t - n) * np.float32(0.6931471805599453)
    p = np.float32(1.0 / 5040)
    p = p * r + np.float32(1.0 / 720)
    p = p * r + np.float32(1.0 / 120)
    p = p * r + np.float32(1.0 / 24)
    p = p * r + np.float32(1.0 / 6)
    p = p * r + np.float32(0.5)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    return p * bits_float((np.int32(n) + np.int32(127)) << np.int32(23))


@_jit
def from_bf16(bits):
    return bits_float(np.int32(np.uint32(bits) << np.uint32(16)))


@_jit
def to_bf16(x):
    """Round to nearest even, as torch does."""
    bits = np.uint32(float_bits(np.float32(x)))
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@_jit
def wait(counter, target):
    """A barrier: arrive at ``counter``, then wait until ``target`` arrivals have been counted in all."""
    atomic_add(counter, 1)
    spins = 0
    while atomic_load(counter) < target:
        spins += 1
        if spins > 2000:  # someone else has our core: let them run
            _sched_yield()


@_jit
def quantise(x, n, xq, xs, xsum):
    """x (n,) float32 -> xq int8, and per block of 32 the scale and the sum of what it stands for."""
    for b in range(n // 32):
        top = np.float32(0.0)
        for j in range(32):
            top = max(top, abs(x[b * 32 + j]))
        scale = top / np.float32(127.0)
        inverse = np.float32(0.0) if top == 0 else np.float32(127.0) / top
        total = np.int32(0)
        for j in range(32):
            v = x[b * 32 + j] * inverse
            code = np.int32(v + (np.float32(0.5) if v >= 0 else np.float32(-0.5)))
            xq[b * 32 + j] = np.int8(code)
            total += code
        xs[b] = scale
        xsum[b] = scale * np.float32(total)


@_jit
def rows_times(weights, form, first, last, n_blocks, xq, xs, xsum, out):
    """out[r] = <row r, x> for first <= r < last; ``weights`` is the address of row 0."""
    q, s, t = xq.ctypes.data, xs.ctypes.data, xsum.ctypes.data
    if form == Q4_1:
        stride = n_blocks * simd.Q4_1_BYTES
        for r in range(first, last):
            out[r] = dot_q4_1(weights + r * stride, q, s, t, n_blocks)
    else:
        stride = n_blocks * simd.Q8_0_BYTES
        for r in range(first, last):
            out[r] = dot_q8_0(weights + r * stride, q, s, t, n_blocks)


@_jit
def read_row(row, form, n_blocks, out):
    """The weights of one row at address ``row`` as float32 (n_blocks * 32,)."""
    to = out.ctypes.data
    for b in range(n_blocks):
        if form == Q4_1:
            unpack_q4_1_f32(row + b * simd.Q4_1_BYTES, to + b * 128)
        else:
            unpack_q8_0_f32(row + b * simd.Q8_0_BYTES, to + b * 128)


@_jit
def unpack_f32(weights, form, first, last, n_blocks, out):
    """Rows first..last as float32 (rows, n_blocks * 32)."""
    stride = n_blocks * (simd.Q4_1_BYTES if form == Q4_1 else simd.Q8_0_BYTES)
    for r in range(first, last):
        read_row(weights + r * stride, form, n_blocks, out[r])


@_jit
def unpack_bf16(weights, form, first, last, n_blocks, out):
    """Rows first..last as bf16 bits (rows, n_blocks * 32) uint16."""
    for i in range(first * n_blocks, last * n_blocks):
        if form == Q4_1:
            unpack_q4_1_bf16(weights + i * simd.Q4_1_BYTES, out.ctypes.data + i * 64)
        else:
            unpack_q8_0_bf16(weights + i * simd.Q8_0_BYTES, out.ctypes.data + i * 64)


@_jit
def q8_0_from_q6_k(source, first, last, n_super, out):
    """Rows of Q6_K super-blocks (210 bytes for 256 weights) at ``source`` again in Q8_0: out (rows, bytes) uint8.

    w = d s_j q, sixteen weights to a scale; q has four bits in ql (128 bytes) and two in qh (64 bytes).
    """
    w = np.empty(256, np.float32)
    for r in range(first, last):
        for b in range(n_super):
            base = source + (r * n_super + b) * 210
            d = load_f16(base + 208)
            for half in range(2):
                ql, qh, sc = base + half * 64, base + 128 + half * 32, base + 192 + half * 8
                for i in range(32):
                    high = np.int32(load_u8(qh + i))
                    for part in range(4):
                        low = np.int32(load_u8(ql + i + (part & 1) * 32)) >> np.int32((part >> 1) * 4)
                        code = (low & 15) | (((high >> np.int32(2 * part)) & 3) << 4)
                        scale = np.float32(np.int8(load_u8(sc + i // 16 + 2 * part)))
                        w[half * 128 + part * 32 + i] = d * scale * np.float32(code - 32)
            for k in range(8):
                _write_q8_0(w[k * 32 : k * 32 + 32], out[r, (b * 8 + k) * simd.Q8_0_BYTES :])


@_jit
def _write_q8_0(w, out):
    top = np.float32(0.0)
    for j in range(32):
        top = max(top, abs(w[j]))
    d = store_f16(out.ctypes.data, top / np.float32(127.0))
    for j in range(32):
        v = np.float32(0.0) if d == 0 else w[j] / d
        v = min(max(v, np.float32(-127.0)), np.float32(127.0))
        out[2 + j] = np.uint8(np.int8(np.int32(v + (np.float32(0.5) if v >= 0 else np.float32(-0.5)))))


@_jit
def vectors_times(weights, form, first, last, n_blocks, x, out):
    """out[b, r] = <row r, x[b]> for a few vectors x (B, n_blocks * 32): each row is read from memory once."""
    batch, n = x.shape
    xq, xs, xsum = (
        np.empty((batch, n), np.int8),
        np.empty((batch, n_blocks), np.float32),
        np.empty((batch, n_blocks), np.float32),
    )
    for b in range(batch):
        quantise(x[b], n, xq[b], xs[b], xsum[b])
    stride = n_blocks * (simd.Q4_1_BYTES if form == Q4_1 else simd.Q8_0_BYTES)
    for r in range(first, last):
        for b in range(batch):
            q, s, t = xq[b].ctypes.data, xs[b].ctypes.data, xsum[b].ctypes.data
            if form == Q4_1:
                out[b, r] = dot_q4_1(weights + r * stride, q, s, t, n_blocks)
            else:
                out[b, r] = dot_q8_0(weights + r * stride, q, s, t, n_blocks)


class Team:
    """``n`` threads that run one function side by side: ``function(member, n, *args)``."""

    def __init__(self, n: int) -> None:
        self.n = max(1, n)
        self._pool = ThreadPoolExecutor(self.n - 1, thread_name_prefix="luoxia") if self.n > 1 else None

    def run(self, function: Callable, *args: object) -> None:
        others = (
            [self._pool.submit(function, k, self.n, *args) for k in range(1, self.n)] if self._pool else []
        )
        function(0, self.n, *args)
        for other in others:
            other.result()

    def split(self, function: Callable, rows: int, *args: object) -> None:
        """``function(first, last, *args)`` over equal shares of ``rows``."""
        self.run(lambda k, n: function(rows * k // n, rows * (k + 1) // n, *args))

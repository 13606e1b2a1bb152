"""The few vector instructions that Numba cannot be told of in Python, written as LLVM IR.

The integer dot product of a block is the only processor-specific line: AVX512-VNNI or AVX-VNNI where the
processor has it, two AVX2 instructions elsewhere on x86, and LLVM's partial reduction (``sdot`` on ARM)
everywhere else. All addresses are plain ``int64``; nothing here checks bounds.
"""

from __future__ import annotations

import platform
from functools import cache

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

F16, F32, I8, I32, I64 = ir.HalfType(), ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)

# Bytes of one block of 32 weights, as GGUF stores them.
Q4_1_BYTES = 20  # f16 scale, f16 minimum, 16 bytes of two codes each
Q8_0_BYTES = 34  # f16 scale, 32 signed codes

LANES = 16  # numbers that the attention kernels take at once; a head's size is a multiple of it


def _vector(kind: ir.Type, n: int) -> ir.VectorType:
    return ir.VectorType(kind, n)


def _constants(kind: ir.Type, values: list) -> ir.Constant:
    return ir.Constant(_vector(kind, len(values)), values)


def _load(builder, base, offset, kind, align: int = 1):
    if not isinstance(offset, ir.Value):
        offset = ir.Constant(I64, offset)
    value = builder.load(builder.inttoptr(builder.add(base, offset), kind.as_pointer()))
    value.align = align
    return value


def _splat(builder, scalar, n: int):
    undefined = ir.Constant(_vector(scalar.type, n), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, _constants(I32, [0] * n))


def _call(builder, name: str, result: ir.Type, args: list, **flags):
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args, **flags)


@cache
def _dot_instruction() -> str:
    features = llvm.get_host_cpu_features()
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "partial"
    if features.get("avx512vnni") and features.get("avx512vl"):
        return "avx512vnni"
    if features.get("avx2"):
        return "avx2"
    return "partial"


def _dot32(builder, unsigned, signed):
    """Eight partial sums of 32 products u8 x s8: (32 x i8, 32 x i8) -> 8 x i32. ``unsigned`` is below 128."""
    v8, way = _vector(I32, 8), _dot_instruction()
    zero = _constants(I32, [0] * 8)
    if way == "avx512vnni":
        return _call(builder, "llvm.x86.avx512.vpdpbusd.256", v8, [zero, unsigned, signed])
    if way == "avx2":
        v16 = _vector(ir.IntType(16), 16)
        pairs = _call(builder, "llvm.x86.avx2.pmadd.ub.sw", v16, [unsigned, signed])
        ones = _constants(ir.IntType(16), [1] * 16)
        return _call(builder, "llvm.x86.avx2.pmadd.wd", v8, [pairs, ones])
    wide = _vector(I32, 32)
    products = builder.mul(builder.sext(unsigned, wide), builder.sext(signed, wide))
    return _call(builder, "llvm.vector.partial.reduce.add.v8i32.v32i32", v8, [zero, products])


def _dot_blocks(builder, args, block_bytes: int, read_block):
    """sum_b d_b * xs_b * <codes_b, xq_b> + m_b * xsum_b over the blocks of one row."""
    w, xq, xs, xsum, n = args
    acc = cgutils.alloca_once_value(builder, _constants(F32, [0.0] * 8))
    offset = cgutils.alloca_once_value(builder, ir.Constant(F32, 0.0))
    with cgutils.for_range(builder, n) as loop:
        i = loop.index
        base = builder.add(w, builder.mul(i, ir.Constant(I64, block_bytes)))
        x = _load(builder, xq, builder.mul(i, ir.Constant(I64, 32)), _vector(I8, 32))
        i4 = builder.mul(i, ir.Constant(I64, 4))
        d, m, partial = read_block(builder, base, x)
        scale = builder.fmul(d, _load(builder, xs, i4, F32, 4))
        term = builder.fmul(
            builder.sitofp(partial, _vector(F32, 8)), _splat(builder, scale, 8), flags=("contract",)
        )
        builder.store(builder.fadd(builder.load(acc), term, flags=("contract",)), acc)
        if m is not None:
            term = builder.fmul(m, _load(builder, xsum, i4, F32, 4), flags=("contract",))
            builder.store(builder.fadd(builder.load(offset), term, flags=("contract",)), offset)
    zero = ir.Constant(F32, 0.0)
    total = _call(
        builder, "llvm.vector.reduce.fadd.v8f32", F32, [zero, builder.load(acc)], fastmath=("fast",)
    )
    return builder.fadd(total, builder.load(offset))


def _read_q4_1(builder, base, x):
    dm = builder.fpext(_load(builder, base, 0, _vector(F16, 2)), _vector(F32, 2))
    d, m = (builder.extract_element(dm, ir.Constant(I32, k)) for k in (0, 1))
    pairs = _load(builder, base, 4, _vector(I8, 16))
    low = builder.and_(pairs, _constants(I8, [15] * 16))
    high = builder.lshr(pairs, _constants(I8, [4] * 16))
    codes = builder.shuffle_vector(low, high, _constants(I32, list(range(32))))
    return d, m, _dot32(builder, codes, x)


def _read_q8_0(builder, base, x):
    # The instruction wants one unsigned side: |w| * (x with the sign of w) is the same product.
    d = builder.fpext(_load(builder, base, 0, F16), F32)
    w = _load(builder, base, 2, _vector(I8, 32))
    zero = _constants(I8, [0] * 32)
    negative = builder.icmp_signed("<", w, zero)
    magnitude = builder.select(negative, builder.sub(zero, w), w)
    turned = builder.select(negative, builder.sub(zero, x), x)
    return d, None, _dot32(builder, magnitude, turned)


def _from_bf16(builder, base, offset):
    bits = builder.zext(_load(builder, base, offset, _vector(ir.IntType(16), LANES), 2), _vector(I32, LANES))
    return builder.bitcast(builder.shl(bits, _constants(I32, [16] * LANES)), _vector(F32, LANES))


def _fma(builder, a, b, acc):
    product = builder.fmul(a, b, flags=("contract",))
    builder.store(builder.fadd(builder.load(acc), product, flags=("contract",)), acc)


def _bf16(builder, x):
    """<n x float> to <n x i16>, the bits of bf16 rounded to nearest even."""
    n = x.type.count
    bits = builder.bitcast(x, _vector(I32, n))
    odd = builder.and_(builder.lshr(bits, _constants(I32, [16] * n)), _constants(I32, [1] * n))
    rounded = builder.add(bits, builder.add(odd, _constants(I32, [0x7FFF] * n)))
    return builder.trunc(builder.lshr(rounded, _constants(I32, [16] * n)), _vector(ir.IntType(16), n))


def _unpacked_q4_1(builder, base):
    dm = builder.fpext(_load(builder, base, 0, _vector(F16, 2)), _vector(F32, 2))
    d, m = (_splat(builder, builder.extract_element(dm, ir.Constant(I32, k)), 32) for k in (0, 1))
    pairs = _load(builder, base, 4, _vector(I8, 16))
    low = builder.and_(pairs, _constants(I8, [15] * 16))
    high = builder.lshr(pairs, _constants(I8, [4] * 16))
    codes = builder.shuffle_vector(low, high, _constants(I32, list(range(32))))
    return builder.fadd(builder.fmul(builder.uitofp(codes, _vector(F32, 32)), d), m)


def _unpacked_q8_0(builder, base):
    d = _splat(builder, builder.fpext(_load(builder, base, 0, F16), F32), 32)
    return builder.fmul(builder.sitofp(_load(builder, base, 2, _vector(I8, 32)), _vector(F32, 32)), d)


def _unpacking(read, bf16: bool):
    def emit(context, builder, signature, args):
        values = read(builder, args[0])
        values = _bf16(builder, values) if bf16 else values
        store = builder.store(values, builder.inttoptr(args[1], values.type.as_pointer()))
        store.align = 2 if bf16 else 4
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@intrinsic
def unpack_q4_1_bf16(typingctx, block, out):
    """The 32 weights of the Q4_1 block at address ``block``, as bf16 to address ``out``."""
    return _unpacking(_unpacked_q4_1, True)


@intrinsic
def unpack_q8_0_bf16(typingctx, block, out):
    """The 32 weights of the Q8_0 block at address ``block``, as bf16 to address ``out``."""
    return _unpacking(_unpacked_q8_0, True)


@intrinsic
def unpack_q4_1_f32(typingctx, block, out):
    """The 32 weights of the Q4_1 block at address ``block``, as float32 to address ``out``."""
    return _unpacking(_unpacked_q4_1, False)


@intrinsic
def unpack_q8_0_f32(typingctx, block, out):
    """The 32 weights of the Q8_0 block at address ``block``, as float32 to address ``out``."""
    return _unpacking(_unpacked_q8_0, False)


def _moving(read, bf16: bool):
    def emit(context, builder, signature, args):
        values = read(builder, args[0])
        if len(args) == 3:
            values = builder.fadd(values, _load(builder, args[1], 0, _vector(F32, LANES), 4))
        values = _bf16(builder, values) if bf16 else values
        store = builder.store(values, builder.inttoptr(args[-1], values.type.as_pointer()))
        store.align = 2 if bf16 else 4
        return context.get_dummy_value()

    return emit


def _floats(builder, base):
    return _load(builder, base, 0, _vector(F32, LANES), 4)


_MOVED = types.void(types.int64, types.int64)
_SHIFTED = types.void(types.int64, types.int64, types.int64)


@intrinsic
def shift_f32(typingctx, source, by, out):
    """The 16 float32 numbers at address ``source``, and those at ``by`` added, to address ``out``."""
    return _SHIFTED, _moving(_floats, False)


@intrinsic
def shift_bf16(typingctx, source, by, out):
    """``shift_f32`` of bf16 numbers at ``source``."""
    return _SHIFTED, _moving(lambda builder, base: _from_bf16(builder, base, 0), False)


@intrinsic
def move_f32(typingctx, source, out):
    """The 16 float32 numbers at address ``source`` to address ``out``."""
    return _MOVED, _moving(_floats, False)


@intrinsic
def move_bf16(typingctx, source, out):
    """``move_f32`` to bf16, rounded to nearest even."""
    return _MOVED, _moving(_floats, True)


_ROW = types.float32(types.int64, types.int64, types.int64, types.int64, types.int64)


@intrinsic
def dot_q4_1(typingctx, w, xq, xs, xsum, n):
    """<w, x> of one Q4_1 row of ``n`` blocks at address ``w`` and one quantised activation vector."""
    return _ROW, lambda context, builder, signature, args: _dot_blocks(builder, args, Q4_1_BYTES, _read_q4_1)


@intrinsic
def dot_q8_0(typingctx, w, xq, xs, xsum, n):
    """<w, x> of one Q8_0 row of ``n`` blocks at address ``w`` and one quantised activation vector."""
    return _ROW, lambda context, builder, signature, args: _dot_blocks(builder, args, Q8_0_BYTES, _read_q8_0)


def _dots_bf16(heads: int):
    def emit(context, builder, signature, args):
        x, row, n, out, stride = args
        zero = _constants(F32, [0.0] * LANES)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in range(heads)]
        with cgutils.for_range(builder, n) as loop:
            key = _from_bf16(builder, row, builder.mul(loop.index, ir.Constant(I64, 2 * LANES)))
            for h, acc in enumerate(sums):
                offset = builder.add(
                    builder.mul(n, ir.Constant(I64, h * LANES)),
                    builder.mul(loop.index, ir.Constant(I64, LANES)),
                )
                a = _load(builder, x, builder.mul(offset, ir.Constant(I64, 4)), _vector(F32, LANES), 4)
                _fma(builder, a, key, acc)
        for h, acc in enumerate(sums):
            total = _call(
                builder,
                f"llvm.vector.reduce.fadd.v{LANES}f32",
                F32,
                [ir.Constant(F32, 0.0), builder.load(acc)],
                fastmath=("fast",),
            )
            at = builder.add(out, builder.mul(stride, ir.Constant(I64, h)))
            builder.store(total, builder.inttoptr(at, F32.as_pointer()))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), emit


@intrinsic
def dots_bf16_1(typingctx, x, row, n, out, stride):
    """<x_h, row> for the float32 vectors x_h that lie one behind the other from ``x``, each of ``n`` times 16 numbers,
    and one bf16 row; result h goes to address ``out`` + h ``stride``. Here h is 0, in ``dots_bf16_3`` 0 to 2."""
    return _dots_bf16(1)


@intrinsic
def dots_bf16_3(typingctx, x, row, n, out, stride):
    """``dots_bf16_1`` of three vectors, for which the row is read and widened once."""
    return _dots_bf16(3)


def _weigh_bf16(heads: int):
    def emit(context, builder, signature, args):
        rows, pitch, count, weights, stride, out, n = args
        width = builder.mul(n, ir.Constant(I64, LANES * 4))

        def at(h):
            return builder.inttoptr(
                builder.add(out, builder.mul(width, ir.Constant(I64, h))), _vector(F32, LANES).as_pointer()
            )

        sums = []
        for h in range(heads):
            before = builder.load(at(h))
            before.align = 4
            sums.append([cgutils.alloca_once(builder, _vector(F32, LANES)) for _ in range(2)])
            builder.store(before, sums[h][0])
            builder.store(_constants(F32, [0.0] * LANES), sums[h][1])

        def add(t, side):
            row = _from_bf16(builder, rows, builder.mul(t, pitch))
            for h in range(heads):
                offset = builder.add(
                    builder.mul(stride, ir.Constant(I64, h)), builder.mul(t, ir.Constant(I64, 4))
                )
                _fma(
                    builder,
                    _splat(builder, _load(builder, weights, offset, F32, 4), LANES),
                    row,
                    sums[h][side],
                )

        # Two sums each: one would wait for its own last addition.
        one = ir.Constant(I64, 1)
        with cgutils.for_range(builder, builder.lshr(count, one)) as loop:
            t = builder.shl(loop.index, one)
            add(t, 0)
            add(builder.add(t, one), 1)
        with builder.if_then(builder.trunc(count, ir.IntType(1))):
            add(builder.sub(count, one), 0)
        for h, (a, b) in enumerate(sums):
            builder.store(builder.fadd(builder.load(a), builder.load(b)), at(h)).align = 4
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), emit


@intrinsic
def weigh_bf16_1(typingctx, rows, pitch, count, weights, stride, out, n):
    """out_h += sum_t weights_h[t] * row_t over 16 columns of ``count`` bf16 rows, ``pitch`` bytes apart.

    weights_h lies at ``weights`` + h ``stride``, out_h at ``out`` + 64 h ``n``. Here h is 0, in ``weigh_bf16_3`` 0 to 2.
    """
    return _weigh_bf16(1)


@intrinsic
def weigh_bf16_3(typingctx, rows, pitch, count, weights, stride, out, n):
    """``weigh_bf16_1`` of three weights, for which the rows are read and widened once."""
    return _weigh_bf16(3)


@intrinsic
def load_f16(typingctx, address):
    """The half-precision number at ``address``, as float32."""
    return types.float32(types.int64), lambda context, builder, signature, args: builder.fpext(
        _load(builder, args[0], 0, F16), F32
    )


@intrinsic
def store_f16(typingctx, address, x):
    """Write the float32 ``x`` as half precision to ``address``; returns what was written, as float32."""

    def emit(context, builder, signature, args):
        half = builder.fptrunc(args[1], F16)
        store = builder.store(half, builder.inttoptr(args[0], F16.as_pointer()))
        store.align = 1
        return builder.fpext(half, F32)

    return types.float32(types.int64, types.float32), emit


@intrinsic
def load_u8(typingctx, address):
    """The byte at ``address``."""
    return types.uint8(types.int64), lambda context, builder, signature, args: _load(builder, args[0], 0, I8)


@intrinsic
def float_bits(typingctx, x):
    """The 32 bits of a float32 as an int32."""
    return types.int32(types.float32), lambda context, builder, signature, args: builder.bitcast(args[0], I32)


@intrinsic
def bits_float(typingctx, bits):
    """The float32 whose 32 bits are the int32 ``bits``."""
    return types.float32(types.int32), lambda context, builder, signature, args: builder.bitcast(args[0], F32)


@intrinsic
def atomic_add(typingctx, address, value):
    """Adds to the int64 at ``address``; returns what was there before."""

    def emit(context, builder, signature, args):
        return builder.atomic_rmw("add", builder.inttoptr(args[0], I64.as_pointer()), args[1], "acq_rel")

    return types.int64(types.int64, types.int64), emit


@intrinsic
def atomic_load(typingctx, address):
    """The int64 at ``address``, with everything its writers wrote before it."""

    def emit(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "acquire", 8)

    return types.int64(types.int64), emit

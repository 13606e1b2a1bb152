"""The GGUF reader against the library that writes such files, and against files that nobody should write."""

from __future__ import annotations

import struct
import time
import tracemalloc
from functools import cache

import numpy as np
import pytest
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType
from gguf.quants import dequantize, quantize
from gguf_files import ARRAY, FLOAT32, STRING, UINT32, UINT64, array, entry, info, raw_gguf, text, write_gguf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luoxia.core.errors import MalformedFileError
from luoxia.nn.lowbit import unpack
from luoxia.weights.blocks import Blocks, convert, dequantise
from luoxia.weights.gguf import GGUFFile

SCALARS = {
    "u8": (200, GGUFValueType.UINT8),
    "i8": (-100, GGUFValueType.INT8),
    "u16": (60_000, GGUFValueType.UINT16),
    "i16": (-30_000, GGUFValueType.INT16),
    "u32": (4_000_000_000, GGUFValueType.UINT32),
    "i32": (-2_000_000_000, GGUFValueType.INT32),
    "u64": (1 << 63, GGUFValueType.UINT64),
    "i64": (-(1 << 62), GGUFValueType.INT64),
    "f32": (0.5, GGUFValueType.FLOAT32),
    "f64": (0.1, GGUFValueType.FLOAT64),
    "yes": (True, GGUFValueType.BOOL),
    "no": (False, GGUFValueType.BOOL),
    "text": ("落霞 🌇", GGUFValueType.STRING),
}
ARRAYS = {
    "words": ["a", "", "霞", "b" * 300],
    "ids": [3, -1, 7],
    "scores": [0.5, -2.25],
    "marks": [True, False],
}

# Each as the library quantises it; the library cannot write the K types, whose blocks are drawn at random.
SIMPLE_TYPES = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q8_0")
BLOCKS_OF_K = {"Q4_K": 144, "Q6_K": 210}


def random_rows(rows: int = 6, columns: int = 512, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def half(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float16)[..., None].view(np.uint8)


def random_blocks(kind: str, rows: int = 6, n: int = 2, seed: int = 0) -> np.ndarray:
    """Bytes (rows, n blocks) of a K type, whose codes and scales are any and whose half-precision numbers are usual."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (rows, n, BLOCKS_OF_K[kind]), dtype=np.uint8)
    at = {"Q4_K": (0, 2), "Q6_K": (208,)}[kind]
    for place in at:
        blocks[..., place : place + 2] = half(generator.uniform(0.001, 0.1, (rows, n)))
    return blocks.reshape(rows, -1)


def stored(kind: str) -> np.ndarray:
    return random_blocks(kind) if kind in BLOCKS_OF_K else random_rows()


def read_back(path) -> dict[str, torch.Tensor | Blocks]:
    with GGUFFile(path) as file:
        return {name: convert(*file.read(name)) for name in file.tensors}


def expected(kind: str) -> np.ndarray:
    ggml = GGMLQuantizationType[kind]
    return dequantize(stored(kind) if kind in BLOCKS_OF_K else quantize(stored(kind), ggml), ggml)


def bytes_at(tmp_path, content: bytes):
    path = tmp_path / "forged.gguf"
    path.write_bytes(content)
    return path


def test_metadata_of_every_kind_is_read_as_written(tmp_path):
    path = write_gguf(tmp_path / "m.gguf", SCALARS | ARRAYS, {})
    with GGUFFile(path) as file:
        found = {key: value for key, value in file.metadata.items() if key in SCALARS | ARRAYS}
    assert found == {key: value for key, (value, _) in SCALARS.items()} | ARRAYS
    assert [type(found[key]) for key in ("yes", "u8", "f32")] == [bool, int, float]


def test_a_text_that_is_not_utf8_does_not_stop_the_file(tmp_path):
    path = bytes_at(tmp_path, raw_gguf([entry("k", ARRAY, array(STRING, 2, text(b"\xff\xfe") + text("ok")))]))
    with GGUFFile(path) as file:
        assert file.metadata["k"] == ["\ufffd\ufffd", "ok"]


def test_tensors_of_every_type_in_one_file_hold_what_the_library_says(tmp_path):
    kinds = (*SIMPLE_TYPES, *BLOCKS_OF_K)
    path = write_gguf(tmp_path / "t.gguf", {}, {kind: (stored(kind), kind) for kind in kinds})
    with GGUFFile(path) as file:
        for kind in kinds:
            assert file.tensors[kind].shape == (6, 512)
            np.testing.assert_array_equal(dequantise(*file.read(kind)).numpy(), expected(kind))


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q4_1", "Q8_0"])
def test_types_used_as_they_lie_lose_nothing(kind, tmp_path):
    value = read_back(write_gguf(tmp_path / "t.gguf", {}, {"t": (stored(kind), kind)}))["t"]
    assert isinstance(value, Blocks) == kind.startswith("Q")
    dense = value.dense() if isinstance(value, Blocks) else value.float()
    np.testing.assert_allclose(dense.numpy(), expected(kind), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_K"])
def test_four_bit_types_become_q4_1_within_the_rounding_of_scale_and_minimum(kind, tmp_path):
    value = read_back(write_gguf(tmp_path / "t.gguf", {}, {"t": (stored(kind), kind)}))["t"]
    assert (value.form, value.data.shape) == ("Q4_1", (6, 16, 20))
    scale, minimum = (value.data[..., i : i + 2].contiguous().view(torch.float16).float() for i in (0, 2))
    # Half precision keeps 11 bits, and steps of 2^-24 near zero; 15 is the largest code.
    bound = (15 * scale.abs() + minimum.abs()) * 2**-11 + 16 * 2**-25
    error = (unpack(value.data, "Q4_1") - torch.from_numpy(expected(kind))).abs().unflatten(1, (16, 32))
    assert (error <= bound).all()
    assert error.max() < 1e-3 * np.abs(expected(kind)).max()


def test_q4_0_is_exact_where_its_scale_is_a_usual_number(tmp_path):
    value = read_back(write_gguf(tmp_path / "t.gguf", {}, {"t": (stored("Q4_0"), "Q4_0")}))["t"]
    np.testing.assert_allclose(value.dense().numpy(), expected("Q4_0"), rtol=0, atol=1e-6)


def test_q6_k_becomes_q8_0_within_its_step(tmp_path):
    value = read_back(write_gguf(tmp_path / "t.gguf", {}, {"t": (stored("Q6_K"), "Q6_K")}))["t"]
    truth = torch.from_numpy(expected("Q6_K")).unflatten(1, (16, 32))
    assert (value.form, value.data.shape) == ("Q8_0", (6, 16, 34))
    step = truth.abs().amax(-1, keepdim=True) / 127
    # Half a step, and up to 127 times the rounding of the step itself.
    error = (value.dense().unflatten(1, (16, 32)) - truth).abs()
    assert (error <= step * (0.5 + 127 * 2**-11) + 1e-7).all()


@pytest.mark.parametrize("kind", ["Q5_0", "Q5_1"])
def test_other_types_become_q8_0_within_its_step(kind, tmp_path):
    truth = torch.from_numpy(expected(kind)).unflatten(1, (16, 32))
    value = read_back(write_gguf(tmp_path / "t.gguf", {}, {"t": (stored(kind), kind)}))["t"]
    step = truth.abs().amax(-1, keepdim=True) / 127
    error = (value.dense().unflatten(1, (16, 32)) - truth).abs()
    assert value.form == "Q8_0"
    assert (error <= step * (0.5 + 127 * 2**-11) + 1e-7).all()


@pytest.mark.parametrize("kind", GGML_QUANT_SIZES, ids=lambda kind: kind.name)
def test_every_type_that_the_library_knows_is_unpacked_or_refused(kind, tmp_path):
    block, size = GGML_QUANT_SIZES[kind]
    path = bytes_at(tmp_path, raw_gguf([], [info("t", [block], kind)], bytes(size)))
    try:
        dequantize(np.zeros((1, size), np.uint8), kind)
    except NotImplementedError:
        with pytest.raises(MalformedFileError, match=f"type {kind.name} cannot be unpacked"):
            read_back(path)
    else:
        value = read_back(path)["t"]
        assert (value.dense() if isinstance(value, Blocks) else value).shape == (1, block)


@pytest.mark.parametrize("alignment", [32, 8, 256])
def test_data_begins_where_the_alignment_says(alignment, tmp_path):
    stated = entry("general.alignment", UINT32, struct.pack("<I", alignment))
    content = raw_gguf([stated], [info("t", [2])], struct.pack("<2f", 1.5, -2.5), alignment=alignment)
    assert read_back(bytes_at(tmp_path, content))["t"].flatten().tolist() == [1.5, -2.5]


def number(value: int) -> bytes:
    return struct.pack("<Q", value)


HUGE = 1 << 60
FORGED = {
    "not GGUF": (b"GGML" + bytes(60), "does not begin with GGUF"),
    "empty": (b"", "ends in the middle"),
    "old version": (raw_gguf(version=1), "version 1 is not read"),
    "big endian": (raw_gguf(version=3 << 24), "is not read"),
    "tensors without end": (raw_gguf(n_tensors=HUGE), "number of tensors is"),
    "entries without end": (raw_gguf(n_entries=HUGE), "number of metadata entries is"),
    "more entries than bytes": (raw_gguf(n_entries=60_000), "ends in the middle"),
    "long key": (raw_gguf([number(HUGE) + b"k"]), "text's length is"),
    "long text": (raw_gguf([entry("k", STRING, number(1 << 27))]), "ends in the middle"),
    "long array": (raw_gguf([entry("k", ARRAY, array(UINT32, HUGE))]), "array's length is"),
    "array past the end": (raw_gguf([entry("k", ARRAY, array(UINT32, 1 << 22))]), "ends in the middle"),
    "texts past the end": (raw_gguf([entry("k", ARRAY, array(STRING, 1 << 22))]), "ends in the middle"),
    "long text in an array": (
        raw_gguf([entry("k", ARRAY, array(STRING, 1, number(HUGE)))], data=bytes(64)),
        "text's length is",
    ),
    "nested array": (
        raw_gguf([entry("k", ARRAY, array(ARRAY, 1, array(UINT32, 1, bytes(4))))]),
        "arrays of type 9",
    ),
    "unknown value type": (raw_gguf([entry("k", 13, bytes(8))]), "value type 13"),
    "unknown item type": (raw_gguf([entry("k", ARRAY, array(77, 1, bytes(8)))]), "arrays of type 77"),
    "key twice": (raw_gguf([entry("k", UINT32, bytes(4))] * 2), "'k' stands twice"),
    "tensor twice": (raw_gguf([], [info("t", [1])] * 2, bytes(64)), "'t' stands twice"),
    "no dimensions": (raw_gguf([], [info("t", [])], bytes(64)), "has 0 dimensions"),
    "many dimensions": (raw_gguf([], [info("t", [1] * 5)], bytes(64)), "has 5 dimensions"),
    "huge dimension": (raw_gguf([], [info("t", [HUGE])], bytes(64)), "a dimension is"),
    "huge product": (raw_gguf([], [info("t", [900] * 4)], bytes(64)), "past the end"),
    "empty tensor": (raw_gguf([], [info("t", [4, 0])], bytes(64)), "is empty"),
    "offset past the end": (raw_gguf([], [info("t", [1], offset=HUGE)], bytes(64)), "an offset is"),
    "end past the end": (raw_gguf([], [info("t", [8], offset=60)], bytes(64)), "past the end"),
    "unknown tensor type": (raw_gguf([], [info("t", [32], kind=999)], bytes(64)), "unknown type 999"),
    "removed tensor type": (raw_gguf([], [info("t", [32], kind=4)], bytes(64)), "unknown type 4"),
    "part of a block": (raw_gguf([], [info("t", [31], kind=2)], bytes(64)), "whole blocks of 32"),
    "alignment zero": (raw_gguf([entry("general.alignment", UINT32, bytes(4))]), "alignment"),
    "alignment a text": (raw_gguf([entry("general.alignment", STRING, text("32"))]), "alignment"),
    "alignment huge": (raw_gguf([entry("general.alignment", UINT64, number(HUGE))]), "alignment"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_file_is_refused_in_little_time_and_memory(name, tmp_path):
    content, message = FORGED[name]
    path = bytes_at(tmp_path, content)
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(MalformedFileError, match=message) as caught:
            read_back(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - begun < 1
    assert peak < 16 << 20
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MalformedFileError, match="No such file"):
        GGUFFile(tmp_path / "none.gguf")
    with pytest.raises(MalformedFileError, match="cannot be opened"):
        GGUFFile(tmp_path)


def test_a_file_that_shrinks_after_opening_is_refused(tmp_path):
    path = write_gguf(tmp_path / "t.gguf", {}, {"t": (random_rows(), "F32")})
    with GGUFFile(path) as file:
        with path.open("r+b") as other:
            other.truncate(path.stat().st_size - 4000)
        with pytest.raises(MalformedFileError, match="ends inside tensor t"):
            file.read("t")


@cache
def honest() -> bytes:
    """A small file with every kind of value and tensor, the parts of which the fuzzer changes."""
    entries = [
        entry("general.architecture", STRING, text("llama")),
        entry("general.alignment", UINT32, struct.pack("<I", 32)),
        entry("f", FLOAT32, struct.pack("<f", 1.0)),
        entry("n", UINT64, number(7)),
        entry("words", ARRAY, array(STRING, 3, text("a") + text("bc") + text(""))),
        entry("ids", ARRAY, array(UINT32, 4, bytes(16))),
        entry("b", 7, b"\1"),
    ]
    sizes = {0: (4, 2), 1: (8, 2), 2: (32, 2), 3: (32, 2), 8: (32, 2), 12: (256, 1), 14: (256, 1), 6: (32, 1)}
    infos = [info(f"t{kind}", shape, kind, 256 * i) for i, (kind, shape) in enumerate(sizes.items())]
    data = np.random.default_rng(1).integers(0, 60, 256 * len(sizes), dtype=np.uint8).tobytes()
    return raw_gguf(entries, infos, data)


COUNTS = st.sampled_from(
    [0, 1, 2, 31, 255, 1 << 16, 1 << 22, 1 << 28, 1 << 31, 1 << 32, 1 << 40, 1 << 63, -1]
)
TYPES = st.integers(0, 45) | st.integers(24, 28)
MUTATION = st.one_of(
    st.tuples(st.just("byte"), st.integers(0, 4000), st.integers(0, 255)),
    st.tuples(st.just("number"), st.integers(0, 700), COUNTS),
    st.tuples(st.just("type"), st.integers(0, 700), TYPES),
    st.tuples(st.just("cut"), st.integers(0, 4000), st.just(0)),
    st.tuples(st.just("drop"), st.integers(0, 700), st.integers(1, 40)),
    st.tuples(st.just("repeat"), st.integers(0, 700), st.integers(1, 40)),
)


def mutated(content: bytes, mutations: list[tuple[str, int, int]]) -> bytes:
    data = bytearray(content)
    for kind, at, value in mutations:
        if kind == "byte" and at < len(data):
            data[at] = value
        elif kind == "number":
            data[at : at + 8] = struct.pack("<Q", value % (1 << 64))
        elif kind == "type":
            data[at : at + 4] = struct.pack("<I", value)
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + value]
        elif kind == "repeat":
            data[at:at] = data[at : at + value]
    return bytes(data)


def only_success_or_refusal(path, content: bytes) -> None:
    path.write_bytes(content)
    tracemalloc.start()
    begun, message = time.perf_counter(), ""
    try:
        for value in read_back(path).values():
            assert value.data.numel()
    except MalformedFileError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert not message or str(path) in message or "cannot be unpacked" in message
    assert time.perf_counter() - begun < 5
    assert peak < 64 << 20


FUZZ = settings(
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_the_file_that_the_fuzzer_starts_from_is_good(tmp_path):
    assert len(read_back(bytes_at(tmp_path, honest()))) == 8


@settings(FUZZ, max_examples=1200)
@given(mutations=st.lists(MUTATION, min_size=1, max_size=4))
def test_a_changed_file_is_read_or_refused(mutations, tmp_path):
    only_success_or_refusal(tmp_path / "fuzz.gguf", mutated(honest(), mutations))


COUNT_SAID = st.one_of(st.none(), st.none(), st.none(), COUNTS.map(abs))
NAMES = st.sampled_from(["", "k", "t", "general.alignment", "x" * 70])
VALUES = st.one_of(
    st.tuples(st.integers(0, 14), st.binary(max_size=12)),
    st.tuples(st.just(STRING), st.binary(max_size=8).map(text)),
    st.builds(
        lambda kind, n, data: (ARRAY, array(kind, n % (1 << 64), data)),
        st.integers(0, 14),
        COUNTS,
        st.binary(max_size=40),
    ),
)
ENTRIES = st.just([]) | st.lists(st.builds(lambda key, value: entry(key, *value), NAMES, VALUES), max_size=4)
INFOS = st.lists(
    st.builds(
        lambda name, sizes, kind, at: info(name, [s % (1 << 64) for s in sizes], kind, at % (1 << 64)),
        NAMES,
        st.lists(st.sampled_from([1, 1, 32, 256]) | COUNTS, max_size=5),
        TYPES,
        st.just(0) | COUNTS,
    ),
    max_size=3,
)


@settings(FUZZ, max_examples=800)
@given(
    entries=ENTRIES,
    infos=INFOS,
    data=st.binary(max_size=300) | st.just(bytes(600)),
    n_tensors=COUNT_SAID,
    n_entries=COUNT_SAID,
)
def test_a_file_put_together_at_random_is_read_or_refused(
    entries, infos, data, n_tensors, n_entries, tmp_path
):
    content = raw_gguf(entries, infos, data, n_tensors=n_tensors, n_entries=n_entries)
    only_success_or_refusal(tmp_path / "fuzz.gguf", content)

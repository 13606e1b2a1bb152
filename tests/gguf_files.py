"""GGUF files for tests: honest ones by the ``gguf`` library, dishonest ones byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.quants import quantize

UINT32, FLOAT32, STRING, ARRAY, UINT64 = 4, 6, 8, 9, 10


def write_gguf(path: Path, metadata: Mapping[str, object], tensors: Mapping[str, tuple]) -> Path:
    """``metadata`` by key, a tuple (value, GGUFValueType) where the type matters; ``tensors`` as (array, type name).

    Floating arrays are quantised to their type; uint8 ones are taken as the bytes of its blocks.
    """
    writer = GGUFWriter(path, str(metadata.get("general.architecture", "none")))
    for key, value in metadata.items():
        if key == "general.architecture" and isinstance(value, str):
            continue  # the writer has put it there
        kind = GGUFValueType.get_type(value) if not isinstance(value, tuple) else value[1]
        writer.add_key_value(key, value[0] if isinstance(value, tuple) else value, kind)
    for name, (array, kind_name) in tensors.items():
        kind = GGMLQuantizationType[kind_name]
        stored = array if array.dtype == np.uint8 else quantize(np.ascontiguousarray(array), kind)
        writer.add_tensor(name, stored, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def entry(key: str, kind: int, payload: bytes) -> bytes:
    """One key-value pair."""
    return text(key) + struct.pack("<I", kind) + payload


def array(kind: int, count: int, payload: bytes = b"") -> bytes:
    """The payload of an array entry."""
    return struct.pack("<IQ", kind, count) + payload


def info(name: str, dimensions: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    """One tensor info, dimensions fastest first."""
    sizes = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return text(name) + sizes + struct.pack("<IQ", kind, offset)


def raw_gguf(
    entries: Sequence[bytes] = (),
    infos: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    n_tensors: int | None = None,
    n_entries: int | None = None,
    alignment: int = 32,
) -> bytes:
    """A file as someone might forge it: the counts need not be true."""
    counts = (
        len(infos) if n_tensors is None else n_tensors,
        len(entries) if n_entries is None else n_entries,
    )
    head = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join(entries) + b"".join(infos)
    return head + b"\0" * (-len(head) % alignment) + data


def byte_level_vocabulary(size: int) -> dict[str, object]:
    """Metadata of a GPT-2 tokenizer of ``size`` pieces: visible ASCII, the space, one merge, one control token."""
    pieces = [*map(chr, range(0x21, 0x7F)), "Ġ", "Lu"][: size - 1]
    pieces += [f"<extra {i}>" for i in range(size - 1 - len(pieces))]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": [*pieces, "<|endoftext|>"],
        "tokenizer.ggml.token_type": [1] * (size - 1) + [3],
        "tokenizer.ggml.merges": ["L u"],
        "tokenizer.ggml.eos_token_id": (size - 1, GGUFValueType.UINT32),
    }

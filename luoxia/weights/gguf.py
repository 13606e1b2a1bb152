"""GGUF container files: metadata and tensors, read within bounds that the file itself must keep.

Layout (version 2 and 3, little endian): magic, version, counts, key-value pairs, tensor infos, padding, data. A file
is a stranger: every count, length and offset is checked against the bytes that are there before anything is
allocated. The ``gguf`` library names the types, states their block sizes and unpacks the ones not kept in blocks;
its own reader takes longer to open a vocabulary of 49,152 than this module takes to load the model.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import numpy as np

from luoxia.core.errors import MalformedFileError

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER = 256 << 20  # bytes of metadata and tensor infos
CHUNK = 4 << 20
MAX_ENTRIES = 1 << 16  # key-value pairs, and tensors
MAX_ITEMS = 1 << 22  # items of one array: a vocabulary and its merges fit many times
MAX_DIMENSIONS = 4

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# Weights in a block, and its bytes: F32, F16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K, BF16. The library knows the others, but
# importing it takes longer than opening a file.
_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    8: (32, 34),
    12: (256, 144),
    14: (256, 210),
    30: (1, 2),
}

Value = bool | int | float | str | list


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies: ``shape`` as torch has it (rows first), ``offset`` from the start of the file."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    size: int


class _Header:
    """A cursor over the beginning of the file, brought into memory as far as it is needed."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file, self.data, self.at = path, file, bytearray(), 0
        self.file_size = path.stat().st_size

    def fail(self, en: str, zh: str) -> NoReturn:
        raise MalformedFileError(
            f"{self.path} is not a usable GGUF file: {en} (near byte {self.at}); fetch or copy it again",
            f"{self.path} 不是可用的 GGUF 文件：{zh}（第 {self.at} 字节附近）；请重新获取或复制",
        )

    def need(self, count: int) -> None:
        end = self.at + count
        if end > min(self.file_size, MAX_HEADER):
            self.fail("it ends in the middle of its header", "文件头不完整")
        if end > len(self.data):
            self.data += self.file.read(max(end - len(self.data), CHUNK))
        if end > len(self.data):
            self.fail("it shrank while it was read", "读取过程中文件变短")

    def scalar(self, kind: str) -> int | float | bool:
        size = struct.calcsize("<" + kind)
        self.need(size)
        (value,) = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += size
        return value

    def count(self, what: str, limit: int) -> int:
        value = int(self.scalar("Q"))
        if value > limit:
            self.fail(f"{what} is {value}, more than {limit}", f"{what} 为 {value}，超过 {limit}")
        return value

    def string(self) -> str:
        size = self.count("a text's length", MAX_HEADER)
        self.need(size)
        self.at += size
        # Byte-level vocabularies of some converters hold pieces that are not UTF-8; they must not stop the file.
        return str(self.data[self.at - size : self.at], "utf-8", "replace")

    def strings(self, n: int) -> list[str]:
        """:meth:`string` n times, without its calls: a vocabulary with its merges has a hundred thousand."""
        self.need(8 * n)
        texts, data, at, length = [], self.data, self.at, struct.Struct("<Q").unpack_from
        for _ in range(n):
            self.at = at
            if at + 8 > len(data):
                self.need(8)
            (size,) = length(data, at)
            if at + 8 + size > len(data):
                self.count("a text's length", MAX_HEADER)
                self.need(size)
            at += 8 + size
            texts.append(str(data[at - size : at], "utf-8", "replace"))
        self.at = at
        return texts

    def value(self, kind: int) -> Value:
        if kind == _STRING:
            return self.string()
        if kind in _SCALARS:
            return self.scalar(_SCALARS[kind])
        if kind != _ARRAY:
            self.fail(f"value type {kind} is unknown", f"未知的值类型 {kind}")
        item = int(self.scalar("I"))
        n = self.count("an array's length", MAX_ITEMS)
        if item == _STRING:
            return self.strings(n)
        if item not in _SCALARS:
            self.fail(f"arrays of type {item} are not read", f"不支持元素类型为 {item} 的数组")
        size = struct.calcsize("<" + _SCALARS[item]) * n
        self.need(size)
        values = list(struct.unpack_from(f"<{n}{_SCALARS[item]}", self.data, self.at))
        self.at += size
        return values


class GGUFFile:
    """``metadata`` by key, ``tensors`` by name; :meth:`read` brings one tensor's bytes into memory of its own."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file: BinaryIO = self.path.open("rb")
        except OSError as error:
            raise MalformedFileError(
                f"{self.path} cannot be opened: {error.strerror}", f"无法打开 {self.path}：{error.strerror}"
            ) from error
        try:
            self.metadata, self.tensors = _parse(_Header(self.path, self._file))
        except MalformedFileError:
            self._file.close()
            raise

    def __enter__(self) -> GGUFFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, name: str) -> tuple[Tensor, int]:
        """The raw bytes of tensor ``name`` as uint8 (rows, bytes a row), and its GGML type."""
        import torch  # which those who want the vocabulary alone do not wait for

        info = self.tensors[name]
        rows = prod(info.shape[:-1])
        self._file.seek(info.offset)
        data = np.fromfile(self._file, np.uint8, info.size)
        if len(data) != info.size:
            raise MalformedFileError(
                f"{self.path} ends inside tensor {name}; fetch or copy it again",
                f"{self.path} 在张量 {name} 处中断；请重新获取或复制",
            )
        return torch.from_numpy(data).view(rows, -1), info.type


def _parse(header: _Header) -> tuple[dict[str, Value], dict[str, TensorInfo]]:
    header.need(4)
    if header.data[:4] != b"GGUF":
        header.fail("it does not begin with GGUF", "开头不是 GGUF")
    header.at = 4
    version = int(header.scalar("I"))
    if version not in (2, 3):
        header.fail(f"version {version} is not read, only 2 and 3", f"不支持版本 {version}，只支持 2 和 3")
    n_tensors = header.count("the number of tensors", MAX_ENTRIES)
    n_values = header.count("the number of metadata entries", MAX_ENTRIES)
    metadata: dict[str, Value] = {}
    for _ in range(n_values):
        key = header.string()
        if key in metadata:
            header.fail(f"key {key!r:.80} stands twice", f"键 {key!r:.80} 重复")
        metadata[key] = header.value(int(header.scalar("I")))
    infos = [_tensor_info(header) for _ in range(n_tensors)]
    alignment = metadata.get("general.alignment", 32)
    if isinstance(alignment, bool) or not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
        header.fail("its alignment is not a usable number", "对齐值不可用")
    start = -(-header.at // alignment) * alignment
    tensors: dict[str, TensorInfo] = {}
    for name, shape, kind, offset in infos:
        size = _byte_size(header, name, shape, kind)
        if start + offset + size > header.file_size:
            header.fail(
                f"tensor {name!r:.80} lies past the end of the file", f"张量 {name!r:.80} 超出文件末尾"
            )
        if name in tensors:
            header.fail(f"tensor {name!r:.80} stands twice", f"张量 {name!r:.80} 重复")
        tensors[name] = TensorInfo(name, shape, kind, start + offset, size)
    return metadata, tensors


def _tensor_info(header: _Header) -> tuple[str, tuple[int, ...], int, int]:
    name = header.string()
    dimensions = int(header.scalar("I"))
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        header.fail(
            f"tensor {name!r:.80} has {dimensions} dimensions", f"张量 {name!r:.80} 有 {dimensions} 维"
        )
    shape = tuple(header.count("a dimension", header.file_size * 32) for _ in range(dimensions))[::-1]
    if 0 in shape:
        header.fail(f"tensor {name!r:.80} is empty", f"张量 {name!r:.80} 为空")
    return name, shape, int(header.scalar("I")), header.count("an offset", header.file_size)


def _rare_block(kind: int) -> tuple[int, int]:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    return GGML_QUANT_SIZES[GGMLQuantizationType(kind)]


def _byte_size(header: _Header, name: str, shape: tuple[int, ...], kind: int) -> int:
    try:
        block, size = _BLOCKS.get(kind) or _rare_block(kind)
    except (ValueError, KeyError):
        header.fail(
            f"tensor {name!r:.80} has the unknown type {kind}", f"张量 {name!r:.80} 的类型 {kind} 未知"
        )
    if shape[-1] % block:
        header.fail(
            f"rows of {shape[-1]} in tensor {name!r:.80} are not whole blocks of {block}",
            f"张量 {name!r:.80} 每行 {shape[-1]} 个，不是 {block} 的整数倍",
        )
    return prod(shape) // block * size

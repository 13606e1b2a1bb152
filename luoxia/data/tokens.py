"""A corpus as tokens on disk, ready to be read without tokenising: ``NAME.tokens/``.

    tokens.json                format, dtype, counts, digest, tokenizer, licences, where it is from, what was removed
    train.bin  held_out.bin    the documents' tokens one after the other, uint16 or uint32, little endian
    train.documents  held_out.documents    (D, 2) int64, little endian: the first token and the first byte of each document
    tokenizer.json  tokenizer_config.json  as Hugging Face writes them

Every document ends with the tokenizer's end of text. Tokens are mapped into memory. Plain numbers and JSON: nothing in it
is executed. The folder is written beside its place and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.folder import put_in_place, settle
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights.vocabulary import tokenizer_files, tokenizer_from_folder

FORMAT, FACTS, SUFFIX = 1, "tokens.json", ".tokens"
SPLITS = ("train", "held_out")
AT_ONCE = 1 << 22  # tokens that are looked at together when a corpus is checked


@dataclass(frozen=True)
class Split:
    """``tokens`` (n,) uint16 or uint32; ``documents`` (D, 2) int64, the first token and the first byte of each; ``bytes``
    of all the text in UTF-8."""

    tokens: NDArray[Any]
    documents: NDArray[np.int64]
    bytes: int

    def document_of(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the document that each token is of."""
        return np.searchsorted(self.documents[:, 0], positions, side="right") - 1

    def bytes_before(self, token: int) -> float:
        """Bytes of the text of the tokens before ``token``: exact where a document begins, in proportion within one."""
        starts = np.append(self.documents, [[len(self.tokens), self.bytes]], 0)
        return float(np.interp(token, starts[:, 0], starts[:, 1]))


@dataclass(frozen=True)
class TokenSet:
    """A corpus: two splits of documents as tokens of ``vocab_size``, each ended by ``end``. ``digest`` names the content,
    ``tokenizer_digest`` what gives the numbers their meaning; ``facts`` are all that tokens.json says."""

    name: str
    folder: Path
    vocab_size: int
    end: int
    train: Split
    held_out: Split
    licence: tuple[str, ...]
    digest: str
    tokenizer_digest: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def tokenizer(self) -> Tokenizer:
        """What made the tokens. Raises :class:`MalformedFileError` where it is another one by now."""
        tokenizer = tokenizer_from_folder(self.folder)
        if tokenizer.digest != self.tokenizer_digest:
            raise MalformedFileError(
                f"the tokenizer in {self.folder} is not the one its tokens were made with",
                f"{self.folder} 中的分词器不是生成其词元的那一个",
            )
        return tokenizer


def read(folder: str | Path) -> TokenSet:
    """The corpus in ``folder``, its tokens mapped and checked against their digest.

    Raises :class:`UserError` where there is none, :class:`MalformedFileError` where it is not whole.
    """
    folder = Path(folder)
    if not (folder / FACTS).is_file():
        raise UserError(
            f"{folder} is no prepared corpus; make one with: luoxia data prepare {folder} -o corpus{SUFFIX} --tokenizer train:16000",
            f"{folder} 不是准备好的语料；请先运行：luoxia data prepare {folder} -o corpus{SUFFIX} --tokenizer train:16000",
        )
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise MalformedFileError(
                f"{folder} was prepared by another version of Luoxia: prepare it again",
                f"{folder} 由另一版本的落霞准备：请重新准备",
            )
        kind = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}[facts["dtype"]]
        train, held_out = (_split(folder, name, facts[name], kind) for name in SPLITS)
        tokenizer, digest, vocab_size = facts["tokenizer"], str(facts["digest"]), int(facts["vocab_size"])
        corpus = TokenSet(
            str(facts["name"]),
            folder,
            vocab_size,
            int(facts["end"]),
            train,
            held_out,
            tuple(map(str, facts["licence"])),
            digest,
            str(tokenizer["digest"]),
            facts,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, MalformedFileError):
            raise
        _refuse(folder, f"{type(error).__name__}: {error}", f"{type(error).__name__}：{error}")
    found, largest = digest_of(train.tokens, held_out.tokens)
    if found != digest:
        _refuse(
            folder, "its tokens are not those noted: cut short or altered", "词元与记录不符，可能被截断或改动"
        )
    if largest >= vocab_size or not 0 <= corpus.end < vocab_size:
        _refuse(
            folder,
            f"it has token {largest} of a vocabulary of {vocab_size}",
            f"含有超出词表（{vocab_size}）的词元 {largest}",
        )
    return corpus


def digest_of(*parts: NDArray[Any]) -> tuple[str, int]:
    """SHA-256 of the tokens of all parts, and the largest of them."""
    sha, largest = hashlib.sha256(), 0
    for tokens in parts:
        sha.update(f"{tokens.dtype.str}{len(tokens)} ".encode())
        for at in range(0, len(tokens), AT_ONCE):
            some = np.ascontiguousarray(tokens[at : at + AT_ONCE])
            sha.update(some.data)
            largest = max(largest, int(some.max()))
    return sha.hexdigest(), largest


def _split(folder: Path, name: str, facts: Mapping[str, Any], kind: np.dtype[Any]) -> Split:
    path, count = folder / f"{name}.bin", int(facts["tokens"])
    if path.stat().st_size != count * kind.itemsize:
        _refuse(
            folder, f"{path.name} has not the {count} tokens noted", f"{path.name} 的词元数不是所记的 {count}"
        )
    tokens = _mapped(path, kind)
    documents = np.fromfile(folder / f"{name}.documents", "<i8").reshape(-1, 2).astype(np.int64)
    ends = np.array([[count, int(facts["bytes"])]])
    if len(documents) != int(facts["documents"]) or (np.diff(documents, axis=0, append=ends) < 0).any():
        _refuse(folder, f"{name}.documents does not fit its tokens", f"{name}.documents 与词元不符")
    if len(documents) and (documents[0] != 0).any():
        _refuse(folder, f"{name}.documents does not begin at 0", f"{name}.documents 不从 0 开始")
    return Split(tokens, documents, int(facts["bytes"]))


def _mapped(path: Path, kind: np.dtype[Any]) -> NDArray[Any]:
    return (
        np.memmap(path, kind, "r") if path.stat().st_size else np.empty(0, kind)
    )  # nothing cannot be mapped


def _refuse(folder: Path, en: str, zh: str) -> NoReturn:
    raise MalformedFileError(f"{folder} is not a whole corpus: {en}", f"{folder} 不是完整的语料：{zh}")


class TokenWriter:
    """Writes a corpus document by document, holding none of it in memory; used in a ``with`` block.

    >>> with TokenWriter(Path("corpus.tokens"), tokenizer, name="corpus") as writer:
    ...     for text in texts:
    ...         writer.add(tokenizer.encode(text), len(text.encode()))
    ...     corpus = writer.finish(licence=("public domain",))

    A block that ends without ``finish`` leaves nothing behind. Another corpus at that place is replaced.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer, *, name: str, tokenizer_name: str = "") -> None:
        end = None if tokenizer.eos is None else tokenizer.engine.token_to_id(tokenizer.eos)
        if end is None:
            raise UserError(
                "the tokenizer has no token for the end of a text, which every document must end with",
                "该分词器没有文本结束词元，而每篇文档都必须以它结尾",
            )
        self.folder, self.tokenizer, self.name, self.end = folder, tokenizer, name, end
        self.tokenizer_name = tokenizer_name
        last = max(tokenizer.engine.get_vocab(with_added_tokens=True).values())
        self.vocab_size = last + 1
        self.dtype = np.dtype("<u2") if self.vocab_size <= 1 << 16 else np.dtype("<u4")
        self._unfinished = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")

    def __enter__(self) -> TokenWriter:
        self._unfinished.mkdir(parents=True)
        self._files: dict[str, BinaryIO] = {
            name: (self._unfinished / f"{name}.bin").open("xb") for name in SPLITS
        }
        self._starts: dict[str, BinaryIO] = {
            name: (self._unfinished / f"{name}.documents").open("xb") for name in SPLITS
        }
        self.counts = {name: {"tokens": 0, "documents": 0, "bytes": 0} for name in SPLITS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (*self._files.values(), *self._starts.values()):
            file.close()
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def add(self, ids: Sequence[int] | NDArray[Any], size: int, *, held_out: bool = False) -> None:
        """One document of ``size`` bytes in UTF-8; the end of text is put behind ``ids`` where they lack it."""
        self.begin(held_out=held_out)
        self.more(ids, size, held_out=held_out)
        if len(ids) == 0 or int(ids[-1]) != self.end:
            self.more([self.end], 0, held_out=held_out)

    def begin(self, *, held_out: bool = False) -> None:
        """A new document, whose pieces :meth:`more` then writes, the last of them ending with the end of text: for one
        that does not fit into memory."""
        name = SPLITS[held_out]
        counts = self.counts[name]
        self._starts[name].write(np.array([counts["tokens"], counts["bytes"]], "<i8").tobytes())
        counts["documents"] += 1

    def more(self, ids: Sequence[int] | NDArray[Any], size: int, *, held_out: bool = False) -> None:
        """Further ``ids`` of the document at hand, of ``size`` bytes of text."""
        tokens = np.asarray(ids, np.int64)
        if len(tokens) and not 0 <= tokens.min() <= tokens.max() < self.vocab_size:
            raise ValueError(f"token ids lie between 0 and {self.vocab_size - 1}")
        name = SPLITS[held_out]
        self._files[name].write(tokens.astype(self.dtype).tobytes())
        self.counts[name]["tokens"] += len(tokens)
        self.counts[name]["bytes"] += size

    def add_pieces(
        self,
        ids: NDArray[np.int32],
        bounds: NDArray[np.int64],
        sizes: NDArray[np.int64],
        begins: NDArray[np.bool_],
        ends: NDArray[np.bool_],
        *,
        held_out: bool = False,
    ) -> None:
        """Many pieces at once: ``ids`` of all, without the end of text; ``bounds`` (N + 1,) where each piece's begin and the
        last one's end; ``sizes`` (N,) their bytes of text; which pieces begin and which end a document."""
        name, before = SPLITS[held_out], np.cumsum(ends) - ends  # ends of text before each piece
        tokens = np.full(len(ids) + int(ends.sum()), self.end, self.dtype)
        tokens[np.arange(len(ids)) + np.repeat(before, np.diff(bounds))] = ids
        counts = self.counts[name]
        starts = np.stack(
            [counts["tokens"] + bounds[:-1] + before, counts["bytes"] + np.cumsum(sizes) - sizes], 1
        )
        self._files[name].write(tokens.tobytes())
        self._starts[name].write(starts[begins].astype("<i8").tobytes())
        counts["tokens"] += len(tokens)
        counts["documents"] += int(begins.sum())
        counts["bytes"] += int(sizes.sum())

    def finish(self, *, licence: Sequence[str] = (), **facts: Any) -> TokenSet:
        """Put the corpus in its place. ``facts`` are kept in tokens.json besides, as source and what was removed."""
        for file in (*self._files.values(), *self._starts.values()):
            settle(file)
            file.close()
        parts = [_mapped(self._unfinished / f"{name}.bin", self.dtype) for name in SPLITS]
        for path, content in tokenizer_files(self.tokenizer).items():
            _write(self._unfinished / path, content)
        said = {
            "format": FORMAT,
            "name": self.name,
            "dtype": {2: "uint16", 4: "uint32"}[self.dtype.itemsize],
            "vocab_size": self.vocab_size,
            "end": self.end,
            "tokenizer": {"name": self.tokenizer_name, "digest": self.tokenizer.digest},
            **self.counts,
            "digest": digest_of(*parts)[0],
            "licence": list(licence),
            **facts,
        }
        del parts
        _write(self._unfinished / FACTS, json.dumps(said, ensure_ascii=False, indent=1).encode())
        aside = None
        if self.folder.exists():
            aside = self._unfinished.with_name(f"{self._unfinished.name}.old")
            os.replace(self.folder, aside)
        put_in_place(self._unfinished, self.folder)
        if aside:
            shutil.rmtree(aside)
        return read(self.folder)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        settle(file)

"""One walk over a source of texts: every document read, cleaned and set down, and what was seen of each.

What is kept of a document in memory is a few dozen bytes; its text and its sketch lie in files.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from luoxia.core.language import Text
from luoxia.core.progress import Progress, ProgressEvent
from luoxia.data import languages, opt_out
from luoxia.data.characters import SCRIPTS
from luoxia.data.cleaning import clean, clean_pieces
from luoxia.data.decoding import UndecodableError
from luoxia.data.documents import Document, Log, documents
from luoxia.data.sketch import BINS, EMPTY, sketch
from luoxia.data.sources import Source

TOGETHER = 1 << 20  # characters of documents that are looked at together
MANY = 4096  # documents of these


@dataclass(frozen=True)
class Wanted:
    """Which documents are kept: ``languages`` () is all, ``shortest`` and ``longest`` count characters, 0 for no bound."""

    fields: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    shortest: int = 1
    longest: int = 0


@dataclass
class Corpus:
    """N documents. ``start`` and ``size`` are where the text of each lies in ``path``, in bytes of UTF-8; ``language`` is a
    place in ``names``; ``held_out`` and ``train`` say that the source's own folders call it so; ``digest`` (N, 2) names
    the text, ``sketches`` are those of :mod:`luoxia.data.sketch`."""

    name: str
    log: Log
    path: Path
    file: NDArray[np.int32]
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    size: NDArray[np.int64]
    chars: NDArray[np.int64]
    language: NDArray[np.uint8]
    names: list[str]
    train: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    digest: NDArray[np.uint64]
    sketches: NDArray[np.uint16]
    cleaned: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.start)

    def title(self, i: int) -> str:
        """Which file, and which row of it."""
        name = self.log.files[self.file[i]]
        return f"{name}:{self.row[i]}" if self.row[i] else name

    def text(self, i: int, most: int | None = None) -> str:
        """The text of a document, or the first ``most`` bytes of it."""
        with self.path.open("rb") as file:
            file.seek(self.start[i])
            size = int(self.size[i])
            return file.read(size if most is None else min(most, size)).decode("utf-8", "ignore")

    def texts(
        self, starts: NDArray[np.int64], sizes: NDArray[np.int64], piece: int
    ) -> Iterator[tuple[str, int, bool]]:
        """(text, its bytes, whether it ends there) of spans of the file of texts; a span of more than ``piece`` bytes comes
        in several, cut where words end whatever the tokenizer."""
        with self.path.open("rb") as file:
            for start, left in zip(starts.tolist(), sizes.tolist(), strict=True):
                file.seek(start)
                waiting = b""
                while left + len(waiting) > piece:
                    data = waiting + file.read(min(piece - len(waiting), left))
                    left -= len(data) - len(waiting)
                    cut = _cut(data)
                    waiting = data[cut:]
                    yield data[:cut].decode(), cut, False
                data = waiting + file.read(left)
                yield data.decode(), len(data), True


def _cut(data: bytes) -> int:
    """Between a letter or a digit and white space, else between characters."""
    for space in (b"\n", b" "):
        at = data.rfind(space)
        while at > len(data) // 2:
            if data[at - 1] > 127 or chr(data[at - 1]).isalnum():
                return at
            at = data.rfind(space, 0, at)
    cut = len(data)
    while cut > 1 and data[cut - 1] & 0xC0 == 0x80:
        cut -= 1
    return cut - 1 if cut > 1 else len(data)


class _Gathering:
    """The columns of a corpus while it grows."""

    def __init__(self, wanted: Wanted, log: Log, scratch: Path) -> None:
        self.wanted, self.log = wanted, log
        self.file, self.row, self.start = array("i"), array("q"), array("q")
        self.size, self.chars, self.language = array("q"), array("q"), array("B")
        self.part, self.digest = array("B"), bytearray()
        self.names = list(languages.NAMES)
        self.taken_down = opt_out.listed()
        self.cleaned = Counter[str]()
        self.waiting: list[tuple[Document, str]] = []
        self.weight = self.end = 0
        self.paths = {name: scratch / name for name in ("texts", "sketches")}
        self.files: dict[str, BinaryIO] = {name: path.open("xb") for name, path in self.paths.items()}

    def add(self, document: Document) -> None:
        pieces = iter(document.pieces)
        first = next(pieces, "")
        second = next(pieces, None)
        if second is not None:
            self.flush()
            self._long(document, chain((first, second), pieces))
            return
        text = clean(first, self.cleaned)
        self.waiting.append((document, text))
        self.weight += len(text)
        if self.weight > TOGETHER or len(self.waiting) >= MANY:
            self.flush()

    def flush(self) -> None:
        """Look at the documents that wait, and set down those that are wanted."""
        texts = [text for _, text in self.waiting]
        made, letters = sketch(texts)
        found = languages.by_script(letters)
        kept: list[int] = []
        for i, (document, text) in enumerate(self.waiting):
            language = self._language(text, int(found[i]))
            why = self._unwanted(len(text), self.names[language])
            if why:
                self.log.leave_out(why[0], self._name(document), why[1])
                continue
            data = text.encode("utf-8", "replace")
            digest = hashlib.sha256(data).digest()
            if opt_out.of_text_digest(digest) in self.taken_down:
                self.log.leave_out("taken down", self._name(document), opt_out.WHY)
                continue
            self.files["texts"].write(data)
            self._note(document, len(data), len(text), language, digest)
            kept.append(i)
        self._set_down(made[kept])
        self.waiting, self.weight = [], 0

    def _long(self, document: Document, pieces: Iterator[str]) -> None:
        """A document that may be longer than memory, piece by piece; taken back where it turns out not to be wanted."""
        sha, size, chars, sample = hashlib.sha256(), 0, 0, ""
        made = np.full((1, BINS), EMPTY, np.uint16)
        letters = np.zeros((1, len(SCRIPTS)), np.int64)
        try:
            for text in clean_pieces(pieces, self.cleaned):
                data = text.encode("utf-8", "replace")
                some, counts = sketch([text])
                made, letters = np.minimum(made, some), letters + counts
                self.files["texts"].write(data)
                sha.update(data)
                size, chars, sample = size + len(data), chars + len(text), sample or text[:10_000]
            language = self._language(sample, int(languages.by_script(letters)[0]))
            why = self._unwanted(chars, self.names[language])
            if opt_out.of_text_digest(sha.digest()) in self.taken_down:
                why = ("taken down", opt_out.WHY)
        except UndecodableError as error:
            language, why = 0, ("unreadable", error.text)
        if why:
            self.files["texts"].seek(self.end)
            self.files["texts"].truncate()
            self.log.leave_out(why[0], self._name(document), why[1])
            return
        self._note(document, size, chars, language, sha.digest())
        self._set_down(made)

    def _language(self, text: str, found: int) -> int:
        if not languages.share_a_script(self.wanted.languages):
            return found
        name = languages.of_text(text, self.names[found])
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def _unwanted(self, chars: int, language: str) -> tuple[str, Text] | None:
        least, most = max(1, self.wanted.shortest), self.wanted.longest
        if chars == 0:
            return "empty", Text("nothing is left of it", "清理后没有内容")
        if chars < least:
            return "short", Text(f"{chars} characters", f"{chars} 个字符")
        if most and chars > most:
            return "long", Text(f"{chars} characters", f"{chars} 个字符")
        if self.wanted.languages and language not in self.wanted.languages:
            return "language", Text(f"in {language}", f"语言为 {language}")
        return None

    def _name(self, document: Document) -> str:
        name = self.log.files[document.file]
        return f"{name}:{document.row}" if document.row else name

    def _note(self, document: Document, size: int, chars: int, language: int, digest: bytes) -> None:
        self.file.append(document.file)
        self.row.append(document.row)
        self.start.append(self.end)
        self.size.append(size)
        self.chars.append(chars)
        self.language.append(language)
        self.part.append({"": 0, "train": 1, "held out": 2}[document.part])
        self.digest += digest[:16]
        self.end += size

    def _set_down(self, made: NDArray[np.uint16]) -> None:
        self.files["sketches"].write(made.tobytes())

    def corpus(self, name: str) -> Corpus:
        for file in self.files.values():
            file.close()
        part = np.array(self.part, np.uint8)
        sketches = np.empty((0, BINS), np.uint16)
        if len(part):
            sketches = np.asarray(np.memmap(self.paths["sketches"], np.uint16, "r").reshape(-1, BINS))
        return Corpus(
            name,
            self.log,
            self.paths["texts"],
            np.array(self.file, np.int32),
            np.array(self.row, np.int64),
            np.array(self.start, np.int64),
            np.array(self.size, np.int64),
            np.array(self.chars, np.int64),
            np.array(self.language, np.uint8),
            self.names,
            part == 1,
            part == 2,
            np.frombuffer(bytes(self.digest), ">u8").reshape(-1, 2).astype(np.uint64),
            sketches,
            self.cleaned,
        )


def gather(source: Source, wanted: Wanted, scratch: Path, progress: Progress = lambda _: None) -> Corpus:
    """Walk over ``source``; texts lie in files in ``scratch``, which the caller removes."""
    log = Log()
    made = _Gathering(wanted, log, scratch)
    try:
        for document in documents(source, wanted.fields, log):
            try:
                made.add(document)
            except UndecodableError as error:
                log.leave_out("unreadable", log.files[document.file], error.text)
            if not made.waiting:
                progress(ProgressEvent("reading", log.done + log.reading, source.bytes))
        made.flush()
        progress(ProgressEvent("reading", log.done, source.bytes))
        return made.corpus(source.name)
    finally:
        for file in made.files.values():
            file.close()

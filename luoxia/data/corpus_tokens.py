"""A corpus as tokens: the tokenizer found or learned, the documents encoded on several threads and written in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.progress import Progress, ProgressEvent
from luoxia.data.corpus import Corpus
from luoxia.data.corpus_split import Division
from luoxia.data.tokens import TokenWriter
from luoxia.models.byte_pairs import BytePairs
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights import catalogue
from luoxia.weights.gguf import GGUFFile
from luoxia.weights.vocabulary import tokenizer_from_folder, tokenizer_from_gguf

SAMPLE, LEAST = 500, 8_000_000  # bytes of text for each token of a vocabulary that is learned, and at least
PIECE = 1 << 20  # bytes of a document that are encoded at once
Encode = Callable[[list[str]], tuple[NDArray[np.int32], NDArray[np.int64]]]


def of_model(name: str) -> Tokenizer:
    """The tokenizer of a model in the catalogue, of a GGUF file, or in a folder (a prepared corpus or a run among them)."""
    path = Path(name)
    if name in catalogue.CATALOGUE:
        path = catalogue.verified(catalogue.find(name, "text"))
    if path.is_dir():
        return tokenizer_from_folder(path)
    if path.suffix == ".gguf" and path.is_file():
        with GGUFFile(path) as file:
            return tokenizer_from_gguf(file)
    if path.name == "tokenizer.json" and path.is_file():
        return tokenizer_from_folder(path.parent)
    catalogue.find(name, "text")  # raises with the nearest names
    raise UserError(f"{name} has no tokenizer", f"{name} 没有分词器")


def sample(corpus: Corpus, division: Division, vocab_size: int, progress: Progress) -> Iterator[str]:
    """Texts of the training part that a vocabulary is learned from, taken evenly from all of it."""
    spans = division.spans(corpus, held_out=False)
    total = int(spans[1].sum())
    share, due, done = min(1.0, max(LEAST, SAMPLE * vocab_size) / max(1, total)), 0.0, 0
    for text, size, _ in corpus.texts(*spans, PIECE):
        done += size
        due += share * size
        if due >= size * (1 - 1e-9):
            due -= size
            yield text
        progress(ProgressEvent("learning", min(done, total - 1), total))


def write(
    corpus: Corpus,
    division: Division,
    tokenizer: Tokenizer,
    writer: TokenWriter,
    threads: int,
    progress: Progress,
) -> None:
    """Encode all documents that are kept, and write them in their order."""
    encode = encoder(tokenizer)
    total = sum(int(division.spans(corpus, held_out=side)[1].sum()) for side in (False, True))
    done = 0
    ahead: deque[tuple[_Batch, Future[tuple[NDArray[np.int32], NDArray[np.int64]]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="luoxia-encode") as pool:
        try:
            for batch in _batches(corpus, division):
                ahead.append((batch, pool.submit(encode, batch.texts)))
                if len(ahead) > 2 * threads:
                    done += _put(writer, *ahead.popleft())
                    progress(ProgressEvent("writing", done, total))
            while ahead:
                done += _put(writer, *ahead.popleft())
                progress(ProgressEvent("writing", done, total))
            progress(ProgressEvent("done", total, total))
        finally:
            for _, future in ahead:
                future.cancel()


def encoder(tokenizer: Tokenizer) -> Encode:
    """Ids of many texts, special tokens in them taken as letters: compiled where that is known to be equal, else by the
    tokenizers library."""
    try:
        return BytePairs(tokenizer.engine).encode
    except NotImplementedError:
        return Library(tokenizer)


class Library:
    """The tokenizers library on many texts."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        import tokenizers

        self._engine: Any = tokenizers.Tokenizer.from_str(tokenizer.engine.to_str())
        self._engine.encode_special_tokens = True

    def __call__(self, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        found = [e.ids for e in self._engine.encode_batch_fast(texts, add_special_tokens=False)]
        bounds = np.zeros(len(found) + 1, np.int64)
        np.cumsum([len(ids) for ids in found], out=bounds[1:])
        return np.fromiter((i for ids in found for i in ids), np.int32, int(bounds[-1])), bounds


class _Batch:
    """Texts of one split; ``begins`` and ``ends`` tell which are a document's first and last piece."""

    def __init__(self, held_out: bool) -> None:
        self.held_out = held_out
        self.texts: list[str] = []
        self.sizes: list[int] = []
        self.begins: list[bool] = []
        self.ends: list[bool] = []


def _batches(corpus: Corpus, division: Division) -> Iterator[_Batch]:
    for held_out in (False, True):
        batch, weight, begins = _Batch(held_out), 0, True
        for text, size, ended in corpus.texts(*division.spans(corpus, held_out=held_out), PIECE):
            batch.texts.append(text)
            batch.sizes.append(size)
            batch.begins.append(begins)
            batch.ends.append(ended)
            begins, weight = ended, weight + size
            if weight >= PIECE:
                yield batch
                batch, weight = _Batch(held_out), 0
        if batch.texts:
            yield batch


def _put(
    writer: TokenWriter, batch: _Batch, future: Future[tuple[NDArray[np.int32], NDArray[np.int64]]]
) -> int:
    ids, bounds = future.result()
    writer.add_pieces(
        ids,
        bounds,
        np.array(batch.sizes),
        np.array(batch.begins),
        np.array(batch.ends),
        held_out=batch.held_out,
    )
    return sum(batch.sizes)

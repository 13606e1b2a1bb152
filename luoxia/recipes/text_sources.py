"""Where the text comes from that a language model is measured by, and what its samples are compared with.

Names: "en" and "zh" are the pages that ship; else a text file in UTF-8, or a prepared corpus, ``NAME.tokens``: its
held-out documents are foretold, its training documents are what samples are looked up in.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from luoxia.core import seeds
from luoxia.core.errors import UserError, unreadable
from luoxia.data import general_text, tokens
from luoxia.data.labelled import read
from luoxia.generate.text import TextModel

MOST = 100_000  # tokens of a text that are measured
PIECE = 1 << 22  # bytes of a training text read at once
TOGETHER = 256  # documents that are decoded at once


@dataclass(frozen=True)
class Measured:
    """``ids`` of the beginning of a text; the tokens from the second on are ``size`` bytes. ``whole``: nothing was cut."""

    name: str
    ids: tuple[int, ...]
    size: int
    whole: bool


def measured(name: str, model: TextModel) -> Measured:
    """The text called ``name`` as tokens of ``model``. A corpus of the model's own tokenizer is taken as it is, an end of
    text behind each document; of another one its text is read anew."""
    if is_corpus(Path(name)):
        corpus = tokens.read(name)
        if not len(corpus.held_out.tokens):
            raise UserError(f"{name} holds nothing out to be foretold", f"{name} 没有留出部分可供预测")
        if corpus.tokenizer_digest == model.tokenizer.digest:
            count = min(len(corpus.held_out.tokens), MOST)
            ids = tuple(corpus.held_out.tokens[:count].tolist())
            size = round(corpus.held_out.bytes_before(count) - corpus.held_out.bytes_before(1))
            return Measured(corpus.name, ids, size, count == len(corpus.held_out.tokens))
        text = "\n\n".join(_documents(corpus, corpus.held_out, 8 * MOST))
        return _cut(corpus.name, text, model)
    shipped = name in general_text.LANGUAGES
    text = general_text.general_text(name) if shipped else read(Path(name))
    if not text.strip():
        raise UserError(f"{name} is empty; there is nothing to foretell", f"{name} 为空，无可预测")
    return _cut(name if shipped else Path(name).name, text, model)


def _cut(name: str, text: str, model: TextModel) -> Measured:
    # A token is a few characters: so much text gives enough of them without all of it being tokenised.
    ids = model.tokenizer.encode(text[: 8 * MOST])
    whole = len(ids) <= MOST and len(text) <= 8 * MOST
    ids = ids[:MOST]
    told = text if whole else model.tokenizer.decode(ids, specials=True)
    first = 0 if ids[0] in _unwritten(model) else _bytes(model, ids[0])
    return Measured(name, tuple(ids), len(told.encode()) - first, whole)


def _bytes(model: TextModel, token: int) -> int:
    """How many bytes of text ``token`` is; it may be part of a character."""
    text, name = model.tokenizer.token(token), model.tokenizer.engine.id_to_token(token) or ""
    if "\ufffd" not in text:
        return len(text.encode())
    return 1 if name.startswith("<0x") else len(name)  # byte-level vocabularies have a letter for each byte


def _unwritten(model: TextModel) -> frozenset[int]:
    """The token that stands before every text without being of it."""
    bos = model.tokenizer.engine.token_to_id(model.tokenizer.bos) if model.tokenizer.bos else None
    return frozenset() if bos is None or not model.tokenizer.add_bos else frozenset({bos})


def is_corpus(path: Path) -> bool:
    return (path / tokens.FACTS).is_file()


def training_text(path: Path) -> Iterator[str]:
    """The text at ``path`` in pieces that join without a gap; what is not UTF-8 in it is replaced by marks."""
    if is_corpus(path):
        corpus = tokens.read(path)
        for document in _documents(corpus, corpus.train):
            yield document + "\n"
        return
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    try:
        with path.open("rb") as file:
            while data := file.read(PIECE):
                yield decoder.decode(data)
            yield decoder.decode(b"", final=True)
    except OSError as error:
        raise unreadable(path, error) from error


def unseen(path: Path, lengths: list[int], seed: int) -> list[str]:
    """Passages of held-out documents, one of each of ``lengths`` characters where a document has so many: what samples are
    compared with. None where ``path`` is no corpus, or holds nothing out."""
    if not is_corpus(path):
        return []
    corpus = tokens.read(path)
    held = corpus.held_out
    if not len(held.documents):
        return []
    order = seeds.generator(seed).permutation(len(held.documents))
    chosen = [int(order[i % len(order)]) for i in range(len(lengths))]
    found = corpus.tokenizer()
    return [
        found.decode(_of(held, place).tolist())[:length]
        for place, length in zip(chosen, lengths, strict=True)
    ]


def _documents(corpus: tokens.TokenSet, split: tokens.Split, most: int | None = None) -> Iterator[str]:
    """The documents' texts in their order, those that begin within the first ``most`` bytes."""
    engine, count = corpus.tokenizer().engine, len(split.documents)
    if most is not None:
        count = int((split.documents[:, 1] < most).sum())
    for at in range(0, count, TOGETHER):
        some = [_of(split, place).tolist() for place in range(at, min(at + TOGETHER, count))]
        yield from engine.decode_batch(some)


def _of(split: tokens.Split, place: int) -> NDArray[Any]:
    """The tokens of document ``place``."""
    starts = split.documents[:, 0]
    return split.tokens[starts[place] : starts[place + 1] if place + 1 < len(starts) else len(split.tokens)]

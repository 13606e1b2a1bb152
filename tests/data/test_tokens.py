"""Corpora on disk: what is written is read again, cut into rows, and refused when it is not whole."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_corpus

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.data import tokens
from luoxia.data.batches import Batches
from luoxia.data.token_rows import TokenRows
from luoxia.data.tokens import TokenWriter


def test_documents_come_back_in_their_split_with_their_bytes_and_tokenizer(tmp_path: Path) -> None:
    corpus = tiny_corpus.keep(tmp_path / "a.tokens")
    texts, tokenizer = tiny_corpus.texts(), corpus.tokenizer()
    for split, wanted in (
        (corpus.train, [t for i, t in enumerate(texts) if i % 5 != 4]),
        (corpus.held_out, texts[4::5]),
    ):
        starts = [*split.documents[:, 0].tolist(), len(split.tokens)]
        found = [split.tokens[a:b].tolist() for a, b in itertools.pairwise(starts)]
        assert [tokenizer.decode(ids) for ids in found] == wanted
        assert {ids[-1] for ids in found} == {corpus.end}
        assert split.bytes == sum(len(t.encode()) for t in wanted)
        assert split.bytes_before(starts[3]) == sum(len(t.encode()) for t in wanted[:3])
        assert split.document_of(np.array([0, starts[1] - 1, starts[1]])).tolist() == [0, 0, 1]
    assert tokenizer.digest == corpus.tokenizer_digest == tiny_corpus.tokenizer().digest
    assert corpus.facts["source"] == "words by lot"
    assert corpus.train.tokens.dtype == np.dtype("<u2")
    assert not list(tmp_path.glob("*.part*"))


def test_a_document_may_be_written_in_pieces(tmp_path: Path) -> None:
    whole, made = tiny_corpus.keep(tmp_path / "a.tokens", 5), tiny_corpus.tokenizer()
    with TokenWriter(tmp_path / "b.tokens", made, name="sentences") as writer:
        for i, text in enumerate(tiny_corpus.texts(5)):
            ids, held_out = [*made.encode(text), writer.end], i == 4
            writer.begin(held_out=held_out)
            for at in range(0, len(ids), 7):
                size = len(text.encode()) if at == 0 else 0
                writer.more(ids[at : at + 7], size, held_out=held_out)
        again = writer.finish(licence=("made for tests",))
    assert again.digest == whole.digest
    assert (again.train.documents == whole.train.documents).all()


def write(folder: Path, ids) -> None:
    with TokenWriter(folder, tiny_corpus.tokenizer(), name="x") as writer:
        writer.add([1, 2, 3], 3)
        writer.add(ids, 3)
        writer.finish()


def test_a_writer_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    before = tiny_corpus.keep(tmp_path / "a.tokens").digest
    for ids in ([1, 257], "no numbers"):
        with pytest.raises(ValueError):
            write(tmp_path / "a.tokens", ids)
    assert tokens.read(tmp_path / "a.tokens").digest == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.tokens"]


def test_what_is_not_whole_is_refused(tmp_path: Path) -> None:
    def broken(name: str):
        tiny_corpus.keep(tmp_path / "a.tokens")
        return tmp_path / "a.tokens" / name

    def refused(match: str) -> None:
        with pytest.raises(MalformedFileError, match=match):
            tokens.read(tmp_path / "a.tokens")

    path = broken("train.bin")
    path.write_bytes(path.read_bytes()[:-2])
    refused("tokens noted")
    path = broken("held_out.bin")
    path.write_bytes(path.read_bytes()[:-2] + b"\x07\x00")
    refused("altered")
    path = broken("train.documents")
    path.write_bytes(path.read_bytes()[:-16])
    refused("does not fit")
    path = broken("train.documents")
    starts = np.fromfile(path, "<i8")
    starts[2] = 10**9
    starts.tofile(path)
    refused("does not fit")
    path = broken("tokens.json")
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {"vocab_size": 100}))
    refused("vocabulary")
    path.write_text(json.dumps(facts | {"format": 9}))
    refused("another version")
    path.write_text("[]")
    refused("not a whole corpus")
    path = broken("tokenizer.json")
    path.write_text(path.read_text().replace("endoftext", "endofthat"))
    with pytest.raises(MalformedFileError, match="not the one"):
        tokens.read(tmp_path / "a.tokens").tokenizer()
    with pytest.raises(UserError, match="luoxia data prepare"):
        tokens.read(tmp_path)


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    from tiny_text import byte_tokenizer

    with pytest.raises(UserError, match="end of a text"):
        TokenWriter(tmp_path / "a.tokens", byte_tokenizer(), name="x")


def test_rows_overlap_by_the_token_that_is_predicted(tmp_path: Path) -> None:
    corpus = tiny_corpus.keep(tmp_path / "a.tokens")
    rows = TokenRows(corpus, 16)
    n = (len(corpus.train.tokens) - 1) // 16
    assert rows.train.tolist() == list(range(n))
    found = rows.at(np.array([0, 1, n - 1]))
    assert found.shape == (3, 17)
    assert (found[0] == corpus.train.tokens[:17]).all()
    assert (found[1] == corpus.train.tokens[16:33]).all()
    held = rows.at(rows.held_out)
    assert (held[:, :-1].ravel() == corpus.held_out.tokens[: held[:, :-1].size]).all()
    numbers = rows.documents(np.array([1, n + 1]))
    assert (numbers[0] == corpus.train.document_of(np.arange(16, 32))).all()
    assert (numbers[1] == corpus.held_out.document_of(np.arange(16, 32))).all()
    assert len(set(TokenRows(corpus, 200).documents(np.array([0]))[0])) > 1


def test_ranks_see_every_row_of_an_epoch_once_and_none_held_out(tmp_path: Path) -> None:
    rows = TokenRows(tiny_corpus.keep(tmp_path / "a.tokens"), 16)
    steps = len(rows.train) // 4
    seen = [
        Batches(rows, 2, seed=3, rank=rank, world=2).at(step).index
        for step in range(steps)
        for rank in (0, 1)
    ]
    found = np.concatenate(seen)
    assert len(set(found.tolist())) == len(found) == 4 * steps
    assert found.max() < len(rows.train)
    alone = [Batches(rows, 4, seed=3).at(step).index for step in range(steps)]
    assert np.concatenate(alone).tolist() == found.tolist()


def test_rows_that_do_not_fill_and_nothing_held_out_are_said(tmp_path: Path) -> None:
    corpus = tiny_corpus.keep(tmp_path / "a.tokens")
    with pytest.raises(UserError, match="block_size="):
        TokenRows(corpus, 10**6)
    made = tiny_corpus.tokenizer()
    with TokenWriter(tmp_path / "b.tokens", made, name="x") as writer:
        writer.add(made.encode("落霞与孤鹜齐飞"), 21)
        lonely = writer.finish()
    with pytest.raises(UserError, match="holds no text out"):
        TokenRows(lonely, 4)
    with pytest.raises(UserError, match="mirror"):
        Batches(TokenRows(corpus, 16), 2, seed=1, mirror=True)

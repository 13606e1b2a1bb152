"""Passages of the training text are found, and no word of it is kept."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from luoxia.core.errors import MalformedFileError
from luoxia.evaluate import text_originals
from luoxia.evaluate.text_originals import LEAST, RUN, WINDOW
from luoxia.weights import originals as files

WORDS = [
    "autumn",
    "water",
    "heron",
    "dusk",
    "river",
    "sail",
    "cloud",
    "reed",
    "moon",
    "oar",
    "frost",
    "mist",
    "shore",
    "wind",
    "lamp",
    "bell",
    "pine",
    "crane",
]
CHINESE = "落霞与孤鹜齐飞秋水共长天一色渔舟唱晚响穷彭蠡之滨雁阵惊寒声断衡阳之浦"


def text(seed: int, words: int = 400) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) + str(draw.randint(0, 99)) for _ in range(words))


def chinese(seed: int, count: int = 300) -> str:
    draw = random.Random(seed)
    return "".join(draw.choice(CHINESE) for _ in range(count))


@pytest.fixture(scope="module")
def index() -> text_originals.TextOriginals:
    texts = [f"Licensed to all the readers of this book, whoever they may be. {text(i)}" for i in range(30)]
    texts += [chinese(i) for i in range(30)]
    unseen = [text(1000 + i) for i in range(40)]
    made = text_originals.build(
        texts, unseen, sum(map(len, texts)), data="book", digest="d", sources=["B by C, MIT"]
    )
    assert made is not None
    return made


def test_a_passage_is_found_with_its_document(index) -> None:
    passage = text(7)[200:600]
    found = index.longest(f"{text(5000, 40)} {passage.upper()}\n{text(5001, 40)}")
    assert found.document == 7
    assert 400 - 2 * WINDOW <= found.length <= 402
    assert found.length >= index.bound
    assert found.text in f"{text(7)} {text(5001, 40)}"
    other = index.longest(chinese(2000) + chinese(4)[20:90] + chinese(2001))
    assert other.document == 34
    assert other.length >= LEAST


def test_new_text_comes_near_nothing(index) -> None:
    assert all(index.longest(text(9000 + i)).length < index.bound for i in range(50))
    assert index.longest("").document == -1
    assert index.longest("short").length == 0


def test_what_many_documents_say_is_nobodys(index) -> None:
    assert index.longest("Licensed to all the readers of this book, whoever they may be.").length == 0


def test_no_passage_of_a_window_and_a_run_is_missed(index) -> None:
    whole, long = text(3), RUN + WINDOW - 1
    assert all(
        index.longest(whole[at : at + long].strip() + "#").length
        for at in range(100, 400)
        if whole[at] != " " != whole[at + long - 1]
    )


def test_what_is_written_is_what_is_read(index, tmp_path: Path) -> None:
    index.write(tmp_path)
    again = text_originals.read(tmp_path)
    assert again is not None
    assert again.longest(text(7)) == index.longest(text(7))
    assert b"heron" not in (tmp_path / files.TEXTS).read_bytes()


def test_what_is_no_whole_index_is_refused(index, tmp_path: Path) -> None:
    assert text_originals.read(tmp_path) is None
    path, told = tmp_path / files.TEXTS, {"format": 1, **index.told}
    parts = {"hashes": index.hashes, "documents": index.documents}
    for change, facts in (
        ({"hashes": parts["hashes"][::-1]}, told),
        ({"documents": parts["documents"][:-1]}, told),
        ({"hashes": parts["hashes"].astype(np.int64)}, told),
        ({}, told | {"bound": -1}),
        ({}, told | {"sources": "one"}),
        ({}, {"format": 2}),
    ):
        save_file(
            {k: np.ascontiguousarray(v) for k, v in (parts | change).items()},
            path,
            {"told": json.dumps(facts)},
        )
        with pytest.raises(MalformedFileError):
            text_originals.read(tmp_path)

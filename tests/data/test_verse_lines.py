"""The index of old lines, and the nearest old poem."""

from __future__ import annotations

import numpy as np
import pytest

from luoxia.core.errors import MalformedFileError
from luoxia.data.verse.line_index import LineIndex
from luoxia.data.verse.originals import Originals

LINES = [f"{chr(0x4E00 + i % 97)}{chr(0x5000 + i)}山水间" for i in range(4000)]


def test_no_known_line_is_missed_and_few_new_ones_are_thought_known() -> None:
    index = LineIndex.from_bytes(LineIndex.of(LINES).to_bytes())
    assert all(line in index for line in LINES)
    new = [f"{chr(0x6000 + i)}{chr(0x7000 + i)}风月里" for i in range(4000)]
    assert sum(line in index for line in new) <= 2  # 4,000 of 2^30 hashes are taken


def test_it_takes_a_byte_and_some_bits_a_line() -> None:
    index = LineIndex.of(LINES)
    assert (np.diff(index.hashes.astype(np.int64)) > 0).all()
    size = len(index.to_bytes())
    assert size <= len(index) * 9 / 8 + (1 << 22) / 8 + 10
    assert (LineIndex.from_bytes(index.to_bytes()).hashes == index.hashes).all()


def test_an_empty_index_knows_nothing() -> None:
    index = LineIndex.from_bytes(LineIndex.of([]).to_bytes())
    assert LINES[0] not in index


@pytest.mark.parametrize("cut", [0, 3, 8, 100, -1])
def test_a_damaged_index_is_refused(cut: int) -> None:
    data = LineIndex.of(LINES[:50]).to_bytes()
    with pytest.raises(MalformedFileError):
        LineIndex.from_bytes(data[:cut])
    with pytest.raises(MalformedFileError):
        LineIndex.from_bytes(b"LXL1" + b"\xff" * 8)


def test_the_nearest_poem_has_the_longest_run_in_common() -> None:
    rows = [
        "五绝\ttang\t王之涣\t登鹳雀楼\t白日依山尽黄河入海流欲穷千里目更上一层楼\t1\t25",
        "五绝\ttang\t李白\t静夜思\t床前看月光疑是地上霜举头望山月低头思故乡\t0\t21",
    ]
    found = Originals(rows).nearest("风吹疑是地上霜雪欲穷千里")
    assert found is not None
    assert (found.author, found.title, found.run) == ("李白", "静夜思", "疑是地上霜")
    assert found.lines[1] == "疑是地上霜"
    assert Originals(rows).nearest("风吹草低见牛羊") is None
    assert (
        Originals(rows).nearest("楼床前") is None
    )  # the end of one poem and the beginning of the next are no run

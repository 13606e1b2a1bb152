"""The longest passages that texts share with training text, against a search by brute force."""

from __future__ import annotations

import random

import pytest

from luoxia.evaluate.overlap import flat, longest


def brute(text: str, training: str) -> int:
    return max(
        (j - i for i in range(len(text)) for j in range(i + 1, len(text) + 1) if text[i:j] in training),
        default=0,
    )


def by_place(text: str, training: str, least: int) -> float:
    covered = set()
    for i in range(len(text) - least + 1):
        if text[i : i + least] in training:
            covered |= set(range(i, i + least))
    return len(covered) / len(text)


@pytest.mark.parametrize("alphabet", ["ab", "abc", "落霞与孤鹜a"])
def test_against_brute_force(alphabet):
    draw = random.Random(3)
    for _ in range(60):
        texts = ["".join(draw.choice(alphabet) for _ in range(draw.randrange(1, 25))) for _ in range(4)]
        training = "".join(draw.choice(alphabet + "z") for _ in range(draw.randrange(1, 80)))
        cut = draw.randrange(len(training) + 1)
        for text, found in zip(texts, longest(texts, [training[:cut], training[cut:]], least=4), strict=True):
            assert found.length == brute(text, training)
            assert text[found.start : found.start + found.length] == found.passage
            assert found.share == pytest.approx(by_place(text, training, 4))
            if found.length:
                assert training[found.place : found.place + found.length] == found.passage


def test_a_copy_is_found_over_line_breaks_and_strangers_are_not():
    training = "It was a bright cold day in\n  April, and the clocks\twere striking."
    copied, strange = longest(["so a bright cold day in April, and the end", "QQQ"], [training], least=10)
    assert copied.passage == " a bright cold day in April, and the "
    assert copied.share == pytest.approx(len(copied.passage) / 42)
    assert (strange.length, strange.place, strange.passage, strange.share) == (0, -1, "", 0.0)


def test_white_space_that_is_cut_between_pieces_is_one_space():
    (found,) = longest(["one two"], ["xone ", " \n two"])
    assert found.passage == "one two"


def test_empty_texts_and_empty_training():
    assert [o.length for o in longest(["", "abc"], [])] == [0, 0]
    assert [o.length for o in longest(["", "abc"], ["", "bc"])] == [0, 2]
    assert flat(" a\n\n b ") == "a b"

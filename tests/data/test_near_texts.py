"""Texts that nearly repeat each other are found, and none that do not."""

from __future__ import annotations

import random

import numpy as np
import pytest

from luoxia.data.near_texts import copies, groups, pairs
from luoxia.data.sketch import EMPTY, sketch

WORDS = [
    "river",
    "sunset",
    "cloud",
    "wild",
    "goose",
    "autumn",
    "water",
    "sky",
    "lonely",
    "duck",
    "flies",
    "evening",
    "fisher",
    "boat",
    "song",
    "village",
]
HAN = "落霞與孤鶩齊飛秋水共長天一色漁舟唱晚響窮彭蠡之濱雁陣驚寒聲斷衡陽浦春花月江山風雨"


def prose(seed, n=120):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) + str(rng.randrange(30)) for _ in range(n))


def poem(seed, n=56):
    rng = random.Random(seed)
    return "".join(rng.choice(HAN) for _ in range(n))


def shingles(text):
    units = text.lower().replace(",", " ").split() if " " in text else list(text)
    return {tuple(units[i : i + 3]) for i in range(len(units) - 2)}


def found(texts):
    made, _ = sketch(texts)
    return pairs(made, np.arange(len(texts)))


@pytest.mark.parametrize("make", [prose, poem])
def test_the_estimate_is_near_the_similarity_it_estimates(make):
    errors = []
    for seed in range(40):
        one = make(seed)
        units = one.split() if " " in one else list(one)
        for i in range(0, len(units), 25):
            units[i] = "龘"
        other = (" " if " " in one else "").join(units)
        a, b = shingles(one), shingles(other)
        [estimate] = found([one, other]).alike
        errors.append(float(estimate) - len(a & b) / len(a | b))
    assert abs(np.mean(errors)) < 0.02
    assert np.abs(errors).max() < 0.12


def test_near_copies_are_paired_and_others_are_not():
    texts = [prose(i) for i in range(200)] + [poem(i) for i in range(200)]
    changed = [prose(7).replace(" ", ",  ").upper(), poem(3)[:28] + "，\n" + poem(3)[28:-1] + "龘"]
    both = found(texts + changed)
    assert [(int(a), int(b)) for a, b in zip(both.one, both.other, strict=True)] == [(7, 400), (203, 401)]
    assert both.alike[0] == 1


def test_texts_without_words_are_alike_to_none():
    made, _ = sketch(["", "。。。", "!!", "a"])
    assert (made[:3] == EMPTY).all()
    assert len(found(["", "。。。", "!!", "a"]).one) == 0


def test_of_copies_the_first_is_kept_and_nothing_is_left_out_for_what_is_left_out():
    both = found([poem(0), poem(0), poem(1), poem(0) + "龘"])
    assert copies(both, 0.8, np.zeros(4, bool)).tolist() == [-1, 0, -1, 0]
    marked = np.array([False, False, False, True])
    assert copies(both, 0.8, marked).tolist() == [3, 3, -1, -1]
    assert groups(both, copies(both, 0.8, marked), 4).tolist() == [0, 0, 2, 0]


def test_a_sketch_of_pieces_is_the_smaller_of_both():
    text = prose(0, 400)
    cut = text.index(" ", len(text) // 2)
    whole, one, other = sketch([text, text[:cut], text[cut:]])[0]
    assert (np.minimum(one, other) == whole).mean() > 0.95

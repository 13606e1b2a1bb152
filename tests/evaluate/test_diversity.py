"""Numbers of variety, worked out by hand."""

from __future__ import annotations

import math

import pytest

from luoxia.evaluate.diversity import distinct, diversity, repetition, self_bleu, units


def test_words_characters_and_marks_are_units():
    assert units("It's a DAY, 你好世界! x2") == ["it's", "a", "day", ",", "你", "好", "世", "界", "!", "x2"]
    assert units("  ") == []


def test_distinct_counts_over_all_texts():
    texts = [["a", "b", "a"], ["a", "b"]]
    assert distinct(texts, 1) == 2 / 5
    assert distinct(texts, 2) == 2 / 3  # ab, ba, ab
    assert math.isnan(distinct(texts, 4))


def test_repetition_is_what_stood_before():
    assert repetition(list("abcdabcd")) == pytest.approx(1 - 4 / 5)  # abcd bcda cdab dabc abcd
    assert repetition(list("aaaaaaa")) == pytest.approx(1 - 1 / 4)
    assert repetition(list("abcdefg")) == 0
    assert repetition(list("abc")) == 0


def test_self_bleu_by_hand():
    one, two = list("abcde"), list("abcdf")
    # of 5, 4, 3, 2 n-grams 4, 3, 2, 1 are the other's; as long, so no brevity
    expected = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert self_bleu([one, two]) == pytest.approx(expected)
    assert self_bleu([one, one, one]) == pytest.approx(1.0)
    strangers = self_bleu([one, list("uvwxy")])
    assert strangers == pytest.approx((0.1 / 5 * 0.1 / 4 * 0.1 / 3 * 0.1 / 2) ** 0.25)


def test_self_bleu_clips_counts_and_is_short_with_the_short():
    found = self_bleu([list("aaaa"), list("aaaaaa")])
    first = math.exp(1 - 6 / 4)  # all of it is in the other, which is longer by half
    second = (4 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25  # the other has fewer of each
    assert found == pytest.approx((first + second) / 2)


def test_a_count_is_clipped_by_the_richest_other():
    # "ab" stands twice in the third text and once in the second: the first may keep both of its own
    texts = [list("abab"), list("abxy"), list("abab")]
    assert self_bleu(texts[:1] + texts[2:]) == pytest.approx(1.0)
    assert self_bleu(texts) > self_bleu(texts[:2])


def test_self_bleu_needs_two_texts_of_four_units():
    assert math.isnan(self_bleu([list("abcd"), list("abc")]))


def test_a_report_of_all():
    found = diversity(["a b c", "", "a b"])
    assert (found["length_mean"], found["length_median"], found["empty"]) == (pytest.approx(5 / 3), 2, 1)
    assert found["distinct_1"] == 3 / 5
    assert found["self_bleu"] is None

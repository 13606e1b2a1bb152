"""The mark in the choice of tokens: no choice is likelier for it, and nothing else reads as it."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from luoxia.core import seeds
from luoxia.generate.sampling import Candidates, Chooser, MarkedDraw, Sampling
from luoxia.models import text_mark
from luoxia.models.text_mark import CONTEXT, VARIANTS, Reading, numbers, read, tail

V = 50


def _text(length: int, mark: bool, seed: int, spread: float = 1.0) -> list[int]:
    """A text of ``V`` tokens whose every next one is drawn by the logits that a table keeps for the last."""
    table = np.random.default_rng(7).normal(0, spread, (V, V)).astype(np.float32)
    chooser = Chooser(
        Sampling(temperature=1, top_p=1, repetition_penalty=1, mark=mark), seeds.generator(seed)
    )
    ids = [0]
    for _ in range(length):
        ids.append(chooser(table[ids[-1]], ids))
    return ids[1:]


def test_numbers_are_uniform_and_independent() -> None:
    contexts = np.array([[a, b] for a in range(60) for b in range(60)])
    for variant in range(VARIANTS):
        u = numbers(contexts[:, None], np.arange(20), variant)  # (3600, 20)
        assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
        for other in (u[:, ::-1], np.roll(u, 1, 0), numbers(contexts[:, None, ::-1], np.arange(20), variant)):
            moved = ~np.isclose(u, other)
            assert abs(stats.pearsonr(u[moved], other[moved]).statistic) < 4.5 / math.sqrt(moved.sum())
    assert 0 < numbers(np.zeros((1, CONTEXT), np.int64), np.zeros(1, np.int64), 0)[0] < 1


def test_over_contexts_a_marked_choice_is_a_draw_from_the_model() -> None:
    logits = np.array([2.0, 1.5, 1.0, 0.0, -1.0, -2.0], np.float32)
    expected = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum()
    ids = np.array([3, 1, 4, 15, 9, 2])
    counts: Counter[int] = Counter()
    for i in range(6000):  # each in a text of its own, behind other tokens
        drawn = MarkedDraw(np.random.default_rng(i))
        for token in (i, i // 7):
            drawn(Candidates(np.array([token]), np.zeros(1, np.float32)))
        counts[drawn(Candidates(ids, logits))] += 1
    found = [counts[int(i)] for i in ids]
    assert stats.chisquare(found, 6000 * expected).pvalue > 1e-3


def test_pairs_of_tokens_come_as_often_with_the_mark_as_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over hashes, and behind a marked token too: what the mark gives one token must not show in the next."""
    counts = [Counter(), Counter()]
    for seed in range(600):
        monkeypatch.setattr(text_mark, "_KEY", seed * 0x9E3779B97F4A7C15 % 2**64)
        for mark in (False, True):
            text = _text(20, mark, seed)
            counts[mark].update(itertools.pairwise(text))
    common = [pair for pair, _ in (counts[0] + counts[1]).most_common(150)]
    table = np.array([[count[pair] for pair in common] for count in counts])
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_200_marked_tokens_are_told_and_200_others_are_not() -> None:
    for seed in range(12):
        assert read(_text(200, True, seed)).chance < 1e-12
    chances = np.array([read(_text(200, False, seed)).chance for seed in range(60)])
    assert chances.min() > 1e-3
    assert read(_text(200, True, 0, spread=0.01)).chance < read(_text(200, True, 0, spread=3)).chance


def test_the_chance_is_the_one_it_says() -> None:
    random = np.random.default_rng(1)
    chances = np.array([read(random.integers(0, 49_152, 60).tolist()).chance for _ in range(4000)])
    for said in (0.1, 0.01):
        assert (chances <= said).mean() < said + 4 * math.sqrt(said / 4000)
    assert (chances <= 0.1).mean() > 0.06  # nor is it far from being reached


@pytest.mark.parametrize(("n", "s"), [(1, 2.0), (5, 9.0), (200, 300.0), (60_000, 61_500.0)])
def test_the_tail_is_that_of_the_gamma_distribution(n: int, s: float) -> None:
    assert tail(n, s) == pytest.approx(stats.gamma.sf(s, n), rel=1e-6)


def test_what_comes_twice_counts_once() -> None:
    once = _text(100, True, 3)
    assert read(once * 20).tokens <= read(once).tokens + CONTEXT + 1


def test_a_text_shorter_than_its_context_says_nothing() -> None:
    assert read([]) == read([1]) == read([1, 2]) == Reading(0, 1.0)


def test_one_seed_one_text_and_other_seeds_other_texts() -> None:
    assert _text(60, True, 5) == _text(60, True, 5)
    assert len({tuple(_text(60, True, seed)) for seed in range(40)}) == 40


def test_greedy_and_forced_tokens_are_what_they_are_without_the_mark() -> None:
    logits = np.random.default_rng(0).normal(size=(40, V)).astype(np.float32)
    for knobs in ({"temperature": 0}, {"top_k": 1}):
        marked = Chooser(Sampling(**knobs, mark=True), seeds.generator(0))
        assert [marked(row, []) for row in logits] == logits.argmax(1).tolist()


def test_the_draw_is_the_usual_one_where_no_mark_is_asked_for() -> None:
    row = np.random.default_rng(0).normal(size=V).astype(np.float32)
    assert MarkedDraw not in map(type, vars(Chooser(Sampling(), seeds.generator(0))).values())
    before = [Chooser(Sampling(temperature=1.0), seeds.generator(seed))(row, []) for seed in range(50)]
    assert len(set(before)) > 5

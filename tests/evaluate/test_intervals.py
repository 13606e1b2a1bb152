"""Intervals against closed forms and against simulated draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from luoxia.evaluate.intervals import interval, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 10), (77, 200), (50, 50)])
def test_wilson_against_scipy(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_one_draw_is_wilson(draw):
    right = draw.random((1, 60)) < 0.7
    assert interval(right, 0) == wilson(right.mean(), 60)


def test_draws_that_differ_widen_it(draw):
    alike = np.repeat(draw.random((1, 100)) < 0.6, 4, axis=0)
    apart = np.stack([draw.random(100) < p for p in (0.3, 0.9, 0.4, 0.8)])
    low, high = interval(apart, 0)
    assert high - low > 1.5 * np.subtract(*interval(alike, 0)[::-1])
    assert low < apart.mean() < high


def test_more_draws_of_the_same_do_not_narrow_what_items_leave_open(draw):
    right = np.repeat(draw.random((1, 50)) < 0.5, 20, axis=0)
    low, high = interval(right, 0)
    assert (low, high) == pytest.approx(wilson(right.mean(), 50), abs=0.05)
    assert low <= wilson(right.mean(), 50)[0]
    assert high >= wilson(right.mean(), 50)[1]


def test_it_holds_the_truth_as_often_as_it_says(draw):
    """Items and draws both move the chance of being right."""
    held = 0
    for _ in range(150):
        items, draws = draw.normal(0, 1, 80), draw.normal(0, 0.3, 5)
        chance = 1 / (1 + np.exp(-(items[None] + draws[:, None])))
        low, high = interval(draw.random((5, 80)) < chance, 1)
        held += low <= 0.5 <= high  # the mean over all items and draws there could be
    assert held / 150 > 0.93

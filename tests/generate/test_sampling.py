"""Every knob against its definition, written out naively."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from luoxia.core import seeds
from luoxia.core.errors import UserError
from luoxia.generate.sampling import (
    MAX_STOP_LENGTH,
    MAX_STOPS,
    Candidates,
    Chooser,
    Sampling,
    draw,
    min_p,
    penalised,
    probabilities,
    processors,
    tempered,
    top_k,
    top_p,
)

# Whole and half numbers tie often, and sums of their exponentials seldom fall on a limit by accident.
LOGITS = arrays(np.float32, st.integers(1, 60), elements=st.integers(-16, 16).map(lambda n: n / 2))
SPREAD = arrays(np.float32, st.integers(1, 300), elements=st.floats(-40, 40, width=32))
PLAIN = {"temperature": 1.0, "top_p": 1.0, "repetition_penalty": 1.0}


def candidates(*logits: float) -> Candidates:
    return Candidates(np.arange(len(logits)), np.array(logits, np.float32))


def every(logits: np.ndarray) -> Candidates:
    return Candidates(np.arange(len(logits)), logits)


def softmax(logits) -> list[float]:
    wide = np.array(logits, np.float64)
    return list(np.exp(wide) / np.exp(wide).sum())


def ranked(values) -> list[int]:
    """Indices from the largest value down, the lower index first among equals."""
    return sorted(range(len(values)), key=lambda i: (-values[i], i))


def chosen(sampling: Sampling, logits: np.ndarray, n: int, seen=(), seed: int = 0) -> np.ndarray:
    choose = Chooser(sampling, seeds.generator(seed))
    return np.array([choose(logits, seen) for _ in range(n)])


def chi_square(found: np.ndarray, shares) -> float:
    expected = np.array(shares) * len(found)
    return float(((np.bincount(found, minlength=len(shares)) - expected) ** 2 / expected).sum())


@pytest.mark.parametrize(
    ("name", "value", "low", "high"),
    [
        ("max_new_tokens", 0, "1", "1048576"),
        ("max_new_tokens", 1048577, "1", "1048576"),
        ("temperature", -0.1, "0", "100"),
        ("temperature", float("nan"), "0", "100"),
        ("temperature", float("inf"), "0", "100"),
        ("temperature", "hot", "0", "100"),
        ("temperature", True, "0", "100"),
        ("temperature", None, "0", "100"),
        ("max_new_tokens", 2.5, "1", "1048576"),
        ("top_k", -1, "0", "1048576"),
        ("top_k", 2.0, "0", "1048576"),
        ("top_p", 1.01, "0", "1"),
        ("top_p", -0.01, "0", "1"),
        ("min_p", 2, "0", "1"),
        ("repetition_penalty", 0, "0.01", "100"),
        ("repetition_penalty", 101, "0.01", "100"),
        ("logprobs", 21, "0", "20"),
        ("logprobs", -1, "0", "20"),
        ("logprobs", 0.5, "0", "20"),
    ],
)
def test_a_knob_out_of_range_is_named_with_its_value_and_its_range(name, value, low, high):
    with pytest.raises(UserError) as refusal:
        Sampling(**{name: value})
    number = "whole number" if name in ("max_new_tokens", "top_k", "logprobs") else "number"
    assert str(refusal.value) == f"{name} is {value}; give a {number} from {low} to {high}"
    assert name in refusal.value.text.zh


@pytest.mark.parametrize(
    "edge",
    [
        {"max_new_tokens": 1},
        {"max_new_tokens": 1 << 20},
        {"temperature": 0},
        {"temperature": 100},
        {"top_p": 0},
        {"min_p": 1},
        {"repetition_penalty": 0.01},
        {"logprobs": 0},
        {"logprobs": 20},
        {"stop": ("x" * MAX_STOP_LENGTH,) * MAX_STOPS},
    ],
)
def test_the_ends_of_a_range_belong_to_it(edge):
    options = Sampling(**edge)
    for name, value in edge.items():
        assert getattr(options, name) == value


@pytest.mark.parametrize("stop", [("x",) * 17, ("",), "", ("x" * 513,), (7,), 7])
def test_stop_texts_too_many_too_long_empty_or_not_text_are_refused(stop):
    with pytest.raises(UserError, match="stop takes up to 16 texts of 1 to 512 characters"):
        Sampling(stop=stop)


def test_one_stop_text_need_not_be_in_a_list():
    assert Sampling(stop="end").stop == ("end",)
    assert Sampling(stop=["a", "b"]).stop == ("a", "b")


@given(SPREAD, st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=200)
def test_top_p_equals_a_sort_of_the_whole_vocabulary(logits, p):
    share = probabilities(logits)
    order = ranked(share)
    mass, kept = 0.0, []
    for i in order:
        kept.append(i)
        mass += share[i]
        if mass >= p:
            break
    found = top_p(p)(every(logits))
    # Where the running sum meets p within rounding, one token more or less is right.
    enough = np.cumsum(share[order])
    if np.abs(enough - p).min() > 1e-12:
        assert found.ids.tolist() == kept
    else:
        assert found.ids.tolist() == order[: len(found.ids)]
    assert np.array_equal(found.logits, logits[found.ids])


@given(st.integers(1, 40), st.floats(0.05, 1.0))
@settings(deadline=None)
def test_top_p_is_exact_where_all_are_alike(n, p):
    """The hardest case of the shortcut: every token weighs just 1 / n."""
    found = top_p(p)(every(np.zeros(n, np.float32)))
    assert found.ids.tolist() == list(range(len(found.ids)))
    assert len(found.ids) / n >= p - 1e-9
    assert (len(found.ids) - 1) / n < p + 1e-9


def test_top_p_keeps_the_smallest_set_that_weighs_enough():
    four = candidates(*np.log([0.1, 0.5, 0.15, 0.25]))
    assert top_p(0.4)(four).ids.tolist() == [1]
    assert top_p(0.74)(four).ids.tolist() == [1, 3]
    assert top_p(0.76)(four).ids.tolist() == [1, 3, 2]
    assert top_p(0.0)(four).ids.tolist() == [1]


@given(LOGITS, st.integers(1, 70))
def test_top_k_equals_the_head_of_a_stable_sort(logits, k):
    found = top_k(k)(every(logits))
    assert sorted(found.ids.tolist()) == sorted(ranked(logits)[:k])
    assert np.array_equal(found.logits, logits[found.ids])


@given(LOGITS, st.sampled_from([0.01, 0.1, 0.3, 0.7]))
def test_min_p_keeps_what_is_at_least_that_share_of_the_likeliest(logits, p):
    share = softmax(logits)
    expected = [i for i, s in enumerate(share) if s >= p * max(share)]
    assert min_p(p)(every(logits)).ids.tolist() == expected


@given(LOGITS, st.floats(0.05, 20))
def test_temperature_divides_the_logits(logits, temperature):
    found = tempered(temperature)(every(logits))
    np.testing.assert_allclose(found.logits, logits / temperature, rtol=1e-6)


@given(LOGITS, st.lists(st.integers(0, 59), max_size=20), st.floats(0.01, 100))
def test_the_penalty_divides_what_is_positive_and_multiplies_what_is_negative(logits, seen, penalty):
    seen = [i for i in seen if i < len(logits)]
    before = logits.copy()
    expected = [
        float(x) if i not in seen else x / penalty if x > 0 else x * penalty for i, x in enumerate(logits)
    ]
    np.testing.assert_allclose(penalised(logits, seen, penalty), expected, rtol=1e-6)
    assert np.array_equal(logits, before)


def test_the_chain_cuts_after_the_temperature_and_the_share_after_the_number():
    """Each order gives another set here, so the usual one is seen to be kept."""
    logits = np.log(np.array([0.4, 0.3, 0.2, 0.1], np.float32))
    kept = every(logits)
    for process in processors(Sampling(temperature=0.5, top_k=3, top_p=0.8)):
        kept = process(kept)
    # Squared: 16 9 4 1. Of the first three 29, so that 25 are 0.86 of them.
    assert kept.ids.tolist() == [0, 1]
    kept = every(logits)
    for process in processors(Sampling(temperature=0.5, top_p=1.0, min_p=0.6)):
        kept = process(kept)
    assert kept.ids.tolist() == [0]  # 9 of 16 is less than 0.6, 0.3 of 0.4 would not be
    kept = every(logits)
    for process in processors(Sampling(temperature=1.0, top_k=2, top_p=0.5)):
        kept = process(kept)
    assert kept.ids.tolist() == [0]


def test_knobs_that_are_off_change_nothing():
    assert processors(Sampling(**PLAIN)) == []


def test_draws_follow_the_distribution():
    logits = np.random.default_rng(0).normal(size=30).astype(np.float32)
    found = chosen(Sampling(**PLAIN), logits, 20_000)
    assert chi_square(found, softmax(logits)) < 58.3  # 29 degrees of freedom, p = 0.001
    assert chi_square(found, softmax(logits * 0.9)) > 58.3


def test_draws_through_the_chain_follow_what_it_leaves():
    logits = np.log(np.array([0.05, 0.35, 0.2, 0.3, 0.1], np.float32))
    found = chosen(Sampling(temperature=1.0, top_p=0.8, repetition_penalty=1.0), logits, 20_000)
    assert set(found) == {1, 2, 3}
    assert chi_square(np.searchsorted([1, 2, 3], found), [0.35 / 0.85, 0.2 / 0.85, 0.3 / 0.85]) < 13.8


def test_the_same_number_draws_the_token_whose_share_it_falls_in():
    class Fixed:
        def __init__(self, number: float) -> None:
            self.number = number

        def random(self) -> float:
            return self.number

    three = Candidates(np.array([5, 8, 9]), np.log(np.array([0.5, 0.25, 0.25], np.float32)))
    for number, expected in ((0.0, 5), (0.4999, 5), (0.501, 8), (0.76, 9), (1 - 2**-53, 9)):
        assert draw(three, Fixed(number)) == expected
    assert draw(candidates(-np.inf, 0.0), Fixed(0.0)) == 1


@given(SPREAD)
def test_greedy_takes_the_likeliest_and_no_random_number(logits):
    random = seeds.generator(0)
    before = random.bit_generator.state
    options = Sampling(temperature=0, top_k=5, top_p=0.1, repetition_penalty=1.0)
    assert Chooser(options, random)(logits, []) == ranked(logits)[0]
    assert random.bit_generator.state == before


@pytest.mark.parametrize("temperature", [5e-324, 1e-40, 1e-30, 1e-10])
def test_the_coldest_is_greedy(temperature):
    logits = np.array([-30.0, 29.999, 30.0, 5.0], np.float32)
    assert set(chosen(Sampling(**PLAIN | {"temperature": temperature}), logits, 20)) == {2}


def test_the_penalty_counts_for_greedy_too():
    logits = np.array([1.0, 3.0, 2.0], np.float32)
    options = Sampling(temperature=0, repetition_penalty=2.0)
    assert chosen(options, logits, 1, seen=[0])[0] == 1
    assert chosen(options, logits, 1, seen=[1, 1])[0] == 2


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"temperature": 100.0},
        {"temperature": 0},
        {"top_k": 50},
        {"top_p": 0.999},
        {"min_p": 1e-30},
        {"repetition_penalty": 100.0},
        {"repetition_penalty": 0.01},
    ],
    ids=str,
)
def test_what_is_forbidden_is_never_drawn(knobs):
    logits = np.random.default_rng(1).normal(size=64).astype(np.float32)
    allowed = [3, 17, 40]
    masked = np.where(np.isin(np.arange(64), allowed), logits, np.float32(-np.inf))
    found = chosen(Sampling(**PLAIN | knobs), masked, 500, seen=range(64))
    assert set(found) <= set(allowed)


def test_what_no_one_may_choose_leaves_the_only_one():
    logits = np.full(9, -np.inf, np.float32)
    logits[4] = -80.0
    for temperature in (0, 0.01, 1.0, 100.0):
        assert set(chosen(Sampling(temperature=temperature), logits, 20)) == {4}


def test_the_same_seed_and_sample_draw_the_same_and_others_draw_others():
    def first(seed: int, sample: int = 0) -> bytes:
        return seeds.generator(seed, sample).bytes(64)

    # 2**32 and more fill two words, the second of which must not be taken for the sample.
    drawn = [first(s, i) for s in (0, 1, 2, 2**32, 2**32 + 1, 2**33, seeds.LARGEST) for i in range(20)]
    assert first(7, 3) == first(7, 3)
    assert len(set(drawn)) == len(drawn)


def test_generators_of_neighbours_are_independent():
    rows = np.stack([seeds.generator(5, sample).random(4000) for sample in range(6)])
    rows = np.concatenate([rows, np.stack([seeds.generator(seed).random(4000) for seed in range(6, 12)])])
    others = np.corrcoef(rows)[~np.eye(len(rows), dtype=bool)]
    assert np.abs(others).max() < 0.07  # four and a half standard deviations


def test_a_chooser_draws_from_its_own_generator():
    logits = np.zeros(1000, np.float32)
    alone = chosen(Sampling(**PLAIN), logits, 10, seed=3)
    one, two = (Chooser(Sampling(**PLAIN), seeds.generator(seed)) for seed in (3, 4))
    together = [(one(logits, []), two(logits, [])) for _ in range(10)]
    assert [a for a, _ in together] == alone.tolist()


@pytest.mark.parametrize("seed", [0, 1, seeds.LARGEST])
def test_a_seed_in_range_is_used_as_it_is(seed):
    assert seeds.checked(seed) == seed
    assert type(seeds.checked(np.int64(seed))) is int


@pytest.mark.parametrize("seed", [-1, seeds.LARGEST + 1, 1.5, True, "7"])
def test_what_is_not_a_seed_is_refused(seed):
    with pytest.raises(UserError, match=f"seed is {seed}; give a whole number from 0 to {seeds.LARGEST}"):
        seeds.checked(seed)


def test_no_seed_draws_one_short_enough_to_type():
    drawn = {seeds.checked(None) for _ in range(20)}
    assert len(drawn) > 15
    assert all(0 <= seed < 2**31 for seed in drawn)

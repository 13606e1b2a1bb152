"""Numbers of how pictures and texts find each other, against cases that are counted by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from luoxia.evaluate.alignment import (
    class_vectors,
    clip_score,
    r_precision,
    retrieval,
    retrieval_chance,
    zero_shot_accuracy,
)


def unit(rows: list[list[float]]) -> np.ndarray:
    x = np.array(rows, np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_recall_by_hand():
    """Pictures 0 and 1 share text 0. Picture 1 is nearer to text 1 than to its own."""
    texts = unit([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    images = unit([[1, 0.1, 0], [0.5, 0.9, 0], [0, 1, 0.2], [0.9, 0.6, 0.5]])
    of = [0, 0, 1, 2]
    found = retrieval(images, texts, of, ks=(1, 2, 3))
    # Ranks of pictures: 0, 1, 0, and 2 for the last (its text is the farthest).
    assert [found[f"image_to_text_r{k}"] for k in (1, 2, 3)] == [0.5, 0.75, 1.0]
    # Text 0 has picture 0 first; text 1 picture 2 first; text 2 picture 3 first.
    assert found["text_to_image_r1"] == 1.0
    images = unit([[0.6, 0.8, 0], [0.5, 0.9, 0], [0, 1, 0.2], [0.9, 0.6, 0.5]])
    found = retrieval(images, texts, of, ks=(1, 2))
    assert found["text_to_image_r1"] == pytest.approx(2 / 3)  # text 0 has picture 3 first now
    assert found["text_to_image_r2"] == 1.0


def test_a_judge_that_gives_all_the_same_finds_nothing():
    same = np.ones((6, 4)) / 2
    found = retrieval(same, same, range(6))
    assert set(found.values()) == {0.0}
    assert not r_precision(same, same, range(6), distractors=3).any()


@pytest.mark.parametrize("of", [[0, 1, 2, 3], [0, 0, 1, 2]])
def test_chance_is_the_mean_over_all_orders(of):
    n, u = len(of), len(set(of))
    expected = retrieval_chance(of, ks=(1, 2))
    for k in (1, 2):
        texts = [text in order[:k] for order in permutations(range(u)) for text in of]
        assert expected[f"image_to_text_r{k}"] == pytest.approx(np.mean(texts))
        hits = [
            any(of[i] == text for i in order[:k]) for order in permutations(range(n)) for text in range(u)
        ]
        assert expected[f"text_to_image_r{k}"] == pytest.approx(np.mean(hits))
    assert retrieval_chance(of, ks=(9,)) == {"image_to_text_r9": 1.0, "text_to_image_r9": 1.0}


def test_vectors_of_no_meaning_are_found_by_chance():
    random = np.random.default_rng(0)
    of = np.arange(600) // 3
    images, texts = (unit(random.normal(size=(n, 64)).tolist()) for n in (600, 200))
    found, chance = retrieval(images, texts, of), retrieval_chance(of)
    for name, value in chance.items():
        assert found[name] == pytest.approx(value, abs=4 * (value / 200) ** 0.5), name


def test_the_score_is_two_and_a_half_cosines():
    images, texts = unit([[1, 0], [1, 1], [1, 0]]), unit([[1, 0], [1, 0], [-1, 0]])
    np.testing.assert_allclose(clip_score(images, texts), [2.5, 2.5 / 2**0.5, 0])


def test_precision_counts_texts_that_say_the_same_as_no_distractors():
    """Ten texts, each twice, a picture near its own: the twin would be as near, and is never drawn."""
    texts = np.repeat(np.eye(10), 2, 0)
    keys = np.arange(20) // 2
    assert r_precision(texts, texts, keys, distractors=9).all()
    with pytest.raises(ValueError, match="9 other captions, and 10"):
        r_precision(texts, texts, keys, distractors=10)
    wrong = np.roll(texts, 2, 0)
    assert not r_precision(wrong, texts, keys, distractors=9).any()
    some = r_precision(
        wrong, texts, keys, distractors=3, seed=1
    )  # by lot the one it is near is not drawn, but ties
    assert not some.any()


def test_precision_of_no_meaning_is_one_of_all():
    random = np.random.default_rng(0)
    images, texts = (unit(random.normal(size=(2000, 32)).tolist()) for _ in range(2))
    found = r_precision(images, texts, np.arange(2000))
    assert found.mean() == pytest.approx(1 / 21, abs=0.02)
    assert np.array_equal(found, r_precision(images, texts, np.arange(2000)))
    assert not np.array_equal(found, r_precision(images, texts, np.arange(2000), seed=1))


def test_distractors_may_come_from_a_pool():
    texts, pool = np.eye(6)[:2], np.eye(6)
    assert r_precision(texts, texts, [0, 1], distractors=5, pool=pool, pool_keys=range(6)).all()
    nearer = pool.copy()
    nearer[3] = texts[0]
    found = r_precision(texts, texts, [0, 1], distractors=5, pool=nearer, pool_keys=range(6))
    assert found.tolist() == [False, True]


def test_classes_by_their_words():
    words = {"a cat": [1.0, 0], "cat": [0.8, 0.6], "a dog": [0, 1.0], "dog": [-0.6, 0.8]}
    vectors = class_vectors(
        lambda texts: torch.tensor([words[t] for t in texts]), ["cat", "dog"], ["{}", "a {}"]
    )
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(vectors[0], torch.tensor([1.8, 0.6]).double() / (1.8**2 + 0.36) ** 0.5)
    assert zero_shot_accuracy(unit([[1, 0], [0, 1], [-1, 1], [1, 0.2]]), vectors, [0, 1, 1, 1]) == 0.75


def test_what_does_not_fit_is_refused():
    x = np.eye(3)
    for call in (
        lambda: retrieval(x, x, [0, 1]),
        lambda: retrieval(x, x, [0, 1, 1]),
        lambda: retrieval(x, x, [0, 1, 3]),
        lambda: clip_score(x, x[:2]),
        lambda: retrieval(x, np.eye(4), [0, 1, 2]),
        lambda: clip_score(x * np.nan, x),
    ):
        with pytest.raises(ValueError, match=r"need|give|finite"):
            call()

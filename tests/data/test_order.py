"""Which sample comes when: permutations, shares of processes, and chance that belongs to a position."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tiny_pictures import pictures

from luoxia.core.errors import UserError
from luoxia.data.batches import Batches
from luoxia.data.order import Order, uniform


def test_each_epoch_is_another_permutation_of_all():
    indices = np.arange(100, 137)
    order = Order(indices, seed=3)
    epochs = [order.at(k * 37, 37) for k in range(4)]
    assert all(np.array_equal(np.sort(epoch), indices) for epoch in epochs)
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(epochs))
    assert not np.array_equal(Order(indices, seed=4).at(0, 37), epochs[0])


def test_a_position_holds_the_same_sample_however_it_is_asked_for():
    order = Order(np.arange(11), seed=2**60 + 1)
    whole = order.at(0, 200)
    again = Order(np.arange(11), seed=2**60 + 1)
    for first, count in [(150, 40), (0, 1), (9, 5), (33, 100)]:
        assert np.array_equal(again.at(first, count), whole[first : first + count])


def test_seeds_that_share_their_low_words_differ():
    low, high = (Order(np.arange(50), seed).at(0, 50) for seed in (7, 7 + 2**32))
    assert not np.array_equal(low, high)


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_an_order_without_overlap_or_loss(world):
    images = pictures(48)
    alone = Batches(images, 6 * world, seed=1)
    parts = [Batches(images, 6, seed=1, rank=rank, world=world) for rank in range(world)]
    for step in range(10):
        together = np.concatenate([part.at(step).index for part in parts])
        assert np.array_equal(together, alone.at(step).index)


def test_what_is_held_out_is_never_trained_on():
    images = pictures(48)
    seen = np.concatenate([Batches(images, 7, seed=1).at(step).index for step in range(30)])
    assert set(seen) == set(images.train)
    assert not set(seen) & set(images.held_out)
    assert set(Batches(images, 6, seed=1, split="held_out").at(0).index) == set(images.held_out)


@pytest.mark.parametrize("augment", [0.0, 0.7])
def test_threads_and_processes_change_nothing_in_a_picture(augment):
    images = pictures(48)
    chance = {"seed": 9, "mirror": True, "augment": augment}
    alone = Batches(images, 8, **chance)
    threaded = Batches(images, 8, workers=3, **chance)
    shares = [Batches(images, 4, rank=rank, world=2, **chance) for rank in range(2)]
    stream = threaded.stream(5)
    for step in range(5, 12):
        expected, got = alone.at(step), next(stream)
        assert np.array_equal(expected.images, got.images)
        assert np.array_equal(expected.labels, got.labels)
        assert np.array_equal(expected.images, np.concatenate([share.at(step).images for share in shares]))
    stream.close()


def test_half_the_pictures_are_mirrored_and_the_set_stays_as_it_was():
    images = pictures(48)
    images.images[:, :, 0, 0], images.images[:, :, 0, -1] = 255, 0
    before = images.images.copy()
    turned = np.concatenate(
        [Batches(images, 40, seed=s, mirror=True).at(0).images[:, 0, 0, 0] == 0 for s in range(10)]
    )
    assert 0.4 < turned.mean() < 0.6
    assert np.array_equal(images.images, before)


def test_chance_is_even_and_its_streams_are_independent():
    positions = np.arange(50_000)
    streams = np.stack([uniform(3, positions, k) for k in range(4)] + [uniform(4, positions, 0)])
    assert streams.min() >= 0
    assert streams.max() < 1
    assert np.abs(streams.mean(1) - 0.5).max() < 0.01
    assert np.abs(streams.var(1) - 1 / 12).max() < 0.002
    assert np.abs(np.corrcoef(streams) - np.eye(5)).max() < 0.02
    assert np.abs(np.corrcoef(streams[0, :-1], streams[0, 1:])[0, 1]) < 0.02
    assert np.array_equal(uniform(3, positions[100:110], 2), streams[2, 100:110])


def test_augmented_pictures_are_shifted_and_shaded():
    images = pictures(48, size=16)
    plain, changed = (Batches(images, 32, seed=1, augment=a).at(0).images for a in (0.0, 1.0))
    different = (plain != changed).reshape(32, -1).any(1)
    assert different.mean() > 0.9
    assert np.abs(plain.astype(int) - changed).mean() < 40


def test_nothing_to_train_on_is_said():
    images = pictures(8)
    empty = type(images)("empty", images.images, None, (), None, np.arange(8), (), "d")
    with pytest.raises(UserError, match="nothing to train on"):
        Batches(empty, 4, seed=0)
    with pytest.raises(ValueError, match="at least one"):
        Order(np.arange(0), 0)

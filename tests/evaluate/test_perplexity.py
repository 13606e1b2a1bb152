"""Perplexity by windows, against the definition."""

from __future__ import annotations

import math

import pytest
import torch

from luoxia.core.errors import UserError
from luoxia.evaluate.perplexity import perplexity
from luoxia.models.gpt import GPT, GPTConfig

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def network() -> GPT:
    network = GPT(GPTConfig(61, 32, 2, 4, 32), torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.mul_(5)
    return network


def text(length: int) -> list[int]:
    return torch.randint(0, 61, (length,), generator=torch.Generator().manual_seed(1)).tolist()


def nats(network: GPT, ids: list[int], place: int, before: int) -> float:
    """-ln p of the token at ``place``, told the ``before`` tokens that stand before it."""
    with torch.no_grad():
        logits = network(torch.tensor([ids[place - before : place]]))[0, -1].double()
    return -logits.log_softmax(-1)[ids[place]].item()


def test_a_text_within_the_window_is_its_mean_negative_log_likelihood(network):
    ids = text(30)
    found = perplexity(network, ids, 77)
    expected = sum(nats(network, ids, i, i) for i in range(1, 30)) / 29
    assert found.nats == pytest.approx(expected, abs=1e-5)
    assert found.perplexity == pytest.approx(math.exp(expected), rel=1e-5)
    assert found.bits_per_byte == pytest.approx(expected * 29 / math.log(2) / 77, rel=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(32, 16), (20, 5), (32, 31), (8, 1)])
def test_every_token_counts_once_and_sees_what_the_stride_leaves_it(network, window, stride):
    ids, expected, first = text(100), 0.0, 1
    while first < 100:
        end = min(window if first == 1 else first + stride, 100)
        expected += sum(nats(network, ids, i, i - max(0, end - window)) for i in range(first, end))
        first = end
    found = perplexity(network, ids, 100, window=window, stride=stride)
    assert found.tokens == 99
    assert found.nats == pytest.approx(expected / 99, abs=1e-5)


def test_untrained_it_is_the_vocabulary():
    network = GPT(GPTConfig(61, 32, 1, 2, 16, init_std=1e-4), torch.Generator().manual_seed(0)).eval()
    assert perplexity(network, text(200), 200).perplexity == pytest.approx(61, rel=1e-3)


def test_progress_ends_with_all_tokens(network):
    heard: list[tuple[int, int]] = []
    perplexity(network, text(70), 70, stride=10, heard=lambda *now: heard.append(now))
    assert heard == [(n, 70) for n in (32, 42, 52, 62, 70)]


@pytest.mark.parametrize(
    ("ids", "size", "options", "words"),
    [
        ([1], 4, {}, "less than two tokens"),
        ([], 0, {}, "less than two tokens"),
        ([1, 2], 4, {"window": 33}, "window of 2 to 32 tokens"),
        ([1, 2], 4, {"window": 1}, "window of 2 to 32 tokens"),
        ([1, 2], 4, {"stride": 0}, "stride"),
        ([1, 2], 4, {"stride": 32}, "stride below it"),
    ],
)
def test_what_cannot_be_measured_is_refused(network, ids, size, options, words):
    with pytest.raises(UserError, match=words):
        perplexity(network, ids, size, **options)

"""The next-token loss: by hand, at initialisation, and within documents."""

from __future__ import annotations

import math

import pytest
import torch

from luoxia.models.gpt import GPT, GPTConfig
from luoxia.objectives.language import NextWord, language_loss
from luoxia.objectives.phase import Draw

pytestmark = pytest.mark.usefixtures("one_thread")


def draw(index: list[int]) -> Draw:
    return Draw(torch.empty(len(index), 0, 0, 0), None, torch.Generator(), torch.tensor(index))


def test_only_what_is_told_counts_as_computed_by_hand() -> None:
    head = torch.tensor([[0.0], [math.log(2)], [math.log(3)]])  # p = 1/6, 2/6, 3/6 where hidden is 1
    loss = language_loss(torch.ones(1, 4, 1), head, torch.tensor([[0, 1, -100, 2]]), bytes_per_token=2.0)
    wanted = (math.log(6) + math.log(3) + math.log(2)) / 3
    assert float(loss.value.detach()) == pytest.approx(wanted)
    assert float(loss.notes["nats_per_token"]) == pytest.approx(wanted)
    assert float(loss.notes["accuracy"]) == pytest.approx(1 / 3)
    assert float(loss.notes["bits_per_byte"]) == pytest.approx(wanted / math.log(2) / 2)


def test_a_fresh_model_knows_nothing_and_every_weight_learns() -> None:
    config = GPTConfig(500, 32, 2, 2, 32, norm="rmsnorm", position="rotary", mlp="swiglu", qkv_bias=False)
    model = GPT(config, torch.Generator().manual_seed(0))
    ids = torch.randint(500, (4, 33), generator=torch.Generator().manual_seed(1))
    loss = NextWord(
        lambda index: (ids[index, :-1], ids[index, 1:], None),
        lambda x, documents: model.hidden(x, documents=documents),
        model.last,
    )(draw([0, 1, 2, 3]))
    assert float(loss.value.detach()) == pytest.approx(math.log(500), rel=0.01)
    loss.value.backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


@pytest.mark.parametrize("position", ["rotary", "learned"])
def test_no_token_sees_another_document(position) -> None:
    config = GPTConfig(50, 24, 2, 2, 32, position=position)
    model = GPT(config, torch.Generator().manual_seed(0))
    for weight in model.parameters():
        weight.data.mul_(4)
    ids = torch.randint(50, (2, 24), generator=torch.Generator().manual_seed(1))
    numbers = torch.tensor([[0] * 9 + [1] * 15, [3] * 24])
    found = model.hidden(ids, documents=numbers)
    changed = ids.clone()
    changed[0, :9] = (changed[0, :9] + 1) % 50
    again = model.hidden(changed, documents=numbers)
    torch.testing.assert_close(again[0, 9:], found[0, 9:], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(again[0, :9], found[0, :9])
    torch.testing.assert_close(found[1], model.hidden(ids)[1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0, 9:], model.hidden(ids)[0, 9:])
    if position == "rotary":  # which tells distances alone: a document is the same wherever it stands
        alone = model.hidden(ids[:1, 9:])
        torch.testing.assert_close(alone[0], found[0, 9:], rtol=1e-4, atol=1e-4)

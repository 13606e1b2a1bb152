"""DALL·E's loss: its weights, what counts, what is drawn, and that a batch is learned by heart."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from luoxia.generate.codes import untold_ids
from luoxia.models.captions import PAD
from luoxia.models.dalle import Dalle, DalleConfig
from luoxia.objectives.dalle import NextToken
from luoxia.objectives.phase import Draw

CONFIG = DalleConfig(30, 11, 6, 3, 2, 2, 32)
TEXTS = torch.tensor([[1, 5, 2, 0, 0, 0], [1, 6, 7, 8, 2, 0], [1, 9, 9, 2, 0, 0], [1, 3, 4, 5, 6, 2]])
OF = torch.tensor([[0, 1], [2, 3], [1, 3]])
CODES = torch.arange(2 * 3 * 9).view(2, 3, 9) % 11


def draw(index: list[int], seed: int = 0) -> Draw:
    generator = torch.Generator().manual_seed(seed)
    return Draw(torch.zeros(len(index), 3, 4, 4), None, generator, torch.tensor(index))


def objective(predict, **options) -> NextToken:
    return NextToken(predict, TEXTS, OF, CODES, untold_ids(6), 11, **options)


def test_the_weights_of_captions_and_codes() -> None:
    model = Dalle(CONFIG, torch.Generator().manual_seed(0))
    with torch.no_grad():
        loss = objective(model, drop=0.0)(draw([0, 1, 2]))
    text, image = loss.notes["nats_per_token"], loss.notes["nats_per_code"]
    torch.testing.assert_close(loss.value, text / 8 + image * 7 / 8)
    assert float(text) == pytest.approx(math.log(30), rel=0.05)
    assert float(image) == pytest.approx(math.log(11), rel=0.05)


def test_padding_and_dropped_captions_do_not_count() -> None:
    heard = {}

    def predict(ids: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        heard["ids"] = ids
        rows = (ids[:, 1:] != PAD).sum()
        return torch.randn(rows, 30, generator=torch.Generator().manual_seed(1)), torch.zeros(len(ids), 9, 11)

    loss = objective(predict, drop=0.5)(draw([0, 1, 2] * 8, seed=3))
    ids, untold = heard["ids"], untold_ids(6)
    dropped = (ids == untold).all(1)
    assert 4 < int(dropped.sum()) < 20
    wanted = ids[:, 1:]
    each = F.cross_entropy(predict(ids, None)[0], wanted[wanted != PAD], reduction="none")
    kept = (~dropped)[:, None].expand_as(wanted)[wanted != PAD]
    torch.testing.assert_close(loss.notes["nats_per_token"], each[kept].mean())
    assert float(loss.notes["nats_per_code"]) == pytest.approx(math.log(11))


def test_what_is_drawn_comes_from_the_picture_and_the_generator() -> None:
    made = objective(None)
    index = torch.tensor([0, 1, 2] * 200)
    ids, codes, dropped = made.drawn(index, torch.Generator().manual_seed(0))
    again = made.drawn(index, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip((ids, codes, dropped), again, strict=True))
    assert int(dropped.sum()) == pytest.approx(60, abs=25)
    for place in range(3):
        mine = (index == place) & ~dropped
        captions = {tuple(row) for row in ids[mine].tolist()}
        assert captions == {tuple(TEXTS[k].tolist()) for k in OF[place]}
        assert {tuple(r) for r in codes[index == place].tolist()} == {
            tuple(CODES[a, place].tolist()) for a in (0, 1)
        }


def test_noise_is_in_what_is_seen_and_not_in_what_is_wanted() -> None:
    heard = []

    def predict(ids: torch.Tensor, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        heard.append(codes)
        return torch.zeros(int((ids[:, 1:] != PAD).sum()), 30), F.one_hot(codes, 11) * 50.0

    index = [0, 1, 2] * 100
    clean = objective(predict, drop=0.0)(draw(index)).notes["nats_per_code"]
    noisy = objective(predict, drop=0.0, noise=0.2)(draw(index)).notes["nats_per_code"]
    assert float(clean) < 1e-3
    assert float((heard[0] != heard[1]).double().mean()) == pytest.approx(0.2 * 10 / 11, abs=0.03)
    assert float(noisy) == pytest.approx(50 * 0.2 * 10 / 11, rel=0.15)


def test_one_batch_is_learned_by_heart() -> None:
    model = Dalle(CONFIG, torch.Generator().manual_seed(0))
    made = objective(model, drop=0.0)
    made.codes = CODES[:1]
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for step in range(150):
        optimizer.zero_grad()
        loss = made(draw([0, 1, 2], step))
        loss.value.backward()
        optimizer.step()
    assert float(loss.notes["nats_per_code"]) < 0.15

"""Codes drawn over a cache are those drawn without one; each picture by its own numbers; given ones stay."""

from __future__ import annotations

import pytest
import tiny_drawing
import torch

from luoxia.core.errors import UserError
from luoxia.generate.codes import FREE, choose, draw_codes, untold_ids
from luoxia.generate.drawing_order import Knobs
from luoxia.models.dalle import Dalle

PLAIN = Knobs(guidance=1.0, temperature=1.0, top_p=1.0)
KNOBS = [
    PLAIN,
    Knobs(guidance=3.0, top_p=0.9),
    Knobs(guidance=2.0, temperature=0.7, top_k=5, top_p=1.0),
    Knobs(temperature=0),
]


def captions(model: Dalle, batch: int) -> torch.Tensor:
    ids = torch.randint(3, model.config.vocab_size, (batch, model.config.text_length), generator=seeded(1))
    ids[:, 5:] = 0
    return ids


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniforms(model: Dalle, batch: int) -> torch.Tensor:
    return torch.rand(batch, model.config.places, generator=seeded(2), dtype=torch.float64)


def plainly(model: Dalle, ids: torch.Tensor, u: torch.Tensor, knobs: Knobs) -> torch.Tensor:
    """Every code from a pass over everything before it."""
    codes = torch.zeros(len(ids), model.config.places, dtype=torch.long)
    without = untold_ids(model.config.text_length).expand_as(ids)
    for i in range(model.config.places):
        told, untold = model(ids, codes)[1][:, i], model(without, codes)[1][:, i]
        codes[:, i] = choose(untold + knobs.guidance * (told - untold), u[:, i], knobs)
    return codes


@pytest.mark.parametrize("sparse", [(), ("row", "column", "/conv")])
@pytest.mark.parametrize("knobs", KNOBS)
def test_cached_equals_uncached(knobs: Knobs, sparse: tuple[str, ...]) -> None:
    model = tiny_drawing.dalle(n_layer=3, sparse=sparse)
    ids, u = captions(model, 3), uniforms(model, 3)
    drawn = draw_codes(model, ids, u, knobs).codes
    assert torch.equal(drawn, plainly(model, ids, u, knobs))
    assert len(drawn.unique()) > 3


def test_guidance_of_one_is_the_caption_alone_and_of_zero_is_none() -> None:
    model = tiny_drawing.dalle()
    ids, u = captions(model, 4), uniforms(model, 4)
    nothing = untold_ids(model.config.text_length).expand_as(ids)
    told, none = draw_codes(model, ids, u, PLAIN).codes, draw_codes(model, nothing, u, PLAIN).codes
    assert not torch.equal(told, none)
    near = draw_codes(model, ids, u, Knobs(guidance=1.0 + 1e-6, top_p=1.0)).codes  # the way with two rows
    assert torch.equal(told, near)
    assert torch.equal(draw_codes(model, ids, u, Knobs(guidance=0.0, top_p=1.0)).codes, none)


def test_a_picture_depends_on_its_own_numbers_alone() -> None:
    model = tiny_drawing.dalle()
    ids, u = captions(model, 1).expand(6, -1), uniforms(model, 6)
    together = draw_codes(model, ids, u, KNOBS[1]).codes
    assert len(together.unique(dim=0)) == 6
    for i in range(6):
        assert torch.equal(together[i], draw_codes(model, ids[i : i + 1], u[i : i + 1], KNOBS[1]).codes[0])
    mixed = captions(model, 6)
    mixed[2] = ids[0]
    assert torch.equal(draw_codes(model, mixed, u, KNOBS[1]).codes[2], together[2])


@pytest.mark.parametrize("knobs", [PLAIN, KNOBS[1]])
def test_given_codes_stay_exactly(knobs: Knobs) -> None:
    model = tiny_drawing.dalle()
    ids, u, n = captions(model, 5), uniforms(model, 5), model.config.places
    given = torch.randint(model.config.codes, (5, n), generator=seeded(3))
    free = torch.rand(5, n, generator=seeded(4)) < 0.5
    free[0], free[1, :9], free[2] = True, False, False
    given[free] = FREE
    drawn = draw_codes(model, ids, u, knobs, given=given)
    assert torch.equal(drawn.codes[~free], given[~free])
    assert (drawn.codes >= 0).all()
    assert torch.equal(drawn.codes[0], draw_codes(model, ids[:1], u[:1], knobs).codes[0])
    assert float(drawn.fit[0]) == 0
    whole = torch.where(torch.zeros_like(free), FREE, drawn.codes)
    assert torch.equal(draw_codes(model, ids, u, knobs, given=whole).codes, drawn.codes)


def test_given_rows_are_what_the_rest_goes_on_from() -> None:
    model = tiny_drawing.dalle()
    ids, u, n = captions(model, 2), uniforms(model, 2), model.config.places
    first = draw_codes(model, ids, u, PLAIN).codes
    given = first.clone()
    given[:, n // 2 :] = FREE
    assert torch.equal(draw_codes(model, ids, u, PLAIN, given=given).codes, first)


def test_fit_is_the_probability_of_what_was_given() -> None:
    model = tiny_drawing.dalle()
    ids, u, n = captions(model, 2), uniforms(model, 2), model.config.places
    given = torch.randint(model.config.codes, (2, n), generator=seeded(3))
    given[:, 3:6] = FREE
    drawn = draw_codes(model, ids, u, PLAIN, given=given)
    shares = model(ids, drawn.codes)[1].log_softmax(-1).gather(2, drawn.codes[..., None])[..., 0]
    torch.testing.assert_close(drawn.fit, shares[:, 6:].sum(1), atol=1e-3, rtol=1e-4)


def test_a_watch_hears_codes_as_they_come() -> None:
    model, heard = tiny_drawing.dalle(), []
    drawn = draw_codes(
        model,
        captions(model, 2),
        uniforms(model, 2),
        watch=lambda codes, done: heard.append((codes.clone(), done)),
    )
    assert [done for _, done in heard] == list(range(1, model.config.places + 1))
    for codes, done in heard:
        assert torch.equal(codes[:, :done], drawn.codes[:, :done])
        assert (codes[:, done:] == FREE).all()


def test_choice_follows_the_shares() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0, -1.0]]).expand(200_000, -1)
    u = torch.rand(200_000, generator=seeded(0), dtype=torch.float64)

    def shares(knobs: Knobs) -> torch.Tensor:
        return torch.bincount(choose(logits, u, knobs), minlength=4) / len(u)

    for knobs, expected in [
        (PLAIN, logits[0].softmax(0)),
        (Knobs(temperature=0.5, top_p=1.0), (2 * logits[0]).softmax(0)),
        (Knobs(top_k=2, top_p=1.0), torch.tensor([-torch.inf, 2.0, 1.0, -torch.inf]).softmax(0)),
        (Knobs(top_p=0.7), torch.tensor([-torch.inf, 2.0, 1.0, -torch.inf]).softmax(0)),
        (Knobs(top_p=0.6), torch.tensor([0.0, 1.0, 0.0, 0.0])),
        (Knobs(top_p=0.0), torch.tensor([0.0, 1.0, 0.0, 0.0])),
        (Knobs(temperature=0), torch.tensor([0.0, 1.0, 0.0, 0.0])),
    ]:
        torch.testing.assert_close(shares(knobs), expected, atol=6e-3, rtol=0)


def test_the_ends_of_the_unit_interval() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0, -1e9]] * 2)
    u = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert choose(logits, u, PLAIN).tolist() == [0, 2]
    assert choose(logits, u, Knobs(top_k=3, top_p=1.0)).tolist() == [1, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance": -1},
        {"guidance": 21},
        {"temperature": float("nan")},
        {"top_p": 1.5},
        {"top_k": 2.5},
        {"top_k": -1},
    ],
)
def test_knobs_out_of_range_are_refused(changes: dict) -> None:
    with pytest.raises(UserError, match=next(iter(changes))):
        Knobs(**changes)

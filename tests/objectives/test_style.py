"""The phases of StyleGAN2 against finite differences and known values."""

from __future__ import annotations

import math

import pytest
import torch

from luoxia.objectives.phase import Draw
from luoxia.objectives.style import (
    AugmentedR1,
    PathLength,
    StyleDecoding,
    StyleDiscriminatorLoss,
    StyleGeneratorLoss,
    Styles,
    path_lengths,
)


def draw(count=4, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 1, 4, 4, generator=generator, dtype=dtype)
    return Draw(images, None, generator)


def mapping(z, c=None, *, update_w_avg=False, encoded=False):
    return z[:, None].expand(-1, 3, -1)


def keep(x, _):
    return x


def test_styles_are_mixed_from_a_layer_on():
    plain = Styles(mapping, 5, mixing=0.0)(draw(), 64)
    assert (plain == plain[:, :1]).all()
    mixed = Styles(mapping, 5, mixing=1.0)(draw(), 64)
    assert (mixed[:, 0] != mixed[:, 2]).any(1).all()  # the cut lies behind the first layer and before the end
    boundaries = (mixed[:, 1:] != mixed[:, :-1]).any(2).sum(1)
    assert (boundaries == 1).all()
    some = Styles(mapping, 5, mixing=0.5)(draw(), 400)
    assert 0.4 < (some[:, 0] != some[:, 2]).any(1).double().mean() < 0.6


def test_the_game_at_an_undecided_discriminator():
    """D = 1/2: ln 2 for the generator, 2 ln 2 for the discriminator."""
    styles = Styles(mapping, 5)
    heard = []
    arguments = (
        styles,
        lambda ws, generator=None: ws[:, 0, :1, None, None].expand(-1, 1, 4, 4),
        lambda x, c: x.sum((1, 2, 3)) * 0,
        keep,
    )
    assert math.isclose(float(StyleGeneratorLoss(*arguments)(draw()).value), math.log(2), rel_tol=1e-6)
    loss = StyleDiscriminatorLoss(*arguments, watch=heard.append)(draw())
    assert math.isclose(float(loss.value), 2 * math.log(2), rel_tol=1e-6)
    assert heard[0].shape == (4,)


def test_r1_is_the_squared_slope_at_what_is_seen():
    found = AugmentedR1(lambda x, c: 3 * x.sum((1, 2, 3)), keep, gamma=2.0, interval=16)(draw())
    assert math.isclose(float(found.notes["r1"]), 9 * 16, rel_tol=1e-5)
    assert math.isclose(float(found.value), 0.5 * 2 * 16 * 9 * 16, rel_tol=1e-5)
    twice = AugmentedR1(lambda x, c: x.square().sum((1, 2, 3)), lambda x, _: 2 * x, gamma=2.0, interval=1)(
        draw()
    )
    wanted = (2 * 2 * draw().images).square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(twice.notes["r1"], wanted)


def test_path_lengths_are_those_of_finite_differences():
    torch.manual_seed(0)
    first, second = torch.randn(6, 8, dtype=torch.float64), torch.randn(8, 16, dtype=torch.float64)

    def synthesise(ws, generator=None):
        return (torch.tanh(ws.flatten(1) @ first) @ second).reshape(-1, 1, 4, 4)

    ws = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    found = path_lengths(lambda *a, **k: synthesise(*a, **k).double(), ws, draw(3, seed=7)).detach()
    noise = draw(3, seed=7).noise(3, 1, 4, 4) / 4
    slopes = torch.zeros_like(ws)
    for place in range(ws[0].numel()):
        step = torch.zeros_like(ws).flatten(1)
        step[:, place] = 1e-5
        step = step.reshape(ws.shape)
        with torch.no_grad():
            difference = synthesise(ws + step) - synthesise(ws - step)
        slopes.flatten(1)[:, place] = (difference * noise).sum((1, 2, 3)) / 2e-5
    wanted = slopes.square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(found.double(), wanted, rtol=1e-3, atol=1e-5)


def test_even_paths_are_not_punished_once_their_length_is_known():
    """A linear map by an orthogonal matrix changes the picture alike everywhere."""
    torch.manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(16, 16))

    def synthesise(ws, generator=None):
        return (ws.mean(1) @ turn).reshape(-1, 1, 4, 4)

    penalty = PathLength(Styles(mapping, 16, 0.0), synthesise, weight=2.0, interval=4)
    weight = torch.ones(1, requires_grad=True)

    def scaled(z, c=None, *, update_w_avg=False, encoded=False):
        return (z * weight)[:, None].expand(-1, 3, -1)

    penalty._calls = Styles(scaled, 16, 0.0), synthesise
    losses = []
    for step in range(600):
        loss = penalty(draw(64, seed=step))
        losses.append(float(loss.notes["path_penalty"]))
    assert losses[-1] < 0.1 * losses[0]
    assert math.isclose(float(penalty.mean), float(loss.notes["path_length"]), rel_tol=0.1)
    assert "mean" in penalty.state_dict()


def test_decoding_weighs_what_was_lost_against_what_was_told():
    scale = torch.tensor(0.5, requires_grad=True)

    def encode(x):
        return x.flatten(1)[:, :2] * scale, torch.full((len(x), 2), -60.0)  # no noise to speak of

    loss = StyleDecoding(
        encode,
        lambda z, c=None, *, update_w_avg=False, encoded=False: z[:, None],
        lambda ws, *, generator=None: ws[:, 0, :, None, None].expand(-1, -1, 2, 2),
        lambda made, images: (made - images).square().sum((1, 2, 3)),
        seen=0.25,
        beta=0.1,
    )
    images = torch.full((3, 2, 2, 2), 0.8)
    found = loss(Draw(images, None, torch.Generator()))
    kl = 2 * 0.5 * (0.4**2 + math.exp(-60) - 1 + 60)
    assert found.value.item() == pytest.approx(0.4 + 0.25 * 8 * 0.4**2 + 0.1 * kl, rel=1e-5)
    assert {k: float(v) for k, v in found.notes.items()} == pytest.approx(
        {"absolute": 0.4, "perceptual": 8 * 0.4**2, "kl": kl}, rel=1e-5
    )
    found.value.backward()
    # Pixels weigh -0.8; squares 2 * 8 * -0.4 * 0.8 * 0.25; the KL 2 * 0.4 * 0.8 * 0.1.
    assert float(scale.grad) == pytest.approx(-0.8 - 1.28 + 0.064, rel=1e-4)

"""The discrete autoencoder: shapes, codes that mean the same both ways, and what its outputs stand for."""

from __future__ import annotations

import json

import pytest
import torch

from luoxia.models.dvae import QUANTISERS, DiscreteVAE, DVAEConfig


def small(**changes) -> DVAEConfig:
    return DVAEConfig(
        **{"size": 16, "width": 8, "blocks": 1, "levels": (4, 3), "codebook": 12, "code_width": 4} | changes
    )


def made(config: DVAEConfig) -> DiscreteVAE:
    torch.manual_seed(0)
    model = DiscreteVAE(config)
    if config.quantiser == "vq":
        model.quantiser.vectors.normal_()
    for parameter in model.parameters():  # blocks begin as the identity
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


@pytest.mark.parametrize("quantiser", QUANTISERS)
@pytest.mark.parametrize("factor", [4, 8, 16])
@pytest.mark.parametrize("outputs", [1, 2])
def test_codes_are_the_picture_that_forward_makes(quantiser, factor, outputs):
    config = small(quantiser=quantiser, factor=factor, outputs=outputs)
    model = made(config)
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    codes = model.encode_ids(x)
    assert config.codes == 12
    assert codes.shape == (3, config.side**2)
    assert codes.dtype == torch.int64
    assert 0 <= codes.min() <= codes.max() < config.codes
    output, quantised = model(x)
    assert torch.equal(quantised.codes.flatten(1), codes)
    assert output.shape == (3, 3 * outputs, 16, 16)
    again = model.decode_ids(codes)
    assert again.shape == x.shape
    assert again.abs().max() <= 1
    torch.testing.assert_close(again, model.mean(output).clamp(-1, 1), atol=1e-5, rtol=1e-5)
    other = model.decode_ids((codes + 1) % config.codes)
    assert (again - other).abs().max() > 1e-4


@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_every_weight_gets_a_finite_gradient(quantiser):
    model = made(small(quantiser=quantiser)).train()
    output, quantised = model(torch.rand(4, 3, 16, 16), torch.Generator().manual_seed(0))
    (output.square().mean() + quantised.cost).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_codes_lie_row_by_row():
    """Another third code changes the picture most in the third tile of the first row."""
    model = made(small(size=64, factor=8))
    codes = torch.zeros(1, 64, dtype=torch.int64)
    other = codes.clone()
    other[0, 2] = 11
    change = (model.decode_ids(codes) - model.decode_ids(other)).abs().mean(1)
    tiles = change.unfold(1, 8, 8).unfold(2, 8, 8).mean((3, 4))[0]
    assert int(tiles.argmax()) == 2


def test_the_weights_take_pictures_of_another_size():
    config = small()
    model = made(config)
    larger = DiscreteVAE(config.of_size(32)).eval()
    larger.load_state_dict(model.state_dict())
    assert larger.encode_ids(torch.rand(1, 3, 32, 32)).shape == (1, larger.config.side**2) == (1, 16)


def test_the_network_in_the_recipe_is_small_and_its_middle_halves():
    config = DVAEConfig()
    assert (config.side, config.codes, config.widths) == (8, 1000, [128, 192])
    assert 4e6 < sum(p.numel() for p in DiscreteVAE(config).parameters()) < 5e6
    assert DVAEConfig(**json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    "changes", [{"factor": 5}, {"size": 20}, {"quantiser": "pq"}, {"outputs": 3}, {"width": 0}, {"size": 4}]
)
def test_what_cannot_be_is_refused_by_name(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        small(**changes)

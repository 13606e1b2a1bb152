"""StyleGAN2: truncation, styles by layer, noise, classes, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from luoxia.models.discriminator import DiscriminatorConfig, StyleDiscriminator, minibatch_deviation
from luoxia.models.stylegan import Mapping, StyleGAN, StyleGANConfig

SMALL = {"size": 32, "z_dim": 16, "w_dim": 12, "mapping_layers": 2, "channel_base": 256, "channel_max": 16}


def generator(**changes):
    torch.manual_seed(0)
    model = StyleGAN(StyleGANConfig(**SMALL | changes))
    with torch.no_grad():
        model.mapping.w_avg.normal_()
        for name, parameter in model.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.5)
    return model.eval().requires_grad_(False)


def z(count=4, seed=1):
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def test_no_truncation_left_is_the_picture_of_the_mean():
    model = generator()
    ws = model.mapping(z(), truncation_psi=0.0)
    assert torch.equal(ws, model.mapping.w_avg.expand_as(ws))
    pictures = model(z(), truncation_psi=0.0, noise_mode="const")
    mean = model.synthesis(model.mapping.w_avg.expand(1, 8, 12), "const")
    torch.testing.assert_close(pictures, mean.expand_as(pictures), rtol=1e-4, atol=1e-5)
    half, cut = (
        model.mapping(z(), truncation_psi=0.5),
        model.mapping(z(), truncation_psi=0.5, truncation_cutoff=3),
    )
    assert torch.equal(half[:, :3], cut[:, :3])
    assert torch.equal(cut[:, 3:], model.mapping(z())[:, 3:])


def test_sample_i_depends_on_its_own_latent_whatever_the_batch():
    model = generator()
    together = model(z(), noise_mode="const")
    for i in range(4):
        alone = model(z()[i : i + 1], noise_mode="const")
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-3, atol=1e-4)


def test_coarse_styles_change_the_whole_picture_and_fine_ones_its_colours_alone():
    model = generator(size=64)
    ws, other = model.mapping(z(1)), model.mapping(z(1, seed=2))
    base = model.synthesis(ws, "const")
    last = ws.clone()
    last[:, -1] = other[:, -1]  # read by the last picture alone
    changed = model.synthesis(last, "const") - base
    assert changed.abs().max() > 1e-3
    features = [model.synthesis.get_submodule(f"b{r}") for r in (4, 64)]
    assert hasattr(features[1], "conv0")
    assert not hasattr(features[0], "conv0")


def test_noise_is_random_kept_or_none():
    model = generator()
    ws = model.mapping(z())

    def seeded(seed):
        return model.synthesis(ws, "random", torch.Generator().manual_seed(seed))

    assert torch.equal(seeded(1), seeded(1))
    assert not torch.equal(seeded(1), seeded(2))
    assert torch.equal(model.synthesis(ws, "const"), model.synthesis(ws, "const"))
    assert not torch.equal(model.synthesis(ws, "none"), model.synthesis(ws, "const"))
    with pytest.raises(ValueError, match="random, const, none"):
        model.synthesis(ws, "loud")


def test_bf16_is_near_float32():
    model = generator()
    exact = model(z(), noise_mode="const")
    with torch.autocast("cpu", torch.bfloat16):
        near = model(z(), noise_mode="const")
    assert near.dtype == torch.float32
    assert (near - exact).square().mean().sqrt() < 0.02 * exact.std()


def test_every_weight_gets_a_finite_gradient():
    torch.manual_seed(0)
    model = StyleGAN(StyleGANConfig(**SMALL, classes=3))
    judge = StyleDiscriminator(DiscriminatorConfig(32, 3, 3, channel_base=256, channel_max=16))
    c = torch.tensor([0, 1, 2, 0])
    judge(model(z(), c), c).sum().backward()
    for name, parameter in [*model.named_parameters(), *judge.named_parameters()]:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_outputs_begin_with_unit_scale():
    """Equalised rates and demodulation: pictures and logits of a fresh network are neither faint nor glaring."""
    torch.manual_seed(0)
    model = StyleGAN(StyleGANConfig(size=64, z_dim=64, w_dim=64, channel_base=1024, channel_max=64))
    judge = StyleDiscriminator(DiscriminatorConfig(64, channel_base=1024, channel_max=64))
    with torch.no_grad():
        pictures = model(torch.randn(8, 64))
        logits = judge(torch.randn(8, 3, 64, 64))
    assert 0.3 < pictures.std() < 6
    assert logits.abs().max() < 10


def test_w_avg_follows_the_mean():
    torch.manual_seed(0)
    mapping = Mapping(16, 0, 12, 4, layers=2, rate=1.0, beta=0.9)
    for _ in range(200):
        mapping(torch.randn(64, 16), update_w_avg=True)
    mean = mapping(torch.randn(20_000, 16))[:, 0].mean(0)
    torch.testing.assert_close(mapping.w_avg, mean, rtol=0, atol=0.15)


def test_a_batch_that_is_all_alike_has_no_deviation():
    x = torch.randn(1, 6, 4, 4).expand(8, -1, -1, -1)
    assert minibatch_deviation(x, 4, 1)[:, 6:].max() < 1e-3
    different = torch.randn(8, 6, 4, 4)
    found = minibatch_deviation(different, 4, 1)
    groups = different.reshape(4, 2, 6, 4, 4)
    wanted = groups.var(0, correction=0).add(1e-8).sqrt().mean((1, 2, 3))
    torch.testing.assert_close(found[:2, 6, 0, 0], wanted)
    assert minibatch_deviation(torch.randn(6, 6, 4, 4), 4, 1).shape == (6, 7, 4, 4)  # 6 is no multiple of 4


def test_classes_are_asked_for_and_matter():
    model = generator(classes=3)
    with pytest.raises(ValueError, match="one class for each picture"):
        model(z())
    a, b = model(z(), torch.zeros(4, dtype=torch.int64)), model(z(), torch.ones(4, dtype=torch.int64))
    assert not torch.allclose(a, b)
    hot = torch.eye(3)[[0, 0, 0, 0]]
    assert torch.equal(
        model(z(), hot, noise_mode="const"), model(z(), torch.zeros(4, dtype=torch.int64), noise_mode="const")
    )
    with pytest.raises(ValueError, match="shape"):
        model(z(), torch.eye(5)[:4])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": 48}, "8, 16, 32"),
        ({"output": "resnet"}, "skip or orig"),
        ({"channel_base": 8}, "at least the size"),
        ({"w_dim": 0}, "at least 1"),
    ],
)
def test_what_is_no_configuration(wrong, says):
    with pytest.raises(ValueError, match=says):
        StyleGANConfig(**SMALL | wrong)


def test_widths_and_styles_of_published_sizes():
    config = StyleGANConfig(size=1024)
    assert config.num_ws == 18
    assert [config.width(r) for r in (4, 64, 128, 1024)] == [512, 512, 256, 32]
    assert math.log2(config.resolutions[-1]) == 10

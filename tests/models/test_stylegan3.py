"""StyleGAN3: the schedule of bands, what moves with the input's transform, truncation, and the published network."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from luoxia.models.stylegan3 import StyleGAN3, StyleGAN3Config

SMALL = {"size": 32, "z_dim": 16, "w_dim": 12, "channel_base": 256, "channel_max": 16}
ROTATING = {"kernel": 1, "radial": True}
# Of the published networks, with random weights: their state, z, c, w at psi 0.7, and pictures; for two sizes each.
PUBLISHED = Path(__file__).with_name("stylegan3.npz")


def generator(**changes):
    torch.manual_seed(0)
    model = StyleGAN3(StyleGAN3Config(**SMALL | changes))
    with torch.no_grad():
        model.mapping.w_avg.normal_()
        model.synthesis.input.affine.weight.normal_(std=0.3)
        for name, parameter in model.named_parameters():
            if name.endswith("bias") and "affine" not in name:
                parameter.normal_(std=0.2)
    return model.eval().requires_grad_(False)


def z(count=4, seed=1):
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def moved(model: StyleGAN3, ws: torch.Tensor, *, angle: float = 0.0, right: float = 0.0, down: float = 0.0):
    """The picture turned by ``angle``, then moved by parts of its width: ``transform`` takes places back."""
    turn = torch.tensor(
        [[math.cos(angle), -math.sin(angle), right], [math.sin(angle), math.cos(angle), down], [0, 0, 1]]
    )
    model.synthesis.input.transform.copy_(turn.inverse())
    try:
        return model.synthesis(ws)
    finally:
        model.synthesis.input.transform.copy_(torch.eye(3))


def decibels(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Of the channels' own spreads over the error; places in the last dimensions."""
    wanted, found = wanted.flatten(2), found.flatten(2)
    return float(20 * torch.log10((wanted - wanted.mean(2, keepdim=True)).norm() / (found - wanted).norm()))


@pytest.mark.parametrize("key", ["t32", "t64", "r32", "r64"])
def test_the_published_network_makes_the_same_pictures(key):
    with np.load(PUBLISHED) as file:
        names, shapes, values = file["names"], file["shapes"], file["values"]
    sizes = [tuple(int(n) for n in shape.split(",") if n) for shape in shapes]
    parts = np.split(values, np.cumsum([math.prod(size) for size in sizes])[:-1])
    kept = {
        name.partition("/")[2]: torch.from_numpy(part.reshape(size))
        for name, part, size in zip(names, parts, sizes, strict=True)
        if name.startswith(key)
    }
    state = {k[6:]: v for k, v in kept.items() if k.startswith("state/")}
    size = int(key[1:])
    config = StyleGAN3Config(
        size=size,
        z_dim=6,
        w_dim=8,
        classes=3 if "c" in kept else 0,
        channel_base=2 * size,
        channel_max=6,
        **ROTATING if key[0] == "r" else {},
    )
    model = StyleGAN3(config).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("_filter"):  # our design, before theirs takes its place
            torch.testing.assert_close(tensor, state[name], rtol=0, atol=1e-7)
    model.load_state_dict(state)
    with torch.no_grad():
        w = model.mapping(kept["z"], kept.get("c"), truncation_psi=0.7)
        torch.testing.assert_close(w, kept["w"], rtol=0, atol=1e-6)
        x = model.synthesis(kept["w"], noise_mode="const")
        assert (x - kept["x"]).abs().max() < 1e-5
        twice = model.synthesis(kept["w"].repeat(2, 1, 1))  # batches go another way through the convolutions
        assert (twice - kept["x"]).abs().max() < 1e-5


def test_layers_of_the_published_sizes():
    """Names of the layers in the published files: FFHQ-U at 256 and FFHQ at 1024 in config-t, AFHQv2 at 512 in config-r."""

    def names(**options):
        bands = StyleGAN3Config(**options).schedule
        return " ".join(f"{band.size}_{band.channels}" for band in bands)

    assert names(size=256, channel_base=16_384) == (
        "36_512 36_512 36_512 52_512 52_512 84_512 84_512 148_362 148_256 148_181 276_128 276_91 276_64 256_64 256_3"
    )
    assert names(size=1024) == (
        "36_512 36_512 52_512 52_512 84_512 148_512 148_512 276_323 276_203 532_128 1044_81 1044_51 1044_32 1024_32 1024_3"
    )
    assert names(size=512, channel_base=65_536, channel_max=1024, **ROTATING) == (
        "36_1024 36_1024 52_1024 52_1024 84_1024 84_1024 148_1024 148_967 276_645 276_431 532_287 532_192 532_128 "
        "512_128 512_3"
    )


def test_bands_are_those_of_the_paper():
    """Section 3.2 of arXiv:2106.12423, at 1024 pixels: geometric from 2 to half the size, stopbands beside them."""
    bands = StyleGAN3Config(size=1024).schedule
    assert [band.cutoff for band in bands] == pytest.approx([2 * 256 ** min(i / 12, 1) for i in range(15)])
    assert bands[0].half_width == 8 - 2  # half the rate, 16, beyond the stopband, 2^2.1
    assert bands[-1].half_width == pytest.approx(512 * (2**0.3 - 1))
    assert [band.rate for band in bands] == [16, 16, 32, 32, 64, 128, 128, 256, 256, 512, *[1024] * 5]
    assert [band.critical for band in bands] == [False] * 12 + [True] * 3
    for band in bands[:12]:
        assert band.cutoff + band.half_width >= band.rate / 2
        assert band.cutoff < band.rate / 2


@pytest.mark.parametrize("options", [{}, ROTATING])
def test_pictures_move_with_the_input(options):
    """By whole pixels, which are fractions of those of the layers before: within the margin, as if the scene had moved."""
    model = generator(size=64, **options)
    ws = model.mapping(z(1))
    fixed = model.synthesis(ws)
    shifted = moved(model, ws, right=3 / 64, down=-5 / 64)
    assert decibels(shifted[:, :, 8:-8, 8:-8], fixed[:, :, 13:-3, 5:-11]) > 40
    assert decibels(shifted[:, :, 8:-8, 8:-8], fixed[:, :, 8:-8, 8:-8]) < 10


def test_pictures_of_config_r_turn_with_the_input():
    """And those of config-t, whose convolutions see 3 x 3 pixels, do not."""
    found = {}
    for name, options in (("t", {}), ("r", ROTATING)):
        model = generator(size=64, **options)
        ws = model.mapping(z(1))
        fixed = model.synthesis(ws)
        angle = 0.5
        cos, sin = math.cos(angle), math.sin(angle)
        back = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0]])[None]
        grid = F.affine_grid(back, list(fixed.shape), align_corners=False)
        turned = F.grid_sample(fixed, grid, mode="bicubic", align_corners=False)
        place = (torch.arange(64) - 31.5).abs()
        disk = (place[:, None] ** 2 + place**2).sqrt() < 24
        found[name] = decibels(moved(model, ws, angle=angle)[:, :, disk], turned[:, :, disk])
        quarter = moved(model, ws, angle=math.pi / 2)
        exact = decibels(quarter, fixed.rot90(-1, (2, 3)))
        assert (exact > 90) == (name == "r")
    assert found["r"] > 35
    assert found["t"] < 15


def test_a_style_turns_and_shifts_the_input():
    """(r_c, r_s, t_x, t_y) of any length: waves turned back, then moved."""
    torch.manual_seed(0)
    model = generator(size=16)
    source = model.synthesis.input
    source.affine.weight.zero_()
    source.affine.bias.copy_(torch.tensor([1.0, 0, 0, 0]))
    plain = source(torch.zeros(1, 12))
    source.affine.bias.copy_(torch.tensor([3.0, 0, 3 * 2 / 16, 0]))
    shifted = source(torch.zeros(1, 12))
    torch.testing.assert_close(shifted[..., 2:], plain[..., :-2], rtol=0, atol=1e-5)
    source.affine.bias.copy_(torch.tensor([0.0, 2.0, 0, 0]))
    torch.testing.assert_close(source(torch.zeros(1, 12)), plain.rot90(1, (2, 3)), rtol=0, atol=1e-5)
    source.transform.copy_(torch.diag(torch.tensor([8.0, 8.0, 1.0])))  # waves beyond what 16 samples hold
    assert source(torch.zeros(1, 12)).abs().max() < 0.7 * plain.abs().max()


def test_no_truncation_left_is_the_picture_of_the_mean():
    model = generator()
    pictures = model(z(), truncation_psi=0.0, noise_mode="const")
    mean = model.synthesis(model.mapping.w_avg.expand(1, 16, 12))
    torch.testing.assert_close(pictures, mean.expand_as(pictures), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, ROTATING])
def test_sample_i_depends_on_its_own_latent_whatever_the_batch(options):
    model = generator(**options)
    together = model(z())
    assert together.std() > 0.01
    for i in range(4):
        torch.testing.assert_close(model(z()[i : i + 1]), together[i : i + 1], rtol=1e-4, atol=1e-5)


def test_there_is_no_noise():
    model = generator()
    ws = model.mapping(z(1))
    const = model.synthesis(ws, noise_mode="const")
    for mode in ("random", "none"):
        assert torch.equal(model.synthesis(ws, mode, torch.Generator().manual_seed(1)), const)
    with pytest.raises(ValueError, match="random, const, none"):
        model.synthesis(ws, "loud")


def test_each_layer_reads_its_own_style():
    model = generator()
    ws, other = model.mapping(z(1)), model.mapping(z(1, seed=2))
    base = model.synthesis(ws)
    for place in range(16):
        changed = ws.clone()
        changed[:, place] = other[:, place]
        assert (model.synthesis(changed) - base).abs().max() > 1e-5, place


def test_magnitudes_scale_what_goes_in():
    """Signals are divided by the root of ``magnitude_ema``: here the picture's, which is linear but for its bias."""
    model = generator()
    ws = model.mapping(z(1))
    last = model.synthesis.L14_32_3
    last.bias.zero_()
    base = model.synthesis(ws)
    last.magnitude_ema.fill_(4.0)
    torch.testing.assert_close(model.synthesis(ws), base / 2)


def test_bf16_is_near_float32():
    model = generator()
    exact = model(z())
    with torch.autocast("cpu", torch.bfloat16):
        near = model(z())
    assert near.dtype == torch.float32
    assert not torch.equal(near, exact)
    assert (near - exact).square().mean().sqrt() < 0.03 * exact.std()


def test_every_weight_gets_a_finite_gradient():
    torch.manual_seed(0)
    model = StyleGAN3(StyleGAN3Config(**SMALL, classes=3))
    model(z(), torch.tensor([0, 1, 2, 0])).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_classes_are_asked_for_and_matter():
    model = generator(classes=3)
    with pytest.raises(ValueError, match="one class for each picture"):
        model(z())
    a, b = model(z(), torch.zeros(4, dtype=torch.int64)), model(z(), torch.eye(3)[[1, 1, 1, 1]])
    assert not torch.allclose(a, b)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"size": 48}, "16, 32, 64"),
        ({"layers": 2}, "critical is 2"),
        ({"kernel": 2}, "odd"),
        ({"first_cutoff": 0.0}, "first_cutoff is 0.0"),
        ({"first_cutoff": math.nan}, "first_cutoff is nan"),
        ({"first_stopband": 1e9}, "first_stopband 1000000000.0"),
        ({"last_stopband": 0.5}, "last_stopband"),
        ({"channel_max": 1 << 40}, "channel_max"),
        ({"clamp": -1.0}, "clamp is -1.0"),
        ({"output_scale": math.inf}, "output_scale inf"),
        ({"taps": 3, "oversampling": 3}, "even"),
    ],
)
def test_what_is_no_configuration(wrong, says):
    with pytest.raises(ValueError, match=says):
        StyleGAN3Config(**SMALL | wrong)

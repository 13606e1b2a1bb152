"""CLIP's network: unit vectors, causality, bf16, gradients, and shapes that are refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.nn.encoder import attend_by_products, quick_gelu

TINY = CLIPConfig(
    vocab_size=50,
    block_size=12,
    size=16,
    patch=4,
    n_embd=32,
    n_layer=4,
    n_head=2,
    text_n_embd=24,
    text_n_layer=2,
    text_n_head=3,
    n_out=20,
)
BOTH = pytest.mark.parametrize("network", ["vit", "conv"])


def model(**changes) -> CLIP:
    torch.manual_seed(0)
    made = CLIP(replace(TINY, **changes)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return made


def ids_of(*rows: list[int], length: int = 12) -> torch.Tensor:
    return torch.tensor([[1, *row, 2, *([0] * (length - len(row) - 2))] for row in rows])


@BOTH
def test_vectors_have_length_one_and_tell_pictures_apart(network):
    clip, x = model(network=network), torch.rand(5, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        image, text, scale = clip(x, ids_of([3, 4], [5], [6, 7, 8], [], [9] * 9))
    for vectors in (image, text):
        assert vectors.shape == (5, 20)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5))
        assert torch.pdist(vectors).min() > 1e-2
    assert float(scale) == pytest.approx(1 / 0.07, rel=0.5)


@BOTH
def test_grey_is_three_equal_colours(network):
    clip, x = model(network=network), torch.rand(2, 1, 16, 16) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(clip.encode_image(x), clip.encode_image(x.repeat(1, 3, 1, 1)))


def test_colours_are_normalised_inside():
    plain, other = model(), model(mean=(0.2, 0.3, 0.4), std=(0.1, 0.2, 0.3))
    other.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    mean, std = torch.tensor([0.2, 0.3, 0.4])[:, None, None], torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(other.encode_image(x), plain.encode_image(((x + 1) / 2 - mean) / std))


def test_what_follows_the_end_does_not_matter_and_what_precedes_does():
    clip = model()
    ids = ids_of([3, 4, 5])
    after, before = ids.clone(), ids.clone()
    after[0, 5:] = torch.tensor([7, 2, 9, 2, 1, 0, 3])
    before[0, 3] = 6
    with torch.no_grad():
        vector = clip.encode_text(ids)
        torch.testing.assert_close(clip.encode_text(after), vector)
        torch.testing.assert_close(clip.encode_text(ids[:, :5]), vector)
        together = clip.encode_text(torch.cat([ids, ids_of([3] * 10)]))
        torch.testing.assert_close(together[:1], vector)
        assert (clip.encode_text(before) - vector).norm() > 1e-2


@pytest.mark.parametrize("causal", [False, True])
def test_attention_as_products_is_attention(causal):
    noise = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 9, 8, generator=noise)
    wanted = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    torch.testing.assert_close(attend_by_products(q, k, v, causal=causal), wanted)


@BOTH
def test_bf16_is_near(network):
    clip, x = model(network=network), torch.rand(4, 3, 16, 16) * 2 - 1
    ids = ids_of([3, 4], [5], [6, 7, 8], [9])
    with torch.no_grad():
        exact = clip(x, ids)
        with torch.autocast("cpu", torch.bfloat16):
            near = clip(x, ids)
    for a, b in zip(exact[:2], near[:2], strict=True):
        assert b.dtype is torch.float32
        assert F.cosine_similarity(a, b).min() > 0.999


def test_quick_gelu_with_and_without_slopes():
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    wanted = x * torch.sigmoid(1.702 * x)
    torch.testing.assert_close(quick_gelu(x.clone().requires_grad_()).detach(), wanted)
    torch.testing.assert_close(quick_gelu(x.clone()), wanted)
    assert torch.autograd.gradcheck(quick_gelu, x.clone().requires_grad_())


@BOTH
def test_every_weight_gets_a_finite_gradient(network):
    clip = model(network=network)
    image, text, scale = clip(torch.rand(4, 3, 16, 16), ids_of([3, 4], [5], [6, 7, 8], [9]))
    (scale * (image @ text.T).diag().sum()).backward()
    for name, weight in clip.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0, name


def test_the_scale_is_bound():
    clip = model()
    for value, bound in ((9.0, math.log(100)), (-1.0, 0.0), (3.0, 3.0)):
        torch.nn.init.constant_(clip.logit_scale, value)
        clip.bound_scale()
        assert float(clip.logit_scale.detach()) == pytest.approx(bound)


def test_the_published_shapes_have_the_published_sizes():
    """ViT-B/32 and ViT-L/14 of arXiv:2103.00020, table 20; weights counted in the published files."""
    base = CLIPConfig(
        vocab_size=49_408,
        block_size=77,
        end=49_407,
        size=224,
        patch=32,
        n_embd=768,
        n_layer=12,
        n_head=12,
        text_n_embd=512,
        text_n_layer=12,
        text_n_head=8,
        n_out=512,
        activation="quick_gelu",
    )
    large = replace(
        base, patch=14, n_embd=1024, n_layer=24, n_head=16, text_n_embd=768, text_n_head=12, n_out=768
    )
    for config, count in ((base, 151_277_313), (large, 427_616_513)):
        with torch.device("meta"):
            assert sum(p.numel() for p in CLIP(config).parameters()) == count


def test_a_configuration_goes_through_json():
    assert CLIPConfig(**json.loads(json.dumps(TINY.to_json()))) == TINY


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch": 5}, "whole patches"),
        ({"network": "mlp"}, "vit or conv"),
        ({"n_embd": 30, "n_head": 4}, "multiple of 4 heads"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"network": "conv", "n_embd": 30}, "multiple of 4"),
        ({"std": (0, 1, 1)}, "normalise"),
    ],
)
def test_shapes_that_cannot_be_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        CLIP(replace(TINY, **changes))


def test_pictures_of_another_size_are_refused():
    with pytest.raises(ValueError, match="16 x 16"):
        model().encode_image(torch.zeros(1, 3, 32, 32))

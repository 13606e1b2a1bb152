"""Shapes, labels and independence of the plain generators and discriminators."""

from __future__ import annotations

import pytest
import torch

from luoxia.models.gan import Discriminator, GANConfig, Generator


def built(**config) -> tuple[Generator, Discriminator]:
    c = GANConfig(**({"width": 8, "latent": 6} | config))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator(c), Discriminator(c)


@pytest.mark.parametrize("kind", ["dcgan", "residual"])
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (32, 3), (64, 3)])
@pytest.mark.parametrize("classes", [0, 4])
def test_noise_to_pictures_to_logits(kind, size, channels, classes):
    generator, discriminator = built(kind=kind, size=size, channels=channels, classes=classes)
    labels = torch.tensor([0, 1, 3]) if classes else None
    images = generator(torch.randn(3, 6), labels)
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    logits = discriminator(images, labels)
    assert logits.shape == (3,)
    logits.sum().backward()
    for module in (generator, discriminator):
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())


@pytest.mark.parametrize("kind", ["dcgan", "residual"])
def test_a_label_changes_picture_and_logit(kind):
    generator, discriminator = (m.eval() for m in built(kind=kind, size=8, classes=3))
    z, x = torch.zeros(2, 6), torch.ones(2, 3, 8, 8)
    pictures, logits = generator(z, torch.tensor([0, 1])), discriminator(x, torch.tensor([0, 1]))
    assert not torch.allclose(pictures[0], pictures[1])
    assert not torch.allclose(logits[0], logits[1])


def test_a_critic_of_the_residual_kind_looks_at_one_picture_at_a_time():
    """Batch normalisation would tie the gradients of a batch together, and the penalty is of each."""
    _, critic = built(size=16)
    x = torch.rand(4, 3, 16, 16)
    torch.testing.assert_close(critic(x)[:2], critic(x[:2]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"size": 48}, "powers of two"),
        ({"size": 8, "width": 0}, "at least 1"),
        ({"size": 8, "kind": "big"}, "dcgan"),
    ],
)
def test_what_cannot_be_built_is_refused(config, words):
    with pytest.raises(ValueError, match=words):
        GANConfig(**config)

"""Shapes and labels of the variational autoencoders."""

from __future__ import annotations

import pytest
import torch

from luoxia.models.vae import VAE, VAEConfig


def built(**config) -> VAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(VAEConfig(**({"width": 8, "latent": 5} | config)))


@pytest.mark.parametrize("kind", ["conv", "mlp"])
@pytest.mark.parametrize(("size", "channels", "outputs"), [(8, 1, 2), (32, 3, 1), (64, 3, 2)])
def test_pictures_to_latents_and_back(kind, size, channels, outputs):
    vae = built(size=size, channels=channels, kind=kind, outputs=outputs)
    x = torch.rand(3, channels, size, size) * 2 - 1
    mu, logvar = vae.encode(x)
    assert mu.shape == logvar.shape == (3, 5)
    out = vae.decode(mu)
    assert out.shape == (3, outputs * channels, size, size)
    torch.testing.assert_close(vae(x), out)
    out.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in vae.decoder.parameters())


@pytest.mark.parametrize("kind", ["conv", "mlp"])
def test_a_label_changes_both_sides_and_is_needed(kind):
    vae = built(size=8, channels=1, kind=kind, classes=3)
    x, z = torch.zeros(2, 1, 8, 8), torch.zeros(2, 5)
    zero, one = torch.tensor([0, 0]), torch.tensor([0, 1])
    a, b = vae.encode(x, zero)[0], vae.encode(x, one)[0]
    assert torch.equal(a[0], b[0])
    assert not torch.allclose(a[1], b[1])
    a, b = vae.decode(z, zero), vae.decode(z, one)
    assert torch.equal(a[0], b[0])
    assert not torch.allclose(a[1], b[1])


def test_one_picture_does_not_look_at_another():
    vae = built(size=16).eval()
    x = torch.rand(4, 3, 16, 16)
    torch.testing.assert_close(vae.encode(x)[0][:2], vae.encode(x[:2])[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("config", "words"),
    [({"size": 24}, "powers of two"), ({"size": 4}, "powers of two"), ({"size": 8, "latent": 0}, "at least 1"),
     ({"size": 8, "kind": "rnn"}, "conv")],
)  # fmt: skip
def test_what_cannot_be_built_is_refused(config, words):
    with pytest.raises(ValueError, match=words):
        VAEConfig(**config)


def test_the_mlp_takes_any_size():
    assert built(size=11, kind="mlp")(torch.zeros(1, 3, 11, 11)).shape == (1, 6, 11, 11)

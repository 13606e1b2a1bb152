"""StyleGANs of a few thousand weights, of the second kind and the third, under names in the user's home."""

from __future__ import annotations

from pathlib import Path

import torch

from luoxia.models.stylegan import StyleGAN, StyleGANConfig
from luoxia.models.stylegan3 import StyleGAN3, StyleGAN3Config
from luoxia.weights import catalogue, stylegan_folder


def config(classes: int = 0, size: int = 16) -> StyleGANConfig:
    return StyleGANConfig(
        size=size, z_dim=8, w_dim=8, classes=classes, mapping_layers=2, channel_base=8 * size, channel_max=8
    )


def network(classes: int = 0, size: int = 16) -> StyleGAN:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = StyleGAN(config(classes, size))
        for name, buffer in made.named_buffers():
            if name.endswith("w_avg"):
                buffer.normal_(std=0.1)
        for name, weight in made.named_parameters():
            if name.endswith("noise_strength"):
                torch.nn.init.constant_(weight, 0.1)
    return made.eval().requires_grad_(False)


def third(classes: int = 0, *, radial: bool = False) -> StyleGAN3:
    """A StyleGAN3 of 16 pixels and 6 layers, with biases and magnitudes that show."""
    options = {"size": 16, "z_dim": 8, "w_dim": 8, "classes": classes, "channel_base": 128, "channel_max": 8}
    options |= {"layers": 6, "output_scale": 0.5}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = StyleGAN3(StyleGAN3Config(**options, kernel=1 if radial else 3, radial=radial))
        for name, tensor in made.state_dict().items():
            if name.endswith(("bias", "w_avg")) and "affine" not in name:
                tensor.normal_(std=0.1)
            if name.endswith("magnitude_ema"):
                tensor.uniform_(0.5, 2)
    return made.eval().requires_grad_(False)


def keep(name: str = "tiny", classes: int = 0, made: StyleGAN | StyleGAN3 | None = None, **more) -> Path:
    folder = catalogue.place(name)
    names = tuple(f"style {i}" for i in range(classes))
    stylegan_folder.write(folder, made or network(classes), classes=names, half=False, **more)
    return folder

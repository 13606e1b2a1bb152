"""A StyleGAN of a few thousand weights, under a name in the user's home."""

from __future__ import annotations

from pathlib import Path

import torch

from luoxia.models.stylegan import StyleGAN, StyleGANConfig
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


def keep(name: str = "tiny", classes: int = 0, **more) -> Path:
    folder = catalogue.place(name)
    names = tuple(f"style {i}" for i in range(classes))
    stylegan_folder.write(folder, network(classes), classes=names, half=False, **more)
    return folder

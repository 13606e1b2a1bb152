"""A dVAE and a DALL·E of a few thousand weights, and captions for the tiny pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tiny_pictures
import torch

from luoxia.core.language import Text
from luoxia.data.images import ImageSet
from luoxia.models.captions import END, CaptionTokenizer
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.models.dalle import Dalle, DalleConfig
from luoxia.models.dvae import DiscreteVAE, DVAEConfig
from luoxia.models.upscaler import Upscaler, UpscalerConfig
from luoxia.weights import drawing_folder

COLOURS = (Text("red", "红色"), Text("green", "绿色"), Text("blue", "蓝色"))


def pictures(size: int = 16, n: int = 48) -> ImageSet:
    """Squares of a colour, told in both languages."""
    made = tiny_pictures.pictures(n, size)
    assert made.labels is not None
    captions = tuple(
        Text(f"a {COLOURS[k].en} square {i % 4}", f"{COLOURS[k].zh}方块 {i % 4}")
        for i, k in enumerate(made.labels)
    )
    return dataclasses.replace(made, captions=captions)


def dvae(size: int = 16, seed: int = 3) -> DiscreteVAE:
    config = DVAEConfig(size=size, factor=4, width=8, blocks=1, levels=(4, 4))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = DiscreteVAE(config)
        for parameter in made.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return made.eval().requires_grad_(False)


def upscaler() -> Upscaler:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        return Upscaler(UpscalerConfig(width=4, blocks=1)).eval()


def clip() -> CLIP:
    config = CLIPConfig(
        vocab_size=tokenizer().vocab_size,
        block_size=8,
        end=END,
        size=16,
        patch=4,
        n_embd=16,
        n_layer=1,
        n_head=2,
        text_n_embd=16,
        text_n_layer=1,
        text_n_head=2,
        n_out=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return CLIP(config).eval()


def tokenizer() -> CaptionTokenizer:
    captions = pictures().captions
    assert captions is not None
    return CaptionTokenizer.learned([t for c in captions for t in (c.en, c.zh)], 300)


def dalle(seed: int = 4, **changes) -> Dalle:
    """Weights so large that what it says depends on everything that it sees."""
    told = {"vocab_size": tokenizer().vocab_size, "codes": 16, "text_length": 8, "side": 4}
    config = DalleConfig(**told | {"n_layer": 2, "n_head": 2, "n_embd": 32} | changes)
    made = Dalle(config, torch.Generator().manual_seed(seed))
    for parameter in made.parameters():
        parameter.data *= 6 if parameter.ndim == 2 else 1
    return made.eval().requires_grad_(False)


def keep(
    folder: Path,
    *,
    half: bool = False,
    data: Sequence[Mapping[str, Any]] = (),
    facts: Mapping[str, Any] = MappingProxyType({}),
    **more,
) -> Path:
    parts = {"dvae": dvae(), "dalle": dalle()} | more
    drawing_folder.write(
        folder, parts, tokenizer(), licence=("made here",), data=data, half=half, facts=facts
    )
    return folder

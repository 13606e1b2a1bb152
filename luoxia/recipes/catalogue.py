"""The recipes by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data import images
from luoxia.data.examples import Examples
from luoxia.recipes import clip, dalle, dvae, finetune, gan, gpt, stylegan, upscaler, vae, verse
from luoxia.recipes.clip import CLIPSettings
from luoxia.recipes.dalle import DalleSettings
from luoxia.recipes.dvae import DVAESettings
from luoxia.recipes.finetune_dial import FinetuneSettings
from luoxia.recipes.gan import GANSettings
from luoxia.recipes.gpt_dial import GPTSettings
from luoxia.recipes.stylegan import StyleGANSettings
from luoxia.recipes.upscaler import UpscalerSettings
from luoxia.recipes.vae import VAESettings
from luoxia.recipes.verse import VerseSettings
from luoxia.train.engine import Training
from luoxia.train.run import Run
from luoxia.train.settings import Settings

OF_ONE_SIZE = ("digits",)


@dataclass(frozen=True)
class Recipe:
    """Settings to begin with, and what makes a training of them. ``settings_of`` a network are those that make it
    again, where a training may begin with another model's weights. ``remembers``: ``build`` learns more from its data than
    weights, keeps it among the facts of a run, and takes them as its last argument to build the same again. ``size`` is the
    one that pictures are asked for where they come in any and the user names none. ``opens`` reads data that is no
    pictures, and completes the settings by it. ``keeps`` writes what a run has come to where it is used, behind each
    checkpoint; ``closes`` is called when the run is at its end."""

    summary: Text
    settings: Settings
    build: Callable[..., Training]
    settings_of: Callable[[Any], dict[str, Any]] | None = None
    remembers: bool = False
    size: int | None = None
    opens: Callable[[Any, str, int], tuple[Settings, Examples]] | None = None
    keeps: Callable[[Run], None] | None = None
    closes: Callable[[Run, Training], None] | None = None

    def open(
        self, settings: Settings, data: str, size: int | None, world: int = 1
    ) -> tuple[Settings, Examples]:
        """What ``data`` names, and ``settings`` with all that the recipe chooses by it and the number of processes."""
        if self.opens is None:
            return settings, images.load(data, size=size)
        if size is not None:
            raise UserError(
                "--size is the side of pictures, and this recipe learns from text: leave it out",
                "--size 是图片边长，而此配方以文本训练：请勿给出",
            )
        return self.opens(settings, data, world)

    def size_of(self, data: str, asked: int | None) -> int | None:
        """The size to load ``data`` in. What is prepared has its own."""
        prepared = data in OF_ONE_SIZE or data.endswith(".data") or (Path(data) / "data.json").exists()
        return asked if asked or prepared else self.size


RECIPES = {
    "vae": Recipe(Text("variational autoencoder", "变分自编码器"), VAESettings(), vae.build),
    "cvae": Recipe(
        Text("VAE that is told the class", "条件变分自编码器"), VAESettings(conditional=True), vae.build
    ),
    "gan": Recipe(
        Text("GAN with the non-saturating loss and R1", "GAN：非饱和损失与 R1 正则"),
        GANSettings(network="residual", r1=1.0),
        gan.build,
    ),
    "dcgan": Recipe(Text("DCGAN, non-saturating loss", "DCGAN：非饱和损失"), GANSettings(), gan.build),
    "cgan": Recipe(
        Text("GAN that is told the class", "条件 GAN"),
        GANSettings(network="residual", r1=1.0, conditional=True),
        gan.build,
    ),
    "wgan": Recipe(
        Text("Wasserstein GAN with clipped weights", "Wasserstein GAN：权重裁剪"),
        GANSettings(game="wasserstein", critic_steps=5, learning_rate=5e-5, clip_weights=0.01),
        gan.build,
    ),
    "wgan-gp": Recipe(
        Text("Wasserstein GAN with gradient penalty", "Wasserstein GAN：梯度惩罚"),
        GANSettings(
            game="wasserstein",
            network="residual",
            penalty=10.0,
            beta1=0.0,
            beta2=0.9,
            learning_rate=6e-4,
            cosine=True,
            batch_size=32,
            precision="bf16",
        ),
        gan.build,
    ),
    "stylegan": Recipe(
        Text("StyleGAN2 with adaptive augmentation", "StyleGAN2 与自适应增强"),
        StyleGANSettings(),
        stylegan.build,
        stylegan.settings_of,
    ),
    "clip": Recipe(
        Text("CLIP: pictures and captions in one space", "CLIP：图片与描述文字的共同空间"),
        CLIPSettings(),
        clip.build,
        remembers=True,
    ),
    "dvae": Recipe(
        Text("discrete autoencoder: pictures as codes", "离散自编码器：把图片变为编码"),
        DVAESettings(),
        dvae.build,
    ),
    "dalle": Recipe(
        Text("DALL·E: pictures from captions", "DALL·E：由文字生成图片"),
        DalleSettings(),
        dalle.build,
        remembers=True,
    ),
    "finetune": Recipe(
        Text("a text model taught by examples", "以样例微调文本模型"),
        FinetuneSettings(),
        finetune.build,
        remembers=True,
        opens=finetune.open_pairs,
        keeps=finetune.keep,
        closes=finetune.close,
    ),
    "upscaler": Recipe(
        Text("upscaler: drawn pictures four times as large", "放大模型：把绘制的图片放大四倍"),
        UpscalerSettings(),
        upscaler.build,
        size=upscaler.SIZE,
    ),
    "gpt": Recipe(
        Text("GPT: a language model from your own texts", "GPT：用自己的文本训练语言模型"),
        GPTSettings(),
        gpt.build,
        opens=gpt.open_corpus,
    ),
    "verse": Recipe(
        Text("verse: classical Chinese poems on a theme", "诗歌：按主题写近体诗"),
        VerseSettings(),
        verse.build,
        opens=verse.open_poems,
    ),
}


def find(name: str) -> Recipe:
    """The recipe called ``name``. Raises :class:`UserError` with the nearest names."""
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, 3, 0.4) or list(RECIPES)
    raise UserError(
        f"there is no recipe {name!r}; there is {', '.join(near)}",
        f"没有配方 {name!r}；有 {'、'.join(near)}",
    )

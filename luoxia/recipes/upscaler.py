"""A network that enlarges drawn pictures four times, sharpening what an autoencoder has blurred.

luoxia train upscaler --data icons                                    pictures of 256 px, made small on the fly
luoxia train upscaler --data icons --set dvae=runs/dvae               half of them as this dVAE draws them
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from luoxia.core.errors import UserError
from luoxia.data.images import ImageSet
from luoxia.models.dvae import DiscreteVAE
from luoxia.models.patch_discriminator import PatchDiscriminator, PatchDiscriminatorConfig
from luoxia.models.upscaler import Upscaler, UpscalerConfig
from luoxia.nn.degrade import Degrade, cropped
from luoxia.objectives.patch_game import Clock
from luoxia.objectives.phase import Draw, Phase
from luoxia.objectives.upscale import UpscaleLoss
from luoxia.recipes.dvae import perceptual
from luoxia.recipes.judging import adversary, judging
from luoxia.recipes.reconstructions import Reconstructions
from luoxia.train.engine import Training
from luoxia.train.randomness import generator
from luoxia.train.settings import Settings
from luoxia.weights import drawing_folder

SIZE = 256  # pixels that sets of any size are asked for
DEGRADED = 0x53  # of what held-out pictures lose, among all that is drawn from a seed


@dataclass(frozen=True)
class UpscalerSettings(Settings):
    """Pictures of the set are ``scale`` times as large as what is enlarged; a step looks at squares of ``crop`` pixels
    of the latter. ``dvae`` names the model or run whose codes a ``share`` of them goes through, with none they are
    blurred and noisy alone. ``perceptual`` and ``adversarial`` weigh their terms, the latter from step
    ``adversarial_from`` on."""

    steps: int = 6_000
    batch_size: int = 16
    learning_rate: float = 5e-4
    warmup: int = 200
    cosine: bool = True
    clip: float = 1.0
    half_life: float = 2_000.0
    precision: str = "bf16"
    mirror: bool = True
    sample_every: int = 500
    checkpoint_every: int = 1_000
    scale: int = 4
    crop: int = 32
    width: int = 64
    blocks: int = 6
    perceptual: float = 0.05
    adversarial: float = 0.01
    adversarial_from: int = 2_000
    r1: float = 1.0
    r1_every: int = 16
    dvae: str = ""
    share: float = 0.5


def build(settings: UpscalerSettings, images: ImageSet, seed: int) -> Training:
    """The networks with weights drawn from ``seed``, what they learn by, and scores on held-out pictures."""
    if images.size % settings.scale or images.size // settings.scale < 8:
        raise UserError(
            f"pictures of {images.size} pixels do not go into {settings.scale} times smaller ones of 8 at least",
            f"{images.size} 像素的图片无法缩小 {settings.scale} 倍后仍不小于 8 像素",
        )
    config = UpscalerConfig(settings.scale, images.channels, settings.width, settings.blocks)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        upscaler = Upscaler(config)
        judge = PatchDiscriminator(PatchDiscriminatorConfig(images.channels))
    degrade = Degrade(settings.scale, through=_through(settings, images), share=settings.share)
    clock = Clock()

    def pair(draw: Draw) -> tuple[Tensor, Tensor]:
        with torch.autocast(draw.images.device.type, enabled=False):
            small = degrade(draw.images, draw.generator)
        return cropped(draw.images, small, settings.crop, draw.generator)

    loss = UpscaleLoss(
        pair,
        lambda x: upscaler(x),
        perceptual(min(images.size, settings.crop * settings.scale)) if settings.perceptual else None,
        settings.perceptual,
        adversary(settings, judge, clock),
    )
    optimizer = torch.optim.Adam(upscaler.parameters(), settings.learning_rate, (0.9, 0.99))
    modules: dict[str, nn.Module] = {"upscaler": upscaler}
    phases = [Phase("upscaler", upscaler, optimizer, loss, after=clock.advance)]
    if settings.adversarial:
        modules |= {"discriminator": judge, "clock": clock}

        def played(draw: Draw) -> tuple[Tensor, Tensor]:
            large, small = pair(draw)
            return large, upscaler(small).clamp(-1, 1)

        def real(draw: Draw) -> Draw:
            return dataclasses.replace(draw, images=pair(draw)[0])

        phases += judging(settings, judge, played, real)
    shown = Reconstructions(images, seed, _again(degrade, seed), "upscaler")
    return Training(
        modules,
        phases,
        ("upscaler",),
        shown.pictures,
        shown.scores,
        shown.best,
        {"network": config.to_json()},
        warnings=shown.warnings,
        study=shown.study,
        shown=shown.beside,
    )


def _through(settings: UpscalerSettings, images: ImageSet):
    """What a dVAE makes of small pictures, where one is named. Raises :class:`UserError` for one of other pictures."""
    if not settings.dvae:
        return None
    dvae = cast(DiscreteVAE, drawing_folder.find(settings.dvae).part("dvae").network())
    wanted = images.size // settings.scale, images.channels
    if (dvae.config.size, dvae.config.channels) != wanted:
        raise UserError(
            f"{settings.dvae} draws pictures of {dvae.config.size} pixels, and those to be enlarged have {wanted[0]}",
            f"{settings.dvae} 绘制 {dvae.config.size} 像素的图片，而待放大的图片为 {wanted[0]} 像素",
        )

    def through(small: Tensor) -> Tensor:
        dvae.to(small.device)
        return dvae.decode_ids(dvae.encode_ids(small.contiguous(memory_format=torch.channels_last)))

    return through


def _again(degrade: Degrade, seed: int):
    """Pictures made small, always the same way, and enlarged."""

    def again(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor | None]:
        small = degrade(x, generator(x.device, seed, DEGRADED))
        return model(small.contiguous(memory_format=torch.channels_last)).clamp(-1, 1), None

    return again

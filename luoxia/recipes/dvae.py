"""The discrete autoencoder whose codes a transformer writes.

luoxia train dvae --data icons
luoxia train dvae --data avatars --set quantiser=gumbel --set loss=laplace      as in the paper
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.data.images import ImageSet
from luoxia.evaluate.perceptual import Perceptual
from luoxia.models.dvae import DiscreteVAE, DVAEConfig
from luoxia.models.patch_discriminator import PatchDiscriminator, PatchDiscriminatorConfig
from luoxia.nn.quantise import Annealing, Quantised
from luoxia.objectives.dvae import L1L2, DVAELoss, LogitLaplace
from luoxia.objectives.patch_game import Clock
from luoxia.objectives.phase import Draw, Phase
from luoxia.recipes.judging import adversary, judging
from luoxia.recipes.reconstructions import Reconstructions
from luoxia.train.engine import Training
from luoxia.train.settings import Settings
from luoxia.weights import drawing_folder

STAGES = ("stage1", "stage2", "stage3")  # edges and parts; what follows knows things, which codes need not


@dataclass(frozen=True)
class DVAESettings(Settings):
    """``quantiser`` "vq" or "gumbel" with ``codebook`` vectors, or "fsq" with ``levels``; ``loss`` "l1l2" or "laplace".

    ``perceptual`` weighs the distance that a network sees; ``adversarial`` the game against a discriminator of patches
    from step ``adversarial_from`` on, of its own strength or, with ``adaptive``, of that of the other losses' slope.
    ``tau_steps`` and ``kl_steps`` are those of Gumbel's annealing (0: half and a fiftieth of the steps), ``beta`` the
    weight that its KL grows to.

    ``codes_of`` names a dVAE, or its run, whose codes stay: its encoder and codebook are taken as they are, and its
    decoder alone goes on learning, so that what has learned those codes keeps their meaning.
    """

    steps: int = 12_000
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: int = 300
    cosine: bool = True
    clip: float = 1.0
    precision: str = "bf16"
    mirror: bool = True
    sample_every: int = 500
    checkpoint_every: int = 1_000
    factor: int = 8
    width: int = 128
    blocks: int = 2
    quantiser: str = "vq"
    levels: str = "8,5,5,5"
    codebook: int = 1024
    code_width: int = 32
    loss: str = "l1l2"
    perceptual: float = 0.1
    perceptual_side: int = 64
    adversarial: float = 0.0
    adversarial_from: int = 6_000
    adaptive: bool = False
    r1: float = 1.0
    r1_every: int = 16
    beta: float = 6.6
    tau_steps: int = 0
    kl_steps: int = 0
    codes_of: str = ""


def build(settings: DVAESettings, images: ImageSet, seed: int) -> Training:
    """The networks with weights drawn from ``seed``, their game, and scores on held-out pictures."""
    given = _given(settings, images)
    config = given.config if given else config_of(settings, images)
    annealing = Annealing(
        tau_steps=settings.tau_steps or max(1, settings.steps // 2),
        kl_steps=settings.kl_steps or max(1, settings.steps // 50),
        beta=settings.beta,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        dvae = DiscreteVAE(config, annealing)
        judge = PatchDiscriminator(PatchDiscriminatorConfig(images.channels))
    if given is not None:
        dvae.load_state_dict(given.state_dict())
    moving = dvae.decoder.parameters() if given else dvae.parameters()
    optimizer = torch.optim.AdamW(moving, settings.learning_rate, (0.9, 0.99), weight_decay=1e-4)
    clock = Clock()
    game = adversary(settings, judge, clock, dvae.last_weight if settings.adaptive else None)

    def autoencode(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Quantised]:
        dvae.quantiser.anneal(clock())
        return dvae(x, generator) if given is None else _decoded(dvae, x)

    loss = DVAELoss(
        autoencode,
        LogitLaplace() if config.outputs == 2 else L1L2(),
        dvae.mean,
        perceptual(settings.perceptual_side) if settings.perceptual else None,
        settings.perceptual,
        game,
    )
    modules: dict[str, torch.nn.Module] = {"dvae": dvae}
    phases = [Phase("dvae", dvae, optimizer, loss, after=clock.advance, partial=given is not None)]
    if settings.adversarial or config.quantiser == "gumbel":
        modules["clock"] = clock  # a resumed run goes on from its step
    if settings.adversarial:
        modules["discriminator"] = judge

        def played(draw: Draw) -> tuple[Tensor, Tensor]:
            return draw.images, dvae.decode_ids(dvae.encode_ids(draw.images))

        phases += judging(settings, judge, played, lambda draw: draw)
    shown = Reconstructions(
        images, seed, lambda model, x: _again(cast(DiscreteVAE, model), x), "dvae", config.codes
    )
    return Training(
        modules,
        phases,
        ("dvae",),
        shown.pictures,
        shown.scores,
        shown.best,
        {"network": config.to_json()},
        warnings=shown.warnings,
        study=shown.study,
        vitals=shown.vitals,
        shown=shown.beside,
    )


def _given(settings: DVAESettings, images: ImageSet) -> DiscreteVAE | None:
    """The dVAE whose codes stay, where one is named. Raises :class:`UserError` for one of other pictures."""
    if not settings.codes_of:
        return None
    given = drawing_folder.find(settings.codes_of).part("dvae").network()
    if not isinstance(given, DiscreteVAE):
        raise UserError(
            f"{settings.codes_of} is a dVAE of another make, which is not trained here",
            f"{settings.codes_of} 是其他来源的 dVAE，不能在此训练",
        )
    if (given.config.size, given.config.channels) != (images.size, images.channels):
        raise UserError(
            f"{settings.codes_of} draws pictures of {given.config.size} pixels and {given.config.channels} channels, "
            f"and {images.name} has {images.size} and {images.channels}",
            f"{settings.codes_of} 绘制 {given.config.size} 像素、{given.config.channels} 通道的图片，"
            f"而 {images.name} 为 {images.size} 与 {images.channels}",
        )
    return given


def _decoded(dvae: DiscreteVAE, x: Tensor) -> tuple[Tensor, Quantised]:
    """Pictures through codes that learn nothing."""
    with torch.no_grad():
        codes = dvae.quantiser.code(dvae.encoder(x))
        values = dvae.quantiser.value(codes)
    return dvae.decoder(values).float(), Quantised(codes, values, values.new_zeros(()))


def config_of(settings: DVAESettings, images: ImageSet) -> DVAEConfig:
    """The network that ``settings`` ask for. Raises :class:`UserError` for levels or a loss that there are none of."""
    if settings.loss not in ("l1l2", "laplace"):
        raise UserError(
            f"loss is {settings.loss!r}; give l1l2 or laplace",
            f"loss 为 {settings.loss!r}；请给 l1l2 或 laplace",
        )
    try:
        levels = tuple(int(level) for level in settings.levels.split(","))
    except ValueError as error:
        raise UserError(
            f"levels is {settings.levels!r}; give numbers with commas between them, such as 8,5,5,5",
            f"levels 为 {settings.levels!r}；请给以逗号分隔的数，如 8,5,5,5",
        ) from error
    return DVAEConfig(
        size=images.size,
        channels=images.channels,
        factor=settings.factor,
        width=settings.width,
        blocks=settings.blocks,
        quantiser=settings.quantiser,
        levels=levels,
        codebook=settings.codebook,
        code_width=settings.code_width,
        outputs=2 if settings.loss == "laplace" else 1,
    )


def _again(model: DiscreteVAE, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Pictures through their codes, and the codes."""
    codes = model.encode_ids(x)
    return model.decode_ids(codes), codes


def perceptual(side: int) -> Callable[[Tensor, Tensor], Tensor]:
    """The distance that a network sees of pictures at ``side``, (B,)."""
    seen = functools.cache(lambda device: Perceptual(device, STAGES, side))
    seen(torch.device("cpu"))  # raises here where the network is not on this machine

    def distance(made: Tensor, images: Tensor) -> Tensor:
        network = seen(images.device)
        with torch.no_grad():
            maps = network.maps(images)
        return network.distance(made, maps)

    return distance

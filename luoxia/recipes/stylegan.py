"""StyleGAN2 with adaptive augmentation, for faces from a few thousand pictures on.

luoxia train stylegan --data avatars --set conditional=true
luoxia train stylegan --data faces.data --set mirror=true
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch

from luoxia.core.errors import UserError
from luoxia.data.images import ImageSet
from luoxia.models.discriminator import DiscriminatorConfig, StyleDiscriminator, StyleEncoder
from luoxia.models.stylegan import SIZES, StyleGAN, StyleGANConfig
from luoxia.models.stylegan3 import StyleGAN3Config
from luoxia.nn.augment import Augment
from luoxia.nn.diffaugment import DiffAugment
from luoxia.nn.transition import Transition
from luoxia.objectives.phase import Draw, Loss, Phase
from luoxia.objectives.style import (
    AugmentedR1,
    PathLength,
    StyleDecoding,
    StyleDiscriminatorLoss,
    StyleGeneratorLoss,
    Styles,
    Together,
)
from luoxia.recipes.adversaries import Adversaries, Besides
from luoxia.recipes.dvae import perceptual
from luoxia.recipes.stylegan_study import StyleGANStudy
from luoxia.recipes.vitals import Tell, as_it_is
from luoxia.train.engine import Training
from luoxia.train.settings import Settings

SEEN, BETA = 0.5, 0.002  # of the autoencoder, before what a network sees and before the KL
MOST = 128  # pixels a side that this network looks at


@dataclass(frozen=True)
class StyleGANSettings(Settings):
    """A resolution r has min(``channel_base`` / r, ``channel_max``) channels. ``r1`` is gamma of R1 and ``path_length``
    the weight of its regularisation, each taken every ``r1_every`` and ``path_every`` steps (0: never); ``mixing`` the
    probability of mixed styles. ``augmentation`` is "ada", "diffaugment" or "none"; ``augment_target`` the r_t that the
    first aims at, over ``augment_images``. ``freeze_d`` keeps so many of the discriminator's blocks as they are, from the
    picture on (Mo et al., *Freeze the Discriminator*, arXiv:2002.10964). Without ``noise`` the
    strength of each layer's noise stays what it is, 0 in a new network, as flat drawings want it. ``conditional`` networks are
    told the classes by and by over ``transition`` images that a process sees (0: from the start). The game begins after
    ``autoencode`` images, through which the generator learns as an autoencoder's decoder; such lessons go on beside the
    game with weight ``decoding``. ``fitted``: z is drawn as the encoder of these lessons speaks of pictures of a class."""

    steps: int = 20_000
    batch_size: int = 32
    learning_rate: float = 2.5e-3
    precision: str = "bf16"
    checkpoint_every: int = 1_000
    latent: int = 256
    mapping_layers: int = 4
    channel_base: int = 2_048
    channel_max: int = 256
    r1: float = 0.1
    r1_every: int = 16
    path_length: float = 2.0
    path_every: int = 4
    mixing: float = 0.9
    augmentation: str = "ada"
    augment_target: float = 0.6
    augment_images: int = 200_000
    augment_every: int = 4
    freeze_d: int = 0
    noise: bool = True
    conditional: bool = False
    transition: int = 120_000
    autoencode: int = 0
    decoding: float = 20.0
    fitted: bool = False


def settings_of(network: StyleGANConfig | StyleGAN3Config) -> dict[str, Any]:
    """The settings that give ``network`` again, for training that begins with its weights."""
    if isinstance(network, StyleGAN3Config):
        raise UserError(
            "a StyleGAN3 is drawn from, and not trained here: begin with a StyleGAN2",
            "StyleGAN3 在此只用于生成，不能训练：请从 StyleGAN2 开始",
        )
    if network.z_dim != network.w_dim or network.output != "skip" or network.clamp:
        raise UserError(
            "training goes on from models whose z and w are of one length, with skip outputs and without clamping",
            "只能从 z 与 w 等长、采用 skip 输出且不截断的模型继续训练",
        )
    return {
        "latent": network.z_dim,
        "mapping_layers": network.mapping_layers,
        "channel_base": network.channel_base,
        "channel_max": network.channel_max,
        "conditional": bool(network.classes),
        "transition": 0,
        "fitted": network.fitted,
    }


def build(settings: StyleGANSettings, images: ImageSet, seed: int) -> Training:
    """Both networks with weights drawn from ``seed``, the augmentation, and their four phases."""
    if images.size not in SIZES:
        near = " or ".join(str(s) for s in _about(images.size))
        raise UserError(
            f"the pictures have {images.size} pixels a side; StyleGAN makes {SIZES[0]}, {SIZES[0] * 2} ... {SIZES[-1]}: "
            f"crop them with `luoxia data prepare PICTURES -o NAME.data --size {near}`",
            f"图片边长为 {images.size} 像素；StyleGAN 支持 {SIZES[0]}、{SIZES[0] * 2} …… {SIZES[-1]}："
            f"请用 `luoxia data prepare 图片 -o 名称.data --size {near}` 裁剪",
        )
    shared: dict[str, Any] = {
        "size": images.size,
        "channels": images.channels,
        "classes": images.told(settings.conditional, "StyleGAN"),
        "channel_base": settings.channel_base,
        "channel_max": settings.channel_max,
        "mapping_layers": settings.mapping_layers,
    }
    config = StyleGANConfig(z_dim=settings.latent, w_dim=settings.latent, fitted=settings.fitted, **shared)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator, discriminator = StyleGAN(config), StyleDiscriminator(DiscriminatorConfig(**shared))
        encoder = StyleEncoder(discriminator.config, settings.latent) if settings.autoencode else None
    for name, strength in generator.named_parameters():
        if name.endswith("noise_strength"):  # 0 at first
            strength.requires_grad_(settings.noise)
    augment = _augmentation(settings)
    styles = Styles(generator.mapping, settings.latent, settings.mixing)
    path_length = PathLength(
        styles, generator.synthesis, weight=settings.path_length, interval=max(1, settings.path_every)
    )
    phases = _phases(settings, styles, generator, discriminator, augment, path_length)
    modules: dict[str, torch.nn.Module] = {
        "generator": generator,
        "discriminator": discriminator,
        "augment": augment,
        "path_length": path_length,
    }
    if encoder is not None:
        modules["encoder"] = encoder
        phases = _lessons(settings, styles, generator, encoder, phases)
    tell: Tell = as_it_is
    if config.classes:
        modules["transition"] = tell = transition = Transition(config.classes, settings.transition)
        phases = [replace(phase, loss=Told(phase.loss, tell)) for phase in phases]
        phases[0] = replace(phases[0], after=lambda: transition.advance(settings.batch_size))

    def more() -> dict[str, float]:
        adaptive = {"augment_p": float(augment.p)} if isinstance(augment, Augment) else {}
        return adaptive | ({"classes_told": float(tell.strength)} if isinstance(tell, Transition) else {})

    seen = sides(config, images, seed, tell)
    return seen.training(modules, phases, {"network": config.to_json()}, more=more)


def _phases(
    settings: StyleGANSettings,
    styles: Styles,
    generator: StyleGAN,
    discriminator: StyleDiscriminator,
    augment: Augment | DiffAugment,
    path_length: PathLength,
) -> list[Phase]:
    """The generator's turn first, the discriminator's after it, each with its regularisation behind it."""
    of_g = _adam(generator, settings.learning_rate, settings.path_every if settings.path_length else 0)
    _freeze(discriminator, settings.freeze_d)
    of_d = _adam(discriminator, settings.learning_rate, settings.r1_every if settings.r1 else 0)
    seen = (styles, generator.synthesis, discriminator, augment)
    adaptive = augment if isinstance(augment, Augment) else None
    watch = adaptive.watch if adaptive else lambda _: None
    phases = [Phase("g", generator, of_g, StyleGeneratorLoss(*seen))]
    if settings.path_length and settings.path_every:
        phases.append(Phase("path", generator, of_g, path_length, interval=settings.path_every, partial=True))
    judge = StyleDiscriminatorLoss(*seen, watch=watch)
    phases.append(Phase("d", discriminator, of_d, judge, after=adaptive.adapt if adaptive else None))
    if settings.r1 and settings.r1_every:
        r1 = AugmentedR1(discriminator, augment, settings.r1, settings.r1_every)
        phases.append(Phase("r1", discriminator, of_d, r1, interval=settings.r1_every, partial=True))
    return phases


def _lessons(
    settings: StyleGANSettings,
    styles: Styles,
    generator: StyleGAN,
    encoder: StyleEncoder,
    game: list[Phase],
) -> list[Phase]:
    """``game`` after the generator's and the encoder's lessons as an autoencoder, which go on within its first phase."""
    both = torch.nn.ModuleList([generator, encoder])
    distance = perceptual(min(generator.config.size, MOST))
    loss = StyleDecoding(encoder, styles.mapping, generator.synthesis, distance, SEEN, BETA)
    moving = [p for p in both.parameters() if p.requires_grad]
    alone = Phase("decode", both, torch.optim.Adam(moving, settings.learning_rate, (0.5, 0.99)), loss)
    if settings.decoding:
        of_g = game[0].optimizer
        of_g.add_param_group({"params": [*encoder.parameters()]})
        game[0] = replace(game[0], module=both, loss=Together(game[0].loss, loss, settings.decoding))
    begins = settings.autoencode // settings.batch_size
    return [*(replace(phase, begins=begins) for phase in game), replace(alone, ends=begins)]


@dataclass(frozen=True)
class Told:
    """A loss that hears of classes as ``tell`` tells them."""

    loss: Callable[[Draw], Loss]
    tell: Tell

    def __call__(self, draw: Draw) -> Loss:
        return self.loss(replace(draw, labels=None if draw.labels is None else self.tell(draw.labels)))


def sides(
    config: StyleGANConfig | StyleGAN3Config, images: ImageSet, seed: int, tell: Tell = as_it_is
) -> Adversaries:
    """What generators of this form show and are measured by, in training and after it."""
    besides = StyleGANStudy(images, seed, config.z_dim, config.classes, tell)
    return Adversaries(
        images,
        seed,
        config.z_dim,
        config.classes,
        lambda model, z, c: model(z, c, noise_mode="const"),
        # Straight ways in w, where the path length has been made even.
        latents=lambda model, z, c: cast(StyleGAN, model).mapping(z, c, truncation_psi=0.7)[:, 0],
        decode=lambda model, w, _: cast(StyleGAN, model).synthesis(
            w[:, None].repeat(1, config.num_ws, 1), "const"
        ),
        besides=Besides(besides.scores, besides.study),
        tell=tell,
    )


def _about(size: int) -> list[int]:
    """The sizes next to ``size``, below and above."""
    below, above = [s for s in SIZES if s < size], [s for s in SIZES if s > size]
    return [*below[-1:], *above[:1]]


def _augmentation(settings: StyleGANSettings) -> Augment | DiffAugment:
    match settings.augmentation:
        case "ada":
            return Augment(
                target=settings.augment_target, images=settings.augment_images, every=settings.augment_every
            )
        case "diffaugment":
            return DiffAugment()
        case "none":
            return Augment(target=0.0)
    raise UserError(
        f"augmentation is {settings.augmentation!r}; give ada, diffaugment or none",
        f"augmentation 为 {settings.augmentation!r}；请给 ada、diffaugment 或 none",
    )


def _freeze(discriminator: StyleDiscriminator, blocks: int) -> None:
    """Leave the first ``blocks`` resolutions out of what is trained."""
    resolutions = discriminator.config.resolutions
    if not 0 <= blocks <= len(resolutions):
        raise UserError(
            f"freeze_d is {blocks}; this discriminator has {len(resolutions)} blocks to freeze",
            f"freeze_d 为 {blocks}；该判别器可冻结 {len(resolutions)} 个模块",
        )
    for resolution in resolutions[:blocks]:
        discriminator.get_submodule(f"b{resolution}").requires_grad_(False)


def _adam(module: torch.nn.Module, rate: float, every: int) -> torch.optim.Adam:
    """Adam, slowed for a regularisation that moves the same weights every so many steps besides: c = n / (n + 1),
    rate c and betas to the power of c (Karras et al. 2020, appendix B)."""
    c = every / (every + 1) if every else 1.0
    moving = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.Adam(moving, rate * c, (0.0, 0.99**c), eps=1e-8)

"""GAN, DCGAN and Wasserstein GAN.

luoxia train wgan-gp --data avatars --size 32     faces with eyes and mouths after 5,500 steps, 20 min on two cores
luoxia train dcgan --data avatars
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from luoxia.core.errors import UserError
from luoxia.data.images import ImageSet
from luoxia.models.gan import Discriminator, GANConfig, Generator
from luoxia.objectives.adversarial import (
    GAMES,
    R1,
    DiscriminatorLoss,
    GeneratorLoss,
    GradientPenalty,
    clip_weights,
)
from luoxia.objectives.phase import Phase
from luoxia.recipes.adversaries import Adversaries
from luoxia.train.engine import Training
from luoxia.train.settings import Settings


@dataclass(frozen=True)
class GANSettings(Settings):
    """``critic_steps`` steps of the discriminator to one of the generator; ``penalty`` is the weight of the gradient
    penalty, ``r1`` the gamma of R1, ``clip_weights`` the bound of a clipped critic (0: none of them)."""

    steps: int = 20_000
    checkpoint_every: int = 1_000  # each is scored, which takes as long as some hundred steps
    learning_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    latent: int = 128
    width: int = 64
    network: str = "dcgan"
    game: str = "non-saturating"
    batch_norm: bool = True
    critic_steps: int = 1
    penalty: float = 0.0
    r1: float = 0.0
    r1_every: int = 16
    clip_weights: float = 0.0
    conditional: bool = False


def build(settings: GANSettings, images: ImageSet, seed: int) -> Training:
    """Both networks with weights drawn from ``seed`` and the phases of their game."""
    if settings.game not in GAMES:
        raise UserError(
            f"game is {settings.game!r}; give {', '.join(GAMES)}",
            f"game 为 {settings.game!r}；请给 {'、'.join(GAMES)}",
        )
    config = GANConfig(
        size=images.size,
        channels=images.channels,
        latent=settings.latent,
        width=settings.width,
        kind=settings.network,
        classes=images.told(settings.conditional, "GAN"),
        batch_norm=settings.batch_norm,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator, discriminator = Generator(config), Discriminator(config)
    rate, betas = settings.learning_rate, (settings.beta1, settings.beta2)
    if (
        settings.clip_weights
    ):  # Adam's momentum and a clipped critic do not agree (Arjovsky et al. 2017, section 4.3)
        of_g: torch.optim.Optimizer = torch.optim.RMSprop(generator.parameters(), rate)
        of_d: torch.optim.Optimizer = torch.optim.RMSprop(discriminator.parameters(), rate)
    else:
        of_g = torch.optim.Adam(generator.parameters(), rate, betas)
        of_d = torch.optim.Adam(discriminator.parameters(), rate, betas)
    game = GAMES[settings.game]
    penalty = GradientPenalty(discriminator, settings.penalty) if settings.penalty else None
    after = clip_weights(discriminator, settings.clip_weights) if settings.clip_weights else None
    phases = [
        Phase(
            "d",
            discriminator,
            of_d,
            DiscriminatorLoss(game, generator, discriminator, settings.latent, penalty),
            after=after,
        ),
        Phase(
            "g",
            generator,
            of_g,
            GeneratorLoss(game, generator, discriminator, settings.latent),
            interval=settings.critic_steps,
        ),
    ]
    if settings.r1:
        r1 = R1(discriminator, settings.r1, settings.r1_every)
        phases.insert(1, Phase("r1", discriminator, of_d, r1, interval=settings.r1_every, partial=True))

    sides = Adversaries(
        images, seed, settings.latent, config.classes, lambda model, z, labels: model(z, labels)
    )
    modules: dict[str, torch.nn.Module] = {"generator": generator, "discriminator": discriminator}
    return sides.training(modules, phases, {"network": config.to_json()})

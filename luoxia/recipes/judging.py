"""The discriminator's phases of a game beside a reconstruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from luoxia.models.patch_discriminator import PatchDiscriminator
from luoxia.objectives.adversarial import R1
from luoxia.objectives.patch_game import Adversary, Clock, PatchLoss
from luoxia.objectives.phase import Draw, Loss, Phase


class Judged(Protocol):
    """Settings of such a game."""

    @property
    def steps(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def adversarial(self) -> float: ...
    @property
    def adversarial_from(self) -> int: ...
    @property
    def r1(self) -> float: ...
    @property
    def r1_every(self) -> int: ...


def adversary(
    settings: Judged, judge: PatchDiscriminator, clock: Clock, last: Callable[[], Tensor] | None = None
) -> Adversary | None:
    """The maker's term, where it has any weight: the discriminator has a while to learn before it is listened to."""
    if not settings.adversarial:
        return None
    begins, grows = settings.adversarial_from + settings.steps // 50, max(1, settings.steps // 20)
    return Adversary(judge, clock, settings.adversarial, begins, grows, last)


def judging(
    settings: Judged,
    judge: PatchDiscriminator,
    played: Callable[[Draw], tuple[Tensor, Tensor]],
    real: Callable[[Draw], Draw],
) -> list[Phase]:
    """``played`` gives of a batch what is real and what was made of it, ``real`` a batch of the former alone."""
    optimizer = torch.optim.Adam(judge.parameters(), settings.learning_rate / 2, (0.5, 0.99))
    begins, every = settings.adversarial_from, max(1, settings.r1_every)
    phases = []
    if settings.r1 and settings.r1_every:

        def each(x: Tensor, _: Tensor | None) -> Tensor:
            """A picture's logits as one of their size: the slope of a sum would grow with the picture."""
            logits = judge(x)
            return logits.sum(1) / logits.shape[1] ** 0.5

        penalty = R1(each, settings.r1, every)

        def smooth(draw: Draw) -> Loss:
            seen = real(draw)
            loss = penalty(seen)
            # Biases have no part in a slope; processes that share gradients want one for each weight.
            return Loss(loss.value + 0 * judge(seen.images[:1]).sum(), loss.notes)

        phases.append(Phase("r1", judge, optimizer, smooth, interval=every, begins=begins))
    return [*phases, Phase("d", judge, optimizer, PatchLoss(played, judge), begins=begins)]

"""How a decoder's output becomes a probability of pixels: log p(x | z) for x (B, C, H, W) in [-1, 1].

Each likelihood reads ``parameters`` maps a channel from the decoder's output (B, parameters * C, H, W), gives nats
summed over a picture, (B,), and the picture it expects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_LOG_SCALE = -7.0  # narrower would reward one grey level without bound


@dataclass(frozen=True)
class Bernoulli:
    """log p = sum x' log s + (1 - x') log(1 - s), with x' = (x + 1) / 2 and s = sigmoid(output)."""

    parameters = 1

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(output, (x + 1) / 2, reduction="none").flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output.sigmoid() * 2 - 1


@dataclass(frozen=True)
class Gaussian:
    """log p = -1/2 sum ((x - mu) / sigma)^2 + 2 log sigma + log 2 pi. A density: its bits are not those of pixels."""

    parameters = 2

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        mu, log_sigma = output.chunk(2, dim=1)
        log_sigma = log_sigma.clamp(min=SMALLEST_LOG_SCALE)
        squares = ((x - mu) * torch.exp(-log_sigma)) ** 2
        return (-0.5 * (squares + math.log(2 * math.pi)) - log_sigma).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output.chunk(2, dim=1)[0].clamp(-1, 1)


@dataclass(frozen=True)
class DiscretisedLogistic:
    """The mass of a logistic distribution in the bin of each grey level (Kingma et al. 2016, arXiv:1606.04934,
    equation 16 in its appendix; Salimans et al. 2017, section 2.1):

        log p = sum log(sigmoid((x + w - mu) / s) - sigmoid((x - w - mu) / s)),  w = 1 / (levels - 1),

    where the darkest and the lightest level reach to infinity, so that the masses of all levels sum to one.
    """

    levels: int = 256
    parameters = 2

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        mu, log_scale = output.chunk(2, dim=1)
        inverse = torch.exp(-log_scale.clamp(min=SMALLEST_LOG_SCALE))
        half = 1 / (self.levels - 1)
        upper, lower = (x - mu + half) * inverse, (x - mu - half) * inverse
        # log(sigmoid(u) - sigmoid(l)) = log sigmoid(u) + log sigmoid(-l) + log(1 - e^(l - u)), stable for all u > l.
        inside = F.logsigmoid(upper) + F.logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))
        darkest, lightest = x < -1 + half, x > 1 - half
        log_mass = torch.where(
            darkest, F.logsigmoid(upper), torch.where(lightest, F.logsigmoid(-lower), inside)
        )
        return log_mass.flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output.chunk(2, dim=1)[0].clamp(-1, 1)


Likelihood = Bernoulli | Gaussian | DiscretisedLogistic

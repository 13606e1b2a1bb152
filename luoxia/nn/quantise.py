"""Between an encoder's maps and codes 0 .. K - 1: Gumbel-softmax, vectors that follow their cells, finite scalars.

A quantiser takes h (B, ``inputs``, h, w) and gives :class:`Quantised`: codes (B, h, w) int64, values
(B, ``outputs``, h, w) float32 for the decoder with a gradient to h, and a scalar that the loss adds. ``code`` and
``value`` are the two halves of it that generation needs. In training ``forward`` draws from the generator that it is
given, what it remembers from step to step stands in buffers, and ``anneal`` tells it the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Quantised(NamedTuple):
    """``codes`` (B, h, w) int64 in 0 .. K - 1, ``values`` (B, C, h, w) float32, ``cost`` a scalar."""

    codes: Tensor
    values: Tensor
    cost: Tensor


class Quantiser(nn.Module):
    """What the three share. ``codes`` is K; ``inputs`` and ``outputs`` are channels."""

    codes: int
    inputs: int
    outputs: int

    def forward(self, h: Tensor, generator: torch.Generator | None = None) -> Quantised:
        raise NotImplementedError

    def code(self, h: Tensor) -> Tensor:
        """The codes (B, h, w) int64 of maps (B, ``inputs``, h, w)."""
        raise NotImplementedError

    def value(self, codes: Tensor) -> Tensor:
        """What the decoder sees of ``codes`` (B, h, w): (B, ``outputs``, h, w) float32."""
        raise NotImplementedError

    def anneal(self, step: int) -> None:
        """Training is at ``step``."""


class FiniteScalar(Quantiser):
    """Each of d channels rounded to one of L_i values (Mentzer et al. 2023, arXiv:2309.15505, section 3.1):

        f(z) = (L - 1) / 2 tanh(z + shift) - offset,   z^ = z + sg(round(f(z)) - z),

    with offset 1/2 and tanh(shift) (L - 1) / 2 = 1/2 for even L, 0 for odd. K = prod L_i; there is no codebook to
    learn or to lose. Values are scaled to [-1, 1] by L // 2. The first channel is the code's lowest digit.
    """

    levels: Tensor
    basis: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"levels is {levels}; each channel of a finite scalar quantiser has at least 2")
        self.inputs = self.outputs = len(levels)
        self.codes = math.prod(levels)
        sizes = torch.tensor(levels)
        basis = torch.cumprod(torch.tensor([1, *levels[:-1]]), 0)
        self.register_buffer("levels", sizes.view(-1, 1, 1), persistent=False)
        self.register_buffer("basis", basis.view(-1, 1, 1), persistent=False)

    def bound(self, h: Tensor) -> Tensor:
        """f(z), whose rounding is one of L_i whole numbers."""
        half = (self.levels - 1) * (1 + 1e-3) / 2  # a little more, so that the outer ones are reached
        offset = (self.levels % 2 == 0) * 0.5
        return torch.tanh(h.float() + torch.atanh(offset / half)) * half - offset

    def forward(self, h: Tensor, generator: torch.Generator | None = None) -> Quantised:  # noqa: ARG002
        bounded = self.bound(h)
        whole = bounded.round()
        values = (bounded + (whole - bounded).detach()) / (self.levels // 2)
        return Quantised(self._number(whole), values, bounded.new_zeros(()))

    def code(self, h: Tensor) -> Tensor:
        return self._number(self.bound(h).round())

    def value(self, codes: Tensor) -> Tensor:
        digits = codes[:, None] // self.basis % self.levels
        return (digits - self.levels // 2).float() / (self.levels // 2)

    def _number(self, whole: Tensor) -> Tensor:
        return ((whole.long() + self.levels // 2) * self.basis).sum(1)


class VectorQuantiser(Quantiser):
    """The nearest of K vectors e_i, which follow the mean of what falls to them (van den Oord et al. 2017,
    arXiv:1711.00937, appendix A.1): with n_i vectors z in the cell of i at a step,

        N_i <- gamma N_i + (1 - gamma) n_i,   m_i <- gamma m_i + (1 - gamma) sum z,   e_i = m_i / N_i,

    where m_i = N_i e_i need not be kept, and a cost of ``commitment`` E ||z - sg(e)||^2 (equation 3 there). Gradients pass straight through.

    A code whose N_i is below ``dead`` of the mean is put on a vector of the batch at hand, and begins with the mean's
    N (Dhariwal et al. 2020, arXiv:2005.00341, section 3.1). So do all of them at the first step.
    """

    vectors: Tensor
    count: Tensor

    def __init__(
        self, codes: int, width: int, *, gamma: float = 0.99, commitment: float = 0.25, dead: float = 0.02
    ) -> None:
        super().__init__()
        if codes < 2 or width < 1:
            raise ValueError(f"a codebook of {codes} vectors of {width} numbers; give at least 2 of 1")
        self.codes, self.inputs, self.outputs = codes, width, width
        self.gamma, self.commitment, self.dead = gamma, commitment, dead
        self.register_buffer("vectors", torch.zeros(codes, width))
        self.register_buffer("count", torch.zeros(codes))

    def forward(self, h: Tensor, generator: torch.Generator | None = None) -> Quantised:
        h = h.float()
        if self.training:
            self._revive(_rows(h.detach()), generator)
        codes = self.code(h)
        value = self.value(codes)
        cost = self.commitment * F.mse_loss(h, value)
        if self.training:
            self._follow(_rows(h.detach()), codes.flatten())
            value = h + (value - h).detach()
        return Quantised(codes, value, cost)

    @torch.no_grad()
    def code(self, h: Tensor) -> Tensor:
        rows = _rows(h.float())
        with torch.autocast(h.device.type, enabled=False):  # near vectors are not told apart in bf16
            distance = self.vectors.square().sum(1) - 2 * rows @ self.vectors.T  # ||z||^2 is the same for all
        return distance.argmin(1).view(len(h), *h.shape[2:])

    def value(self, codes: Tensor) -> Tensor:
        return self.vectors[codes].permute(0, 3, 1, 2)

    @torch.no_grad()
    def _revive(self, rows: Tensor, generator: torch.Generator | None) -> None:
        mean = self.count.mean()
        dead = self.count <= self.dead * mean
        if not dead.any():
            return
        # Drawn for all codes, dead or not, so that what is drawn does not depend on how many are.
        chosen = torch.randint(len(rows), (self.codes,), generator=generator, device=rows.device)
        self.count[dead] = mean if mean > 0 else torch.ones_like(mean)
        self.vectors[dead] = rows[chosen[dead]]
        for buffer in (self.vectors, self.count):
            _from_first(buffer)

    @torch.no_grad()
    def _follow(self, rows: Tensor, codes: Tensor) -> None:
        count = torch.bincount(codes, minlength=self.codes).float()
        total = torch.zeros_like(self.vectors).index_add_(0, codes, rows)
        for seen in (count, total):
            _over_processes(seen)
        total.lerp_(self.vectors * self.count[:, None], self.gamma)
        self.count.lerp_(count, 1 - self.gamma)
        self.vectors.copy_(total / self.count.clamp_min(1e-12)[:, None])


@dataclass(frozen=True)
class Annealing:
    """Temperature from 1 to ``tau`` over ``tau_steps`` and the KL's weight from 0 to ``beta`` over ``kl_steps``,
    both by half a cosine (Ramesh et al. 2021, arXiv:2102.12092, appendix A.2: 1/16 over 150,000, 6.6 over 5,000)."""

    tau: float = 1 / 16
    tau_steps: int = 150_000
    beta: float = 6.6
    kl_steps: int = 5_000

    def at(self, step: int) -> tuple[float, float]:
        """The temperature and the weight at ``step``."""
        return 1 + (self.tau - 1) * _half_cosine(step, self.tau_steps), self.beta * _half_cosine(
            step, self.kl_steps
        )


class GumbelSoftmax(Quantiser):
    """Logits over K codes per place; in training a soft choice (Jang et al. 2016, arXiv:1611.01144, equation 2)

        y_i = softmax((l_i + g_i) / tau),   g_i = -log(-log u),

    whose values are y E for a codebook E (K, ``width``), and at rest the likeliest code. The cost is the weighted
    KL(softmax(l) || uniform) of a place in nats, over the ``pixels`` numbers of the picture that it stands for, as
    the likelihood beside it is per number (Ramesh et al. 2021, appendix A.2).
    """

    def __init__(
        self, codes: int, width: int, *, pixels: int = 192, annealing: Annealing = Annealing()
    ) -> None:
        super().__init__()
        if codes < 2 or width < 1:
            raise ValueError(f"a codebook of {codes} vectors of {width} numbers; give at least 2 of 1")
        self.codes, self.inputs, self.outputs = codes, codes, width
        self.pixels, self.annealing = pixels, annealing
        self.tau, self.beta = annealing.at(0)
        self.vectors = nn.Parameter(torch.randn(codes, width))

    def forward(self, h: Tensor, generator: torch.Generator | None = None) -> Quantised:
        logits = h.float()
        codes = self.code(logits)
        if self.training:
            soft = torch.softmax((logits + gumbel(logits.shape, generator, logits.device)) / self.tau, 1)
            values = torch.einsum("bkhw,kc->bchw", soft, self.vectors.to(soft.dtype))
        else:
            values = self.value(codes)
        cost = self.beta / self.pixels * divergence_from_uniform(logits).mean()
        return Quantised(codes, values.float(), cost)

    def code(self, h: Tensor) -> Tensor:
        return h.argmax(1)

    def value(self, codes: Tensor) -> Tensor:
        return self.vectors[codes].permute(0, 3, 1, 2)

    def anneal(self, step: int) -> None:
        self.tau, self.beta = self.annealing.at(step)


def gumbel(shape: torch.Size, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """-log(-log u), u uniform: argmax(l + g) has the distribution softmax(l)."""
    tiny = torch.finfo(torch.float32).tiny
    u = torch.rand(shape, generator=generator, device=device).clamp_min(tiny)
    return -torch.log(-torch.log(u).clamp_max(-tiny))  # u may be 1 after rounding


def divergence_from_uniform(logits: Tensor) -> Tensor:
    """KL(softmax(l) || uniform over K) = log K - H of logits (B, K, ...), in nats: (B, ...)."""
    log_p = F.log_softmax(logits.float(), 1)
    return (log_p.exp() * log_p).sum(1) + math.log(logits.shape[1])


def _half_cosine(step: int, steps: int) -> float:
    return 0.5 * (1 - math.cos(math.pi * min(1.0, step / steps))) if steps else 1.0


def _rows(h: Tensor) -> Tensor:
    """(B, C, h, w) -> (B h w, C)."""
    return h.permute(0, 2, 3, 1).flatten(0, 2)


def _together() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _over_processes(sums: Tensor) -> None:
    """The sum over all processes, in place."""
    if _together():
        torch.distributed.all_reduce(sums)


def _from_first(tensor: Tensor) -> None:
    """The first process's, in place."""
    if _together():
        torch.distributed.broadcast(tensor, 0)

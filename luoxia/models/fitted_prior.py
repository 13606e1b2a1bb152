"""A prior that follows what an encoder says of pictures, where N(0, 1) would ask a decoder for what it has never seen.

An autoencoder with a weak KL term leaves holes between its codes, and the normal distribution falls into them; drawn from a
density that is fitted to the codes, the same decoder draws what it has learned (Ghosh et al., *From Variational to
Deterministic Autoencoders*, arXiv:1903.12436, section 4). Of each class one normal distribution:

    z = mu_c + L_c e,    e ~ N(0, 1),    L_c L_c^T = Sigma_c.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BETA = 0.9995  # what a code leaves of the moments of its class
LEAST = 1e-4  # added to variances: moments may have been kept in half precision


class FittedPrior(nn.Module):
    """``mean`` (K, D) and ``covariance`` (K, D, D) of the codes of each class, those of N(0, 1) at first."""

    mean: Tensor
    covariance: Tensor

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        count = max(1, classes)
        self.register_buffer("mean", torch.zeros(count, dim))
        self.register_buffer("covariance", torch.eye(dim).repeat(count, 1, 1))

    def forward(self, e: Tensor, c: Tensor | None) -> Tensor:
        """Standard normal (B, D) to z (B, D), of classes (B, K) that may be told in part: the rest stays standard normal."""
        told = self._told(e, c)
        with torch.autocast(e.device.type, enabled=False):
            least = LEAST * torch.eye(e.shape[1], device=e.device)
            root = torch.linalg.cholesky(self.covariance.float() + least)  # (K, D, D)
            z = told @ self.mean.float() + torch.einsum("bk,kde,be->bd", told, root, e)
            return z + (1 - told.sum(1, keepdim=True)) * e

    @torch.no_grad()
    def follow(self, z: Tensor, c: Tensor | None) -> None:
        """Let the moments of each class follow codes (B, D)."""
        told = (self._told(z, c) > 0).float()
        with torch.autocast(z.device.type, enabled=False):
            count = told.sum(0)  # (K,)
            share = 1 - BETA**count
            off = z.float()[:, None] - self.mean  # (B, K, D)
            mean = (told[:, :, None] * off).sum(0) / count.clamp_min(1)[:, None]
            square = torch.einsum("bk,bkd,bke->kde", told, off, off) / count.clamp_min(1)[:, None, None]
            self.mean += share[:, None] * mean
            self.covariance += share[:, None, None] * (square - self.covariance)

    def _told(self, z: Tensor, c: Tensor | None) -> Tensor:
        return z.new_ones(len(z), 1).float() if c is None else c.float()

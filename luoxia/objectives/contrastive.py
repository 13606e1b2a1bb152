r"""The symmetric contrastive loss of CLIP (Radford et al. 2021, figure 3; Oord et al. 2018), over all processes' batch.

.. math::
    L = -\frac{1}{2N} \sum_i \Bigl( \sum_j \frac{P_{ij}}{\sum_k P_{ik}} \ln \frac{e^{s_{ij}}}{\sum_k e^{s_{ik}}}
        + \sum_j \frac{P_{ji}}{\sum_k P_{ki}} \ln \frac{e^{s_{ji}}}{\sum_k e^{s_{ki}}} \Bigr),
    \qquad s_{ij} = \mathrm{scale} \cdot \langle \mathrm{image}_i, \mathrm{text}_j \rangle

P_ij is 1 where text j describes picture i. With P the identity this is CLIP's loss. In sets where many pictures share a
caption the text of another picture may be true of this one too: such pairs are no negatives, and share the target
evenly (Yang et al. 2022, UniCL, arXiv:2204.03610, equation 3).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from luoxia.objectives.phase import Loss


class _Gather(torch.autograd.Function):
    """(B, D) of each process -> (world B, D), in the order of ranks; slopes come back from all processes' losses."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        ctx.rows = len(mine)
        parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, mine.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        summed = slopes[0].contiguous()
        dist.all_reduce(summed)
        first = dist.get_rank() * ctx.rows
        return summed[first : first + ctx.rows]


def gathered(mine: Tensor) -> Tensor:
    """``mine`` (B, ...) of every process, one below another; itself where there is one process alone.

    Slopes go through it: each process's is the sum over what all processes' losses say of its rows.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return mine
    return _Gather.apply(mine)  # type: ignore[return-value]


def contrastive_loss(
    image: Tensor, text: Tensor, scale: Tensor, described: Tensor | None = None, says: Tensor | None = None
) -> Loss:
    """The mean over this process's rows, whose mean over processes is the loss of the whole batch.

    Args:
        image, text: (B, D) unit vectors, row i a pair.
        scale: exp(logit_scale), one number.
        described: (B, L) int64, for each picture the keys of the texts that describe it.
        says: (B,) int64, the key of each text. Texts of one key say the same. Both or neither.

    Notes ``contrastive`` and the shares ``image_to_text``, ``text_to_image`` of rows whose nearest is a true one.
    """
    batch, width = image.shape
    all_vectors = gathered(torch.cat([image, text], 1))
    images, texts = all_vectors.split(width, 1)  # (N, D)
    rank = dist.get_rank() if len(images) > batch else 0
    own = torch.arange(batch, device=image.device)[:, None] + rank * batch
    if described is None or says is None:
        fits = fits_text = own == torch.arange(len(images), device=image.device)
    else:
        keys = gathered(torch.cat([described, says[:, None]], 1))
        fits = (described[:, None] == keys[None, :, -1:]).any(-1)  # (B, N): texts of my pictures
        fits_text = (says[:, None, None] == keys[None, :, :-1]).any(-1)  # (B, N): pictures of my texts
    with torch.autocast(image.device.type, enabled=False):
        by_image = scale.float() * (image.float() @ texts.float().T)
        by_text = scale.float() * (text.float() @ images.float().T)
        value = (_cross_entropy(by_image, fits) + _cross_entropy(by_text, fits_text)) / 2
    assert bool(fits.gather(1, own).all()), "a text must describe its own picture"
    return Loss(
        value,
        {
            "contrastive": value.detach(),
            "image_to_text": _hits(by_image, fits),
            "text_to_image": _hits(by_text, fits_text),
        },
    )


def _cross_entropy(logits: Tensor, fits: Tensor) -> Tensor:
    """To the even distribution over what fits, the mean over rows."""
    return -((logits.log_softmax(1) * fits).sum(1) / fits.sum(1)).mean()


def _hits(logits: Tensor, fits: Tensor) -> Tensor:
    return fits.gather(1, logits.argmax(1, keepdim=True)).float().mean()

"""What a language model learns by: the next token (Radford et al. 2019; Brown et al. 2020, section 2.1).

    L = -1/n sum_i log p(s_{i+1} | s_1 .. s_i)

over the n tokens that are told; where learning is from answers only, those of the questions are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from luoxia.nn.head_loss import UNTOLD, head_loss
from luoxia.objectives.phase import Draw, Loss

Look = Callable[[Tensor], tuple[Tensor, Tensor, Tensor | None]]
Hidden = Callable[[Tensor, Tensor | None], Tensor]


def language_loss(
    hidden: Tensor, head: Tensor, targets: Tensor, bytes_per_token: float | None = None
) -> Loss:
    """Mean cross entropy in nats over the ``targets`` that are not -100.

    hidden (B, T, C) before the head; head (V, C), its matrix; targets (B, T) int64. Notes: ``nats_per_token``,
    ``accuracy``, and ``bits_per_byte`` where it is known how many bytes of text a token stands for.
    """
    flat = targets.reshape(-1)
    total, hits = head_loss(hidden.reshape(-1, hidden.shape[-1]), head, flat)
    count = (flat != UNTOLD).sum().clamp(min=1)
    value = total / count
    notes = {"nats_per_token": value.detach(), "accuracy": hits / count}
    if bytes_per_token:
        notes["bits_per_byte"] = value.detach() / (math.log(2) * bytes_per_token)
    return Loss(value, notes)


@dataclass
class NextWord:
    """``look`` gives the ids (B, T), targets (B, T) and, where attention is to keep within documents, their numbers
    (B, T) of the examples at places (B,); ``hidden`` what a model makes of ids; ``head`` its last matrix as it stands."""

    look: Look
    hidden: Hidden
    head: Callable[[], Tensor]
    bytes_per_token: float | None = None

    def __call__(self, draw: Draw) -> Loss:
        assert draw.index is not None
        ids, targets, documents = self.look(draw.index)
        return language_loss(self.hidden(ids, documents), self.head(), targets, self.bytes_per_token)

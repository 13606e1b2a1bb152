"""What fine-tuning learns by: the next token of answers alone, in rows that hold several conversations.

    L = -1/n sum log p(a_{i+1} | q, a_1 .. a_i)

over the n tokens of the answers a to the questions q; no conversation sees another one of its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.nn.documents import Documents
from luoxia.nn.head_loss import UNTOLD
from luoxia.objectives.language import language_loss
from luoxia.objectives.phase import Draw, Loss

ROUND = 128  # kernels are compiled for each size they meet


@dataclass(frozen=True)
class Packed:
    """``ids``, ``targets`` and ``documents`` (N, T): rows of tokens, what is learned behind each of them (-100: nothing), and
    which document each is of (-1: none)."""

    ids: Tensor
    targets: Tensor
    documents: Tensor

    def flat(self, index: Tensor) -> tuple[Tensor, Tensor, Documents]:
        """Rows ``index`` one behind the other: ids and targets (1, M) int64; padding is a silent document of its own."""
        rows = index.cpu()
        numbers = self.documents[rows]
        own = numbers + (torch.arange(len(rows)) * (int(numbers.max()) + 2))[:, None]  # no number in two rows
        _, inverse, counts = torch.unique_consecutive(own, return_inverse=True, return_counts=True)
        silent = inverse[numbers < 0].unique().tolist()
        ids, targets = (t[rows].long().view(1, -1).to(index.device) for t in (self.ids, self.targets))
        return ids, targets, Documents(counts.tolist(), silent)


@dataclass(frozen=True)
class NextAnswer:
    """``hidden`` is what a model makes of ids (1, M) and the documents they are; ``head`` its last matrix (V, C) as it
    stands."""

    rows: Packed
    hidden: Callable[[Tensor, Documents], Tensor]
    head: Callable[[], Tensor]

    def __call__(self, draw: Draw) -> Loss:
        assert draw.index is not None
        ids, targets, documents = self.rows.flat(draw.index)
        # The head is a fifth of a small model: it is asked for answers alone, and for a round number of tokens.
        told = (targets[0] != UNTOLD).nonzero()[:, 0]
        spare = -len(told) % ROUND
        places = F.pad(told, (0, spare))
        wanted = F.pad(targets[0][told], (0, spare), value=UNTOLD)
        hidden = self.hidden(ids, documents)[0, places]
        return language_loss(hidden[None], self.head(), wanted[None])

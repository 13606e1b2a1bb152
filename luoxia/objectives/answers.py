"""What fine-tuning learns by: the next token of answers alone, in rows that hold several conversations.

    L = -1/n sum log p(a_{i+1} | q, a_1 .. a_i)

over the n tokens of the answers a to the questions q; no conversation sees another one of its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from luoxia.nn.documents import Documents
from luoxia.nn.head_loss import UNTOLD
from luoxia.objectives.language import language_loss
from luoxia.objectives.phase import Draw, Loss


@dataclass(frozen=True)
class Packed:
    """``ids``, ``targets`` and ``documents`` (N, T): rows of tokens, what is learned behind each of them (-100: nothing), and
    which document each is of (-1: none)."""

    ids: Tensor
    targets: Tensor
    documents: Tensor

    def flat(self, index: Tensor) -> tuple[Tensor, Tensor, Documents]:
        """The documents of rows ``index`` one behind the other, without padding: ids and targets (1, M) int64."""
        rows = index.cpu()
        numbers = self.documents[rows]
        kept = numbers >= 0
        own = numbers + (torch.arange(len(rows)) * (int(numbers.max()) + 1))[:, None]  # no number in two rows
        _, counts = torch.unique_consecutive(own[kept], return_counts=True)
        ids, targets = (t[rows][kept].long()[None].to(index.device) for t in (self.ids, self.targets))
        return ids, targets, Documents(counts.tolist())


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
        told = targets[0] != UNTOLD  # the head is a fifth of a small model: it is asked for answers alone
        hidden = self.hidden(ids, documents)[0]
        return language_loss(hidden[told][None], self.head(), targets[0][told][None])

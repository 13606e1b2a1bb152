r"""How well a language model foretells a text: perplexity, and bits per byte, which vocabularies do not change.

.. math:: \mathrm{PPL} = \exp\Big(-\frac{1}{n} \sum_i \ln p(x_i | x_{i-w} .. x_{i-1})\Big), \qquad
          \mathrm{bpb} = \frac{-\sum_i \log_2 p(x_i | \ldots)}{\text{bytes of } x}

A text longer than the window is read in windows that move on by ``stride`` tokens: every token but those of the first
window is foretold from ``window - stride`` others at least. The first token of all is told nothing and is not counted,
nor are its bytes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import torch

from luoxia.core.errors import UserError
from luoxia.models.gpt import GPT

ROWS = 128  # of logits held at once
WINDOW = 1024  # tokens, or the model's context where that is less


@dataclass(frozen=True)
class Perplexity:
    """``tokens`` counted and their ``size`` in bytes of UTF-8; ``nats`` a token."""

    tokens: int
    size: int
    nats: float
    window: int
    stride: int

    @property
    def perplexity(self) -> float:
        return math.exp(self.nats)

    @property
    def bits_per_byte(self) -> float:
        return self.nats * self.tokens / (math.log(2) * self.size)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"perplexity": self.perplexity, "bits_per_byte": self.bits_per_byte}


@torch.inference_mode()
def perplexity(
    network: GPT,
    ids: Sequence[int],
    size: int,
    *,
    window: int | None = None,
    stride: int | None = None,
    lock: threading.Lock | None = None,
    heard: Callable[[int, int], None] = lambda *_: None,
) -> Perplexity:
    """Of the text ``ids`` whose tokens from the second on are ``size`` bytes.

    ``window`` is at most the context (1,024 or that, by default), ``stride`` at most the window (half of it). Raises
    :class:`UserError` for sizes that cannot be, and for a text of less than two tokens.
    """
    w = min(WINDOW, network.config.block_size) if window is None else window
    s = max(1, w // 2) if stride is None else stride
    if not 2 <= w <= network.config.block_size or not 1 <= s < w:
        raise UserError(
            f"window {w} and stride {s}: give a window of 2 to {network.config.block_size} tokens and a stride below it",
            f"窗口 {w}，步长 {s}：窗口应为 2 到 {network.config.block_size} 个词元，步长应小于窗口",
        )
    if len(ids) < 2 or size < 1:
        raise UserError(
            "the text has less than two tokens; there is nothing to foretell",
            "文本不足两个词元，无可预测",
        )
    device = next(iter(network.norm.parameters())).device
    total, counted = 0.0, 1  # tokens that are accounted for, the first one among them
    while counted < len(ids):
        end = min(w if counted == 1 else counted + s, len(ids))
        begin = max(0, end - w)
        with lock or nullcontext():
            hidden = network.hidden(torch.tensor([ids[begin : end - 1]], device=device))[0]
            total += _nats(network, hidden[counted - 1 - begin :], ids[counted:end])
        counted = end
        heard(counted, len(ids))
    return Perplexity(len(ids) - 1, size, total / (len(ids) - 1), w, s)


def _nats(network: GPT, hidden: torch.Tensor, targets: Sequence[int]) -> float:
    """-sum ln p of ``targets`` (n,) behind the rows of ``hidden`` (n, C)."""
    total = 0.0
    for at in range(0, len(hidden), ROWS):
        logits = network.logits(hidden[at : at + ROWS]).float()
        wanted = torch.tensor(targets[at : at + ROWS], device=logits.device)
        total += torch.nn.functional.cross_entropy(logits, wanted, reduction="none").double().sum().item()
    return total

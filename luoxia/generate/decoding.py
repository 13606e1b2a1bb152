"""Prompt to logits, and token to logits: the two moves of autoregressive decoding, over one cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from luoxia.core import seeds
from luoxia.generate.fused import FusedDecoder
from luoxia.generate.sampling import Chooser, Sampling
from luoxia.models.gpt import GPT

CHUNK = 512  # tokens of a prompt computed at once: what bounds its memory and the time until a stop is heeded


class Decoding:
    """One sample of ``model`` with room for ``size`` tokens; ``fused`` takes single tokens when it is given.

    ``lock`` is held while the model computes and never in between, so that a sample which nobody asks for more
    keeps no other from going on.
    """

    def __init__(self, model: GPT, size: int, fused: FusedDecoder | None, lock: threading.Lock) -> None:
        self.model, self.fused, self.lock = model, fused, lock
        self.cache = model.cache(1, size, dtype=torch.bfloat16 if fused else None)

    @torch.inference_mode()
    def prefill(
        self, ids: Sequence[int], stopped: Callable[[], bool] = lambda: False
    ) -> NDArray[np.float32] | None:
        """Logits (V,) after ``ids``, computed by chunks; None when ``stopped`` said so in between."""
        device = self.cache.k.device
        hidden = None
        for at in range(0, len(ids), CHUNK):
            if stopped():
                return None
            with self.lock:
                hidden = self.model.hidden(torch.tensor([ids[at : at + CHUNK]], device=device), self.cache)
        assert hidden is not None
        with self.lock:
            return self.model.logits(hidden[0, -1:]).float().cpu().numpy()[0]

    @torch.inference_mode()
    def step(self, token: int) -> NDArray[np.float32]:
        """Logits (V,) after ``token``."""
        if self.fused:
            with self.lock:
                return self.fused.step(token, self.cache)
        ids = torch.tensor([[token]], device=self.cache.k.device)
        with self.lock:
            return self.model(ids, self.cache)[0, -1].float().cpu().numpy()


class BatchDecoding:
    """Several samples side by side, prompts padded at the left; row i of the logits is sample i."""

    def __init__(self, model: GPT, prompts: Sequence[Sequence[int]], new: int, pad: int = 0) -> None:
        self.model = model
        longest = max(map(len, prompts))
        device = next(iter(model.norm.parameters())).device
        start = torch.tensor([longest - len(p) for p in prompts], device=device)
        self._ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=device)
        self.cache = model.cache(len(prompts), longest + new, start=start if start.any() else None)

    @torch.inference_mode()
    def prefill(self) -> NDArray[np.float32]:
        """Logits (B, V) after every prompt."""
        hidden = None
        for ids in self._ids.split(CHUNK, dim=1):
            hidden = self.model.hidden(ids, self.cache)
        assert hidden is not None
        return self.model.logits(hidden[:, -1]).float().cpu().numpy()

    @torch.inference_mode()
    def step(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Logits (B, V) after one more token each."""
        ids = torch.tensor(tokens, device=self.cache.k.device)[:, None]
        return self.model(ids, self.cache)[:, -1].float().cpu().numpy()


def continued(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    new: int,
    sampling: Sampling,
    seed: int,
    *,
    ends: Collection[int] = (),
    first: int = 0,
) -> list[list[int]]:
    """What ``model`` writes behind each of ``prompts``: ``new`` tokens, or up to one of ``ends``, which is then the last
    of its row. The prompts are samples ``first``, ``first`` + 1, ... of ``seed``, and each draws from its own number alone."""
    decoding = BatchDecoding(model, prompts, new)
    choose = [Chooser(sampling, seeds.generator(seed, first + i)) for i in range(len(prompts))]
    rows: list[list[int]] = [[] for _ in prompts]
    logits = decoding.prefill()
    for left in range(new, 0, -1):
        for row, chosen, found in zip(rows, choose, logits, strict=True):
            if not row or row[-1] not in ends:
                row.append(chosen(found, row))
        if left == 1 or all(row[-1] in ends for row in rows):
            break
        logits = decoding.step([row[-1] for row in rows])
    return rows

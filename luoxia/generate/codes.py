"""Codes of pictures drawn from a DALL·E one after the other, many pictures at a time, over one cache.

With classifier-free guidance each picture is followed twice, with its caption and without one (Ho and Salimans 2022,
arXiv:2207.12598, equation 6, in logits):

    l = l(no caption) + guidance (l(caption) - l(no caption))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.generate.code_step import Stepper
from luoxia.generate.drawing_order import Knobs
from luoxia.models.captions import BEGIN, END, PAD
from luoxia.models.dalle import Dalle
from luoxia.nn.attention import KVCache

FREE = -1  # in the place of a code that is to be drawn
Watch = Callable[[Tensor, int], None]  # hears the codes (B, n), and how many of each picture are decided


@dataclass(frozen=True)
class Drawn:
    """``codes`` (B, n) int64. ``fit`` (B,) float32: log-probability of the given codes that stand behind drawn ones,
    under the caption; how well what was drawn leads up to what was there, 0 where nothing was."""

    codes: Tensor
    fit: Tensor


@torch.inference_mode()
def draw_codes(
    model: Dalle,
    ids: Tensor,
    uniforms: Tensor,
    knobs: Knobs = Knobs(),
    *,
    given: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    watch: Watch = lambda *_: None,
) -> Drawn:
    """Pictures for captions ``ids`` (B, T): picture i follows from its caption and ``uniforms[i]`` (n numbers in [0, 1))
    alone. Codes of ``given`` (B, n) that are not ``FREE`` stay as they are. ``dtype`` is that of the products of steps."""
    n, batch, device = model.config.places, len(ids), model.words.device
    ids, uniforms = ids.to(device), uniforms.to(device)
    codes = torch.full((batch, n), FREE, device=device) if given is None else given.to(device).clone()
    free = codes == FREE
    if not free.any():
        return Drawn(codes, torch.zeros(batch, device=device))
    first = int(free.any(0).int().argmax())  # what comes before is given in all pictures
    guided = knobs.guidance != 1
    cache, hidden = _begin(model, ids, codes[:, :first], guided)
    step = Stepper(model, dtype)
    at = (model.rows[:, None] + model.columns[None]).flatten(0, 1)  # (n, C)
    fit = torch.zeros(batch, device=device)
    for i in range(first, n):
        logits = model.head(hidden).float()
        told = logits[:batch]
        wanted = torch.lerp(logits[batch:], told, knobs.guidance) if guided else told
        if free[:, i].any():
            drawn = choose(wanted, uniforms[:, i], knobs)
            codes[:, i] = torch.where(free[:, i], drawn, codes[:, i])
        if given is not None:
            each = told.log_softmax(-1).gather(1, codes[:, i : i + 1])[:, 0]
            fit += torch.where(free[:, i], 0, each)
        watch(codes, i + 1)
        if i + 1 < n:
            x = F.embedding(codes[:, i], model.codes) + at[i]
            hidden = step(x.repeat(2, 1) if guided else x, cache)
    return Drawn(codes, fit)


def _begin(model: Dalle, ids: Tensor, codes: Tensor, guided: bool) -> tuple[KVCache, Tensor]:
    """The cache behind captions and the codes (B, m) that are given in all pictures, and the last hidden state (R, C):
    R = B rows with captions, then, where ``guided``, as many without. Where all are alike, one of each is computed."""
    batch = len(ids)
    alike = bool((ids == ids[:1]).all() and (codes == codes[:1]).all())
    if alike:
        ids, codes = ids[:1], codes[:1]
    if guided:
        ids, codes = torch.cat([ids, untold(model).expand_as(ids)]), codes.repeat(2, 1)
    cache = model.cache(len(ids))
    x = torch.cat([model.embed_text(ids), model.embed_codes(codes, 0)], 1)
    hidden = model.run(x, cache)[:, -1]
    return (_spread(cache, batch), hidden.repeat_interleave(batch, 0)) if alike else (cache, hidden)


def _spread(cache: KVCache, times: int) -> KVCache:
    layers, batch, heads, size, hs = cache.k.shape
    wide = KVCache(layers, batch * times, heads, size, hs, dtype=cache.k.dtype, device=cache.k.device)
    wide.length = cache.length
    for to, of in ((wide.k, cache.k), (wide.v, cache.v)):
        to[..., : cache.length, :] = of[..., : cache.length, :].repeat_interleave(times, 1)
    return wide


def untold(model: Dalle) -> Tensor:
    """(T,): the caption of no caption."""
    return untold_ids(model.config.text_length).to(model.words.device)


def untold_ids(length: int) -> Tensor:
    ids = torch.full((length,), PAD)
    ids[0], ids[1] = BEGIN, END
    return ids


def choose(logits: Tensor, uniform: Tensor, knobs: Knobs) -> Tensor:
    """One code for each row of ``logits`` (B, K), by inversion of ``uniform`` (B,) in [0, 1): top-k, then top-p of what
    is left (Holtzman et al. 2020, equation 2), each row by itself."""
    if knobs.temperature == 0:
        return logits.argmax(-1)
    logits = logits / knobs.temperature
    narrowed = bool(knobs.top_k) or knobs.top_p < 1
    order = None
    if narrowed:
        k = min(knobs.top_k or logits.shape[-1], logits.shape[-1])
        logits, order = logits.topk(k, -1)  # from the likeliest on
    shares = logits.double().softmax(-1)
    mass = shares.cumsum(-1)
    if narrowed:
        kept = mass - shares < knobs.top_p
        kept[:, 0] = True
        mass = (shares * kept).cumsum(-1)
        last = kept.sum(-1) - 1
    else:
        last = torch.full((len(logits),), logits.shape[-1] - 1, device=logits.device)
    place = (mass <= uniform[:, None].double() * mass[:, -1:]).sum(-1).minimum(last)
    return place if order is None else order.gather(1, place[:, None])[:, 0]

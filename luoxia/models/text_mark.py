"""The mark in a text's choice of tokens: one number for each token behind each context, and what a text's numbers say.

Every token v that may follow the last ``CONTEXT`` tokens c has a number u(c, v), 0 < u < 1, which a hash gives. Whoever
writes takes the token with the largest l_v - ln(-ln u_v), l being the logits: over hashes that is one draw from softmax(l)
(Gumbel-max; as a mark: Aaronson 2022, in Kuditipudi et al., arXiv:2307.15593). Of a text that was not written so, tokens
and numbers know nothing of each other, so that each -ln(1 - u) is exponential with mean 1, and the sum of n of them

    S = sum of -ln(1 - u(c_t, x_t)),    P(S >= s) = e^-s sum over k < n of s^k / k!.

Written with the mark, S is larger. A context counts once, where it comes first: numbers that came twice would not be
independent, neither for who writes nor for who reads.

The hash has no secret, so anybody can read the mark, and remove it, or write it on purpose: it is a trace, not a proof. It
has ``VARIANTS`` forms, of which one seed takes one, so that a prompt still gives other texts with other seeds; a reader
tries all of them and pays for it in P.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONTEXT = 2  # tokens: with more, a changed word spoils the numbers of more tokens behind it
VARIANTS = 16
# Fractions of the square roots of 2, 3 and 5, odd, as numbers that nobody chose.
_KEY, _STEP, _TOKEN = 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B


def numbers(contexts: NDArray[np.int64], tokens: NDArray[np.int64], variant: int) -> NDArray[np.float64]:
    """u(c, v), float64 in (0, 1), shape (...): of contexts (..., CONTEXT) and tokens (...), which broadcast."""
    state = np.array((_KEY + variant * _STEP) % 2**64, np.uint64)
    for at in range(CONTEXT):
        state = _mixed(state ^ (contexts[..., at].astype(np.uint64) + np.uint64(1)) * np.uint64(_STEP))
    state = _mixed(state ^ (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(_TOKEN))
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014, figure 16, with Stafford's variant 13)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True)
class Reading:
    """``tokens`` is the n that counted; ``chance`` bounds the probability that a text without the mark reads so."""

    tokens: int
    chance: float


def read(ids: Sequence[int]) -> Reading:
    """What the tokens of a text say, in the variant that speaks loudest."""
    text = np.asarray(ids, np.int64)
    if len(text) <= CONTEXT:
        return Reading(0, 1.0)
    contexts = np.lib.stride_tricks.sliding_window_view(text, CONTEXT)[:-1]
    first = np.sort(np.unique(contexts, axis=0, return_index=True)[1])
    contexts, tokens = contexts[first], text[CONTEXT:][first]
    most = max(-np.log1p(-numbers(contexts, tokens, variant)).sum() for variant in range(VARIANTS))
    return Reading(len(tokens), min(1.0, VARIANTS * tail(len(tokens), float(most))))


def tail(n: int, s: float) -> float:
    """P(S >= s) of the sum of n exponential numbers with mean 1 (the tail of Erlang's distribution)."""
    k = np.arange(n)
    logs = k * math.log(s) - s - np.concatenate(([0.0], np.cumsum(np.log(k[1:]))))
    top = float(logs.max())
    return min(1.0, math.exp(top + math.log(float(np.exp(logs - top).sum()))))

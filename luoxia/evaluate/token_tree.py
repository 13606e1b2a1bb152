"""Log-probabilities of many answers to many contexts, every token that they share computed once.

    log p(a | c) = sum_i log p(a_i | c, a_1 .. a_{i-1})

Few-shot prompts (Brown et al. 2020, arXiv:2005.14165, section 2.4) repeat themselves: the examples stand before every
item, and an item before each of its choices. What all of them begin with is computed once and kept as keys and values;
the rest becomes a tree of tokens, in which each sees what stands before it on its own branch and nothing else, and goes
through the network side by side without any padding. The last token of an answer needs no pass at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from luoxia.models.gpt import GPT
from luoxia.nn.attention import Branches, KVCache

NODES = 512  # tokens of one pass
CHUNK = 512  # tokens of the common beginning computed at once
ROWS = 128  # rows of logits held at once

Heard = Callable[[int], None]


@dataclass(frozen=True)
class Request:
    """How likely is ``answer`` behind ``context``: token ids, at least one each. ``end`` asks also for what would come
    behind the answer."""

    context: tuple[int, ...]
    answer: tuple[int, ...]
    end: bool = False

    def __post_init__(self) -> None:
        assert self.context
        assert self.answer

    @property
    def read(self) -> tuple[int, ...]:
        """The tokens that the network has to see."""
        return self.context + (self.answer if self.end else self.answer[:-1])


@dataclass(frozen=True)
class Scored:
    """``logprobs`` (n,) float64 in nats of the answer's tokens; ``likeliest`` (n,) bool, whether each was the likeliest;
    ``next``, the likeliest token behind the answer, or -1 where it was not asked for."""

    logprobs: NDArray[np.float64]
    likeliest: NDArray[np.bool_]
    next: int = -1

    @property
    def total(self) -> float:
        """log p(a | c), in nats."""
        return float(self.logprobs.sum())


@torch.inference_mode()
def score(
    network: GPT,
    requests: Sequence[Request],
    *,
    nodes: int = NODES,
    lock: threading.Lock | None = None,
    heard: Heard = lambda _: None,
) -> list[Scored]:
    """Every request's score, in their order. A context with its answer must fit ``block_size``.

    ``lock`` is held while the network computes; ``heard`` is told how many requests are done.
    """
    out: list[Scored | None] = [None] * len(requests)
    held = lock or nullcontext()
    done = 0

    def run(places: list[int]) -> None:
        nonlocal done
        for at, scored in zip(
            places, _together(network, [requests[i] for i in places], nodes, held), strict=True
        ):
            out[at] = scored
            done += 1
            heard(done)

    alone, rest = list[int](), list[int]()
    shared = common([r.context[:-1] for r in requests])
    for i, request in enumerate(requests):
        (alone if len(request.read) - shared > nodes else rest).append(i)
    for same in _by_context(requests, alone):  # a long context becomes a common beginning of its own
        run(same)
    if rest:
        run(rest)
    return [scored for scored in out if scored is not None]


def _together(
    network: GPT, requests: Sequence[Request], nodes: int, held: AbstractContextManager[object]
) -> list[Scored]:
    first = common([r.context[:-1] for r in requests])
    trees = _planted(requests, first, nodes)
    device = next(iter(network.norm.parameters())).device
    cache = network.cache(1, first + max(len(tree.tokens) for tree in trees))
    for at in range(0, first, CHUNK):
        with held:
            network.hidden(
                torch.tensor([requests[0].context[at : min(at + CHUNK, first)]], device=device), cache
            )
    return [scored for tree in trees for scored in _grown(network, tree, cache, held)]


class _Tree:
    """Branches of requests behind what they have in common. Node i is token ``tokens[i]`` behind node ``parents[i]``,
    -1 for none."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.tokens, self.parents, self.depth = list[int](), list[int](), list[int]()
        self.requests = list[tuple[Request, list[int]]]()  # each with the nodes that its tokens are
        self._children = dict[tuple[int, int], int]()

    def missing(self, request: Request) -> int:
        """How many nodes ``request`` would add."""
        branch, at = request.read[self.first :], -1
        for i, token in enumerate(branch):
            at = self._children.get((at, token), -2)
            if at == -2:
                return len(branch) - i
        return 0

    def add(self, request: Request) -> None:
        at, path = -1, list[int]()
        for i, token in enumerate(request.read[self.first :]):
            found = self._children.get((at, token))
            if found is None:
                found = self._children[at, token] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(at)
                self.depth.append(i)
            path.append(at := found)
        self.requests.append((request, path))

    def branches(self, device: torch.device) -> Branches:
        sees = np.eye(len(self.tokens), dtype=bool)
        for i, parent in enumerate(self.parents):
            if parent >= 0:
                sees[i] |= sees[parent]
        return Branches(torch.tensor(self.depth, device=device), torch.from_numpy(sees).to(device))


def _planted(requests: Sequence[Request], first: int, nodes: int) -> list[_Tree]:
    """Trees of up to ``nodes`` tokens, or of one request that has more."""
    trees = [_Tree(first)]
    for request in requests:
        size = len(trees[-1].tokens)
        if size and size + trees[-1].missing(request) > nodes:
            trees.append(_Tree(first))
        trees[-1].add(request)
    return trees


def _grown(network: GPT, tree: _Tree, cache: KVCache, held: AbstractContextManager[object]) -> list[Scored]:
    """One pass over ``tree`` behind the ``tree.first`` tokens that ``cache`` holds; then it holds no more than these."""
    device = cache.k.device
    asked = list[tuple[int, int]]()  # (node before, token)
    for request, path in tree.requests:
        before = len(request.context) - tree.first - 1
        asked += [(path[before + i], token) for i, token in enumerate(request.answer)]
        if request.end:
            asked.append((path[-1], 0))
    places, which = np.unique([place for place, _ in asked], return_inverse=True)
    tokens = np.array([token for _, token in asked])
    cache.length, cache.branches = tree.first, tree.branches(device)
    try:
        with held:
            hidden = network.hidden(torch.tensor([tree.tokens], device=device), cache)[0]
            values, best = _likelihoods(network, hidden[torch.from_numpy(places).to(device)], which, tokens)
    finally:
        cache.length, cache.branches = tree.first, None
    out, at = list[Scored](), 0
    for request, _ in tree.requests:
        end = at + len(request.answer)
        hit = best[at:end] == tokens[at:end]
        out.append(Scored(values[at:end], hit, int(best[end]) if request.end else -1))
        at = end + request.end
    return out


def _likelihoods(
    network: GPT, hidden: torch.Tensor, which: NDArray[np.int64], tokens: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """log p of each of ``tokens`` (n,) at the row ``which`` of ``hidden`` (M, C), and the likeliest token there."""
    values, best = np.empty(len(tokens)), np.empty(len(tokens), np.int64)
    for at in range(0, len(hidden), ROWS):
        logits = network.logits(hidden[at : at + ROWS]).float()  # (<= ROWS, V)
        here = np.flatnonzero((which >= at) & (which < at + ROWS))
        rows = torch.from_numpy(which[here] - at).to(logits.device)
        chosen = logits[rows, torch.from_numpy(tokens[here]).to(logits.device)]
        values[here] = (chosen - logits.logsumexp(-1)[rows]).double().cpu().numpy()
        best[here] = logits.argmax(-1)[rows].cpu().numpy()
    return values, best


def common(sequences: Sequence[tuple[int, ...]]) -> int:
    """How many tokens all of them begin with."""
    if not sequences:
        return 0
    low, high = min(sequences), max(sequences)  # in the order of a dictionary the two that differ first
    return next(
        (i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high))
    )


def _by_context(requests: Sequence[Request], places: Sequence[int]) -> list[list[int]]:
    groups = dict[tuple[int, ...], list[int]]()
    for i in places:
        groups.setdefault(requests[i].context, []).append(i)
    return list(groups.values())

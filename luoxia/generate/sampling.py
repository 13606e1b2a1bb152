"""How the next token is chosen from the logits.

A processor takes candidates and returns fewer or other ones; :func:`draw` takes one of what is left. Each is exact:
where it looks at part of the vocabulary only, that part provably holds the answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.ranges import check_number
from luoxia.models.text_mark import CONTEXT, VARIANTS, numbers

MAX_STOPS, MAX_STOP_LENGTH, MAX_LOGPROBS = 16, 512, 20
MARKED = 0.65  # the usual temperature where a text carries the mark; at 0.3, 200 tokens hold too little chance to show it
COLDEST = 1e-30  # colder, float32 logits would overflow; here already all but the likeliest weigh nothing


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """The knobs of one text. ``temperature`` 0 is greedy; ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 are off.

    ``mark`` draws tokens so that their choice can be told from chance (:mod:`luoxia.models.text_mark`); greedy texts carry
    nothing. The defaults are what small models write well with: at higher temperatures they lose the thread, and without a
    penalty they go round in circles.
    """

    max_new_tokens: int = 256
    temperature: float = 0.3
    top_k: int = 0
    top_p: float = 0.9
    min_p: float = 0.0
    repetition_penalty: float = 1.1
    stop: tuple[str, ...] = ()
    mark: bool = False

    def __post_init__(self) -> None:
        check_number("max_new_tokens", self.max_new_tokens, 1, 1 << 20, whole=True)
        check_number("temperature", self.temperature, 0, 100)
        check_number("top_k", self.top_k, 0, 1 << 20, whole=True)
        check_number("top_p", self.top_p, 0, 1)
        check_number("min_p", self.min_p, 0, 1)
        check_number("repetition_penalty", self.repetition_penalty, 0.01, 100)
        stops = self.stop if isinstance(self.stop, list | tuple) else (self.stop,)
        object.__setattr__(self, "stop", tuple(stops))
        if len(stops) > MAX_STOPS or not all(
            isinstance(s, str) and 0 < len(s) <= MAX_STOP_LENGTH for s in stops
        ):
            raise UserError(
                f"stop takes up to {MAX_STOPS} texts of 1 to {MAX_STOP_LENGTH} characters",
                f"stop 最多 {MAX_STOPS} 个，每个 1 到 {MAX_STOP_LENGTH} 个字符",
            )


@dataclass(frozen=True, kw_only=True)
class Sampling(Knobs):
    """The knobs of one generation: ``seed`` None draws one, which the stream reports; ``logprobs`` n asks for each token's
    log-probability under the model (before any knob) with the n likeliest alternatives."""

    seed: int | None = None
    logprobs: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.logprobs is not None:
            check_number("logprobs", self.logprobs, 0, MAX_LOGPROBS, whole=True)


def usual_temperature(*, mark: bool, constrained: bool = False) -> float:
    """Where nobody asked for another: ``Sampling``'s own, or ``MARKED`` for a marked text. What a grammar holds to few
    choices carries no mark to speak of, and is not made worse for it."""
    return MARKED if mark and not constrained else Sampling.temperature


@dataclass(frozen=True)
class Candidates:
    """Tokens that may come next, ``ids`` (n,) int64, with their ``logits`` (n,) float32."""

    ids: NDArray[np.int64]
    logits: NDArray[np.float32]

    def keep(self, mask: NDArray[np.bool_]) -> Candidates:
        return Candidates(self.ids[mask], self.logits[mask])


Processor = Callable[[Candidates], Candidates]


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """softmax in float64."""
    shares = np.exp((logits - logits.max()).astype(np.float64))
    return shares / shares.sum()


def penalised(logits: NDArray[np.float32], seen: Sequence[int], penalty: float) -> NDArray[np.float32]:
    """Keskar et al. 2019, section 4.1: logits of tokens already seen are divided by ``penalty``, or, where negative,
    multiplied by it."""
    if penalty == 1.0 or not len(seen):
        return logits
    at = np.unique(np.asarray(seen, np.int64))
    logits = logits.copy()
    logits[at] = np.where(logits[at] > 0, logits[at] / penalty, logits[at] * penalty)
    return logits


def tempered(temperature: float) -> Processor:
    return lambda c: Candidates(c.ids, c.logits / np.float32(max(temperature, COLDEST)))


def top_k(k: int) -> Processor:
    """The k likeliest; the lower id wins a tie."""

    def process(c: Candidates) -> Candidates:
        if k >= len(c.ids):
            return c
        least = np.partition(c.logits, -k)[-k]
        above, level = c.logits > least, np.flatnonzero(c.logits == least)
        above[level[: k - int(above.sum())]] = True
        return c.keep(above)

    return process


def top_p(p: float) -> Processor:
    """The smallest set of likeliest tokens with a mass of at least p (Holtzman et al. 2020, equation 2)."""

    def process(c: Candidates) -> Candidates:
        share = probabilities(c.logits)
        # Tokens below (1 - p) / n weigh less than 1 - p together, so the others hold the whole set.
        few = np.flatnonzero(share >= (1.0 - p) / len(share))
        order = few[np.argsort(-share[few], kind="stable")]
        enough = int(np.searchsorted(np.cumsum(share[order]), p)) + 1
        return Candidates(c.ids[order[:enough]], c.logits[order[:enough]])

    return process


def min_p(p: float) -> Processor:
    """Tokens at least p times as likely as the likeliest (Nguyen et al. 2024)."""
    return lambda c: c.keep(c.logits >= c.logits.max() + np.float32(np.log(p)))


def processors(sampling: Sampling) -> list[Processor]:
    """The chain that ``sampling`` asks for, in the usual order: temperature, top-k, top-p, min-p."""
    chain: list[Processor] = []
    if sampling.temperature not in (0, 1):
        chain.append(tempered(sampling.temperature))
    if sampling.top_k:
        chain.append(top_k(sampling.top_k))
    if sampling.top_p < 1:
        chain.append(top_p(sampling.top_p))
    if sampling.min_p > 0:
        chain.append(min_p(sampling.min_p))
    return chain


def draw(candidates: Candidates, random: np.random.Generator) -> int:
    """One id with probability softmax(logits), by inversion of one uniform number."""
    mass = np.cumsum(probabilities(candidates.logits))
    at = int(np.searchsorted(mass, random.random() * mass[-1], side="right"))
    return int(candidates.ids[min(at, len(mass) - 1)])


class MarkedDraw:
    """Draws the tokens of one text, one after the other, each with probability softmax(logits) over hashes, so that the
    choice carries the mark of :mod:`luoxia.models.text_mark`.

    The first ``CONTEXT`` tokens, and those behind a context that was there before, are drawn by ``random`` and carry
    nothing; neither does a token that nothing else could have stood for.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self._random, self._variant = random, int(random.integers(VARIANTS))
        self._last: tuple[int, ...] = ()
        self._met: set[tuple[int, ...]] = set()

    def __call__(self, candidates: Candidates) -> int:
        token = self._one_of(candidates)
        self._met.add(self._last)
        self._last = (*self._last, token)[-CONTEXT:]
        return token

    def _one_of(self, candidates: Candidates) -> int:
        if len(candidates.ids) == 1:
            return int(candidates.ids[0])
        if len(self._last) < CONTEXT or self._last in self._met:
            return draw(candidates, self._random)
        u = numbers(np.array([self._last]), candidates.ids, self._variant)
        return int(candidates.ids[np.argmax(candidates.logits - np.log(-np.log(u)))])


class Chooser:
    """Takes logits (V,) to the next id by one :class:`Sampling`, with a random stream of its own."""

    def __init__(self, sampling: Sampling, random: np.random.Generator) -> None:
        self.sampling = sampling
        self._chain = processors(sampling)
        self._draw = MarkedDraw(random) if sampling.mark else functools.partial(draw, random=random)

    def __call__(self, logits: NDArray[np.float32], seen: Sequence[int]) -> int:
        logits = penalised(logits, seen, self.sampling.repetition_penalty)
        if self.sampling.temperature == 0:
            return int(logits.argmax())
        candidates = Candidates(np.arange(len(logits)), logits)
        if np.isneginf(logits).any():
            candidates = candidates.keep(~np.isneginf(logits))
        for process in self._chain:
            candidates = process(candidates)
        return self._draw(candidates)

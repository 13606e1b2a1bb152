"""A loaded model of verse: what ``luoxia.load("verse-zh")`` returns.

Candidates are written side by side, held to their form by :class:`Rules`, drawn towards the theme by classifier-free
guidance (Ho and Salimans 2022, arXiv:2207.12598; Sanchez et al. 2023, arXiv:2306.17806),

    log p(c) + (g - 1) (log p(c | theme) - log p(c | no theme)),

and the best by likelihood and theme are given.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luoxia.core import seeds
from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.runtime import Runtime, resolve
from luoxia.data.verse import originals, sounds
from luoxia.data.verse.lexicon import simplified
from luoxia.data.verse.line_index import LineIndex
from luoxia.data.verse.verdict import judge
from luoxia.generate.verse_order import Verse, VerseOrder, known_author
from luoxia.generate.verse_rules import Rules, SoundTable
from luoxia.models.gpt import GPT
from luoxia.models.verse_tokenizer import COMMA, NONE, STOP, THEME, VerseTokenizer
from luoxia.weights import verse_folder
from luoxia.weights.verse_folder import VerseFolder

LIKELIEST = 96  # characters that one is drawn from
TRIES = 24  # of an end for a line that is none that there was before
FIT = 0.5  # how much more a candidate's fit to the theme counts than its likelihood
GREATEST = 64  # candidates written side by side

Watch = Callable[
    [range, list[tuple[str, ...]]], None
]  # hears, after each character, the poems and their drafts


class VerseModel:
    """``lines`` tells which lines there were before; without it nothing can be said of copies."""

    def __init__(
        self,
        id: str,
        network: GPT,
        tokenizer: VerseTokenizer,
        runtime: Runtime,
        lines: LineIndex | None = None,
    ) -> None:
        self.id, self.network, self.tokenizer, self.runtime, self.lines = (
            id,
            network,
            tokenizer,
            runtime,
            lines,
        )
        self._tables = dict[str, SoundTable]()
        self._lock = threading.Lock()

    @property
    def authors(self) -> tuple[str, ...]:
        """Whose manner it knows, those of most poems first."""
        return self.tokenizer.authors

    def write(
        self, order: VerseOrder | None = None, *, nearest: bool = False, **asked: object
    ) -> list[Verse]:
        """Poems as ``order`` asks, or as its fields given as keywords do. ``nearest``: the original next to each is looked
        up, where the poems are on this machine."""
        order = replace(order or VerseOrder(), **asked)  # type: ignore[arg-type]
        poems = list(self.writing(order))
        return with_nearest(poems) if nearest else poems

    def writing(self, order: VerseOrder, watch: Watch | None = None) -> Iterator[Verse]:
        """The poems that :meth:`write` gives, as they come. ``watch`` hears the numbers of those under way and the lines of
        the draft that leads for each, after every character; what it raises ends the writing."""
        seed = seeds.checked(order.seed)
        prompt, unread = self._prompt(order)
        table = self._table(order.book)
        each = max(1, GREATEST // order.candidates)  # poems whose candidates are written side by side
        for at in range(0, order.n, each):
            numbers = range(at, min(at + each, order.n))
            randoms = [seeds.generator(seed, i * 1000 + k) for i in numbers for k in range(order.candidates)]
            with self._lock:
                writing = _Writing(self, order, prompt, table, randoms)
                drawn = writing.run(lambda w: watch(numbers, w.leading()) if watch else None)  # noqa: B023
            for place, number in enumerate(numbers):
                own = slice(place * order.candidates, (place + 1) * order.candidates)
                yield self._best(order, drawn, own, seed, number, unread)

    def _best(
        self, order: VerseOrder, drawn: _Drawn, own: slice, seed: int, number: int, unread: str
    ) -> Verse:
        score = (drawn.told + FIT * (drawn.told - drawn.plain))[own] / drawn.characters
        at = own.start + int(score.argmax())
        if not np.isfinite(score.max()):
            raise UserError(
                "no poem can be written that keeps to all of this; leave the rhyme or the acrostic free",
                "无法写出满足全部要求的诗；请放宽韵部或藏头",
            )
        lines = drawn.lines[at]
        verdict = judge(
            lines, order.book, form=order.shape, tones=order.tones, acrostic=simplified(order.acrostic)
        )
        nats, fit = -drawn.told[at] / drawn.characters, (drawn.told - drawn.plain)[at] / drawn.characters
        title = order.theme.strip() or order.acrostic or "无题"
        return Verse(
            order,
            title,
            lines,
            verdict,
            seed,
            number,
            float(nats),
            float(fit),
            unread,
            self.lines is not None,
        )

    def _prompt(self, order: VerseOrder) -> tuple[list[int], str]:
        tokenizer = self.tokenizer
        author = known_author(order.author, tokenizer.authors, self.id)
        known = [c for c in order.words if c in tokenizer.ids]
        unread = "".join(c for c in order.words if c not in known[:THEME])
        rhyme = None
        if order.rhyme_class:
            rhyme = f"{order.book.id}/{order.book.names[sounds.find_rhyme(order.book, order.rhyme_class)]}"
        theme = "".join(known)
        return (
            tokenizer.prompt(order.shape.id, regular=order.tones, author=author, rhyme=rhyme, theme=theme),
            unread,
        )

    def _table(self, book: sounds.Book) -> SoundTable:
        if book.id not in self._tables:
            self._tables[book.id] = SoundTable.of(book, self.tokenizer.characters)
        return self._tables[book.id]


def with_nearest(poems: Sequence[Verse]) -> list[Verse]:
    """Each with the poem next to it that there was before, where those are on this machine."""
    known = originals.here()
    return [replace(poem, original=known.nearest("".join(poem.lines))) if known else poem for poem in poems]


@dataclass(frozen=True)
class _Drawn:
    """``told`` and ``plain`` (N,): log p of each poem with and without its theme, -inf for one that came to no end."""

    lines: list[tuple[str, ...]]
    told: NDArray[np.float64]
    plain: NDArray[np.float64]
    characters: int


class _Writing:
    """One batch of candidates, from the prompt to their ends."""

    def __init__(
        self,
        model: VerseModel,
        order: VerseOrder,
        prompt: list[int],
        table: SoundTable,
        randoms: list[np.random.Generator],
    ) -> None:
        self.model, self.order, self.randoms = model, order, randoms
        self.n, self.shape = len(randoms), order.shape
        book, chosen = order.book, order.rhyme_class
        self.rules = Rules(
            self.shape,
            table,
            model.tokenizer.characters,
            self.n,
            rhyme=sounds.find_rhyme(book, chosen) if chosen else None,
            tones=order.tones,
            acrostic=simplified(order.acrostic),
        )
        themed = any(token != NONE for token in prompt[-THEME:])
        bare = [*prompt[:-THEME], *[NONE] * THEME]
        self.prompts = [prompt] * self.n + ([bare] * self.n if themed else [])
        self.told, self.plain = np.zeros(self.n), np.zeros(self.n)
        self.written: list[list[str]] = [[""] for _ in range(self.n)]

    def leading(self) -> list[tuple[str, ...]]:
        """The lines so far of each poem's best candidate."""
        score, each = self.told + FIT * (self.told - self.plain), self.order.candidates
        best = [at + int(score[at : at + each].argmax()) for at in range(0, self.n, each)]
        return [tuple(filter(None, self.written[row])) for row in best]

    @torch.inference_mode()
    def run(self, watch: Callable[[_Writing], None]) -> _Drawn:
        network, rules = self.model.network, self.rules
        device = network.wte.weight.device
        size = len(self.prompts[0]) + self.shape.lines * (self.shape.length + 1)
        cache = network.cache(len(self.prompts), size)
        step = torch.tensor(self.prompts, device=device)
        first = self.model.tokenizer.first_character
        while True:
            found = (
                network.logits(network.hidden(step, cache)[:, -1])[:, first:].float().log_softmax(-1).cpu()
            )
            chosen = self._choose(found[: self.n], found[-self.n :])
            ended = rules.at_end
            rules.take(chosen)
            watch(self)
            if rules.done:
                break
            ids = torch.from_numpy(chosen + first)[:, None]
            if ended:
                mark = COMMA if rules.line % 2 else STOP
                ids = torch.cat([ids, torch.full_like(ids, mark)], 1)
            step = ids.repeat(len(self.prompts) // self.n, 1).to(device)
        count = self.shape.lines * self.shape.length
        return _Drawn([tuple(lines[:-1]) for lines in self.written], self.told, self.plain, count)

    def _choose(self, told: Tensor, plain: Tensor) -> NDArray[np.int64]:
        """The next characters (N,), of log p (N, C) with and without the theme."""
        g, allowed = self.order.guidance, torch.from_numpy(self.rules.allowed())
        logits = plain + g * (told - plain) if len(self.prompts) > self.n else told
        logits = logits.masked_fill(~allowed, -torch.inf) / self.order.temperature
        values, places = logits.topk(min(LIKELIEST, logits.shape[1]))
        p, ids = values.softmax(-1).double().numpy(), places.numpy()
        end, characters = self.rules.at_end, self.model.tokenizer.characters
        chosen = np.zeros(self.n, np.int64)
        for row in range(self.n):
            at = self._draw(row, p[row], ids[row], ended=end)
            if at < 0:
                self.told[row] = -np.inf
                at = 0
            chosen[row] = ids[row, at]
            self.written[row][-1] += characters[chosen[row]]
            if end:
                self.written[row].append("")
        rows = np.arange(self.n)
        self.told += told.numpy()[rows, chosen]
        self.plain += plain.numpy()[rows, chosen]
        return chosen

    def _draw(self, row: int, p: NDArray[np.float64], ids: NDArray[np.int64], *, ended: bool) -> int:
        """The place of one of the likeliest characters, -1 where none will do. A line that there was before, in the poem or
        in another one, gets another end."""
        if not np.isfinite(p).all():
            return -1
        left, lines = p.copy(), self.model.lines
        left[np.cumsum(p) - p >= self.order.top_p] = 0
        before, tried = self.written[row], np.zeros(len(p), bool)
        for _ in range(TRIES):
            if left.sum() <= 0:  # what is likely ends old lines alone, so the others come into question
                left = np.where(tried, 0, p)
            mass = np.cumsum(left)
            if mass[-1] <= 0:
                return -1
            at = min(
                int(np.searchsorted(mass, self.randoms[row].random() * mass[-1], side="right")), len(p) - 1
            )
            line = before[-1] + self.model.tokenizer.characters[ids[at]]
            if not ended or (line not in before and (lines is None or line not in lines)):
                return at
            left[at], tried[at] = 0, True
        return -1


def load_verse(
    name_or_path: str | Path, *, device: str | None = None, threads: int | None = None
) -> VerseModel:
    """The model of verse of that catalogue id, of the user's own, or of a run."""
    found = verse_folder.find(name_or_path)
    runtime = resolve(device, None, threads)
    if runtime.device.type == "cpu":
        torch.set_num_threads(runtime.threads)
    return open_verse(found, runtime)


def open_verse(found: VerseFolder, runtime: Runtime) -> VerseModel:
    """The model in a folder that was found."""
    lines = None
    if found.lines is not None:
        try:
            lines = LineIndex.from_bytes(found.lines.read_bytes())
        except OSError as error:
            raise MalformedFileError(
                f"{found.lines} cannot be read: {error}", f"无法读取 {found.lines}：{error}"
            ) from error
    return VerseModel(found.name, found.network().to(runtime.device), found.tokenizer, runtime, lines)

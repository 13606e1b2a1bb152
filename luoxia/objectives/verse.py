"""What a model of verse learns by: the next character of a poem, told its form and now and then author, rhyme and theme.

    L = -1/n sum_i log p(c_{i+1} | prompt, c_1 .. c_i)

over the n tokens of the poems alone. A theme is to be free text that no poem had for a title, so it is drawn anew each time: the title, words of the poem
itself, the like with characters exchanged for kindred ones, or nothing, which classifier-free guidance compares with
(Ho and Salimans 2022, arXiv:2207.12598).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from luoxia.models.verse_tokenizer import COMMA, END, NONE, PROMPT, STOP, THEME
from luoxia.objectives.language import language_loss
from luoxia.objectives.phase import Draw, Loss

MODES = (
    0.10,
    0.30,
    0.65,
    0.85,
)  # below: no theme, the title, words, words and their kin; above: title and words
WORDS = THEME // 2  # of two characters, at most
SINGLE = 0.2  # share of words of which one character is told
KIN = 0.4  # share of characters exchanged where any are
AUTHOR, RHYME = 0.5, 0.6  # how often they are told


@dataclass(frozen=True)
class Shape:
    """Of one form: ``lines`` of ``length``; ``token`` asks for it, the next one for it with its tones."""

    lines: int
    length: int
    token: int

    @property
    def characters(self) -> int:
        return self.lines * self.length

    @property
    def starts(self) -> list[int]:
        """Where words of two characters begin: in fives at 0, 2 and 3, in sevens at 0, 2, 4 and 5."""
        within = (0, 2, 3) if self.length == 5 else (0, 2, 4, 5)
        return [line * self.length + k for line in range(self.lines) for k in within]


@dataclass
class VersePieces:
    """Poems as tokens: ``text`` (N, 56), ``form`` (N,) into ``shapes``, ``regular`` (N,) bool, ``author`` (N,), ``rhymes``
    (2, N) of either book, ``title`` (N, 8), each NONE where there is none; ``kin`` (V, K) characters near each."""

    shapes: tuple[Shape, ...]
    text: Tensor
    form: Tensor
    regular: Tensor
    author: Tensor
    rhymes: Tensor
    title: Tensor
    kin: Tensor

    def to(self, device: torch.device) -> None:
        if self.text.device != device:
            for name in ("text", "form", "regular", "author", "rhymes", "title", "kin"):
                setattr(self, name, getattr(self, name).to(device))

    def poem(self, index: Tensor, shape: Shape) -> Tensor:
        """Characters with what divides them and the end: (B, lines (length + 1) + 1). All are of one shape."""
        text = self.text[index, : shape.characters].long().view(-1, shape.lines, shape.length)
        ends = torch.tensor([COMMA, STOP], device=index.device).repeat(shape.lines // 2)
        rows = torch.cat([text, ends[None, :, None].expand(len(index), -1, 1)], 2).flatten(1)
        return torch.cat([rows, torch.full_like(rows[:, :1], END)], 1)

    def prompt(self, index: Tensor, shape: Shape, generator: torch.Generator) -> Tensor:
        """What is asked for, (B, 11), some of it left out at random."""

        def told(share: float) -> Tensor:
            return torch.rand(index.shape, generator=generator, device=index.device) < share

        author = self.author[index].long().where(told(AUTHOR), NONE)
        book = torch.randint(2, index.shape, generator=generator, device=index.device)
        rhyme = self.rhymes[book, index].long().where(told(RHYME), NONE)
        form = shape.token + self.regular[index].long()
        return torch.cat([torch.stack([form, author, rhyme], 1), self.themes(index, shape, generator)], 1)

    def themes(self, index: Tensor, shape: Shape, generator: torch.Generator) -> Tensor:
        """(B, 8) tokens, NONE behind the last."""
        n, device = len(index), index.device

        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=device)

        starts = torch.tensor(shape.starts, device=device)
        chosen = starts[uniform(n, len(starts)).topk(WORDS).indices]  # (B, 4)
        text = self.text[index].long()
        words = torch.stack([text.gather(1, chosen), text.gather(1, chosen + 1)], 2)  # (B, 4, 2)
        alone = uniform(n, WORDS) < SINGLE
        words[..., 1].masked_fill_(alone, NONE)
        count = torch.randint(1, WORDS + 1, (n, 1), generator=generator, device=device)
        words.masked_fill_((torch.arange(WORDS, device=device) >= count)[..., None], NONE)
        words = words.flatten(1)
        which = torch.randint(self.kin.shape[1], words.shape, generator=generator, device=device)
        kindred = self.kin[words, which].where(uniform(n, 2 * WORDS) < KIN, words)
        title = self.title[index].long()
        mixed = torch.cat([title[:, : THEME // 2], words[:, : THEME // 2]], 1)
        mode = uniform(n)[:, None]
        none, of_title, of_words, of_kin = MODES
        theme = torch.where(mode < of_kin, kindred, mixed)
        theme = torch.where(mode < of_words, words, theme)
        theme = torch.where(mode < of_title, title, theme)
        theme = torch.where(mode < none, torch.full_like(theme, NONE), theme)
        return theme.gather(1, (theme == NONE).to(torch.uint8).argsort(dim=1, stable=True))


@dataclass
class NextCharacter:
    """``hidden`` is what a model makes of ids (B, T) before its ``head``. Poems of one form go together, so that nothing
    is filled up."""

    pieces: VersePieces
    hidden: Callable[[Tensor], Tensor]
    head: Callable[[], Tensor]

    def __call__(self, draw: Draw) -> Loss:
        assert draw.index is not None
        pieces = self.pieces
        pieces.to(draw.index.device)
        form, hidden, targets = pieces.form[draw.index], [], []
        for place, shape in enumerate(pieces.shapes):
            index = draw.index[form == place]
            if len(index) == 0:
                continue
            poem = pieces.poem(index, shape)
            ids = torch.cat([pieces.prompt(index, shape, draw.generator), poem], 1)
            hidden.append(self.hidden(ids[:, :-1])[:, PROMPT - 1 :].flatten(0, 1))
            targets.append(poem.flatten())
        return language_loss(torch.cat(hidden), self.head(), torch.cat(targets))

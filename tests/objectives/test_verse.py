"""What a model of verse learns by: how a poem and its prompt are laid out, and what a theme may be."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import tiny_verse
import torch

from luoxia.data.verse import verse_set
from luoxia.models.gpt import GPT
from luoxia.models.verse_tokenizer import COMMA, END, NONE, PROMPT, STOP
from luoxia.objectives import verse
from luoxia.objectives.phase import Draw
from luoxia.objectives.verse import NextCharacter, VersePieces
from luoxia.recipes.verse import VerseSettings, network, pieces_of


@pytest.fixture
def poems(tmp_path: Path) -> verse_set.VerseSet:
    return verse_set.arranged(tiny_verse.some(), tmp_path, rare=1)


def draw(index: list[int], seed: int = 0) -> Draw:
    return Draw(torch.empty(0, 0, 0, 0), None, torch.Generator().manual_seed(seed), torch.tensor(index))


def test_a_poem_is_its_lines_with_what_divides_them(poems: verse_set.VerseSet) -> None:
    pieces = pieces_of(poems)
    for place, shape in enumerate(pieces.shapes):
        number = 40 * place + 3
        row = pieces.poem(torch.tensor([number]), shape)[0].tolist()
        wanted = []
        for i, line in enumerate(poems.poems[number].lines):
            wanted += [*poems.tokenizer.encode(line), STOP if i % 2 else COMMA]
        assert row == [*wanted, END]
        assert poems.tokenizer.lines(row) == list(poems.poems[number].lines)


def test_a_prompt_tells_form_author_rhyme_and_theme_now_and_then(poems: verse_set.VerseSet) -> None:
    pieces, tokenizer = pieces_of(poems), poems.tokenizer
    index = torch.full((400,), 41)
    rows = pieces.prompt(index, pieces.shapes[1], torch.Generator().manual_seed(0))
    assert rows.shape == (400, PROMPT)
    poem = poems.poems[41]
    assert set(rows[:, 0].tolist()) == {tokenizer.form("七绝", True)}
    assert set(rows[:, 1].tolist()) == {NONE, tokenizer.author(poem.author)}
    assert set(rows[:, 2].tolist()) - {NONE} == {int(poems.pingshui[41]), int(poems.xinyun[41])} - {NONE}
    assert (rows[:, 1] == NONE).float().mean() == pytest.approx(1 - verse.AUTHOR, abs=0.1)
    untold = (rows[:, 3:] == NONE).all(1).float().mean()
    assert untold == pytest.approx(verse.MODES[0], abs=0.05)


def test_themes_are_words_of_the_poem_its_title_or_their_kin(poems: verse_set.VerseSet) -> None:
    pieces, tokenizer = pieces_of(poems), poems.tokenizer
    poem, first = poems.poems[5], tokenizer.first_character
    own = set(tokenizer.encode(poem.text + poem.title))
    kin = own | {int(k) for t in own for k in pieces.kin[t]}
    rows = pieces.themes(torch.full((500,), 5), pieces.shapes[0], torch.Generator().manual_seed(1))
    told = set(rows.flatten().tolist()) - {NONE}
    assert told <= kin
    assert told - own  # some are kin
    assert all(token >= first for token in told)
    for row in rows.tolist():
        length = sum(token != NONE for token in row)
        assert NONE not in row[:length]  # what is left out leaves no gap
    words = {poem.text[i : i + 2] for i in pieces.shapes[0].starts}
    plain = ["".join(tokenizer.characters[t - first] for t in row if t) for row in rows.tolist()]
    assert words & set(plain)


def test_words_begin_where_lines_divide() -> None:
    assert verse.Shape(2, 5, 0).starts == [0, 2, 3, 5, 7, 8]
    assert verse.Shape(1, 7, 0).starts == [0, 2, 4, 5]


def test_the_loss_begins_near_that_of_a_guess_and_is_of_poems_alone(poems: verse_set.VerseSet) -> None:
    gpt = GPT(
        network(VerseSettings(layers=1, heads=2, width=32, inner=64), poems.tokenizer),
        torch.Generator().manual_seed(0),
    )
    loss = NextCharacter(pieces_of(poems), lambda ids: gpt.hidden(ids), gpt.last)
    index = [0, 50, 100, 150, 1]
    value = loss(draw(index))
    assert float(value.value.detach()) == pytest.approx(math.log(poems.tokenizer.vocab_size), rel=0.02)
    value.value.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in gpt.parameters())


def test_the_loss_is_the_mean_over_all_poems_whatever_their_form(poems: verse_set.VerseSet) -> None:
    gpt = GPT(
        network(VerseSettings(layers=1, heads=2, width=32, inner=64), poems.tokenizer),
        torch.Generator().manual_seed(0),
    )
    pieces = pieces_of(poems)
    total, count = 0.0, 0
    random = torch.Generator().manual_seed(3)
    for number in (0, 130):  # as the loss draws: forms in their order
        shape = pieces.shapes[int(pieces.form[number])]
        index = torch.tensor([number])
        poem = pieces.poem(index, shape)
        ids = torch.cat([pieces.prompt(index, shape, random), poem], 1)
        logits = gpt(ids[:, :-1])[0, PROMPT - 1 :].log_softmax(-1)
        total -= float(logits[torch.arange(poem.shape[1]), poem[0]].sum().detach())
        count += poem.shape[1]
    found = NextCharacter(pieces, lambda ids: gpt.hidden(ids), gpt.last)(draw([0, 130], 3))
    assert float(found.value.detach()) == pytest.approx(total / count, rel=1e-5)


def test_what_is_drawn_follows_from_the_generator(poems: verse_set.VerseSet) -> None:
    pieces: VersePieces = pieces_of(poems)
    index = torch.arange(0, 30)
    one, same, other = (
        pieces.prompt(index, pieces.shapes[0], torch.Generator().manual_seed(s)) for s in (4, 4, 5)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)

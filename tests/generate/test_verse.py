"""Poems that are written keep to what was asked, whatever the model has learned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import tiny_verse
import torch

import luoxia
from luoxia.core.errors import MalformedFileError, UnknownModelError, UserError
from luoxia.data.verse import sounds
from luoxia.data.verse.forms import FORMS
from luoxia.data.verse.line_index import LineIndex
from luoxia.data.verse.verdict import judge
from luoxia.generate.verse import VerseModel, load_verse
from luoxia.generate.verse_order import VerseOrder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))


@pytest.fixture
def model(tmp_path: Path) -> VerseModel:
    return load_verse(tiny_verse.model(tmp_path / "model"), threads=1)


@pytest.mark.parametrize("book", ["平水韵", "新韵"])
@pytest.mark.parametrize("form", FORMS)
def test_characters_drawn_at_random_within_the_rules_make_valid_poems(form: str, book: str) -> None:
    for lines in tiny_verse.written(form, 60, 7, book=book, acrostic="山水"):
        verdict = judge(lines, sounds.book(book), form=FORMS[form], acrostic="山水")
        assert [str(fault.text) for fault in verdict.faults] == []
        text = "".join(lines)
        doubled = [c for c in set(text) if text.count(c) > 1]
        assert len(doubled) <= 1
        assert all(c + c in text for c in doubled)


def test_all_four_patterns_come_up() -> None:
    book = sounds.book("平水韵")
    found = {judge(lines, book).pattern for lines in tiny_verse.written("七绝", 80, 1)}
    assert len(found) == 4


def test_without_tones_the_rhyme_is_kept_all_the_same() -> None:
    book = sounds.book("平水韵")
    verdicts = [judge(lines, book) for lines in tiny_verse.written("五律", 40, 2, tones=False)]
    assert all(verdict.free_of("shape", "rhyme") for verdict in verdicts)
    assert not any(verdict.tones_kept for verdict in verdicts)


@pytest.mark.parametrize(
    "asked", [{}, {"theme": "秋水长天"}, {"form": "五律", "rhyme": "新韵", "acrostic": "山水"}]
)
def test_a_model_that_knows_nothing_writes_valid_poems(model: VerseModel, asked: dict) -> None:
    for poem in model.write(n=3, candidates=4, seed=5, **asked):
        assert [str(fault.text) for fault in poem.verdict.faults] == []
        assert poem.lines == tuple("".join(m.character for m in line) for line in poem.verdict.lines)
        assert poem.text.count("，") == poem.order.shape.lines // 2


def test_a_rhyme_that_is_asked_for_is_taken(model: VerseModel) -> None:
    poem = model.write(rhyme_class="尤", candidates=2, seed=1)[0]
    assert poem.verdict.rhyme == "下平十一尤"


def test_poem_i_depends_on_the_seed_and_i_alone(model: VerseModel) -> None:
    order = VerseOrder(theme="春风", candidates=4, seed=9)
    one, many = model.write(order), model.write(order, n=3)
    assert one[0].lines == many[0].lines
    assert len({poem.lines for poem in many}) == 3
    assert [p.lines for p in model.write(order, n=3)] == [p.lines for p in many]


def test_what_counts_is_the_likelihood_of_the_poem_itself(model: VerseModel) -> None:
    poem = model.write(theme="春风", candidates=1, seed=2)[0]
    tokenizer, network = model.tokenizer, model.network
    nats = []
    for theme in ("春风", ""):
        prompt = tokenizer.prompt("七绝", regular=True, theme=theme)
        body = []
        for i, line in enumerate(poem.lines):
            body += [*tokenizer.encode(line), 2 if i % 2 else 1]
        ids = torch.tensor([prompt + body])
        with torch.inference_mode():
            logits = network(ids[:, :-1])[0, len(prompt) - 1 :, tokenizer.first_character :].log_softmax(-1)
        of = [
            (k, t - tokenizer.first_character) for k, t in enumerate(body) if t >= tokenizer.first_character
        ]
        nats.append(-sum(float(logits[k, t]) for k, t in of) / len(of))
    assert poem.nats == pytest.approx(nats[0], abs=1e-4)
    assert poem.fit == pytest.approx(nats[1] - nats[0], abs=1e-4)


def test_no_line_is_one_that_there_was_before(tmp_path: Path, model: VerseModel) -> None:
    order = VerseOrder(form="五绝", candidates=1, seed=3)
    before = model.write(order)[0]
    assert not before.checked
    index = LineIndex.of(before.lines)
    other = load_verse(tiny_verse.model(tmp_path / "other", index.to_bytes()), threads=1)
    after = other.write(order)[0]
    assert after.checked
    assert not set(after.lines) & set(before.lines)
    assert after.lines[0][:-1] == before.lines[0][:-1]  # the line got another end


def test_the_nearest_original_is_told_where_the_poems_are_here(model: VerseModel) -> None:
    from luoxia.data.verse import originals

    assert originals.here() is None
    assert model.write(candidates=1, seed=1, nearest=True)[0].original is None
    tiny_verse.keep()
    known = originals.here()
    assert known is originals.here() is not None  # read once
    found = model.write(candidates=1, seed=1, nearest=True)[0]
    assert found.original is None or found.original.run in "".join(found.lines)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"form": "词"}, "no form"), ({"rhyme": "广韵"}, "no book"), ({"rhyme_class": "去"}, "no level rhyme"),
        ({"acrostic": "一二三四五"}, "4 at most"), ({"acrostic": "ab"}, "is none"), ({"acrostic": "鑫"}, "鑫 of the acrostic"),
        ({"author": "某"}, "李白"), ({"n": 0}, "n is 0"), ({"candidates": 65}, "1 to 64"), ({"temperature": 0}, "0.05"),
        ({"theme": "春" * 201}, "longer than 200"), ({"seed": -1}, "seed is -1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(model: VerseModel, asked: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        model.write(**asked)


def test_where_what_is_likely_ends_old_lines_alone_another_end_is_found(model: VerseModel) -> None:
    """A nucleus of one character leaves no other end."""
    asked = {"form": "七绝", "candidates": 1, "top_p": 0.01, "seed": 3}
    (first,) = model.write(**asked)
    model.lines = LineIndex.of(first.lines)
    (second,) = model.write(**asked)
    assert first.lines[0][:-1] == second.lines[0][:-1]
    assert not any(line in model.lines for line in second.lines)
    assert not second.verdict.faults


def test_a_theme_is_free_text(model: VerseModel) -> None:
    poem = model.write(theme="春天的風，hello！鑫", candidates=1, seed=1)[0]
    assert poem.unread == "鑫"
    assert poem.title == "春天的風，hello！鑫"
    assert poem.order.words == "春天风鑫"


def test_it_is_loaded_by_name_and_by_folder(tmp_path: Path, model: VerseModel) -> None:
    tiny_verse.model(tmp_path / "home" / "models" / "my-verse")
    loaded = luoxia.load("my-verse")
    assert isinstance(loaded, VerseModel)
    assert loaded.id == "my-verse"
    kept = dict(loaded.network.state_dict())
    for name, tensor in tiny_verse.network().state_dict().items():
        step = tensor.abs().amax(-1, keepdim=True) / (127 if tensor.ndim == 2 else 1024)
        assert ((kept[name] - tensor).abs() <= 0.51 * step).all(), name
    with pytest.raises(UnknownModelError, match="my-verse"):
        load_verse("nothing")


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    folder = tiny_verse.model(tmp_path / "model")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(MalformedFileError, match="altered"):
        load_verse(folder)


def test_orders_are_plain_data() -> None:
    order = VerseOrder(theme="春", seed=1)
    assert VerseOrder(**dataclasses.asdict(order)) == order

"""The evaluation of language models as a whole, on a tiny one: what is kept, what is said, what stopping leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_text import byte_tokenizer, tiny_text_model

from luoxia.core.errors import UserError
from luoxia.data import task_catalogue
from luoxia.data.task import Example, Task, Template
from luoxia.data.tokens import TokenWriter
from luoxia.evaluate import few_shot
from luoxia.evaluate.few_shot import Reader
from luoxia.models.tokenizer import Tokenizer
from luoxia.recipes import few_shot_study, text_evaluation_page, text_samples, text_sources
from luoxia.recipes.few_shot_study import Plan, study
from luoxia.recipes.text_evaluation import Asked, evaluate

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = Plan(shots=(0, 2), draws=2, limit=6)


@pytest.fixture(scope="module")
def tiny():
    return tiny_text_model(context=512)


def choices(**changes) -> Task:
    made = [Example({"text": f"t{i}"}, ("yes", "no")[i % 2], ("yes", "no")) for i in range(14)]
    given = {"items": tuple(made[6:]), "pool": tuple(made[:6])} | changes
    return Task("c", "choice", Template("{text}\nA: {answer}"), **given)


def test_a_study_has_a_row_for_each_number_of_shots(tiny):
    heard: list[tuple[str, int, int]] = []
    found = study(tiny, choices(), SMALL, lambda *now: heard.append(now))
    none, two = found["rows"]
    assert (none["shots"], two["shots"]) == (0, 2)
    assert len(none["by_draw"]) == 1
    assert two["accuracy"] == pytest.approx(np.mean(two["by_draw"]))
    assert len(two["by_draw"]) == 2
    assert none["low"] <= none["accuracy"] <= none["high"]
    assert none["accuracy"] == none["per_token"]
    assert heard[-1] == ("tiny, c", 48, 48)
    assert found["prompt"].count("A:") == 2
    assert study(tiny, choices(), SMALL) == found
    others = [study(tiny, choices(), Plan((0, 2), 2, 6, seed=seed))["prompt"] for seed in (5, 6, 7)]
    assert set(others) != {found["prompt"]}


def test_more_shots_than_fit_are_shown_as_many_as_fit(tiny):
    pool = tuple(Example({"text": f"long {i} " * 10}, "yes", ("yes", "no")) for i in range(20))
    found = study(tiny, choices(pool=pool), Plan((0, 1, 16, 20), 2))
    assert 1 < found["fit"] < 16
    assert [row["shots"] for row in found["rows"]] == [0, 1, found["fit"]]
    assert found["rows"][-1]["asked"] == 20
    said = text_evaluation_page.notes({"few_shot": [found], "perplexity": [], "limit": 6, "seed": 0}, "en")
    assert any(f"c: {found['fit']} examples fit the context" in line for line in said)


def test_what_fits_fits_whatever_is_drawn(tiny):
    pool = tuple(Example({"text": "x" * (5 + 12 * i)}, "yes", ("yes", "no")) for i in range(14))
    task, reader = choices(pool=pool), Reader(tiny.network, tiny.tokenizer)
    fits = [few_shot.fitting(reader, task, task.examples(14, draw, 0)) for draw in range(3)]
    assert len(set(fits)) > 1
    assert study(tiny, task, Plan((0, 14), 3))["fit"] == min(fits)


def test_items_that_never_fit_are_left_out_and_told(tiny):
    long = Example({"text": "x" * 600}, "no", ("yes", "no"))
    found = study(tiny, choices(items=(*choices().items, long)), SMALL)
    assert (found["items"], found["too_long"]) == (8, 1)
    with pytest.raises(UserError, match="no item of c fits the 512 tokens"):
        study(tiny, choices(items=(long,)), SMALL)


def test_constrained_writing_picks_a_choice(tiny):
    found = study(tiny, choices(), Plan((0,), 1, constrained=True))["rows"][0]
    answers = []
    for item in choices().items:
        prompt = choices().prompt((), item)
        from luoxia.generate.constraint import Constraint

        only = Constraint.from_choices([" yes", " no"])
        text = tiny.stream(
            prompt, temperature=0, repetition_penalty=1.0, max_new_tokens=8, constraint=only
        ).text()
        answers.append(text.strip() == item.answer)
    assert found["constrained"] == pytest.approx(np.mean(answers))


def test_numbers_are_read_from_what_is_written(tiny, monkeypatch):
    made = tuple(Example({"question": f"q{i}"}, str(i), shown=f"so it is {i}.\n#### {i}") for i in range(6))
    task = Task("n", "number", Template("Question: {question}\nAnswer: {answer}"), made[:4], made[4:])
    asked = []

    class Writer:
        def __init__(self, model, beginning, room):
            self.beginning = beginning

        def answer(self, rest, most, *, stop):
            asked.append((tiny.tokenizer.decode([*self.beginning, *rest]), stop))
            return (
                f"so 9 and it is {len(asked) - 1}.\n#### {len(asked) - 1}.0" if len(asked) < 4 else "no idea"
            )

    monkeypatch.setattr(few_shot_study, "AfterPrompt", Writer)
    found = study(tiny, task, Plan((1,), 1))
    assert found["rows"][0]["accuracy"] == 0.75
    assert asked[2] == (task.prompt(task.examples(1, 0, 0), made[2]), ("\nQuestion:",))


def test_everything_is_kept_and_shown(tiny, tmp_path):
    (tmp_path / "training.txt").write_text("a text that nobody wrote", encoding="utf-8")
    asked = Asked(
        ("perplexity", "fewshot:cloze-en", "samples"),
        SMALL,
        samples=3,
        prompts=("say <b>so</b>", "go on"),
        against=tmp_path / "training.txt",
        sampling={"max_new_tokens": 8},
    )
    folder, report = evaluate(["one", "two"], lambda _: tiny, asked, tmp_path / "out")
    assert json.loads((folder / "evaluation.json").read_text(encoding="utf-8")) == report
    assert report["models"] == ["tiny", "tiny (2)"]
    assert [(row["model"], row["text"]) for row in report["perplexity"]][:3] == [
        ("tiny", "en"),
        ("tiny", "zh"),
        ("tiny (2)", "en"),
    ]
    first, second = report["samples"]
    assert first["rows"] == second["rows"]
    assert [row["seed"] for row in first["rows"]] == [0, 1, 2]
    assert first["scores"]["against"] == "training.txt"
    assert (folder / "evaluation" / "cloze-en.svg").read_text(encoding="utf-8").startswith("<svg")
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "say &lt;b&gt;so&lt;/b&gt;" in html
    assert "<b>so" not in html
    for lang in ("en", "zh"):
        tables = text_evaluation_page.tables(report, lang)
        assert len(tables) == 3
        assert all(len(row) == len(table[0]) for table in tables for row in table)


def test_stopping_keeps_what_is_measured(tiny, tmp_path):
    def note(what: str, done: int, total: int) -> None:
        if "add-2" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(["one"], lambda _: tiny, Asked(("perplexity", "fewshot:add-2"), SMALL), tmp_path, note)
    kept = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert len(kept["perplexity"]) == 2
    assert kept["few_shot"] == []
    assert "bits per byte" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("on", [("perplexitty",), ("fewshot",), ("fewshot:",), (), ("fewshot:nothing-here",)])
def test_what_is_unknown_is_refused_before_a_model_is_loaded(on, tmp_path):
    with pytest.raises(UserError):
        evaluate(["one"], lambda _: pytest.fail("loaded"), Asked(on), tmp_path)


def test_groups_and_the_pages_that_ship_are_spelled_out():
    parts = Asked(("perplexity", "fewshot:sentiment", "fewshot:sentiment-en", "samples")).parts()
    assert parts == [
        ("perplexity", "en"),
        ("perplexity", "zh"),
        ("fewshot", "sentiment-en"),
        ("fewshot", "sentiment-zh"),
        ("samples", ""),
    ]


def test_a_text_counts_its_bytes_but_the_first_tokens(tiny, tmp_path):
    (tmp_path / "t.txt").write_text("落霞 and more", encoding="utf-8")
    found = text_sources.measured(str(tmp_path / "t.txt"), tiny)
    assert (len(found.ids), found.size, found.whole) == (15, 14, True)
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(UserError, match="is not UTF-8 at byte 0"):
        text_sources.measured(str(tmp_path / "t.txt"), tiny)
    (tmp_path / "t.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(UserError, match="is empty"):
        text_sources.measured(str(tmp_path / "t.txt"), tiny)


def test_of_a_long_text_the_beginning_is_measured_and_that_is_said(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(text_sources, "MOST", 50)
    (tmp_path / "t.txt").write_text("ab" * 100, encoding="utf-8")
    found = text_sources.measured(str(tmp_path / "t.txt"), tiny)
    assert (len(found.ids), found.size, found.whole) == (50, 49, False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two documents to learn from, one held out."""
    plain = byte_tokenizer()
    engine = plain.engine
    engine.add_special_tokens(["<end>"])
    tokenizer = Tokenizer(engine, eos="<end>", stop_ids=frozenset({256}))
    with TokenWriter(tmp_path / "c.tokens", tokenizer, name="c") as writer:
        for text, held_out in (("first text", False), ("second text", False), ("third words", True)):
            writer.add(tokenizer.encode(text), len(text.encode()), held_out=held_out)
        writer.finish(licence=("none",))
    return tmp_path / "c.tokens"


def test_a_corpus_gives_its_training_text_and_unseen_passages(corpus, tiny):
    assert "".join(text_sources.training_text(corpus)) == "first text\nsecond text\n"
    assert text_sources.unseen(corpus, [5, 100], 0) == ["third", "third words"]
    found = text_sources.measured(str(corpus), tiny)  # of another tokenizer: read anew
    assert (len(found.ids), found.size) == (11, 10)
    own = tiny_text_model()
    own.tokenizer = text_sources.tokens.read(corpus).tokenizer()
    found = text_sources.measured(str(corpus), own)
    assert found.ids[-1] == 256
    assert (len(found.ids), found.size) == (12, 10)


def test_copies_of_training_are_shown_beside_what_unseen_text_shares(corpus):
    rows = [{"text": "so a second text and"}, {"text": "zzz"}]
    unseen = text_sources.unseen(corpus, [20, 3], 0)
    found = text_samples.copied(rows, text_sources.training_text(corpus), unseen)
    assert rows[0]["overlap"]["passage"] == " second text "
    assert (found["overlap_longest"], found["overlap_long"]) == (13, 0)
    assert found["held_out_overlap_longest"] == 2  # "t" and "ir" of "third", as in "first"


def test_sums_that_are_written_count(tiny):
    task = task_catalogue.load("add-2", limit=6, shots=2, seed=0)
    assert study(tiny, task, SMALL)["rows"][0]["accuracy"] == 0

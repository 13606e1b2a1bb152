"""Tasks: how a line becomes an item, how an item becomes a prompt, and what is made from a seed."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from luoxia.core.errors import UserError
from luoxia.data import arithmetic, labelled, scrambling, task_catalogue
from luoxia.data.labelled import number
from luoxia.data.task import Example, Task, Template, split

USUAL = {"limit": 200, "shots": 4, "seed": 0}


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def labels(count: int) -> list[dict]:
    return [{"sentence": f"text {i}", "label": i % 2} for i in range(count)]


def test_a_prompt_is_description_examples_and_the_item():
    template = Template("Q: {question}\nA: {answer}")
    one, two, item = (Example({"question": q}, a) for q, a in (("1+1", "2"), ("2+2", "4"), ("3+3", "6")))
    task = Task("sums", "exact", template, (item,), (one, two), description="Add.")
    assert task.prompt((one, two), item) == "Add.\n\nQ: 1+1\nA: 2\n\nQ: 2+2\nA: 4\n\nQ: 3+3\nA:"
    assert template.answer("6") == " 6"
    assert Template("答：{answer}").answer("六") == "六"


def test_a_field_is_placed_as_it_is_whatever_it_holds():
    template = Template("{text}\nLabel: {answer}")
    assert (
        template.context(Example({"text": "{answer} {0} {text.x} %s \\1"}, "x"))
        == "{answer} {0} {text.x} %s \\1\nLabel:"
    )


@pytest.mark.parametrize(
    ("text", "generic"),
    [
        ("Review: {text}\nSentiment: {answer}", "Sentiment:"),
        ("{text} {answer}", "Answer:"),
        ("{q}\n答案：{answer}", "答案："),
    ],
)
def test_the_generic_context_is_the_templates_last_line(text, generic):
    assert Template(text).generic == generic


@pytest.mark.parametrize(
    "text", ["{text}", "{answer}", " {answer}", "{answer} {text}", "{answer}{answer}", "{text} {answer}."]
)
def test_a_template_ends_in_the_answer(text):
    with pytest.raises(UserError, match=r"must end in \{answer\}"):
        Template(text)


def test_draws_of_examples_are_nested_and_differ():
    task = task_catalogue.load("add-2", limit=5, shots=16, seed=3)
    few, many = task.examples(4, 0, 3), task.examples(16, 0, 3)
    assert many[:4] == few
    assert task.examples(16, 1, 3) != many
    assert not {e.fields["question"] for e in task.items} & {e.fields["question"] for e in task.pool}


def test_items_and_pool_share_nothing():
    examples = [Example({"text": str(i)}, "x") for i in range(30)]
    items, pool = split(examples, 12, 4, 0)
    assert (len(items), len(pool)) == (12, 10)
    assert not {e.fields["text"] for e in items} & {e.fields["text"] for e in pool}
    assert len(split(examples, 200, 25, 0)[1]) == 25
    assert split(examples, 12, 4, 0) == (items, pool)
    with pytest.raises(UserError, match="30 examples do not give 30 to show and one to measure"):
        split(examples, 12, 30, 0)


def test_labels_that_come_again_are_the_choices(tmp_path):
    task = labelled.load(lines(tmp_path / "sst2.jsonl", *labels(30)), **USUAL)
    assert (task.name, task.kind, task.chance) == ("sst2", "choice", 0.5)
    assert all(e.choices == ("0", "1") for e in task.items)
    assert task.template.text == "Sentence: {sentence}\nLabel: {answer}"


def test_a_task_file_names_labels_and_asks_in_its_own_words(tmp_path):
    settings = {
        "template": "{sentence} It was {answer}",
        "labels": {"0": "bad", "1": "good"},
        "rule": "normalised",
    }
    lines(tmp_path / "sst2.task.json", settings)
    task = labelled.load(lines(tmp_path / "sst2.jsonl", *labels(30)), **USUAL)
    assert {e.answer for e in task.items} == {"bad", "good"}
    assert task.rule == "normalised"
    assert task.prompt((), task.items[0]).endswith(" It was")


def test_answers_that_never_come_again_are_written(tmp_path):
    rows = [{"question": f"q{i}", "answer": f"a{i}"} for i in range(12)]
    assert labelled.load(lines(tmp_path / "t.jsonl", *rows), **USUAL).kind == "exact"


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"choices": ["red", "blue"], "answer": "blue"}, "blue"),
        ({"choices": ["red", "blue"], "answer": 1}, "blue"),
        ({"choices": ["red", "blue"], "label": "B"}, "blue"),
        ({"options": ["3", "1"], "answer": "1"}, "1"),
        ({"choices": {"text": ["red", "blue"], "label": ["1", "2"]}, "answer": "2"}, "blue"),
    ],
)
def test_an_answer_is_a_choice_its_number_or_its_letter(tmp_path, row, answer):
    task = labelled.load(
        lines(tmp_path / "t.jsonl", *[{"question": f"{i}", **row} for i in range(9)]), **USUAL
    )
    assert task.kind == "choice"
    assert {e.answer for e in task.items} == {answer}


def test_a_folder_shows_its_training_lines_and_worked_answers_end_in_numbers(tmp_path):
    def row(i: int) -> dict:
        return {"question": f"q{i}", "answer": f"So <<2*{i}=9>>it is {i}.\n#### 1,{i:03}"}

    lines(tmp_path / "test.jsonl", *map(row, range(8)))
    lines(tmp_path / "train.jsonl", *map(row, range(100, 110)))
    task = labelled.load(tmp_path, limit=5, shots=4, seed=0)
    assert (task.kind, len(task.items), len(task.pool)) == ("number", 5, 10)
    assert all(e.fields["question"] in {f"q{i}" for i in range(8)} for e in task.items)
    assert task.pool[0].worked == "So it is 100.\n#### 1,100"
    assert number(task.items[0].answer) == 1000 + int(task.items[0].fields["question"][1:])
    with pytest.raises(UserError, match="has 10 examples to show, 11 are asked for"):
        labelled.load(tmp_path, limit=5, shots=11, seed=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so 3 and 4 make 7.", 7),
        ("it is $1,234.50 in all", 1234.5),
        ("... #### 18\n\nQ: 99", 18),
        ("-5", -5),
        ("none", None),
        ("#### none, but 4", 4),
        ("1" * 100_000, float("inf")),
    ],
)
def test_the_number_of_an_answer(text, expected):
    found = number(text)
    assert found == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "t.jsonl has no examples in it"),
        ('{"text": "a", "label": 1}\n{"text"', "t.jsonl:2: it is not JSON"),
        ("[1]", "t.jsonl:1: it is no object"),
        ('\n\n{"text": "a"}', "t.jsonl:3: it needs one of"),
        ('{"text": "a", "label": " "}', "t.jsonl:1: its answer is empty"),
        (
            '{"text": "a", "label": "c", "choices": ["a", "b"]}',
            "t.jsonl:1: its answer 'c' is none of its choices",
        ),
        ('{"text": "a", "label": "a", "choices": ["a", "a"]}', "t.jsonl:1: its choices must be two or more"),
        ('{"text": "a", "label": "a", "choices": ["a", ""]}', "t.jsonl:1: its choices are no list of texts"),
        ("[" * 100_000, "t.jsonl:1: it is not JSON"),
    ],
)
def test_bad_lines_are_named(tmp_path, content, words):
    (tmp_path / "t.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(words)):
        labelled.load(tmp_path / "t.jsonl", **USUAL)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"templates": "x"}, "'templates' is not one of template"),
        ({"kind": "guess"}, "kind is 'guess'"),
        ({"labels": [1]}, "labels is '[1]'"),
        ({"template": "{other} {answer}"}, "it has no other, which the template names"),
        ([], "it is no object"),
    ],
)
def test_bad_task_files_are_named(tmp_path, settings, words):
    lines(tmp_path / "t.task.json", settings)
    lines(tmp_path / "t.jsonl", *labels(10))
    with pytest.raises(UserError, match=re.escape(words)):
        labelled.load(tmp_path / "t.jsonl", **USUAL)


def test_other_encodings_are_told_with_their_place(tmp_path):
    (tmp_path / "t.jsonl").write_bytes('{"text": "好", "label": "1"}\n'.encode("gb18030"))
    with pytest.raises(UserError, match=r"is not UTF-8 at byte 10 \(line 1\)"):
        labelled.load(tmp_path / "t.jsonl", **USUAL)


@pytest.mark.parametrize("name", arithmetic.SUMS)
def test_sums_are_right_and_asked_as_in_the_paper(name):
    task = arithmetic.load(name, limit=50, shots=16, seed=1)
    assert (len(task.items), len(task.pool)) == (50, 64)
    for example in (*task.items, *task.pool):
        asked = example.fields["question"]
        sum_ = asked.replace("plus", "+").replace("minus", "-").replace("times", "*")
        assert re.fullmatch(r"[\d+\-*() ]+", sum_)
        assert str(eval(sum_)) == example.answer
    assert re.fullmatch(r"Q: What is .+\?\nA:", task.prompt((), task.items[0]))
    if name.endswith("-3"):
        assert max(len(n) for e in task.items for n in re.findall(r"\d+", e.fields["question"])) == 3


@pytest.mark.parametrize("name", scrambling.SCRAMBLES)
def test_scrambled_words_keep_what_they_should(name):
    task = scrambling.load(name, limit=40, shots=16, seed=1)
    assert len(task.items) == 40
    for example in task.items:
        mixed, word = example.fields["text"], example.answer
        assert mixed != word
        if name == "random-insertion":
            assert mixed[::2] == word
            assert set(mixed[1::2]) <= set(scrambling.MARKS)
            continue
        assert Counter(mixed) == Counter(word)
        if name.startswith("anagram"):
            kept = int(name[-1])
            assert (mixed[:kept], mixed[-kept:]) == (word[:kept], word[-kept:])
        if name == "cycle-letters":
            assert word in mixed + mixed
        if name == "reversed-words":
            assert mixed[::-1] == word


def test_words_are_as_many_and_as_long_as_said_and_none_is_another_scrambled():
    words = scrambling.words()
    assert len(words) > 800
    assert all(5 <= len(word) <= 14 and word.isalpha() and word.islower() for word in words)
    assert max(Counter("".join(sorted(word)) for word in words).values()) == 1


@pytest.mark.parametrize(
    ("name", "count", "choices"),
    [("sentiment-en", 120, 2), ("sentiment-zh", 60, 2), ("cloze-en", 60, 4), ("cloze-zh", 30, 4)],
)
def test_what_ships_is_whole_and_balanced(name, count, choices):
    task = task_catalogue.load(name, limit=1000, shots=1, seed=0)
    every = [*task.items, *task.pool]
    assert len(every) == count
    assert len({e.fields["text"] for e in every}) == count
    assert {len(e.choices) for e in every} == {choices}
    if name.startswith("sentiment"):
        assert set(Counter(e.answer for e in every).values()) == {count // 2}
    else:  # the right one is not always at one place
        places = Counter(e.choices.index(e.answer) for e in every)
        assert max(places.values()) < 0.5 * count
    assert task.licence


def test_gaokao_takes_questions_with_one_letter(tmp_path):
    def question(answer: list[str], text: str = "12. 选哪个？\nA. 甲 B. 乙 C. 丙 D. 丁") -> dict:
        return {"question": text, "answer": answer}

    folder = tmp_path / "gaokao" / "Objective_Questions"
    folder.mkdir(parents=True)
    good = [question([letter]) for letter in "ABCD" * 3]
    bad = [question(["A", "B"]), question(["AB"]), question(["A"], "没有选项")]
    (folder / "x.json").write_text(json.dumps({"example": good + bad}), encoding="utf-8")
    task = task_catalogue.load("gaokao", limit=200, shots=2, seed=0, folder=tmp_path)
    assert (len(task.items) + len(task.pool), task.left_out, task.chance) == (12, 3, 0.25)
    assert task.prompt((), task.items[0]) == "题目：选哪个？\nA. 甲 B. 乙 C. 丙 D. 丁\n答案："


def test_a_task_is_found_here_in_the_folder_given_and_at_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "tasks").mkdir(parents=True)
    (tmp_path / "own").mkdir()
    for place, name in ((tmp_path, "here"), (tmp_path / "own", "own"), (tmp_path / "home" / "tasks", "kept")):
        lines(place / f"{name}.jsonl", *labels(10))
    for name in ("here", "here.jsonl", "own", "kept"):
        assert task_catalogue.load(name, folder=tmp_path / "own", **USUAL).items
    with pytest.raises(UserError, match=r"there is no task 'sentimant'.*did you mean sentiment"):
        task_catalogue.load("sentimant", **USUAL)

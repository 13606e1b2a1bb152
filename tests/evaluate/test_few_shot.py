"""Which answers count as right, by each rule, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_text import tiny_text_model

from luoxia.core.errors import UserError
from luoxia.data import task_catalogue
from luoxia.data.task import Example, Task, Template
from luoxia.evaluate import few_shot
from luoxia.evaluate.few_shot import Reader, by, written
from luoxia.evaluate.token_tree import Scored
from luoxia.generate.after_prompt import AfterPrompt

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny():
    return tiny_text_model(context=256)


@pytest.fixture(scope="module")
def reader(tiny):
    return Reader(tiny.network, tiny.tokenizer)


def choices(count: int = 6) -> Task:
    made = [
        Example({"text": f"t{i}"}, ("yes", "perhaps")[i % 2], ("yes", "no", "perhaps"))
        for i in range(count + 4)
    ]
    return Task("c", "choice", Template("{text}\nA: {answer}"), tuple(made[4:]), tuple(made[:4]))


@torch.no_grad()
def logprob(model, context: str, answer: str) -> np.ndarray:
    before, after = model.tokenizer.encode(context), model.tokenizer.encode(answer)
    rows = model.network(torch.tensor([before + after]))[0, len(before) - 1 : -1].double().log_softmax(-1)
    return rows[torch.arange(len(after)), torch.tensor(after)].numpy()


def test_each_rule_picks_by_its_own_measure(tiny, reader):
    task = choices()
    examples = task.examples(2, 0, 0)
    found = few_shot.measure(reader, task, examples).right
    empty = task.prompt(examples, Example({"text": "N/A"}, ""))
    blank = [logprob(tiny, empty, f" {choice}").sum() for choice in task.items[0].choices]
    for i, item in enumerate(task.items):
        prompt = task.prompt(examples, item)
        each = [logprob(tiny, prompt, f" {choice}") for choice in item.choices]
        plain = [logprob(tiny, "A:", f" {choice}").sum() for choice in item.choices]
        picked = {
            "summed": np.argmax([e.sum() for e in each]),
            "per_token": np.argmax([e.mean() for e in each]),
            "normalised": np.argmax([e.sum() - p for e, p in zip(each, plain, strict=True)]),
            "calibrated": np.argmax([e.sum() - b for e, b in zip(each, blank, strict=True)]),
        }
        for rule, at in picked.items():
            assert found[rule][i] == (item.choices[at] == item.answer), rule


def test_rules_by_hand():
    scored = Scored(np.array([-1.0, -3.0]), np.array([True, False]))
    assert by("summed", scored, -3, -1.5) == -4
    assert by("per_token", scored, -3, -1.5) == -2
    assert by("normalised", scored, -3, -1.5) == -1
    assert by("calibrated", scored, -3, -1.5) == -2.5


def test_exact_answers_are_what_greedy_decoding_writes(tiny, reader):
    """Answers that the model itself wrote are right, and become wrong by one letter."""
    template, prompts = Template("{text}: {answer}"), [f"item {i}" for i in range(8)]
    made = []
    for text in prompts:
        ids = tiny.tokenizer.encode(f"{text}: ")
        free = AfterPrompt(tiny, ids[:-1], 40).answer(ids[-1:], 6)
        made.append(Example({"text": text}, free))
    items = tuple(e for e in made if e.answer.isascii() and e.answer.strip() == e.answer and e.answer)
    found = [
        scored
        for item in items
        for scored in few_shot.score(
            tiny.network, reader.requests(f"{item.fields['text']}: ", [item.answer], end=True)
        )
    ]
    assert items
    assert all(scored.likeliest.all() for scored in found)
    wrong = [
        few_shot.score(tiny.network, reader.requests(f"{i.fields['text']}: ", [i.answer[:-1] + "~"]))[0]
        for i in items
    ]
    assert not any(scored.likeliest.all() for scored in wrong)
    assert template.names == {"text"}


def test_an_exact_answer_ends_its_line(tiny):
    tokenizer, right = tiny.tokenizer, np.array([True, True])
    newline, letter = tokenizer.encode("\n")[0], tokenizer.encode("x")[0]
    assert written(tokenizer, Scored(np.zeros(2), right, newline))
    assert not written(tokenizer, Scored(np.zeros(2), right, letter))
    assert not written(tokenizer, Scored(np.zeros(2), np.array([True, False]), newline))
    stopping = tiny_text_model(stop_ids=frozenset({letter})).tokenizer
    assert written(stopping, Scored(np.zeros(2), right, letter))


def test_as_many_examples_fit_as_leave_room_for_the_longest_item(tiny, reader):
    task = choices()
    examples = (*task.pool, *task.pool, *task.pool, *task.pool, *task.pool, *task.pool)
    fit = few_shot.fitting(reader, task, examples)
    longest = max(task.items, key=lambda e: len(task.prompt((), e)))
    size = len(task.prompt(examples[:fit], longest)) + len(" perhaps")
    more = len(task.prompt(examples[: fit + 1], longest)) + len(" perhaps")
    assert size < tiny.context <= more
    assert few_shot.fitting(reader, task, examples[:2]) == 2
    assert few_shot.fitting(reader, task, examples, room=100) < fit


def test_items_that_never_fit_are_told(reader):
    task = choices()
    long = Example({"text": "x" * 300}, "no", task.items[0].choices)
    task = Task("c", "choice", task.template, (*task.items, long), task.pool)
    assert few_shot.too_long(reader, task) == (len(task.items) - 1,)


def test_answers_that_are_no_tokens_are_refused(reader):
    good = choices()
    empty = Task(
        "c", "choice", Template("{text}{answer}"), (Example({"text": "t"}, "a", ("a", " ")),), good.pool
    )
    with pytest.raises(UserError, match="the answer ' ' of c is no token"):
        few_shot.checked(reader, empty)
    same = Task(
        "c", "choice", Template("{text}{answer}"), (Example({"text": "t"}, "a", ("a", "a")),), good.pool
    )
    with pytest.raises(UserError, match="two choices of c are the same tokens"):
        few_shot.checked(reader, same)
    few_shot.checked(reader, good)


def test_the_whole_prompt_is_tokenised_as_one_text(smollm):
    """Byte-pair tokens cross the places where a prompt is put together; the answer's own begins with its space."""
    reader = Reader(smollm.network, smollm.tokenizer)
    task = task_catalogue.load("add-2", limit=2, shots=2, seed=0)
    prompt = task.prompt(task.examples(2, 0, 0), task.items[0])
    (request,) = reader.requests(prompt, [task.template.answer("57")])
    assert list(request.context + request.answer) == smollm.tokenizer.encode(f"{prompt} 57")
    assert smollm.tokenizer.decode(request.answer) == " 57"

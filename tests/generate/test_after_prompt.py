"""Answers behind a shared beginning, against each prompt read alone."""

from __future__ import annotations

import pytest
from tiny_text import tiny_text_model

from luoxia.core.errors import ContextError
from luoxia.generate.after_prompt import AfterPrompt
from luoxia.generate.constraint import Constraint

pytestmark = pytest.mark.usefixtures("one_thread")

RESTS = ["b: ", "quite another: ", "b: "]


@pytest.fixture(scope="module")
def tiny():
    return tiny_text_model(context=96)


def alone(model, prompt: str, **options) -> str:
    return model.stream(prompt, temperature=0, repetition_penalty=1.0, **options).text()


@pytest.mark.parametrize("beginning", ["the same for all. ", ""])
def test_each_answer_is_what_the_prompt_alone_gets(tiny, beginning):
    writer = AfterPrompt(tiny, tiny.tokenizer.encode(beginning) if beginning else (), 60)
    found = [writer.answer(tiny.tokenizer.encode(rest), 12) for rest in RESTS]
    assert found == [alone(tiny, beginning + rest, max_new_tokens=12) for rest in RESTS]
    assert found[0] == found[2] != found[1]


def test_stop_texts_end_an_answer(tiny):
    whole = alone(tiny, "x" + RESTS[0], max_new_tokens=12)
    stop = whole[3:5]
    writer = AfterPrompt(tiny, tiny.tokenizer.encode("x"), 60)
    assert writer.answer(tiny.tokenizer.encode(RESTS[0]), 12, stop=(stop,)) == whole.split(stop)[0]


def test_a_constraint_leaves_its_choices(tiny):
    writer = AfterPrompt(tiny, tiny.tokenizer.encode("x"), 60)
    choices = Constraint.from_choices([" yes", " no"])
    found = [writer.answer(tiny.tokenizer.encode(rest), 8, constraint=choices) for rest in RESTS]
    assert set(found) <= {" yes", " no"}
    assert found[0] == alone(tiny, "x" + RESTS[0], max_new_tokens=8, constraint=choices)


def test_what_does_not_fit_is_refused(tiny):
    writer = AfterPrompt(tiny, tiny.tokenizer.encode("x"), 10)
    with pytest.raises(ContextError, match="a prompt of 7 tokens leaves no room for 5 more in 11"):
        writer.answer(tiny.tokenizer.encode("abcdef"), 5)

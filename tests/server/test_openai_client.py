"""OpenAI's own client against a real server."""

from __future__ import annotations

import json
import threading

import openai
import pytest
from pydantic import BaseModel

import luoxia
from luoxia.generate.sampling import Sampling
from luoxia.provenance import policy as policies
from luoxia.provenance.policy import SENTENCES, Policy
from luoxia.workspace import memorisation
from luoxia.workspace.creation import Creation
from luoxia.workspace.history import Workspace
from luoxia.workspace.memorisation import Judgement, Near
from luoxia.workspace.replay import replay

MESSAGES = [{"role": "user", "content": "hello there"}]
NAME = "smollm2-135m-instruct"


def newest(n: int = 1) -> list[Creation]:
    """The last creations of the history, oldest first."""
    with Workspace() as workspace:
        return [workspace.find(listed.id) for listed in reversed(workspace.list(limit=n))]


@pytest.fixture
def ai(url: str):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=10) as client:
        yield client


def test_chat(ai, model) -> None:
    answer = ai.chat.completions.create(model=NAME, messages=MESSAGES, seed=7)
    assert answer.choices[0].message.content == "Evening glow 落霞"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].logprobs is None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        2,
        3,
        5,
    )
    assert (answer.model, answer.object, answer.id[:9]) == (NAME, "chat.completion", "chatcmpl-")
    made = newest()[0]
    assert answer.luoxia == {
        "seed": 7,
        "seconds": 1.25,
        "first_token_seconds": 0.25,
        "tokens_per_second": 2.0,
        "creation": made.id,
        "creations": [made.id],
        "label": json.loads(Policy().label(made.id).to_json()),
        "sentence": SENTENCES["cn"],
        "near": [],
    }
    assert model.asked[0][0] == MESSAGES


def test_an_answer_is_recorded_and_can_be_made_again(ai, model, monkeypatch) -> None:
    monkeypatch.setattr(luoxia, "load", lambda *_, **__: model, raising=False)
    talk = [{"role": "system", "content": "Be brief."}, *MESSAGES]
    asked = {"seed": 5, "n": 2, "max_tokens": 2, "stop": ["END"], "extra_body": {"guided_choice": ["a", "b"]}}
    told = ai.chat.completions.with_raw_response.create(model=NAME, messages=talk, **asked)
    made = newest(2)
    assert told.headers["X-Luoxia-Creation"] == ", ".join(each.id for each in made)
    assert told.parse().luoxia["creations"] == [each.id for each in made]
    assert [each.made_from.seed for each in made] == [5, 6]
    assert {(each.made_from.prompt, each.sketch) for each in made} == {("hello there", "Evening glow ")}
    second = model.asked[-1]
    assert replay(made[1]).outcome == "identical"
    assert model.asked[-1][0] == talk
    (constraint, sampling), (again, sampled) = (
        (options.pop("constraint"), Sampling(**options)) for options in (second[1], model.asked[-1][1])
    )
    assert (constraint, sampling) == (again, sampled)


def test_conversations_that_end_otherwise_and_plain_texts_are_made_again_too(ai, model, monkeypatch) -> None:
    monkeypatch.setattr(luoxia, "load", lambda *_, **__: model, raising=False)
    begun = [*MESSAGES, {"role": "assistant", "content": "Well,"}]
    ai.chat.completions.create(model=NAME, messages=begun, response_format={"type": "json_object"})
    assert replay(newest()[0]).outcome == "identical"
    assert model.asked[-1][0] == begun
    assert model.asked[-1][1]["constraint"].what == "JSON schema"
    ai.completions.create(model=NAME, prompt=["one", "two"], n=2)
    assert [each.made_from.prompt for each in newest(4)] == ["one", "one", "two", "two"]
    assert replay(newest()[0]).outcome == "identical"
    assert model.asked[-1][0] == "two"


def test_an_answer_tells_what_it_is_a_copy_of(ai, monkeypatch) -> None:
    of = Near(
        "the text",
        "tales",
        "document 7",
        "Tales by A. Author, CC BY 4.0",
        "CC BY 4.0",
        "A. Author",
        812.0,
        "Once",
    )
    found = Judgement((of,), (NAME,))
    monkeypatch.setattr(memorisation, "judge", lambda *_: found)
    answer = ai.chat.completions.create(model=NAME, messages=MESSAGES, n=2)
    assert answer.luoxia["near"] == [{"creation": id} | of.to_json() for id in answer.luoxia["creations"]]
    assert newest()[0].memorisation["near"] == [of.to_json()]
    *before, last = ai.completions.create(model=NAME, prompt="one", stream=True)
    assert last.luoxia["near"] == [{"creation": newest()[0].id} | of.to_json()]
    assert not any(chunk.luoxia["near"] for chunk in before if chunk.luoxia)
    monkeypatch.setattr(memorisation, "judge", lambda *_: Judgement((), (NAME,)))
    assert ai.chat.completions.create(model=NAME, messages=MESSAGES).luoxia["near"] == []


def test_the_last_chunk_says_what_it_is(ai) -> None:
    for more in ({}, {"stream_options": {"include_usage": True}}):
        chunks = list(ai.chat.completions.create(model=NAME, messages=MESSAGES, stream=True, n=2, **more))
        assert chunks[-1].luoxia["creations"] == [each.id for each in newest(2)]
        assert chunks[-1].luoxia["label"]["ProduceID"] == newest(2)[0].id
        assert not any(c.luoxia["creation"] for c in chunks[:-1] if c.luoxia)


def test_who_leaves_a_stream_has_read_what_is_recorded(ai, model, until) -> None:
    model.gate = threading.Semaphore(2)
    stream = ai.chat.completions.create(model=NAME, messages=MESSAGES, stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", "Evening ", "glow "]
    stream.close()
    until(newest)
    made = newest()[0]
    assert (made.sketch, made.made_from.parameters["cut"]) == ("Evening glow ", 13)


def test_the_policy_decides_what_an_answer_says(ai, model) -> None:
    policies.save(Policy("off", reason="a test"))
    told = ai.chat.completions.create(model=NAME, messages=MESSAGES).luoxia
    assert (told["creation"], told["label"], told["sentence"]) == (newest()[0].id, None, "")
    policies.place().write_text("{")
    with pytest.raises(openai.BadRequestError, match="is no policy"):
        ai.chat.completions.create(model=NAME, messages=MESSAGES, stream=True)
    assert len(model.asked) == 1


def test_streamed_chat(ai) -> None:
    chunks = list(ai.chat.completions.create(model=NAME, messages=MESSAGES, seed=7, stream=True))
    assert [c.choices[0].delta.content for c in chunks] == ["", "Evening ", "glow ", "落霞", None]
    assert [c.choices[0].finish_reason for c in chunks] == [None] * 4 + ["stop"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({c.id for c in chunks}) == 1
    assert (chunks[0].luoxia["seed"], chunks[0].luoxia["seconds"]) == (7, None)
    assert chunks[-1].luoxia["tokens_per_second"] == 2.0
    assert chunks[-1].usage.completion_tokens == 3
    assert all(c.usage is None for c in chunks[:-1])


def test_include_usage_adds_a_chunk_without_choices(ai) -> None:
    chunks = list(
        ai.chat.completions.create(
            model=NAME, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == 5
    assert all(c.usage is None for c in chunks[:-1])
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_the_clients_own_streaming_helper(ai) -> None:
    with ai.chat.completions.stream(model=NAME, messages=MESSAGES) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Evening glow 落霞"


def test_choices_have_seeds_of_their_own(ai, model) -> None:
    answer = ai.chat.completions.create(model=NAME, messages=MESSAGES, seed=10, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert [stream.seed for stream in model.streams] == [10, 11, 12]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 9)
    chunks = list(ai.chat.completions.create(model=NAME, messages=MESSAGES, seed=10, n=2, stream=True))
    assert [(c.choices[0].index, c.luoxia["seed"]) for c in chunks if c.luoxia and not c.usage] == [
        (0, 10),
        (1, 11),
    ]
    assert [c.choices[0].index for c in chunks if c.choices[0].finish_reason] == [0, 1]


def test_a_seed_is_drawn_and_told(ai, model) -> None:
    first = ai.chat.completions.create(model=NAME, messages=MESSAGES).luoxia["seed"]
    second = ai.chat.completions.create(model=NAME, messages=MESSAGES).luoxia["seed"]
    assert first != second
    assert [asked["seed"] for _, asked in model.asked] == [first, second]


def test_the_last_seed_wraps_around(ai, model) -> None:
    ai.chat.completions.create(model=NAME, messages=MESSAGES, seed=2**63 - 1, n=2)
    assert [stream.seed for stream in model.streams] == [2**63 - 1, 0]


def test_every_knob_reaches_the_model(ai, model) -> None:
    ai.chat.completions.create(
        model=NAME,
        messages=MESSAGES,
        temperature=0.1,
        top_p=0.2,
        max_tokens=9,
        stop="\n",
        seed=1,
        extra_body={"top_k": 5, "min_p": 0.05, "repetition_penalty": 1.1},
    )
    assert model.asked[0][1] == {
        "constraint": None,
        "temperature": 0.1,
        "top_p": 0.2,
        "top_k": 5,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "max_new_tokens": 9,
        "stop": ("\n",),
        "seed": 1,
        "logprobs": None,
        "mark": True,
    }


def test_what_is_left_out_keeps_luoxias_default(ai, model) -> None:
    ai.chat.completions.create(model=NAME, messages=MESSAGES, temperature=None, seed=1)
    given = {"constraint", "max_new_tokens", "stop", "seed", "logprobs", "mark", "temperature"}
    assert set(model.asked[0][1]) == given


def test_texts_are_marked_by_policy_and_warm_enough_for_it(ai, model) -> None:
    pattern = {"extra_body": {"guided_regex": "[a-z]+"}}
    for policy in (Policy("eu"), Policy("off", reason="a test")):
        policies.save(policy)
        for more in ({}, pattern, {"response_format": {"type": "json_object"}}):
            ai.chat.completions.create(model=NAME, messages=MESSAGES, **more)
    told = [(asked["mark"], asked["temperature"]) for _, asked in model.asked]
    assert told == [(True, 0.65), (True, 0.3), (True, 0.3), (False, 0.3), (False, 0.3), (False, 0.3)]


def test_the_newer_name_of_max_tokens(ai) -> None:
    answer = ai.chat.completions.create(model=NAME, messages=MESSAGES, max_completion_tokens=2)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Evening glow ", "length")


def test_messages_in_parts_and_developers(ai, model) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    ai.chat.completions.create(
        model=NAME,
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": parts, "name": "x"},
        ],
    )
    assert model.asked[0][0] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one two"},
    ]


def test_log_probabilities(ai, model) -> None:
    model.script = lambda prompt: ["sure", "never", "\N{REPLACEMENT CHARACTER}"]
    answer = ai.chat.completions.create(model=NAME, messages=MESSAGES, logprobs=True, top_logprobs=2)
    first, second, third = answer.choices[0].logprobs.content
    assert (first.token, first.logprob, bytes(first.bytes)) == ("sure", -0.5, b"sure")
    assert [(top.token, top.logprob) for top in first.top_logprobs] == [("sure0", 0.0), ("sure1", -1.0)]
    assert second.logprob == -9999.0
    assert third.bytes is None


def test_streamed_log_probabilities(ai) -> None:
    chunks = list(ai.chat.completions.create(model=NAME, messages=MESSAGES, logprobs=True, stream=True))
    told = [c.choices[0].logprobs.content[0].token for c in chunks if c.choices[0].logprobs]
    assert told == ["Evening ", "glow ", "落霞"]


def test_completions(ai, model) -> None:
    answer = ai.completions.create(model=NAME, prompt="Once upon a time", max_tokens=2, logprobs=1)
    choice = answer.choices[0]
    assert (choice.text, choice.finish_reason) == ("Evening glow ", "length")
    assert choice.logprobs.tokens == ["Evening ", "glow "]
    assert choice.logprobs.text_offset == [0, 8]
    assert choice.logprobs.token_logprobs == [-0.5, -0.5]
    assert choice.logprobs.top_logprobs[0] == {"Evening 0": 0.0}
    assert model.asked[0][0] == "Once upon a time"


def test_several_prompts(ai, model) -> None:
    model.script = lambda prompt: [prompt.upper()]
    answer = ai.completions.create(model=NAME, prompt=["a b", "c"], n=2)
    assert [(c.index, c.text) for c in answer.choices] == [(0, "A B"), (1, "A B"), (2, "C"), (3, "C")]
    assert answer.usage.prompt_tokens == 3


def test_streamed_completions(ai) -> None:
    chunks = list(ai.completions.create(model=NAME, prompt="x", stream=True, logprobs=0))
    assert "".join(c.choices[0].text for c in chunks) == "Evening glow 落霞"
    assert [c.choices[0].logprobs.text_offset for c in chunks[1:4]] == [[0], [8], [13]]
    assert chunks[-1].usage.completion_tokens == 3


def test_completions_have_openais_default_length(ai, model) -> None:
    model.script = lambda prompt: ["a"] * 99
    assert ai.completions.create(model=NAME, prompt="x").usage.completion_tokens == 16


def test_a_pydantic_model_becomes_a_constraint(ai, model) -> None:
    class Quiz(BaseModel):
        question: str

    model.script = lambda prompt: ['{"question": ', '"why?"}']
    answer = ai.chat.completions.parse(model=NAME, messages=MESSAGES, response_format=Quiz)
    assert answer.choices[0].message.parsed == Quiz(question="why?")
    assert model.asked[0][1]["constraint"].what == "JSON schema"


@pytest.mark.parametrize(
    ("extra", "what"),
    [
        ({"guided_regex": "[a-z]+"}, "regular expression"),
        ({"guided_choice": ["yes", "no"]}, "list of choices"),
        ({"response_format": {"type": "json_object"}}, "JSON schema"),
    ],
)
def test_other_constraints(ai, model, extra, what) -> None:
    ai.chat.completions.create(model=NAME, messages=MESSAGES, extra_body=extra)
    assert model.asked[0][1]["constraint"].what == what


def test_plain_text_is_no_constraint(ai, model) -> None:
    ai.chat.completions.create(model=NAME, messages=MESSAGES, response_format={"type": "text"})
    assert model.asked[0][1]["constraint"] is None


def test_an_impossible_constraint_is_refused(ai) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ai.chat.completions.create(model=NAME, messages=MESSAGES, extra_body={"guided_regex": "(" * 5})
    assert caught.value.code == "invalid_constraint"


def test_errors_arrive_as_the_clients_own(ai, model) -> None:
    with pytest.raises(openai.NotFoundError, match=r"smollm2-135m-instruct") as caught:
        ai.chat.completions.create(model="smollm2-135m", messages=MESSAGES)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    long = [{"role": "user", "content": "word " * 100}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            ai.chat.completions.create(model=NAME, messages=long, stream=stream)
        assert caught.value.code == "context_length_exceeded"


def test_a_failure_in_mid_stream_is_told(ai, model, capfd) -> None:
    model.script = lambda prompt: ["fine ", "raise"]
    stream = ai.chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": "my secret"}], stream=True
    )
    with pytest.raises(openai.APIError, match="inside Luoxia") as caught:
        list(stream)
    assert "secret" not in str(caught.value.body)


def test_models(ai, default_model_here) -> None:
    assert [m.id for m in ai.models.list()] == [NAME]
    assert ai.models.retrieve(NAME).owned_by == "Hugging Face TB"
    with pytest.raises(openai.NotFoundError):
        ai.models.retrieve("qwen2.5-coder-1.5b-instruct")
    with pytest.raises(openai.NotFoundError):
        ai.models.retrieve("nothing-like-it")

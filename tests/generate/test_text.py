"""A loaded model: batches of prompts, what it refuses, and the ways to it."""

from __future__ import annotations

import os

import pytest
import torch
from tiny_text import tiny_text_model

import luoxia
from luoxia.core.errors import (
    ContextError,
    MalformedFileError,
    ModelNotHereError,
    UnknownModelError,
    UserError,
)
from luoxia.core.runtime import resolve

HOT = {"max_new_tokens": 12, "temperature": 1.0, "top_p": 1.0}
GREEDY = {"max_new_tokens": 12, "temperature": 0}
UNEQUAL = ["a", "water and sky", "bcd" * 9, "落霞"]


@pytest.fixture(scope="module")
def tiny():
    return tiny_text_model()


def one_by_one(model, prompts, **sampling) -> list[tuple]:
    streams = [model.stream(prompt, **sampling) for prompt in prompts]
    texts = [stream.text() for stream in streams]
    return [
        (t, s.finish_reason, s.prompt_tokens, s.completion_tokens)
        for t, s in zip(texts, streams, strict=True)
    ]


def together(model, prompts, **sampling) -> list[tuple]:
    found = model.complete(prompts, **sampling)
    return [(c.text, c.finish_reason, c.prompt_tokens, c.completion_tokens) for c in found]


def ended_early(tiny) -> tuple:
    """A token that some of the answers hold and others do not."""
    rows = [{t.id for piece in tiny.stream(p, logprobs=0, **GREEDY) for t in piece.tokens} for p in UNEQUAL]
    return next(t for t in range(256) if 0 < sum(t in row for row in rows) < len(rows))


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_a_batch_of_unequal_prompts_equals_each_alone(tiny, penalty):
    knobs = GREEDY | {"repetition_penalty": penalty}
    assert together(tiny, UNEQUAL, **knobs) == one_by_one(tiny, UNEQUAL, **knobs)


def test_members_of_a_batch_end_for_reasons_of_their_own(tiny):
    model = tiny_text_model(stop_ids=frozenset({ended_early(tiny)}))
    found = together(model, UNEQUAL, **GREEDY)
    assert found == one_by_one(model, UNEQUAL, **GREEDY)
    assert {reason for _, reason, _, _ in found} == {"stop", "length"}


def test_stop_texts_end_members_of_a_batch(tiny):
    whole = [text for text, *_ in together(tiny, UNEQUAL, **GREEDY)]
    stop = next(t[3:5] for t in whole if any(t[3:5] not in other for other in whole))
    found = together(tiny, UNEQUAL, stop=(stop,), **GREEDY)
    assert found == one_by_one(tiny, UNEQUAL, stop=(stop,), **GREEDY)
    assert {reason for _, reason, _, _ in found} == {"stop", "length"}
    assert not any(stop in text for text, *_ in found)


def test_a_batch_stops_computing_when_all_have_ended(tiny, monkeypatch):
    """One stop text that every answer meets at its first token."""
    stops = tuple({tiny.stream(p, max_new_tokens=4, temperature=0).text()[0] for p in UNEQUAL})
    calls, forward = [], tiny.network.forward
    monkeypatch.setattr(tiny.network, "forward", lambda *args: calls.append(args) or forward(*args))
    tiny.complete(UNEQUAL, max_new_tokens=30, temperature=0, stop=stops)
    assert len(calls) < 4


def test_sample_i_depends_on_the_seed_and_i_alone(tiny):
    def answer(at: int, *prompts: str, seed: int = 9) -> str:
        return tiny.complete(prompts, seed=seed, **HOT)[at].text

    assert answer(1, "abc", "water") == answer(1, "something else", "water", "more", "and more")
    assert answer(0, "water") == answer(0, "water", "abc" * 5)
    assert len({answer(at, "water", "water", "water") for at in range(3)}) == 3
    assert answer(0, "water") != answer(0, "water", seed=10)


def test_the_first_sample_is_that_of_a_stream(tiny):
    assert tiny.complete(["water"], seed=3, **HOT)[0].text == tiny.stream("water", seed=3, **HOT).text()


def test_one_seed_is_drawn_for_a_batch_and_reported(tiny):
    first = tiny.complete(["water", "water"], **HOT)
    assert first[0].seed == first[1].seed
    assert tiny.complete(["water", "water"], **(HOT | {"seed": first[0].seed})) == first
    assert tiny.complete(["water"], **HOT)[0].seed != tiny.complete(["water"], **HOT)[0].seed


def test_a_batch_fills_the_context_to_its_last_token_and_no_further(tiny):
    found = tiny.complete(["x" * 60, "x"], max_new_tokens=100)
    assert [(c.finish_reason, c.completion_tokens) for c in found] == [("length", 4)] * 2


def test_no_prompts_give_no_answers(tiny):
    assert tiny.complete([]) == []


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m: m.stream(""), "the prompt is empty; write something to continue"),
        (lambda m: m.complete(["water", ""]), "the prompt is empty; write something to continue"),
        (lambda m: m.stream_ids([]), "the prompt is empty; write something to continue"),
        (lambda m: m.chat([]), "the conversation is empty; give at least one message"),
        (lambda m: m.stream_ids([3, 256]), "token ids of tiny lie between 0 and 255"),
        (lambda m: m.stream_ids([-1]), "token ids of tiny lie between 0 and 255"),
        (lambda m: m.stream("x", temperature=-1), "temperature is -1; give a number from 0 to 100"),
        (
            lambda m: m.complete(["x"], seed=-1),
            "seed is -1; give a whole number from 0 to 9223372036854775807",
        ),
    ],
)
def test_what_cannot_be_continued_is_refused_at_once(tiny, ask, message):
    with pytest.raises(UserError) as refusal:
        ask(tiny)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.stream("x" * 64),
        lambda m: m.stream("x" * 65),
        lambda m: m.complete(["x", "x" * 64]),
        lambda m: m.chat([{"role": "user", "content": "x" * 64}]),
    ],
)
def test_a_prompt_that_leaves_no_room_for_a_token_is_refused_with_both_numbers(tiny, ask):
    with pytest.raises(
        ContextError,
        match=r"the prompt has 6[45] tokens and tiny reads 64 with its answer; shorten the prompt",
    ):
        ask(tiny)


def test_after_the_prompt_low_bit_weights_are_decoded_in_compiled_code(smollm, monkeypatch):
    steps, prompts = [], []
    step, hidden = smollm.fused.step, smollm.network.hidden
    monkeypatch.setattr(smollm.fused, "step", lambda *args: steps.append(args) or step(*args))
    monkeypatch.setattr(smollm.network, "hidden", lambda *args: prompts.append(args) or hidden(*args))
    stream = smollm.stream("The river", max_new_tokens=9, temperature=1.0, seed=1)
    stream.text()
    assert len(steps) == stream.completion_tokens - 1 == 8
    assert [ids.shape[1] for ids, _ in prompts] == [stream.prompt_tokens]


def test_each_token_is_computed_once_with_a_cache(tiny, monkeypatch):
    lengths, hidden = [], tiny.network.hidden
    monkeypatch.setattr(
        tiny.network, "hidden", lambda ids, cache: lengths.append(ids.shape[1]) or hidden(ids, cache)
    )
    tiny.stream("water", max_new_tokens=6).text()
    assert lengths == [5, 1, 1, 1, 1, 1]


def test_compiled_and_plain_decoding_agree_on_text(smollm, monkeypatch):
    def write() -> str:
        return smollm.stream("The capital of France is", max_new_tokens=12, temperature=0).text()

    compiled = write()
    monkeypatch.setattr(smollm, "fused", None)
    assert write() == compiled
    assert "Paris" in compiled


def test_a_dtype_asked_for_unpacks_the_weights(model_path):
    exact = luoxia.load(model_path, dtype="float32", threads=2)
    assert exact.fused is None
    assert {p.dtype for p in exact.network.parameters()} == {torch.float32}
    assert "Paris" in exact.stream("The capital of France is", max_new_tokens=6, temperature=0).text()


def test_a_model_is_called_by_its_catalogue_id_or_its_file(smollm, model_path):
    assert smollm.id == model_path.stem
    assert smollm.runtime.threads == 2


@pytest.mark.parametrize("name", ["smollm2-135m-instuct", "SmolLM2-135M-Instruct", "smollm2"])
def test_an_unknown_name_offers_the_nearest(name):
    with pytest.raises(UnknownModelError, match=f"no model '{name}'.* mean smollm2-135m-instruct"):
        luoxia.load(name)


def test_a_name_like_no_other_offers_them_all():
    with pytest.raises(UnknownModelError, match=r"smollm2-135m-instruct or qwen2\.5-coder"):
        luoxia.load("zzz")


def test_a_name_longer_than_any_path_is_an_unknown_one_too():
    with pytest.raises(UnknownModelError) as refusal:
        luoxia.load("x" * 10_000)
    assert len(str(refusal.value)) < 400


def test_a_known_model_that_is_not_here_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    with pytest.raises(ModelNotHereError, match="luoxia models get smollm2-135m-instruct"):
        luoxia.load("smollm2-135m-instruct")


@pytest.mark.parametrize("kind", [str, os.fspath, lambda path: path], ids=["text", "fspath", "Path"])
def test_a_path_where_nothing_is(tmp_path, kind):
    path = tmp_path / "absent.gguf"
    with pytest.raises(MalformedFileError) as refusal:
        luoxia.load(kind(path))
    assert str(refusal.value) == f"there is no file {path}; check the path"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"hello", "is neither a GGUF file nor a model folder"),
        ("model", b"GGUF", "is neither a GGUF file nor a model folder"),
        ("notes.gguf", b"hello", "notes.gguf"),
        ("empty.gguf", b"", "empty.gguf"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MalformedFileError, match=message) as refusal:
        luoxia.load(tmp_path / name)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(MalformedFileError, match=r"config\.json"):
        luoxia.load(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dtype": "int3"}, "dtype 'int3' is not known; choose one of float32, bfloat16, float16"),
        ({"threads": 0}, "threads is 0; give a number from 1 to 1024"),
        ({"threads": 1025}, "threads is 1025; give a number from 1 to 1024"),
        ({"threads": 2.5}, "threads is 2.5; give a number from 1 to 1024"),
        ({"threads": "4"}, "threads is 4; give a number from 1 to 1024"),
        ({"device": "gpu"}, "device 'gpu' cannot be used here; give cpu, cuda or mps"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used here; give cpu, cuda or mps"),
        ({"device": ""}, "device '' cannot be used here; give cpu, cuda or mps"),
    ],
    ids=str,
)
def test_a_runtime_that_cannot_be_is_refused_by_load_too(model_path, wrong, message):
    for ask in (lambda: resolve(**wrong), lambda: luoxia.load(model_path, **wrong)):
        with pytest.raises(UserError) as refusal:
            ask()
        assert str(refusal.value).startswith(message)


@pytest.mark.parametrize(
    ("bf16", "amx", "dtype"),
    [
        (False, False, torch.float32),
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
    ],
)
def test_the_processor_decides_the_dtype_unless_one_is_asked_for(monkeypatch, bf16, amx, dtype):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    runtime = resolve("cpu")
    assert (runtime.device, runtime.dtype) == (torch.device("cpu"), dtype)
    assert ("without" in runtime.reason) == (dtype is torch.float32)
    asked = resolve("cpu", "float16")
    assert (asked.dtype, asked.reason) == (torch.float16, f"{runtime.reason}; dtype float16 asked for")


def test_no_device_named_takes_the_best_there_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve().device.type == "cpu"


def test_threads_are_those_asked_for_or_no_more_than_may_be_used(monkeypatch):
    assert resolve("cpu", threads=3).threads == 3
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert resolve("cpu").threads == 3
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert resolve("cpu").threads == 2

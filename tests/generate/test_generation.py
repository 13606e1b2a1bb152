"""Whole generations: on a tiny random model where mathematics matters, on the default model where text does."""

from __future__ import annotations

import json
import re
import threading

import numpy as np
import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers

import luoxia
from luoxia.core.errors import ConstraintError, ContextError, MalformedFileError, UnknownModelError, UserError
from luoxia.core.runtime import Runtime, resolve
from luoxia.generate.constraint import Constraint
from luoxia.generate.text import TextModel
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.tokenizer import Tokenizer

CHINESE = "Repeat exactly: 落霞与孤鹜齐飞，秋水共长天一色。🦆👩‍🚀"


@pytest.fixture(scope="module")
def tiny() -> TextModel:
    """A model of bytes with random weights, in float32."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    engine = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    engine.decoder = decoders.ByteLevel()
    network = GPT(GPTConfig(256, 64, 2, 4, 32), torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    for parameter in network.parameters():  # sharper than at initialisation, so that choices differ
        parameter.mul_(6)
    return TextModel(
        "tiny", network, Tokenizer(engine), Runtime(torch.device("cpu"), torch.float32, 2, "test")
    )


def test_the_seed_decides(smollm):
    def write(seed: int) -> str:
        return smollm.stream("Once upon a time", max_new_tokens=24, temperature=1.0, seed=seed).text()

    assert write(1) == write(1)
    assert write(1) != write(2)


def test_a_drawn_seed_is_reported_and_writes_the_same(smollm):
    first = smollm.stream("The river", max_new_tokens=12, temperature=1.0)
    assert (
        first.text() == smollm.stream("The river", max_new_tokens=12, temperature=1.0, seed=first.seed).text()
    )


def test_pieces_join_to_the_decoded_tokens_and_hold_whole_characters(smollm):
    chosen: list[int] = []
    stream = smollm.chat([{"role": "user", "content": CHINESE}], max_new_tokens=40, temperature=0, logprobs=0)
    pieces = list(stream)
    for piece in pieces:
        chosen += [token.id for token in piece.tokens]
    text = smollm.tokenizer.decode(chosen)
    assert "".join(pieces) == text
    assert any(ord(c) > 0x2E80 for c in text)
    assert all("�" not in piece for piece in pieces[:-1])


def test_log_probabilities_are_those_of_the_model(tiny):
    stream = tiny.stream("water", max_new_tokens=5, temperature=0, logprobs=3)
    tokens = [token for piece in stream for token in piece.tokens]
    ids = tiny.tokenizer.encode("water")
    with torch.no_grad():
        expected = tiny.network(torch.tensor([[*ids, *(t.id for t in tokens)]]))[
            0, len(ids) - 1 :
        ].log_softmax(-1)
    assert len(tokens) == 5
    for i, token in enumerate(tokens):
        assert token.logprob == pytest.approx(expected[i, token.id].item(), abs=1e-4)
        assert [t[1] for t in token.top] == expected[i].topk(3).indices.tolist()
        assert token.top[0][1] == token.id


def test_a_stop_text_across_tokens_is_never_shown(smollm):
    whole = smollm.stream("One two three four", max_new_tokens=30, temperature=0).text()
    stop = whole[10:16]
    stream = smollm.stream("One two three four", max_new_tokens=30, temperature=0, stop=(stop,))
    pieces = list(stream)
    assert "".join(pieces) == whole[: whole.index(stop)]
    assert stream.finish_reason == "stop"


def test_the_beginning_of_a_stop_text_that_does_not_come_is_given_out_at_the_end(tiny):
    whole = tiny.stream("ab", max_new_tokens=6, temperature=0).text()
    stop = whole[-1] + "never"
    assert tiny.stream("ab", max_new_tokens=6, temperature=0, stop=(stop,)).text() == whole


def test_length_is_the_reason_at_the_limit_and_at_the_end_of_the_context(tiny):
    stream = tiny.stream("abc", max_new_tokens=4)
    stream.text()
    assert (stream.finish_reason, stream.completion_tokens) == ("length", 4)
    stream = tiny.stream("x" * 60, max_new_tokens=100)
    stream.text()
    assert (stream.finish_reason, stream.prompt_tokens + stream.completion_tokens) == ("length", 64)


def test_a_prompt_that_leaves_no_room_is_refused(tiny):
    with pytest.raises(ContextError, match="64 tokens and tiny reads 64"):
        tiny.stream("x" * 64)


@pytest.mark.parametrize("ask", [lambda m: m.stream(""), lambda m: m.chat([]), lambda m: m.stream_ids([256])])
def test_what_cannot_be_continued_is_refused_in_one_line(tiny, ask):
    with pytest.raises(UserError) as refusal:
        ask(tiny)
    assert "\n" not in str(refusal.value)


def test_closing_from_another_thread_ends_the_stream(smollm):
    stream = smollm.chat([{"role": "user", "content": "Tell a very long story."}], max_new_tokens=500, seed=1)
    for _ in range(3):
        assert next(stream)
    closer = threading.Thread(target=stream.close)
    closer.start()
    closer.join()
    assert not list(stream)
    assert stream.finish_reason == "cancelled"
    assert 3 <= stream.completion_tokens < 20


def test_closed_before_it_began_it_writes_nothing(tiny):
    stream = tiny.stream("abc")
    stream.close()
    assert (stream.text(), stream.finish_reason) == ("", "cancelled")


def test_streams_side_by_side_do_not_disturb_each_other(smollm):
    def start(prompt: str):
        return smollm.stream(prompt, max_new_tokens=12, temperature=1.0, seed=5)

    alone = [start(p).text() for p in ("The sea", "A mountain path")]
    one, two = start("The sea"), start("A mountain path")
    together = ["", ""]
    for _ in range(40):
        together[0] += next(one, "")
        together[1] += next(two, "")
    assert together == alone


def test_a_stream_left_half_read_keeps_nobody_waiting(smollm):
    left = smollm.stream("The sea", max_new_tokens=20)
    next(left)
    assert smollm.stream("The sky", max_new_tokens=3).text()


def test_a_batch_of_unequal_prompts_equals_its_members_alone(tiny):
    prompts = ["a", "water and sky", "bcd" * 5]
    batch = tiny.complete(prompts, max_new_tokens=10, temperature=0)
    assert [c.text for c in batch] == [
        tiny.stream(p, max_new_tokens=10, temperature=0).text() for p in prompts
    ]
    assert {c.finish_reason for c in batch} == {"length"}


def test_sample_i_depends_on_seed_and_i_alone(tiny):
    def second(*prompts: str) -> str:
        return tiny.complete(prompts, max_new_tokens=12, temperature=1.0, top_p=1.0, seed=9)[1].text

    assert second("abc", "water") == second("something else", "water", "more")
    assert (
        second("water", "water")
        != tiny.complete(["water"], max_new_tokens=12, temperature=1.0, seed=9)[0].text
    )


def test_low_bit_weights_are_decoded_in_compiled_code(smollm, tiny):
    assert smollm.fused is not None
    assert tiny.fused is None
    stream = smollm.stream("Hello", max_new_tokens=10)
    stream.text()
    assert 0 < stream.first_token_seconds <= stream.seconds
    assert stream.tokens_per_second > 0


SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "maxLength": 60},
        "choices": {
            "type": "array",
            "items": {"type": "string", "maxLength": 20},
            "minItems": 2,
            "maxItems": 3,
        },
        "answer": {"type": "integer", "minimum": 0, "maximum": 2},
    },
    "required": ["question", "choices", "answer"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_output_under_a_schema_is_an_instance_of_it(smollm, seed):
    constraint = Constraint.from_json_schema(SCHEMA)
    messages = [{"role": "user", "content": "Write a quiz question about the moon."}]
    stream = smollm.chat(messages, constraint=constraint, max_new_tokens=200, temperature=1.5, seed=seed)
    value = json.loads(stream.text())
    assert stream.finish_reason == "stop"
    assert set(value) == set(SCHEMA["required"])
    assert value["answer"] in (0, 1, 2)
    assert 2 <= len(value["choices"]) <= 3
    assert all(isinstance(c, str) and len(c) <= 20 for c in value["choices"])


def test_output_matches_the_expression_and_the_choices(smollm):
    pattern = r"[A-Z][a-z]{2,6} [0-9]{2}"
    for seed in range(3):
        written = smollm.stream(
            "Date:", constraint=Constraint.from_regex(pattern), temperature=2.0, seed=seed
        ).text()
        assert re.fullmatch(pattern, written)
    choice = Constraint.from_choices(["yes", "no", "天晴"])
    assert smollm.stream("?", constraint=choice, temperature=2.0, seed=1).text() in ("yes", "no", "天晴")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constraint.from_json_schema({"type": "string", "minLength": 5, "maxLength": 2}),
        lambda: Constraint.from_json_schema("{"),
        lambda: Constraint.from_json_schema("[1]"),
        lambda: Constraint.from_regex("("),
        lambda: Constraint.from_regex("a" * (2 << 20)),
        lambda: Constraint.from_choices([]),
        lambda: Constraint.from_choices(["a", ""]),
    ],
)
def test_constraints_that_nothing_meets_are_refused_in_one_line(make):
    with pytest.raises(ConstraintError) as refusal:
        make()
    assert "\n" not in str(refusal.value)
    assert refusal.value.text.zh


def test_perplexity_of_fast_ways_is_within_one_percent(smollm, model_path):
    text = "The river ran slowly between the hills, and in the evening the ducks came home. " * 6
    exact = luoxia.load(model_path, dtype="float32", threads=2)
    ids = exact.tokenizer.encode(text)
    with torch.inference_mode():

        def loss(logits) -> float:
            return torch.nn.functional.cross_entropy(logits[:-1].float(), torch.tensor(ids[1:])).item()

        expected = loss(exact.network(torch.tensor([ids]))[0])
        cache = smollm.network.cache(1, len(ids), dtype=torch.bfloat16)
        steps = torch.from_numpy(np.stack([smollm.fused.step(token, cache) for token in ids]))
        assert loss(steps) == pytest.approx(expected, abs=0.01)
        assert loss(smollm.network(torch.tensor([ids]))[0]) == pytest.approx(expected, abs=0.01)


def test_names_and_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(UnknownModelError, match="smollm2-135m-instruct"):
        luoxia.load("smollm2-135m-instuct")
    with pytest.raises(MalformedFileError, match="there is no file"):
        luoxia.load(tmp_path / "absent.gguf")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(MalformedFileError, match="neither"):
        luoxia.load(tmp_path / "notes.txt")


def test_the_runtime_says_why():
    assert resolve("cpu", "float32").dtype is torch.float32
    assert "asked for" in resolve("cpu", "float32").reason
    assert resolve("cpu", threads=3).threads == 3
    for wrong in ({"dtype": "int3"}, {"threads": 0}):
        with pytest.raises(UserError):
            resolve("cpu", **wrong)

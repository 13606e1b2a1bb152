"""Whatever the model would like to write, the text meets the constraint."""

from __future__ import annotations

import json
import re
import time

import jsonschema
import numpy as np
import pytest

from luoxia.core.errors import ConstraintError
from luoxia.generate.constraint import MAX_SOURCE, Constraint

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "height": {"type": "number", "minimum": 0.5, "maximum": 2.5},
        "tags": {"type": "array", "items": {"enum": ["a", "b", 3, None]}, "minItems": 1, "maxItems": 3},
        "home": {
            "type": "object",
            "properties": {"zip": {"type": "string", "pattern": "^[0-9]{5}$"}, "away": {"type": "boolean"}},
            "required": ["zip"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
CHAIN = {
    "$ref": "#/$defs/link",
    "$defs": {
        "link": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/link"}]}},
            "required": ["next"],
            "additionalProperties": False,
        }
    },
}
SCHEMAS = {
    "object": PERSON,
    "recursive": CHAIN,
    "either": {"anyOf": [{"type": "boolean"}, {"type": "string", "maxLength": 3}, {"const": {"k": [1, 2]}}]},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": -100, "maximum": 100},
    "date": {"type": "string", "format": "date"},
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "boolean"}, {"enum": ["x", "y"]}],
        "items": False,
        "minItems": 2,
    },
    "chinese": {
        "type": "object",
        "properties": {"答案": {"enum": ["是", "否", "🦆"]}},
        "required": ["答案"],
        "additionalProperties": False,
    },
}
PATTERNS = [
    r"[A-Z][a-z]{2,6} [0-9]{2}",
    r"([0-9]{3}-){2}[0-9]{4}",
    r"(foo|bar|天晴|🦆){1,3}!?",
    r"[^\n]{3,8}",
    r"/usr/[a-z]{1,4}/\\",
    r'"[a-c"]{2}"',
    r"(?i)yes|no",
    r"<\|im_end\|>[ab]",
]


def wander(smollm, constraint: Constraint, seed: int) -> str:
    """The text of a model whose every logit is random."""
    random, size = np.random.default_rng(seed), smollm.config.vocab_size
    guide, ids = constraint.bind(smollm.tokenizer, size), []
    for _ in range(1000):
        token = int(guide.allow(random.normal(size=size).astype(np.float32)).argmax())
        if token in smollm.tokenizer.stop_ids:
            break
        ids.append(token)
        guide.take(token)
        if guide.finished:
            break
    else:
        pytest.fail("it never ends")
    return smollm.tokenizer.decode(ids)


def write(smollm, constraint: Constraint, seed: int, prompt: str = "Answer:") -> str:
    stream = smollm.stream(prompt, constraint=constraint, temperature=1.5, top_p=1.0, seed=seed)
    text = stream.text()
    assert stream.finish_reason == "stop"
    return text


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_logits_give_an_instance_of_the_schema(smollm, name):
    constraint = Constraint.from_json_schema(SCHEMAS[name])
    written = {wander(smollm, constraint, seed) for seed in range(12)}
    for text in written:
        jsonschema.validate(json.loads(text), SCHEMAS[name], cls=jsonschema.Draft202012Validator)
    assert len(written) > 1


@pytest.mark.parametrize("name", ["object", "either", "chinese"])
def test_the_model_writes_an_instance_of_the_schema(smollm, name):
    constraint = Constraint.from_json_schema(json.dumps(SCHEMAS[name]))
    for seed in range(3):
        value = json.loads(write(smollm, constraint, seed))
        jsonschema.validate(value, SCHEMAS[name], cls=jsonschema.Draft202012Validator)


def test_blanks_are_those_of_one_line_of_json(smollm):
    entry = {"type": "object", "properties": {"a": {"enum": [1, None]}, "b": {"const": [True, "x"]}}}
    entry |= {"required": ["a", "b"], "additionalProperties": False}
    constraint = Constraint.from_json_schema({"type": "array", "items": entry, "minItems": 2, "maxItems": 3})
    for seed in range(4):
        text = wander(smollm, constraint, seed)
        assert text == json.dumps(json.loads(text))


def test_the_empty_schema_is_any_json(smollm):
    anything = Constraint.from_json_schema({})
    assert anything == Constraint.from_json_schema(True) == Constraint.from_json_schema("true")
    json.loads(write(smollm, anything, 5))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_output_matches_the_whole_expression(smollm, pattern):
    constraint = Constraint.from_regex(pattern)
    for seed in range(8):
        text = wander(smollm, constraint, seed)
        assert re.fullmatch(pattern, text), text
    assert re.fullmatch(pattern, write(smollm, constraint, 1))


def test_output_is_one_of_the_choices_and_each_can_come(smollm):
    choices = ["yes", "no", "no, never", 'say "hi"', "a\\b\n", "天晴", "🦆", "\x7f", "a/b", "#"]
    constraint = Constraint.from_choices(choices)
    assert {wander(smollm, constraint, seed) for seed in range(150)} == set(choices)
    assert write(smollm, constraint, 1) in choices


@pytest.mark.parametrize("text", ["<|im_end|>", "a<|im_start|>b"])
def test_the_name_of_a_special_token_is_written_in_letters(smollm, text):
    quoted = json.dumps(text)
    assert write(smollm, Constraint.from_choices([text]), 0) == text
    assert write(smollm, Constraint.from_regex(re.escape(text)), 0) == text
    assert write(smollm, Constraint.from_json_schema({"const": text}), 0) == quoted


def test_only_what_may_come_next_keeps_its_logit(smollm):
    size = smollm.config.vocab_size
    guide = Constraint.from_regex("ab?").bind(smollm.tokenizer, size)
    logits = np.arange(size, dtype=np.float32)
    a, b, ab = (smollm.tokenizer.encode(text)[0] for text in ("a", "b", "ab"))
    first = guide.allow(logits)
    assert set(np.flatnonzero(np.isfinite(first))) == {a, ab}
    assert first[a] == logits[a]
    guide.take(a)
    assert set(np.flatnonzero(np.isfinite(guide.allow(logits)))) == {b} | smollm.tokenizer.stop_ids
    assert not guide.finished
    guide.take(b)
    assert guide.finished


def test_a_token_that_may_not_come_is_refused(smollm):
    guide = Constraint.from_choices(["yes"]).bind(smollm.tokenizer, smollm.config.vocab_size)
    with pytest.raises(ConstraintError, match="the list of choices cannot be met"):
        guide.take(smollm.tokenizer.encode("no")[0])


def test_one_constraint_serves_many_streams_at_once(smollm):
    constraint = Constraint.from_regex("[a-d]{12}")
    alone = [smollm.stream("Hi", constraint=constraint, temperature=2.0, seed=seed).text() for seed in (1, 2)]
    streams = [smollm.stream("Hi", constraint=constraint, temperature=2.0, seed=seed) for seed in (1, 2)]
    together = ["", ""]
    for _ in range(12):
        together = [text + next(stream, "") for text, stream in zip(together, streams, strict=True)]
    assert together == alone
    assert alone[0] != alone[1]


def test_the_vocabulary_is_prepared_once_for_a_model(smollm):
    constraint = Constraint.from_choices(["x"])
    constraint.bind(smollm.tokenizer, smollm.config.vocab_size)
    began = time.perf_counter()
    for _ in range(20):
        constraint.bind(smollm.tokenizer, smollm.config.vocab_size)
    assert time.perf_counter() - began < 1  # preparing takes a third of a second each time


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|a)*b", r"((a*)*)*b{2}"])
def test_expressions_that_make_others_back_track_are_quick(smollm, pattern):
    Constraint.from_choices(["x"]).bind(smollm.tokenizer, smollm.config.vocab_size)  # prepares the vocabulary
    began = time.perf_counter()
    guide = Constraint.from_regex(pattern).bind(smollm.tokenizer, smollm.config.vocab_size)
    a = smollm.tokenizer.encode("a")[0]
    for _ in range(60):
        guide.allow(np.zeros(smollm.config.vocab_size, np.float32))
        guide.take(a)
    assert time.perf_counter() - began < 2
    if pattern.endswith("$"):
        with pytest.raises(ConstraintError):
            guide.take(smollm.tokenizer.encode("!")[0])


def deep() -> dict:
    schema: dict = {}
    for _ in range(100_000):
        schema = {"type": "array", "items": schema}
    return schema


def circular() -> dict:
    schema: dict = {}
    schema["items"] = schema
    return schema


REFUSED = {
    "length": (Constraint.from_json_schema, {"type": "string", "minLength": 5, "maxLength": 2}),
    "range": (Constraint.from_json_schema, {"type": "integer", "minimum": 3, "maximum": 2}),
    "types": (Constraint.from_json_schema, {"allOf": [{"type": "string"}, {"type": "integer"}]}),
    "nothing": (Constraint.from_json_schema, False),
    "no value": (Constraint.from_json_schema, {"enum": []}),
    "forbidden property": (
        Constraint.from_json_schema,
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
    ),
    "type": (Constraint.from_json_schema, {"type": "text"}),
    "keyword": (Constraint.from_json_schema, {"type": "array", "uniqueItems": True}),
    "reference": (Constraint.from_json_schema, {"$ref": "#/nowhere"}),
    "remote": (Constraint.from_json_schema, {"$ref": "http://127.0.0.1:9/schema"}),
    "pattern": (Constraint.from_json_schema, {"type": "string", "pattern": "("}),
    "not JSON": (Constraint.from_json_schema, '{"type": '),
    "nested text": (Constraint.from_json_schema, "[" * 500_000),
    "list": (Constraint.from_json_schema, "[1]"),
    "no number": (Constraint.from_json_schema, {"minimum": float("nan")}),
    "no JSON value": (Constraint.from_json_schema, {"enum": {1, 2}}),
    "deep": (Constraint.from_json_schema, deep()),
    "circular": (Constraint.from_json_schema, circular()),
    "huge schema": (Constraint.from_json_schema, {"const": "x" * MAX_SOURCE}),
    "group": (Constraint.from_regex, "("),
    "repetition": (Constraint.from_regex, "a{3,2}"),
    "class": (Constraint.from_regex, "[z-a]"),
    "backslash": (Constraint.from_regex, "ab\\"),
    "look-ahead": (Constraint.from_regex, "(?=a)b"),
    "back-reference": (Constraint.from_regex, r"(a)\1"),
    "surrogate": (Constraint.from_regex, "\ud800"),
    "huge expression": (Constraint.from_regex, "a" * (MAX_SOURCE + 1)),
    "no choices": (Constraint.from_choices, []),
    "an empty choice": (Constraint.from_choices, ["a", ""]),
    "numbers": (Constraint.from_choices, [1, 2]),
    "one text": (Constraint.from_choices, "yes"),
    "surrogate choice": (Constraint.from_choices, ["\ud800"]),
    "huge choices": (Constraint.from_choices, ["x" * MAX_SOURCE, "y"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_met_is_refused_in_one_short_line(name):
    make, source = REFUSED[name]
    with pytest.raises(ConstraintError) as refusal:
        make(source)
    for text in (refusal.value.text.en, refusal.value.text.zh):
        assert "\n" not in text
        assert 8 < len(text) < 400
    about = {"from_json_schema": "JSON schema", "from_regex": "regular expression", "from_choices": "choices"}
    assert about[make.__name__] in str(refusal.value)


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint.from_json_schema({"$ref": "#"}),
        Constraint.from_regex(r"[^\x00-\U0010FFFF]"),
        Constraint.from_regex("((a{1000}){1000}){1000}"),
        Constraint.from_json_schema({"type": "array", "items": {"type": "null"}, "minItems": 10**9}),
    ],
    ids=["itself", "no character", "too large", "too long"],
)
def test_what_turns_out_later_that_nothing_meets_is_refused_too(smollm, constraint):
    with pytest.raises(ConstraintError) as refusal:
        smollm.stream("Hi", constraint=constraint, max_new_tokens=20, seed=1).text()
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400
    assert smollm.stream("Hi", max_new_tokens=2, seed=1).text()  # the model is free for others


def test_the_longest_sources_are_still_read():
    assert Constraint.from_choices(["x" * MAX_SOURCE]).what == "list of choices"
    assert Constraint.from_regex("a" * 2000).what == "regular expression"

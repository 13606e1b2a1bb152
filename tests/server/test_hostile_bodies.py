"""Whatever is posted, the answer is a refusal in one line or a success; never a failure of ours."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luoxia.server.schemas import ChatRequest, CompletionRequest

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
ONCE = {"prompt": "once"}
HUGE = 10**400
ADDRESSES = ["/v1/models/{}", "/api/models/{}/card", "/{}", "/assets/{}"]

quietly = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def refused(answer: httpx.Response) -> dict:
    """The error of a refusal, which has OpenAI's shape and one line."""
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "\n" not in error["message"]
    return error


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "0.5"),
        ("temperature", True),
        ("temperature", HUGE),
        ("top_p", 0),
        ("top_p", 1.01),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_k", HUGE),
        ("min_p", -1),
        ("min_p", 2),
        ("repetition_penalty", 0),
        ("repetition_penalty", -3),
        ("max_tokens", 0),
        ("max_tokens", -1),
        ("max_tokens", HUGE),
        ("max_tokens", "9"),
        ("n", 0),
        ("n", 9),
        ("n", HUGE),
        ("seed", -1),
        ("seed", 2**63),
        ("seed", 1.5),
        ("seed", HUGE),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", [""]),
        ("stop", [1]),
        ("stop", {"a": 1}),
        ("stop", "x" * 513),
        ("stream", "yes"),
        ("stream", 1),
        ("stream_options", []),
        ("model", ""),
        ("model", 5),
        ("model", "x" * 201),
        ("model", "../../etc/passwd"),
        ("model", "/etc/passwd"),
        ("model", "file:///etc/passwd"),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("logit_bias", {"50256": -100}),
        ("response_format", {"type": "xml"}),
        ("response_format", {}),
        ("response_format", "json"),
        ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": 3}}),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}},
        ),
        ("guided_regex", ""),
        ("guided_regex", "(" * 9000),
        ("guided_regex", "x" * 10_001),
        ("guided_choice", []),
        ("guided_choice", [""]),
        ("guided_choice", ["x"] * 1001),
        ("guided_choice", "yes"),
    ],
)
@pytest.mark.parametrize(("address", "body"), [(CHAT, HELLO), (TEXT, ONCE)])
def test_values_out_of_range(
    client: httpx.Client, address: str, body: dict, field: str, value: object
) -> None:
    error = refused(_post(client, address, json.dumps(body | {field: value})))
    assert field in (error["param"] or error["message"]) or error["code"] == "invalid_constraint"
    assert refused(_post(client, address, json.dumps(body | {"stream": True} | {field: value})))


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages.0"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [1]}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": "  \n"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x"}] * 1001}, "messages"),
        ({"logprobs": 3}, "logprobs"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ],
)
def test_bad_conversations(client: httpx.Client, change: dict, param: str) -> None:
    error = refused(client.post(CHAT, json=HELLO | change))
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert error["message"].startswith(param)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"prompt": ""}, "prompt.0"),
        ({"prompt": []}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["fine", " "]}, "prompt.1"),
        ({"prompt": [1, 2, 3]}, "prompt.0"),
        ({"prompt": [[1, 2]]}, "prompt.0"),
        ({"prompt": ["x"] * 17}, "prompt"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"echo": True}, "echo"),
        ({"suffix": "the end"}, "suffix"),
        ({"best_of": 3}, "best_of"),
    ],
)
def test_bad_prompts(client: httpx.Client, change: dict, param: str) -> None:
    assert refused(client.post(TEXT, json=ONCE | change))["param"] == param


@pytest.mark.parametrize(
    "harmless",
    [
        {"echo": False, "suffix": None, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0.0},
        {
            "logit_bias": {},
            "stop": None,
            "user": "me",
            "metadata": {"a": "b"},
            "store": False,
            "unheard_of": 1,
        },
    ],
)
def test_what_changes_nothing_is_let_through(client: httpx.Client, harmless: dict) -> None:
    assert client.post(TEXT, json=ONCE | harmless).status_code == 200
    assert client.post(CHAT, json=HELLO | harmless).status_code == 200


def test_several_constraints_at_once(client: httpx.Client) -> None:
    both = {"guided_regex": "a", "guided_choice": ["a"]}
    assert "one of response_format" in refused(client.post(CHAT, json=HELLO | both))["message"]
    shaped = {"guided_regex": "a", "response_format": {"type": "json_object"}}
    assert "one of response_format" in refused(client.post(CHAT, json=HELLO | shaped))["message"]
    plain = {"guided_regex": "a", "response_format": {"type": "text"}}
    assert client.post(CHAT, json=HELLO | plain).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"3",
        b'"text"',
        b"{",
        b'{"messages": [',
        b"\xff\xfe",
        b'{"messages": "\xff"}',
        b"[" * 200_000,
        b'{"a":' * 150_000,
        b"[" * 400 + b"]" * 400,
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": Infinity}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}',
        b'{"messages": [{"role": "user", "content": "x"}], "seed": ' + b"9" * 10_000 + b"}",
        b'{"messages": [{"role": "user", "content": "x"}], "stop": ["\\udfff"]}',
    ],
    ids=lambda body: repr(body[-24:]),
)
def test_bodies_that_are_no_request(client: httpx.Client, model, body: bytes) -> None:
    refused(_post(client, CHAT, body))
    assert model.asked == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(client: httpx.Client, number: str) -> None:
    error = refused(_post(client, CHAT, json.dumps(HELLO)[:-1] + f', "temperature": {number}}}'))
    assert error["message"] == "temperature must be a finite number"


@pytest.mark.parametrize("depth", [63, 64, 65, 300])
def test_a_deep_schema_is_refused_before_it_is_compiled(client: httpx.Client, depth: int) -> None:
    schema: dict = {"type": "string"}
    for _ in range(depth // 2):
        schema = {"properties": {"a": schema}}
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = client.post(CHAT, json=HELLO | {"response_format": shape})
    if depth < 64:
        assert answer.status_code == 200
    else:
        assert "64 levels" in refused(answer)["message"]


keys = st.text(max_size=8) | st.sampled_from(["role", "content", "type", "schema"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["user", "json_schema", "text", "smollm2-135m-instruct"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(sorted({*ChatRequest.model_fields, *CompletionRequest.model_fields}))


@quietly
@given(st.dictionaries(names | st.text(max_size=6), values, max_size=6), st.booleans())
def test_any_json(client: httpx.Client, fields: dict, complete: bool) -> None:
    for address, whole in ((CHAT, HELLO), (TEXT, ONCE)):
        answer = _post(client, address, json.dumps(whole | fields if complete else fields))
        if answer.status_code != 200:
            refused(answer)


@quietly
@given(st.binary(max_size=200))
def test_any_bytes(client: httpx.Client, body: bytes) -> None:
    refused(_post(client, CHAT, body))


@quietly
@given(
    st.text(min_size=1, max_size=60),
    st.sampled_from(ADDRESSES),
)
def test_any_name(client: httpx.Client, name: str, address: str) -> None:
    answer = client.get(address.format(_quoted(name)))
    assert answer.status_code in (200, 400, 404, 405, 503)
    assert "root:" not in answer.text


def _post(client: httpx.Client, address: str, body: str | bytes) -> httpx.Response:
    return client.post(address, content=body, headers={"Content-Type": "application/json"})


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02x}" for byte in name.encode())

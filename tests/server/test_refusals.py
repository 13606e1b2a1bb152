"""Failures in the reader's language, and what never leaves or is logged."""

from __future__ import annotations

import httpx
import pytest

from luoxia.core import language
from luoxia.core.errors import UserError
from luoxia.server import refusals
from luoxia.server.refusals import describe, reader_language
from luoxia.server.schemas import ErrorAnswer

HELLO = {"messages": [{"role": "user", "content": "my secret plan"}]}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr-FR,fr;q=0.9,zh;q=0.4,en;q=0.3", "zh"),
        ("en;q=0.1,ZH-TW;q=0.2", "zh"),
        ("fr", "en"),
        ("", "en"),
        ("*", "en"),
        ("zh;q=nonsense,en", "en"),
        ("zh;q=9", "en"),
        ("zh;q=0", "en"),
        ("zhx", "en"),
    ],
)
def test_the_readers_language(header: str, expected: str) -> None:
    assert reader_language(header) == expected


def test_the_servers_own_language_where_the_reader_names_none(monkeypatch) -> None:
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    assert reader_language("") == "zh"


@pytest.mark.parametrize(
    ("change", "english", "chinese"),
    [
        ({"temperature": 3}, "temperature must be at most 2", "temperature 不能大于 2"),
        ({"messages": []}, "messages has fewer than 1 elements", "messages 少于 1 项"),
        ({"n": "two"}, "n must be a whole number", "n 必须是整数"),
        ({"presence_penalty": 1}, "presence_penalty is not supported", "presence_penalty 不受支持"),
        ({"model": "gpt-4"}, "There is no model 'gpt-4'", "目录中没有模型 'gpt-4'"),
    ],
)
def test_both_languages(client: httpx.Client, change: dict, english: str, chinese: str) -> None:
    for header, expected in (("en", english), ("zh-CN", chinese)):
        answer = client.post("/v1/chat/completions", json=HELLO | change, headers={"Accept-Language": header})
        assert answer.json()["error"]["message"].startswith(expected)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/nothing", 404, "nothing at this address"),
        ("GET", "/v1/chat/completions", 404, "nothing"),
        ("PUT", "/v1/models", 405, "method"),
        ("GET", "/api/models/x/card?language=fr", 400, "language must be 'en' or 'zh'"),
        ("GET", "/api/models/x/card", 404, "no model 'x'"),
        ("POST", "/api/models/x/get", 404, "no model 'x'"),
    ],
)
def test_addresses(client: httpx.Client, method: str, path: str, status: int, words: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert words in ErrorAnswer.model_validate(answer.json()).error.message


def test_a_model_that_is_not_here_is_for_programs_to_recognise(client: httpx.Client, runner) -> None:
    from luoxia.core.errors import ModelNotHereError

    def load(name: str):
        raise ModelNotHereError("not here; luoxia models get it", "不在本机")

    runner._load = load
    answer = client.post("/v1/chat/completions", json=HELLO)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "model_not_here")
    assert answer.headers["x-should-retry"] == "false"


def test_our_own_mistakes_quote_nobody(client: httpx.Client, model, caplog, capfd) -> None:
    model.script = lambda prompt: ["raise"]
    answer = client.post("/v1/chat/completions", json=HELLO)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert answer.headers["x-content-type-options"] == "nosniff"
    streamed = client.post("/v1/chat/completions", json=HELLO | {"stream": True})
    assert '"code":"internal"' in streamed.text
    out, err = capfd.readouterr()
    assert "secret" not in answer.text + streamed.text + caplog.text + out + err
    assert "RuntimeError" in caplog.text
    assert "fake_text.py" in caplog.text  # where it happened


def test_no_prompt_is_logged_when_all_goes_well(client: httpx.Client, caplog, capfd) -> None:
    with caplog.at_level("DEBUG", logger="luoxia"):
        client.post("/v1/chat/completions", json=HELLO)
        client.post("/v1/chat/completions", json=HELLO | {"n": -1})
    out, err = capfd.readouterr()
    assert "secret" not in caplog.text + out + err


def test_every_kind_of_user_error_has_a_status() -> None:
    status, detail = describe(UserError("do this", "请这样做"), "zh")
    assert (status, detail.message, detail.type) == (400, "请这样做", "invalid_request_error")


def test_words_fit_what_pydantic_gives_them() -> None:
    """A template that asks for a name pydantic does not give would fail in the middle of a refusal."""
    known = {"expected": "x", "expected_tags": "x", "depth": 1}
    limits = dict.fromkeys(("gt", "ge", "le", "max_length", "min_length"), 1)
    for words in refusals.WRONG.values():
        for tongue in language.LANGUAGES:
            assert words.in_(tongue).format(**known, **limits)


def test_an_unknown_kind_of_mistake_is_still_one_line(client: httpx.Client, monkeypatch) -> None:
    monkeypatch.setattr(refusals, "WRONG", {})
    answer = client.post("/v1/chat/completions", json=HELLO | {"n": -1})
    assert answer.json()["error"]["message"] == "n is not valid"

"""Who may talk to the server: foreign names, foreign pages, bodies without limit, clients without haste."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.protocol import State
from websockets.sync.client import connect
from websockets.typing import Origin

from luoxia.server.app import create_app
from luoxia.server.faces.asks import BODY
from luoxia.server.guard import Guard
from luoxia.server.runner import Runner

CHAT = {"messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:80", "localhost:7860", "LOCALHOST", "[::1]:7860", "[::1]"]
)
def test_loopback_names_are_ours(client: httpx.Client, host: str) -> None:
    assert client.get("/api/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:7860", "", "localhost.evil:80", "0.0.0.0"],
)
def test_a_rebound_name_is_refused(client: httpx.Client, host: str) -> None:
    answer = client.get("/api/status", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_request")


def test_a_second_host_header_is_refused() -> None:
    """Our HTTP library refuses it before us; another one may not."""

    async def app(scope, receive, send) -> None:
        raise AssertionError("reached")

    async def receive() -> dict:
        raise AssertionError("read")

    sent = asyncio.run(_through(Guard(app), receive, hosts=("localhost", "evil.example")))
    assert sent[0]["status"] == 403


def test_an_allowed_name_is_served_and_only_that(serving, model) -> None:
    with serving(create_app(models=Runner(lambda name: model), hosts=["Lab.example"])) as url:
        assert httpx.get(f"{url}/api/status", headers={"Host": "lab.example:7860"}).status_code == 200
        assert httpx.get(f"{url}/api/status", headers={"Host": "other.example"}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost", ""]
)
def test_another_pages_request_changes_nothing(client: httpx.Client, model, origin: str) -> None:
    answer = client.post("/v1/chat/completions", json=CHAT, headers={"Origin": origin})
    assert (answer.status_code, model.asked) == (403, [])


def test_our_own_page_may_ask(client: httpx.Client, url: str) -> None:
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert client.post("/v1/chat/completions", json=CHAT, headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
@pytest.mark.parametrize("mode", ["no-cors", "cors"])
def test_other_sites_cannot_read(client: httpx.Client, site: str, mode: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert client.get("/api/status", headers=headers).status_code == 403


def test_a_link_to_us_may_be_followed_but_not_with_a_form(client: httpx.Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/api/status", headers=headers).status_code == 200
    assert client.post("/v1/chat/completions", json=CHAT, headers=headers).status_code == 403


def test_a_download_cannot_be_begun_from_elsewhere(client: httpx.Client) -> None:
    address = "/api/models/smollm2-135m-instruct/get"
    assert client.post(address, headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_a_body_must_say_it_is_json(client: httpx.Client, model, kind: str) -> None:
    """These are what a page may send elsewhere without asking first."""
    answer = client.post("/v1/chat/completions", content=b'{"messages": []}', headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["code"], model.asked) == (415, "not_json", [])


def test_a_large_body_is_refused_by_its_announcement(url: str) -> None:
    """No byte of it is awaited."""
    with _connected(url) as connection:
        head = "Content-Type: application/json\r\nContent-Length: 1048577\r\n"
        connection.sendall(_request(url, head))
        assert b"413" in connection.recv(1000)


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999999", "0x10"])
def test_a_nonsensical_length_is_refused(url: str, length: str) -> None:
    with _connected(url) as connection:
        connection.sendall(_request(url, f"Content-Type: application/json\r\nContent-Length: {length}\r\n"))
        assert connection.recv(1000).split()[1] in (b"400", b"413")


def test_a_large_body_without_announcement_is_refused_as_it_comes(client: httpx.Client) -> None:
    sent = 0

    def endless():
        nonlocal sent
        for _ in range(1000):
            sent += 1 << 16
            yield b" " * (1 << 16)

    try:
        status = client.post(
            "/v1/chat/completions", content=endless(), headers={"Content-Type": "application/json"}
        ).status_code
    except httpx.WriteError:  # the server has hung up on the rest
        status = 413
    assert status == 413
    assert sent < 32 << 20


def test_the_largest_body_is_let_through(client: httpx.Client) -> None:
    body = b'{"messages": [{"role": "user", "content": "hi"}]}'.ljust(1 << 20)
    headers = {"Content-Type": "application/json"}
    assert client.post("/v1/chat/completions", content=body, headers=headers).status_code == 200
    assert client.post("/v1/chat/completions", content=body + b" ", headers=headers).status_code == 413


def test_a_slow_body_is_given_up(home) -> None:
    reached: list[str] = []

    async def app(scope, receive, send) -> None:
        reached.append(scope["path"])

    async def drip() -> dict:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    began = time.monotonic()
    sent = asyncio.run(_through(Guard(app, body_seconds=0.1), drip))
    assert (sent[0]["status"], reached) == (408, [])
    assert time.monotonic() - began < 1


def test_a_client_that_leaves_while_sending_reaches_nothing() -> None:
    reached: list[str] = []

    async def app(scope, receive, send) -> None:
        reached.append(scope["path"])

    async def leave() -> dict:
        return {"type": "http.disconnect"}

    assert (asyncio.run(_through(Guard(app), leave)), reached) == ([], [])


def test_only_the_path_of_photographs_takes_a_larger_body(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/json"}
    body = b"{}".ljust(3 << 20)
    assert (
        client.post("/api/faces/photos", content=body, headers=headers).status_code == 400
    )  # read, and no request
    assert client.post("/api/faces/films", content=body, headers=headers).status_code == 413
    huge = b"{}".ljust(BODY + 1)
    assert client.post("/api/faces/photos", content=huge, headers=headers).status_code == 413


LIVE = "/api/faces/live"


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
        "",
        "http://evil.example/127.0.0.1",
    ],
)
def test_another_pages_websocket_is_not_opened(url: str, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(_live(url), additional_headers={"Origin": origin}):
        pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}]
)
def test_a_rebound_name_and_another_site_open_no_websocket(headers: dict[str, str]) -> None:
    async def app(scope, receive, send) -> None:
        raise AssertionError("reached")

    async def receive() -> dict:
        return {"type": "websocket.connect"}

    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    given = {"Host": "localhost", **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    asyncio.run(Guard(app)({"type": "websocket", "path": LIVE, "headers": raw}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_our_own_page_and_a_program_may_open_one(url: str) -> None:
    with connect(_live(url), origin=Origin(url)) as ours, connect(_live(url)) as theirs:
        assert ours.protocol.state is theirs.protocol.state is State.OPEN


def test_there_is_no_websocket_elsewhere(url: str) -> None:
    with pytest.raises(InvalidStatus), connect(url.replace("http", "ws") + "/api/status"):
        pass


def test_a_large_message_closes_the_websocket(url: str) -> None:
    with connect(_live(url)) as socket:
        socket.send("x" * (1 << 16))
        assert "is not JSON" in socket.recv(5)
        socket.send("é" * (1 << 15) + "x")  # counted in bytes, not in characters
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(5)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1009


def test_websockets_are_bounded_in_number(url: str, until) -> None:
    with ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(connect(_live(url)))
        crowded = stack.enter_context(connect(_live(url)))
        with pytest.raises(ConnectionClosedError) as closed:
            crowded.recv(5)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1013

    def opens() -> bool:
        with connect(_live(url)) as socket:
            socket.send("{")
            try:
                return "not JSON" in socket.recv(5)
            except ConnectionClosedError:
                return False

    until(opens)  # those that have left make room


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/status"),
        ("GET", "/nowhere"),
        ("DELETE", "/api/status"),
        ("POST", "/v1/completions"),
    ],
)
def test_every_answer_is_locked_down(client: httpx.Client, method: str, path: str) -> None:
    headers = client.request(method, path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_answers_are_not_kept_by_caches(client: httpx.Client) -> None:
    assert client.get("/api/status").headers["cache-control"] == "no-store"


def test_a_preflight_gets_no_permission(client: httpx.Client) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = client.options("/v1/chat/completions", headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-methods" not in answer.headers


async def _through(guard: Guard, receive, kind: str = "http", hosts=("localhost",)) -> list[dict]:
    """What is sent for a request that announces a JSON body."""
    headers = [(b"host", host.encode()) for host in hosts]
    headers += [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    await guard({"type": kind, "method": "POST", "path": "/x", "headers": headers}, receive, send)
    return sent


def _live(url: str) -> str:
    return url.replace("http", "ws") + LIVE


def _connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def _request(url: str, head: str) -> bytes:
    return f"POST /v1/chat/completions HTTP/1.1\r\nHost: {url[7:]}\r\n{head}\r\n".encode()

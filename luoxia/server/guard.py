"""Who may talk to the server, and how much: the first thing every request meets.

A server on this machine can be reached by every page that the browser has open. Against that:

- the ``Host`` header must name this machine, so that a foreign name rebound to 127.0.0.1 is of no use;
- ``Origin`` and ``Sec-Fetch-Site`` must be our own, but for a visitor who follows a link to us;
- a body must be JSON, which no page may send elsewhere without asking first.

Bodies are bounded in size and time, and read here whole, so that no slow client reaches anything behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luoxia.server.errors import ForeignError, NotJsonError, RequestError, TooLargeError, TooSlowError
from luoxia.server.refusals import refuse

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware. ``hosts`` are names besides the loopback ones that the server may be called by."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = (),
        largest_body: int = 1 << 20,  # bytes
        body_seconds: float = 10.0,
    ) -> None:
        self.app = app
        self.hosts = LOOPBACK | {host.lower() for host in hosts}
        self.largest_body = largest_body
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # there is no other protocol here
            return await send({"type": "websocket.close", "code": 1008})
        headers, guarded = Headers(scope=scope), _with_security_headers(send)
        try:
            self._check_caller(scope["method"], headers)
            body = await self._body(headers, receive)
        except RequestError as error:
            return await refuse(error, headers.get("accept-language", ""))(scope, receive, guarded)
        except ClientDisconnect:
            return None
        await self.app(scope, _replay(body, receive), guarded)

    def _check_caller(self, method: str, headers: Headers) -> None:
        host = ",".join(headers.getlist("host"))  # two of them are none of ours
        if host.lower().rpartition(":")[0] not in self.hosts and host.lower() not in self.hosts:
            raise ForeignError(
                f"this server is not called {host[:100]!r}; use its own address, "
                "or start it with --allow-host NAME",
                f"本服务器不叫 {host[:100]!r}；请使用它自己的地址，或在启动时加 --allow-host NAME",
            )
        origins = {origin.partition("://")[2].lower() for origin in headers.getlist("origin")}
        asks_to_act = method not in ("GET", "HEAD")
        foreign_page = headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
        follows_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if (asks_to_act and origins - {host.lower()}) or (foreign_page and not follows_link):
            raise ForeignError(
                "another site's page may not use this server", "其他网站的页面不能使用本服务器"
            )

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        length = headers.get("content-length", "0")
        if length == "0" and "transfer-encoding" not in headers:
            return b""
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise NotJsonError(
                "send the body as JSON, with Content-Type: application/json",
                "请以 JSON 发送正文，并注明 Content-Type: application/json",
            )
        too_large = TooLargeError(
            f"the body has more than {self.largest_body} bytes", f"请求正文超过 {self.largest_body} 字节"
        )
        if length.isdecimal() and int(length[:20]) > self.largest_body:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    more = message.get("more_body", False)
                    body += message.get("body", b"")
                    if len(body) > self.largest_body:
                        raise too_large
        except TimeoutError as error:
            raise TooSlowError(
                f"the body did not arrive within {self.body_seconds:g} seconds",
                f"请求正文未能在 {self.body_seconds:g} 秒内到达",
            ) from error
        return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Deliver the body at once; what follows it is what really follows."""
    delivered = False

    async def replay() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_security_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            headers.setdefault("Cache-Control", "no-store")  # answers are the asker's own
        await send(message)

    return guarded

"""Who may talk to the server, and how much: the first thing every request meets.

A server on this machine can be reached by every page that the browser has open. Against that:

- the ``Host`` header must name this machine, so that a foreign name rebound to 127.0.0.1 is of no use;
- ``Origin`` and ``Sec-Fetch-Site`` must be our own, but for a visitor who follows a link to us;
- a body must be JSON, which no page may send elsewhere without asking first, but where OpenAI's clients send forms:
  a page that sends one elsewhere says its ``Origin``;
- a WebSocket, which a browser opens to any address without asking, needs the same ``Host`` and an ``Origin`` of ours.

Bodies are bounded in size and time, and read here whole, so that no slow client reaches anything behind. Messages
of a WebSocket are bounded in size, and so is the number of WebSockets that are open at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from luoxia.server.errors import ForeignError, NotJsonError, RequestError, TooLargeError, TooSlowError
from luoxia.server.refusals import refuse

FOREIGN, LARGE, CROWDED = 1008, 1009, 1013  # why a WebSocket is closed (RFC 6455 section 7.4.1)
LARGEST_MESSAGE = 1 << 16  # bytes, of a WebSocket
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
    """ASGI middleware. ``hosts`` are names besides the loopback ones that the server may be called by, ``larger`` the
    paths whose bodies may be larger than the others', in bytes, ``forms`` those that take forms in place of JSON."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = (),
        largest_body: int = 1 << 20,  # bytes
        larger: Mapping[str, int] = MappingProxyType({}),
        forms: Collection[str] = (),
        body_seconds: float = 10.0,
        largest_message: int = LARGEST_MESSAGE,
        sockets: int = 16,
    ) -> None:
        self.app = app
        self.hosts = LOOPBACK | {host.lower() for host in hosts}
        self.largest_body, self.larger, self.forms = largest_body, larger, frozenset(forms)
        self.body_seconds = body_seconds
        self.largest_message, self.sockets = largest_message, sockets
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] == "websocket":
            return await self._socket(scope, receive, send)
        headers, guarded = Headers(scope=scope), _with_security_headers(send)
        try:
            self._check_caller(scope["method"], headers)
            self._check_kind(headers, scope["path"])
            body = await self._body(headers, receive, self.larger.get(scope["path"], self.largest_body))
        except RequestError as error:
            return await refuse(error, headers.get("accept-language", ""))(scope, receive, guarded)
        except ClientDisconnect:
            return None
        await self.app(scope, _replay(body, receive), guarded)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket that may not be opened is refused before it is one."""
        try:
            self._check_caller("WEBSOCKET", Headers(scope=scope))
        except ForeignError:
            return await send({"type": "websocket.close", "code": FOREIGN})
        if self._open >= self.sockets:
            await send({"type": "websocket.accept"})  # else a browser would not tell its page the reason
            return await send({"type": "websocket.close", "code": CROWDED})
        self._open += 1
        try:
            await self.app(scope, _bounded(receive, send, self.largest_message), send)
        finally:
            self._open -= 1

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

    def _check_kind(self, headers: Headers, path: str) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        wanted = "multipart/form-data" if path in self.forms else "application/json"
        if _has_body(headers) and kind != wanted:
            name = "a form" if path in self.forms else "JSON"
            raise NotJsonError(
                f"send the body as {name}, with Content-Type: {wanted}",
                f"请以{'表单' if path in self.forms else ' JSON '}发送正文，并注明 Content-Type: {wanted}",
            )

    async def _body(self, headers: Headers, receive: Receive, largest: int) -> bytes:
        if not _has_body(headers):
            return b""
        length = headers.get("content-length", "0")
        too_large = TooLargeError(f"the body has more than {largest} bytes", f"请求正文超过 {largest} 字节")
        if length.isdecimal() and int(length[:20]) > largest:
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
                    if len(body) > largest:
                        raise too_large
        except TimeoutError as error:
            raise TooSlowError(
                f"the body did not arrive within {self.body_seconds:g} seconds",
                f"请求正文未能在 {self.body_seconds:g} 秒内到达",
            ) from error
        return bytes(body)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


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


def _bounded(receive: Receive, send: Send, largest: int) -> Receive:
    """Messages as they come; one that is too large closes the WebSocket and reads as its end."""

    async def bounded() -> Message:
        message = await receive()
        text, data = message.get("text"), message.get("bytes")
        if len(text.encode() if text else data or b"") <= largest:
            return message
        await send({"type": "websocket.close", "code": LARGE})
        return {"type": "websocket.disconnect", "code": LARGE}

    return bounded


def _with_security_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(SECURITY_HEADERS)
            headers.setdefault("Cache-Control", "no-store")  # answers are the asker's own
        await send(message)

    return guarded

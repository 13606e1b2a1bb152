"""``/api/faces/live``: requests come as JSON, pictures go back as they are drawn, the latest of each slot alone."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Literal

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from luoxia.server.faces.asks import LiveAnswer, LiveAsk, LiveRefusal
from luoxia.server.faces.atelier import Atelier, webp
from luoxia.server.faces.easel import Easel, Superseded
from luoxia.server.refusals import describe, log_unexpected, reader_language


def live_api(atelier: Atelier, easel: Easel) -> APIRouter:
    api = APIRouter()

    @api.websocket("/api/faces/live")
    async def live(socket: WebSocket, language: Literal["en", "zh"] | None = None) -> None:
        reader = language or reader_language(socket.headers.get("accept-language", ""))
        await socket.accept()
        await _Sitting(atelier, easel, socket, reader).last()

    return api


def framed(answer: LiveAnswer, pictures: list[bytes]) -> bytes:
    """The length of the head in four bytes, largest first; the head; the pictures."""
    head = answer.model_dump_json().encode()
    return b"".join([struct.pack(">I", len(head)), head, *pictures])


class _Sitting:
    """One page that is connected: what it asks for goes to the easel, what is drawn comes back in order."""

    def __init__(self, atelier: Atelier, easel: Easel, socket: WebSocket, reader: str) -> None:
        self._atelier, self._easel, self._socket, self._reader = atelier, easel, socket, reader
        self._loop = asyncio.get_running_loop()
        self._out: dict[str, bytes | str] = {}  # by slot: a reader who is slow gets the latest too
        self._filled = asyncio.Event()

    async def last(self) -> None:
        """To the end of the connection."""
        sending = asyncio.create_task(self._send())
        try:
            while True:
                self._hear(await self._socket.receive_text())
        except (WebSocketDisconnect, KeyError):  # KeyError: a message of bytes, which nobody sends here
            pass
        finally:
            self._easel.leave(self)
            sending.cancel()
            if self._socket.client_state is WebSocketState.CONNECTED:
                await self._socket.close(1003)

    def _hear(self, text: str) -> None:
        try:
            ask = LiveAsk.model_validate_json(text)
        except ValidationError as error:
            wrong = [{**dict(e), "loc": ("body", *e["loc"])} for e in error.errors()]
            return self._refuse(None, None, RequestValidationError(wrong))

        def draw(superseded: Superseded) -> bytes:
            began = time.perf_counter()
            pictures = [webp(picture) for picture in self._atelier.draw(ask.model, ask.what, superseded)]
            answer = LiveAnswer(
                n=ask.n,
                slot=ask.slot,
                sizes=[len(picture) for picture in pictures],
                seconds=round(time.perf_counter() - began, 4),
            )
            return framed(answer, pictures)

        def tell(drawn: bytes | BaseException) -> None:
            try:
                self._loop.call_soon_threadsafe(self._drawn, ask, drawn)
            except RuntimeError:  # the loop has closed: nobody listens any more
                return

        try:
            self._easel.ask(self, ask.slot, draw, tell)
        except Exception as error:
            self._refuse(ask.n, ask.slot, error)

    def _drawn(self, ask: LiveAsk, drawn: bytes | BaseException) -> None:
        if isinstance(drawn, bytes):
            self._put(ask.slot, drawn)
        else:
            log_unexpected(drawn)
            self._refuse(ask.n, ask.slot, drawn if isinstance(drawn, Exception) else RuntimeError())

    def _refuse(self, n: int | None, slot: str | None, error: Exception) -> None:
        _, detail = describe(error, self._reader)
        self._put(slot or "", LiveRefusal(n=n, slot=slot, error=detail).model_dump_json())

    def _put(self, slot: str, message: bytes | str) -> None:
        self._out[slot] = message
        self._filled.set()

    async def _send(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._out:
                message = self._out.pop(next(iter(self._out)))
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(message)

"""A page that is connected by a WebSocket: requests come as JSON, pictures go back as they are drawn, of each slot the
latest alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, Literal, Protocol, TypeVar

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from luoxia.server.easel import Easel, Superseded
from luoxia.server.refusals import describe, log_unexpected, reader_language
from luoxia.server.schemas import ErrorDetail


class Asked(Protocol):
    """One message: ``n`` is a number of the asker's own, which every answer repeats; ``what`` None means that what is in
    the slot is not wanted any more."""

    n: int
    slot: Any
    what: Any


Show = Callable[[bytes], None]  # sends what there is before the end
Ask = TypeVar("Ask", bound=Asked)
Answer = Callable[[Ask, Superseded, Show], bytes]  # draws, on the easel's thread


class Told(BaseModel):
    """Every field is there in what is sent, also one with a default."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class LiveHead(Told):
    """The head of an answer, as JSON behind four bytes with its length; the pictures follow, one after the other."""

    n: int
    slot: str
    type: Literal["image/webp"] = "image/webp"
    sizes: list[int] = Field(description="bytes of each picture")
    seconds: float = Field(description="that drawing took")


class LiveRefusal(BaseModel):
    """A message in place of pictures, as text."""

    n: int | None
    slot: str | None
    error: ErrorDetail


def live_api(path: str, easel: Easel, reading: type[BaseModel], answer: Answer[Any]) -> APIRouter:
    """A WebSocket at ``path`` that takes messages ``reading`` and sends what ``answer`` makes of them."""
    api = APIRouter()

    @api.websocket(path)
    async def live(socket: WebSocket, language: Literal["en", "zh"] | None = None) -> None:
        reader = language or reader_language(socket.headers.get("accept-language", ""))
        await socket.accept()
        await _Sitting(easel, socket, reader, reading, answer).last()

    return api


class _Sitting(Generic[Ask]):
    """What the page asks for goes to the easel, what is drawn comes back in order."""

    def __init__(
        self, easel: Easel, socket: WebSocket, reader: str, reading: type[BaseModel], answer: Answer[Ask]
    ) -> None:
        self._easel, self._socket, self._reader = easel, socket, reader
        self._reading, self._answer = reading, answer
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
            ask: Any = self._reading.model_validate_json(text)
        except ValidationError as error:
            wrong = [{**dict(e), "loc": ("body", *e["loc"])} for e in error.errors()]
            return self._refuse(None, None, RequestValidationError(wrong))
        if ask.what is None:
            return self._easel.leave(self, ask.slot)

        def tell(drawn: bytes | BaseException) -> None:
            try:
                self._loop.call_soon_threadsafe(self._drawn, ask, drawn)
            except RuntimeError:  # the loop has closed: nobody listens any more
                return

        def draw(superseded: Superseded) -> bytes:
            return self._answer(ask, superseded, tell)

        try:
            self._easel.ask(self, ask.slot, draw, tell)
        except Exception as error:
            self._refuse(ask.n, ask.slot, error)

    def _drawn(self, ask: Asked, drawn: bytes | BaseException) -> None:
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

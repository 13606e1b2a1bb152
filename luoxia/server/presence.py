"""Work that is done for as long as the client is there to see it, and server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import anyio
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Event = TypeVar("Event")


@asynccontextmanager
async def while_present(receive: Receive) -> AsyncIterator[None]:
    """Run the block until it is done or the client leaves, whichever comes first."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    with anyio.CancelScope() as scope:
        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()


async def begun(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The same events once there is a first one: a failure until then has an HTTP status."""
    first = await anext(events)

    async def resumed() -> AsyncGenerator[Event, None]:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    return resumed()


class EventStream(Response):
    """``data: {...}`` for each event as it comes; a client that leaves closes the source."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[BaseModel | str, None]) -> None:
        super().__init__(headers={"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.events = events

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        async def write(text: str, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": more})

        async with while_present(receive), aclosing(self.events):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for event in self.events:
                data = event if isinstance(event, str) else event.model_dump_json()
                await write(f"data: {data}\n\n")
            await write("", more=False)

"""Serves the application on a socket until the process is told to end."""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from luoxia.server.app import create_app
from luoxia.server.draw.room import Drawings
from luoxia.server.faces.room import Faces
from luoxia.server.guard import LARGEST_MESSAGE
from luoxia.server.poem.room import Poems
from luoxia.server.runner import Runner

CONNECTIONS = 100  # open at once; each may hold one request body


def run(
    listening: socket.socket,
    *,
    hosts: Collection[str] = (),
    threads: int | None = None,
    draw_with: Sequence[Path] = (),
    poem_with: Sequence[Path] = (),
) -> None:
    """Ctrl-C and SIGTERM end it: streams are told, and connections have two seconds to close. ``draw_with`` and
    ``poem_with`` are folders of models that draw and that write poems, besides those that the server knows by name."""
    runner, faces = Runner(threads=threads), Faces(threads=threads)
    drawings, poems = Drawings(draw_with, threads=threads), Poems(poem_with, threads=threads)
    config = uvicorn.Config(
        create_app(models=runner, faces=faces, drawings=drawings, poems=poems, hosts=hosts),
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,  # pictures are compressed already
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=2,
    )
    with suppress(KeyboardInterrupt):  # raised again by uvicorn when all is done
        _Server(config, [runner, faces, drawings, poems]).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, parts: list[Runner | Faces | Drawings | Poems]) -> None:
        super().__init__(config)
        self.parts = parts

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for part in self.parts:  # first: uvicorn waits for streams, and they for the models
            part.close()
        await super().shutdown(sockets)

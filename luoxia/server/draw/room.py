"""All that the page Draw needs of the server, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter

from luoxia.server.draw.api import draw_api
from luoxia.server.draw.asks import Draw
from luoxia.server.draw.atelier import Atelier
from luoxia.server.draw.images_api import images_api
from luoxia.server.draw.live import draw_live
from luoxia.server.easel import Easel, Superseded
from luoxia.server.pictures import BODY, PICTURE

FORMS = ("/v1/images/edits", "/v1/images/variations")
LARGER_BODIES = {"/api/draw/pictures": BODY, **dict.fromkeys(FORMS, 2 * PICTURE + (64 << 10))}  # bytes


class Drawings:
    def __init__(self, folders: Sequence[Path] = (), *, threads: int | None = None) -> None:
        """``folders`` of models, or of runs, besides those that are known by name."""
        self.atelier, self.easel = Atelier(folders, threads=threads), Easel()

    def apis(self) -> list[APIRouter]:
        return [
            draw_api(self.atelier, self.easel),
            draw_live(self.atelier, self.easel),
            images_api(self.atelier, self.easel),
        ]

    def warm(self) -> None:
        """Have a first picture drawn before anybody asks."""

        def draw(superseded: Superseded) -> None:
            plain = Draw.model_validate({"kind": "draw", "prompt": "1", "count": 1})
            for model in self.atelier.names()[:1]:
                self.atelier.draw(model, plain, superseded, lambda *_: None)

        self.easel.ask(self, "warm", draw, lambda _: None)

    def close(self) -> None:
        self.easel.close()

    def join(self, seconds: float) -> None:
        """Wait for the thread to end after :meth:`close`."""
        self.easel.join(seconds)

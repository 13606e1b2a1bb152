"""All that the page Faces needs of the server, put together."""

from __future__ import annotations

from fastapi import APIRouter

from luoxia.server.easel import Easel, Superseded
from luoxia.server.faces.api import faces_api
from luoxia.server.faces.asks import Single
from luoxia.server.faces.atelier import Atelier
from luoxia.server.faces.films import Films
from luoxia.server.faces.jobs import Jobs
from luoxia.server.faces.live import faces_live
from luoxia.server.pictures import BODY

LARGER_BODIES = {"/api/faces/photos": BODY}  # bytes


class Faces:
    def __init__(self, *, threads: int | None = None) -> None:
        self.atelier, self.easel, self.jobs = Atelier(threads), Easel(), Jobs()
        self.films = Films(self.atelier)

    def apis(self) -> list[APIRouter]:
        return [
            faces_api(self.atelier, self.easel, self.jobs, self.films),
            faces_live(self.atelier, self.easel),
        ]

    def warm(self) -> None:
        """Have a first picture drawn before anybody asks."""

        def draw(superseded: Superseded) -> None:
            plain = Single.model_validate({"kind": "faces", "faces": [{}]})
            for model in self.atelier.names()[:1]:
                self.atelier.draw(model, plain, superseded)

        self.easel.ask(self, "warm", draw, lambda _: None)

    def close(self) -> None:
        self.easel.close()
        self.jobs.close()

    def join(self, seconds: float) -> None:
        """Wait for the threads to end after :meth:`close`."""
        self.easel.join(seconds)
        self.jobs.join(seconds)
        self.films.close()

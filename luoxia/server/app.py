"""The application: its parts, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware

import luoxia
from luoxia.generate.sampling import usual_temperature
from luoxia.provenance import policy
from luoxia.server import refusals
from luoxia.server.downloads import Downloads
from luoxia.server.draw import room as draw_room
from luoxia.server.draw.room import Drawings
from luoxia.server.faces import room as faces_room
from luoxia.server.faces.room import Faces
from luoxia.server.finetune.api import finetune_api
from luoxia.server.finetune.asks import BODY as EXAMPLES_BODY
from luoxia.server.finetune.trainings import Trainings
from luoxia.server.guard import Guard
from luoxia.server.models_api import models_api
from luoxia.server.openai_api import openai_api
from luoxia.server.openapi import document
from luoxia.server.poem.room import Poems
from luoxia.server.recorder import Recorder
from luoxia.server.runner import Runner
from luoxia.server.schemas import ErrorAnswer, Status
from luoxia.server.studio import Studio
from luoxia.server.texts import texts_api
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL, find, is_here

PATIENCE = 5.0  # seconds that the end of the server waits for each of its threads


def create_app(
    *,
    models: Runner | None = None,
    downloads: Downloads | None = None,
    faces: Faces | None = None,
    drawings: Drawings | None = None,
    poems: Poems | None = None,
    hosts: Collection[str] = (),
    studio: Studio | None = None,
) -> FastAPI:
    """The studio and its API. ``hosts`` are names besides the loopback ones that it may be called by.

    While the server runs, the default model is kept warm if it is on this machine, and with it one that makes faces and one
    that draws.
    """
    runner, downloads, recorder = models or Runner(), downloads or Downloads(), Recorder()
    faces, drawings, poems = faces or Faces(), drawings or Drawings(), poems or Poems()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = asyncio.create_task(_warm(runner, faces, drawings))
        recorder.warm()
        yield
        warming.cancel()
        for part in (runner, downloads, faces, drawings, poems, recorder):
            part.close()
            await asyncio.to_thread(part.join, PATIENCE)

    app = FastAPI(
        title="Luoxia",
        version="1",
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
        docs_url=None,  # FastAPI's pages come from another host
        redoc_url=None,
        responses={"default": {"model": ErrorAnswer, "description": "One line that says what to do"}},
    )
    app.openapi = lambda: document(app)
    app.include_router(openai_api(runner, recorder))
    app.include_router(texts_api())
    app.include_router(models_api(downloads))
    app.include_router(_status_api(runner))
    app.include_router(finetune_api(Trainings()))
    for api in (*faces.apis(), *drawings.apis(), *poems.apis(recorder)):
        app.include_router(api)
    app.mount("/", GZipMiddleware(studio or Studio(), minimum_size=1000))
    refusals.install(app)
    larger = {**faces_room.LARGER_BODIES, **draw_room.LARGER_BODIES, "/api/finetune/examples": EXAMPLES_BODY}
    app.add_middleware(Guard, hosts=hosts, larger=larger, forms=draw_room.FORMS)
    return app


async def _warm(runner: Runner, faces: Faces, drawings: Drawings) -> None:
    """Failures are left to the first request, which can tell them to somebody."""
    if is_here(find(DEFAULT_TEXT_MODEL)):
        try:
            await runner.warm(DEFAULT_TEXT_MODEL)
            faces.warm()  # PyTorch is in memory now, and the first picture costs a second that nobody need wait for
            drawings.warm()
        except Exception as error:
            refusals.log_unexpected(error)


def _status_api(runner: Runner) -> APIRouter:
    api = APIRouter(tags=["status"])

    @api.get("/api/status")
    def status() -> Status:
        """What is loaded, on what, and how busy it is."""
        model = runner.model
        runtime, mark = model.runtime if model else None, policy.load().embeds
        return Status(
            version=luoxia.__version__,
            default_model=DEFAULT_TEXT_MODEL,
            loaded=model.id if model else None,
            device=runtime.device.type if runtime else None,
            threads=runtime.threads if runtime else None,
            reason=runtime.reason if runtime else None,
            busy=runner.busy,
            queued=runner.queued,
            temperature=usual_temperature(mark=mark),
            shaped_temperature=usual_temperature(mark=mark, constrained=True),
        )

    return api

"""Faces over plain HTTP: what models there are, sheets, and long work with its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import FileResponse, Response

from luoxia.core.errors import MalformedFileError
from luoxia.server.easel import Easel, Superseded
from luoxia.server.faces.asks import (
    DirectionFacts,
    FaceModel,
    FilmAsk,
    Grid,
    JobEvent,
    JobStarted,
    LearnAsk,
    PhotoAsk,
    SheetAsk,
)
from luoxia.server.faces.atelier import Atelier
from luoxia.server.faces.films import Films
from luoxia.server.faces.jobs import Jobs
from luoxia.server.faces.work import finding, learning
from luoxia.server.openapi import events_of, file_of
from luoxia.server.presence import EventStream
from luoxia.server.refusals import reader_language
from luoxia.server.schemas import CREATION, Bilingual
from luoxia.weights import catalogue

if TYPE_CHECKING:
    from luoxia.workspace.publish import Published

Id = Annotated[str, Path(min_length=1, max_length=100)]
FILM_TYPES = {"mp4": "video/mp4", "gif": "image/gif", "webp": "image/webp"}


def faces_api(atelier: Atelier, easel: Easel, jobs: Jobs, films: Films) -> APIRouter:
    api = APIRouter(prefix="/api/faces", tags=["faces"])

    @api.get("/models")
    def list_face_models() -> list[FaceModel]:
        """Models that draw, what they can be told, and what can be changed about their faces."""
        found = []
        for name in atelier.names():
            try:
                found.append(_facts(atelier, name))
            except MalformedFileError:  # a folder of the user's own that holds something else
                continue
        return found

    @api.post("/directions")
    def learn_directions(ask: LearnAsk) -> JobStarted:
        """Learn what can be changed about a model's faces. Asking again joins the work under way."""
        atelier.told(ask.model)
        return JobStarted(id=jobs.start(learning(atelier, ask.model), once=f"directions of {ask.model}").id)

    @api.post("/photos")
    def find_photo(ask: PhotoAsk) -> JobStarted:
        """Find a photograph among the model's pictures; the result is a style that a face can name."""
        atelier.told(ask.model)
        return JobStarted(id=jobs.start(finding(atelier, ask)).id)

    @api.post("/films")
    def write_film(ask: FilmAsk) -> JobStarted:
        """Write a film of the way through faces."""
        atelier.told(ask.model)
        return JobStarted(id=films.begin(ask))

    @api.get("/jobs/{id}", response_class=Response, responses=events_of(JobEvent))
    async def follow_job(id: Id, request: Request) -> EventStream:
        """How far it is, to the end. Leaving does not stop it."""
        reader = reader_language(request.headers.get("accept-language", ""))
        if films.knows(id):
            films.check(id)
            return EventStream(films.follow(id, reader))
        return EventStream(jobs.follow(jobs.find(id), reader))

    @api.delete("/jobs/{id}", status_code=204)
    def cancel_job(id: Id) -> None:
        """Give it up."""
        films.cancel(id) if films.knows(id) else jobs.find(id).cancel()

    @api.get("/films/{id}", response_class=Response, responses=file_of(*FILM_TYPES.values()))
    def get_film(id: Id) -> FileResponse:
        path = films.find(id)
        return FileResponse(path, media_type=FILM_TYPES[path.suffix[1:]], filename=f"faces{path.suffix}")

    @api.get("/styles/{id}", response_class=Response, responses=file_of("application/octet-stream"))
    def get_style(id: Id) -> Response:
        """What was found for a photograph, as `luoxia face edit` reads it."""
        from luoxia.generate.inversion import encoded

        data = encoded(atelier.style(id).inversion)
        headers = {"Content-Disposition": 'attachment; filename="photo.w"'}
        return Response(data, media_type="application/octet-stream", headers=headers)

    @api.post("/sheet", response_class=Response, responses=file_of("image/png"))
    async def draw_sheet(ask: SheetAsk) -> Response:
        """Faces in rows, or a mixing grid with its rows and columns along the edges, as PNG."""
        left = await easel.drawn(lambda superseded: _sheet(atelier, ask, superseded))
        return Response(left.data, media_type="image/png", headers={CREATION: left.creation.id})

    return api


def _facts(atelier: Atelier, name: str) -> FaceModel:
    told = atelier.told(name)
    directions = atelier.directions(told)
    entry = catalogue.CATALOGUE.get(name)
    return FaceModel(
        id=name,
        title=entry.title if entry else name,
        summary=Bilingual(en=entry.summary.en, zh=entry.summary.zh) if entry else None,
        publisher=entry.publisher if entry else None,
        licence=entry.licence if entry else None,
        size=told.network.size,
        layers=told.network.num_ws,
        classes=list(told.classes) or [str(i) for i in range(told.network.classes)],
        directions=None
        if directions is None
        else [DirectionFacts.model_validate(d, from_attributes=True) for d in directions],
    )


def _sheet(atelier: Atelier, ask: SheetAsk, superseded: Superseded) -> Published:
    import numpy as np

    from luoxia.core.images import grid
    from luoxia.workspace import makers
    from luoxia.workspace.publish import publish

    pictures = np.stack(atelier.draw(ask.model, ask.what, superseded))
    columns = ask.columns
    if isinstance(ask.what, Grid):
        from luoxia.generate.portraits import table

        rows, columns = len(ask.what.rows), len(ask.what.columns)
        inner = pictures[rows + columns :]
        pictures, columns = table(pictures[rows : rows + columns], pictures[:rows], inner), columns + 1
    sheet = np.asarray(grid(pictures, columns, enlarge=ask.enlarge))
    asked = ask.model_dump(mode="json", exclude={"model", "columns"})
    asked |= {"n": len(pictures), "columns": columns}
    return publish(sheet, makers.told("picture", "face sheet", ask.model, asked), suffix=".png")

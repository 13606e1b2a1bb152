"""Which models there are: OpenAI's list of those that are here, the studio's of all, and how to bring one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from luoxia.core.errors import UnknownModelError
from luoxia.server.downloads import Downloads
from luoxia.server.openapi import events_of
from luoxia.server.presence import EventStream
from luoxia.server.refusals import reader_language
from luoxia.server.schemas import Bilingual, CatalogueModel, DownloadEvent, Model, ModelList
from luoxia.weights import own_texts
from luoxia.weights.catalogue import CATALOGUE, DEFAULT_TEXT_MODEL, Entry, card, find, is_here, path_of
from luoxia.weights.own_texts import OwnText

AcceptLanguage = Annotated[str, Header()]


MARKDOWN: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}
}


def models_api(downloads: Downloads) -> APIRouter:
    api = APIRouter(tags=["models"])

    @api.get("/v1/models")
    def list_models() -> ModelList:
        """The models that are on this machine."""
        here = [entry for entry in CATALOGUE.values() if entry.kind == "text" and is_here(entry)]
        return ModelList(data=[*map(_model, here), *map(_own_model, own_texts.everything())])

    @api.get("/v1/models/{id}")
    def get_model(id: str) -> Model:
        """One model that is on this machine."""
        own = own_texts.find(id)
        if own is not None:
            return _own_model(own)
        entry = find(id, "text")
        if not is_here(entry):
            raise UnknownModelError(
                f"{entry.title} is not on this machine: `luoxia models get {entry.id}` fetches it",
                f"本机尚无 {entry.title}：运行 `luoxia models get {entry.id}` 即可下载",
            )
        return _model(entry)

    @api.get("/api/models")
    def list_catalogue() -> list[CatalogueModel]:
        """Every model of the catalogue, here or not, and the text models of the user's own."""
        return [
            *map(_catalogue_model, CATALOGUE.values()),
            *map(_own_catalogue_model, own_texts.everything()),
        ]

    @api.get("/api/models/{id}/card", response_class=Response, responses=MARKDOWN)
    def get_card(
        id: str, language: Literal["en", "zh"] | None = None, accept_language: AcceptLanguage = ""
    ) -> Response:
        """What the model is, how it was made and what it may be used for, in Markdown."""
        reader, own = language or reader_language(accept_language), own_texts.find(id)
        text = own.card(reader) if own is not None else card(find(id), reader)
        return Response(text, media_type="text/markdown")

    @api.post("/api/models/{id}/get", response_class=Response, responses=events_of(DownloadEvent))
    async def get_files(id: str, request: Request) -> EventStream:
        """Bring the model to this machine. Leaving does not stop it; asking again joins the one under way."""
        reader = reader_language(request.headers.get("accept-language", ""))
        return EventStream(downloads.follow(find(id), reader))

    return api


def _model(entry: Entry) -> Model:
    return Model(id=entry.id, created=int(path_of(entry).stat().st_mtime), owned_by=entry.publisher)


def _catalogue_model(entry: Entry) -> CatalogueModel:
    return CatalogueModel(
        id=entry.id,
        kind=entry.kind,
        title=entry.title,
        summary=Bilingual(en=entry.summary.en, zh=entry.summary.zh),
        publisher=entry.publisher,
        licence=entry.licence,
        languages=list(entry.languages),
        size=entry.size,
        here=is_here(entry),
        default=entry.id == DEFAULT_TEXT_MODEL,
        opt_in=entry.opt_in,
        note=Bilingual(en=entry.note.en, zh=entry.note.zh) if entry.note else None,
        context=entry.context,
    )


def _own_model(own: OwnText) -> Model:
    return Model(id=own.name, created=own.changed, owned_by="user")


def _own_catalogue_model(own: OwnText) -> CatalogueModel:
    entry, summary = own.entry, own.summary
    return CatalogueModel(
        id=own.name,
        kind="text",
        title=own.name,
        summary=Bilingual(en=summary.en, zh=summary.zh),
        publisher=own.base,
        licence=own.licence,
        languages=list(entry.languages) if entry else [],
        size=own.size,
        here=entry is None or own.rank == 0 or is_here(entry),
        default=False,
        opt_in=False,
        note=None,
        context=entry.context if entry else None,
    )

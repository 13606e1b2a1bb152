"""Drawing over plain HTTP: what models there are, pictures of the user's own, and files."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from luoxia.core.errors import UserError
from luoxia.core.licences import each_once
from luoxia.server.draw import leaving
from luoxia.server.draw.asks import DrawModel, FileAsk, PictureAsk, PictureCodes, Style
from luoxia.server.draw.atelier import Atelier
from luoxia.server.easel import Easel, Superseded
from luoxia.server.openapi import file_of
from luoxia.server.pictures import in_base64
from luoxia.server.schemas import CREATION, Bilingual
from luoxia.weights import catalogue

TYPES = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg", "svg": "image/svg+xml"}


def draw_api(atelier: Atelier, easel: Easel) -> APIRouter:
    api = APIRouter(prefix="/api/draw", tags=["draw"])

    @api.get("/models")
    def list_draw_models() -> list[DrawModel]:
        """Models that draw from words, and what they can be told."""
        found = []
        for name in atelier.names():
            try:
                found.append(_facts(atelier, name))
            except UserError:  # a folder of the user's own that is damaged
                continue
        return found

    @api.post("/pictures")
    async def read_picture(ask: PictureAsk) -> PictureCodes:
        """A picture of the user's own as the model sees it, to be completed or varied."""
        data = in_base64(ask.picture)
        return await easel.drawn(lambda _: atelier.codes(ask.model, data))

    @api.post("/file", response_class=Response, responses=file_of(TYPES["png"], TYPES["webp"], TYPES["svg"]))
    async def write_file(ask: FileAsk) -> Response:
        """One picture as a file to keep, labelled: enlarged, or traced to vector graphics."""

        def draw(_: Superseded) -> Any:
            pixels = atelier.pixels(ask.model, [ask.codes])
            return atelier.sized(ask.model, pixels, ask.format, ask.size)

        content = await easel.drawn(draw)
        (left,) = await asyncio.to_thread(
            lambda: leaving.published(content, [leaving.told_of_codes(atelier, ask)], ask.format)
        )
        return Response(left.data, media_type=TYPES[ask.format], headers={CREATION: left.creation.id})

    return api


def _facts(atelier: Atelier, name: str) -> DrawModel:
    told = atelier.told(name)
    dvae, dalle = told.part("dvae"), told.part("dalle")
    entry = catalogue.CATALOGUE.get(name)
    return DrawModel(
        id=name,
        title=entry.title if entry else name,
        summary=Bilingual(en=entry.summary.en, zh=entry.summary.zh) if entry else None,
        publisher=entry.publisher if entry else None,
        licence=[entry.licence] if entry else list(each_once(told.licence)),
        size=int(dvae.config["size"]),
        side=int(dalle.config["side"]),
        book=dalle.needs.get("dvae", "")[:16],
        ranks="clip" in told.parts,
        enlarges="upscaler" in told.parts,
        styles=[Style(id=id, en=words.en, zh=words.zh) for id, words in atelier.styles(name).items()],
    )

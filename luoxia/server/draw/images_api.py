"""OpenAI's ways of asking for pictures: of words, edited by a mask, and varied."""

from __future__ import annotations

import asyncio
import base64
import io
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.exceptions import RequestValidationError
from PIL import Image
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from luoxia.core import seeds
from luoxia.core.errors import UserError
from luoxia.server.draw import leaving
from luoxia.server.draw.api import TYPES
from luoxia.server.draw.asks import Draw, Vary
from luoxia.server.draw.atelier import Atelier
from luoxia.server.draw.images import (
    CHOICE,
    EditRequest,
    ImageEvent,
    ImageFacts,
    ImageRequest,
    Images,
    ImageTokens,
    ImageUsage,
    MadeImage,
    Pictured,
    VariationRequest,
)
from luoxia.server.easel import Easel, Superseded, Tell
from luoxia.server.errors import NotFoundError
from luoxia.server.near import near_of
from luoxia.server.openapi import events_of, file_of
from luoxia.server.presence import EventStream, begun, while_present
from luoxia.server.schemas import CREATION

if TYPE_CHECKING:
    from luoxia.generate.drawing import Pictures
    from luoxia.workspace.publish import Published

FILES, BYTES = 64, 128 << 20  # that addresses are kept for
FORM: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {}}}}
Id = Annotated[str, Path(min_length=1, max_length=100)]


class _Files:
    """Pictures that were asked for by their address; the oldest go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[bytes, str]] = OrderedDict()
        self._bytes = 0

    def keep(self, data: bytes, form: str) -> str:
        name = f"{secrets.token_urlsafe(12)}.{form}"
        self._kept[name] = data, TYPES[form]
        self._bytes += len(data)
        while len(self._kept) > FILES or (self._bytes > BYTES and len(self._kept) > 1):
            _, (oldest, _) = self._kept.popitem(last=False)
            self._bytes -= len(oldest)
        return name

    def find(self, name: str) -> tuple[bytes, str]:
        found = self._kept.get(name)
        if found is None:
            raise NotFoundError(
                "this picture is not kept any more; ask for it again", "此图片已不再保留；请重新生成"
            )
        return found


def images_api(atelier: Atelier, easel: Easel) -> APIRouter:
    api, files = APIRouter(prefix="/v1/images", tags=["images"]), _Files()

    @api.post("/generations", response_model=Images, responses=events_of(ImageEvent))
    async def generate_images(
        body: ImageRequest, request: Request, response: Response
    ) -> Response | BaseModel:
        """Pictures of a prompt."""
        model, seed = _model(atelier, body), seeds.checked(body.seed)
        what = Draw(kind="draw", prompt=body.prompt, **_wish(atelier, model, body, seed))
        if body.stream:
            async with while_present(request.receive):
                return EventStream(await begun(_events(atelier, easel, model, what, body)))
            return Response(status_code=204)  # the client has left
        return await _answered(atelier, easel, request, response, files, model, what, body)

    @api.post("/edits", response_model=Images, openapi_extra=FORM)
    async def edit_image(request: Request, response: Response) -> Response | BaseModel:
        """A picture drawn anew where its mask, or the picture itself, is transparent; without either, varied towards the
        prompt. Takes a form with `image`, `mask`, `prompt` and the fields of a generation."""
        body, sent = await _form(request, EditRequest, "image", "mask")
        model, seed = _model(atelier, body), seeds.checked(body.seed)
        image, mask = _needed(sent, "image"), sent.get("mask")
        read = await easel.drawn(lambda _: atelier.codes(model, image, mask=mask))
        wish = {"prompt": body.prompt, **_wish(atelier, model, body, seed)}
        if any(read.free):
            given = [-1 if free else code for code, free in zip(read.codes, read.free, strict=True)]
            whole = Draw(kind="draw", given=given, **wish)
            return await _answered(atelier, easel, request, response, files, model, whole, body, image)
        what = Vary(kind="vary", codes=read.codes, strength=body.strength, **wish)
        return await _answered(atelier, easel, request, response, files, model, what, body, image)

    @api.post("/variations", response_model=Images, openapi_extra=FORM)
    async def vary_image(request: Request, response: Response) -> Response | BaseModel:
        """Pictures like another. Takes a form with `image` and the fields of a generation but the prompt."""
        body, sent = await _form(request, VariationRequest, "image")
        model, seed = _model(atelier, body), seeds.checked(body.seed)
        image = _needed(sent, "image")
        read = await easel.drawn(lambda _: atelier.codes(model, image, whole=True))
        what = Vary(
            kind="vary", codes=read.codes, strength=body.strength, **_wish(atelier, model, body, seed)
        )
        return await _answered(atelier, easel, request, response, files, model, what, body, image)

    @api.get("/files/{name}", response_class=Response, responses=file_of(*TYPES.values()))
    def get_image(name: Id) -> Response:
        """A picture that was asked for by its address."""
        data, kind = files.find(name)
        return Response(data, media_type=kind)

    return api


def _model(atelier: Atelier, body: Pictured) -> str:
    """Never a path: a name from the network opens no file."""
    there = atelier.names()
    name = body.model or (there[0] if there else "")
    return atelier.told(name).name


def _wish(atelier: Atelier, model: str, body: Pictured, seed: int) -> dict[str, Any]:
    choice = CHOICE[body.quality or "auto"] if "clip" in atelier.told(model).parts else 1
    same = {name: getattr(body, name) for name in ("guidance", "temperature", "top_p", "style")}
    return {"count": body.n or 1, "choice": choice, "seed": seed, **same}


async def _answered(
    atelier: Atelier,
    easel: Easel,
    request: Request,
    response: Response,
    files: _Files,
    model: str,
    what: Draw | Vary,
    body: Pictured,
    parent: bytes = b"",
) -> Response | BaseModel:
    began = time.monotonic()

    def draw(superseded: Superseded) -> tuple[Pictures, Any]:
        made = atelier.draw(model, what, superseded, lambda *_: None)
        return made, atelier.sized(model, made.pixels, body.form, body.side)

    async with while_present(request.receive):
        made, contents = await easel.drawn(draw)
        left = await asyncio.to_thread(_left, atelier, model, what, body, made, contents, parent)
        images = [MadeImage(revised_prompt=_revised(made, what)) for _ in left]
        for image, each in zip(images, left, strict=True):
            if body.response_format == "url":
                image.url = f"{request.base_url}v1/images/files/{files.keep(each.data, body.form)}"
            else:
                image.b64_json = base64.b64encode(each.data).decode()
        facts = _repeatable(made, began, left)
        response.headers[CREATION] = ", ".join(facts.creations)
        return Images(
            created=int(time.time()),
            model=model,
            data=images,
            output_format=body.form,
            size=_size(left[0], body),
            usage=_usage(made),
            luoxia=facts,
        )
    return Response(status_code=204)  # the client has left


def _left(
    atelier: Atelier,
    model: str,
    what: Draw | Vary,
    body: Pictured,
    made: Pictures,
    contents: Any,
    parent: bytes = b"",
) -> list[Published]:
    made_from = leaving.told(atelier, model, what, made, body.form, body.side)
    return leaving.published(contents, made_from, body.form, parent)


def _size(left: Published, body: Pictured) -> str:
    """Of the file: a small picture has got a strip below that says what it is."""
    if body.form == "svg":
        return f"{body.side}x{body.side}"
    with Image.open(io.BytesIO(left.data)) as opened:
        return f"{opened.width}x{opened.height}"


async def _events(
    atelier: Atelier, easel: Easel, model: str, what: Draw, body: ImageRequest
) -> AsyncGenerator[BaseModel | str, None]:
    """A picture on the way leaves as one that is done does: whoever asked for it may keep it."""
    began, wanted, sent = time.monotonic(), body.partial_images or 0, 0

    def draw(superseded: Superseded, tell: Tell) -> tuple[Pictures, Any]:
        def preview(pixels: Any, done: int, total: int) -> None:
            nonlocal sent
            if sent < wanted and done * (wanted + 1) >= total * (sent + 1):
                tell(atelier.sized(model, pixels[:1], body.form, body.side)[0])
                sent += 1

        made = atelier.draw(model, what, superseded, preview)
        return made, atelier.sized(model, made.pixels, body.form, body.side)

    def event(kind: Any, left: Published, **more: Any) -> ImageEvent:
        return ImageEvent(
            type=kind,
            b64_json=base64.b64encode(left.data).decode(),
            created_at=int(time.time()),
            output_format=body.form,
            size=_size(left, body),
            quality=body.quality or "auto",
            **more,
        )

    count = 0
    async with aclosing(easel.following(draw)) as events:
        async for each in events:
            if not isinstance(each, tuple):
                on_the_way = leaving.told_on_the_way(atelier, model, what, body.form, count, body.side)
                (left,) = await asyncio.to_thread(leaving.published, [each], [on_the_way], body.form)
                yield event("image_generation.partial_image", left, partial_image_index=count)
                count += 1
                continue
            made, contents = each
            all_left = await asyncio.to_thread(_left, atelier, model, what, body, made, contents)
            facts = {"usage": _usage(made), "luoxia": _repeatable(made, began, all_left)}
            yield event("image_generation.completed", all_left[0], **facts)


async def _form(request: Request, kind: Any, *names: str) -> tuple[Any, dict[str, bytes]]:
    """A form's fields, and the files of these names that came with them."""
    async with request.form(max_files=4, max_fields=40) as sent:
        fields = {name: value for name, value in sent.items() if isinstance(value, str)}
        try:
            body = kind.model_validate_strings(fields, strict=False)
        except ValidationError as error:
            wrong = [{**dict(e), "loc": ("body", *e["loc"])} for e in error.errors()]
            raise RequestValidationError(wrong) from error
        found = {name: await _file(sent, name) for name in names}
    return body, {name: data for name, data in found.items() if data is not None}


async def _file(sent: FormData, name: str) -> bytes | None:
    found = [value for key in (name, f"{name}[]") for value in sent.getlist(key)]
    files = [value for value in found if isinstance(value, UploadFile)]
    if len(files) > 1:
        raise UserError(
            f"{name}: give one picture, not {len(files)}", f"{name}：请给一张图片，而非 {len(files)} 张"
        )
    return await files[0].read() if files else None


def _needed(files: dict[str, bytes], name: str) -> bytes:
    if name not in files:
        raise UserError(f"{name} is missing: send a picture", f"缺少 {name}：请附上图片")
    return files[name]


def _revised(made: Pictures, what: Draw | Vary) -> str | None:
    told = made.prompt.text if made.prompt else ""
    return told if told and told != what.prompt else None


def _usage(made: Pictures) -> ImageUsage:
    read, drawn = sum(id != 0 for id in made.prompt.ids) if made.prompt else 0, int(made.codes.size)
    return ImageUsage(
        input_tokens=read,
        input_tokens_details=ImageTokens(image_tokens=0, text_tokens=read),
        output_tokens=drawn,
        total_tokens=read + drawn,
    )


def _repeatable(made: Pictures, began: float, left: list[Published]) -> ImageFacts:
    return ImageFacts(
        seed=made.seed,
        numbers=made.numbers.tolist(),
        scores=None if made.scores is None else [round(float(score), 4) for score in made.scores],
        seconds=round(time.monotonic() - began, 4),
        creation=left[0].creation.id,
        creations=[each.creation.id for each in left],
        near=near_of(left),
    )

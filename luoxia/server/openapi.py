"""The OpenAPI document, from which the studio's types are made: it names the events of streams too."""

from __future__ import annotations

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from luoxia.server.draw.asks import DrawAsk, DrawHead
from luoxia.server.draw.images import ImageEvent
from luoxia.server.faces.asks import JobEvent, LiveAsk
from luoxia.server.poem.asks import PoemEvent
from luoxia.server.schemas import ChatCompletionChunk, Completion, DownloadEvent, ErrorAnswer
from luoxia.server.sitting import LiveHead, LiveRefusal

TEMPLATE = "#/components/schemas/{model}"
EVENTS: tuple[type[BaseModel], ...] = (
    ChatCompletionChunk,
    Completion,
    DownloadEvent,
    DrawHead,
    ErrorAnswer,
    ImageEvent,
    JobEvent,
    LiveHead,
    LiveRefusal,
    PoemEvent,
)
MESSAGES: tuple[type[BaseModel], ...] = (DrawAsk, LiveAsk)


def events_of(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """For a route: it may answer with server-sent events that are such objects."""
    schema = {"$ref": TEMPLATE.format(model=model.__name__)}
    return {200: {"content": {"text/event-stream": {"schema": schema}}}}


def file_of(*types: str) -> dict[int | str, dict[str, Any]]:
    """For a route: it answers with a file of one of these types."""
    return {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in types}}}


def document(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own document, and the schemas of :data:`EVENTS` and :data:`MESSAGES`, which no plain call mentions."""
    if app.openapi_schema is None:
        whole = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _, events = models_json_schema([(model, "serialization") for model in EVENTS], ref_template=TEMPLATE)
        _, asks = models_json_schema([(model, "validation") for model in MESSAGES], ref_template=TEMPLATE)
        whole["components"]["schemas"] |= events["$defs"] | asks["$defs"]
        app.openapi_schema = whole
    return app.openapi_schema


def main() -> None:
    from luoxia.server.app import create_app

    print(json.dumps(create_app().openapi(), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()

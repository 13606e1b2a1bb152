"""Texts that were written here, as files to keep: Markdown, HTML or plain text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter
from pydantic import AfterValidator, Field
from starlette.responses import Response

from luoxia.server.errors import NotFoundError
from luoxia.server.fields import Incoming, whole_characters
from luoxia.server.openapi import file_of
from luoxia.server.schemas import CREATION

if TYPE_CHECKING:
    from luoxia.workspace.creation import Creation
    from luoxia.workspace.history import Workspace

TYPES = {"txt": "text/plain; charset=utf-8", "md": "text/markdown; charset=utf-8"}
LONGEST = 1 << 18  # characters
RECENT = 20  # texts among which one that was stopped is looked for


class TextFileAsk(Incoming):
    """``text`` is one that an answer or a poem had, of a poem with the title in the first line."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(whole_characters)]
    format: Literal["txt", "md"] = "txt"


def texts_api() -> APIRouter:
    api = APIRouter(prefix="/api/texts", tags=["texts"])

    @api.post("/file", response_class=Response, responses=file_of("text/plain", "text/markdown"))
    def write_text_file(ask: TextFileAsk) -> Response:
        """A text that was written here as a labelled file. It is known by its hash in the history: the label says who made
        a text, and is put on nothing else."""
        from luoxia.workspace import content
        from luoxia.workspace.history import Workspace
        from luoxia.workspace.made_from import Parent
        from luoxia.workspace.publish import publish

        with Workspace() as workspace:
            found = workspace.by_content(content.digest(ask.text)) or _stopped(workspace, ask.text)
            if found is None:
                raise NotFoundError(
                    "the history has no such text: only what was written here can be saved as such; write it again",
                    "历史中没有这段文字：只能保存在此写成的内容；请重新生成",
                )
            written = found.made_from.parents or (Parent(found.id, "text"),)  # or it was saved before
            made_from = replace(found.made_from, parents=written)
            left = publish(ask.text, made_from, suffix=f".{ask.format}", workspace=workspace)
        return Response(left.data, media_type=TYPES[ask.format], headers={CREATION: left.creation.id})

    return api


def _stopped(workspace: Workspace, text: str) -> Creation | None:
    """The beginning of a text whose reader stopped it: a few more words may have gone out than arrived."""
    for listed in workspace.list(kind="text", limit=RECENT):
        found = workspace.find(listed.id)
        asked = dict(found.made_from.parameters)
        if asked.get("cut") is not None and found.sketch.startswith(text):
            return replace(found, made_from=replace(found.made_from, parameters=asked | {"cut": len(text)}))
    return None

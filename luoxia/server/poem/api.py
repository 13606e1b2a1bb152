"""``/api/poem``: what can be chosen from, poems as they are written, verdicts, and the old poems next to them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from luoxia.core.errors import UserError
from luoxia.provenance import policy
from luoxia.server.easel import Easel, Superseded, Tell
from luoxia.server.openapi import events_of
from luoxia.server.poem import told
from luoxia.server.poem.asks import (
    CheckAsk,
    Nearest,
    NearestAsk,
    PoemAsk,
    PoemEvent,
    PoemModel,
    PoemTerms,
    PoemVerdict,
)
from luoxia.server.poem.poets import Poets
from luoxia.server.presence import EventStream, begun, while_present
from luoxia.server.recorder import Recorder
from luoxia.workspace import makers


def poem_api(poets: Poets, easel: Easel, recorder: Recorder) -> APIRouter:
    api = APIRouter(prefix="/api/poem", tags=["poem"])

    @api.get("/models")
    def list_poem_models() -> list[PoemModel]:
        """Models that write poems, and whose manner they know."""
        found = []
        for name in poets.names():
            try:
                found.append(told.model_of(poets.told(name)))
            except UserError:  # a folder of the user's own that is damaged, or a run without weights yet
                continue
        return found

    @api.get("/terms")
    def poem_terms() -> PoemTerms:
        """Forms and rhymes, which need no model."""
        from luoxia.data.verse import originals

        return told.terms(originals=originals.place().is_file())

    @api.post("/write", response_class=Response, responses=events_of(PoemEvent))
    async def write_poems(ask: PoemAsk, request: Request) -> Response:
        """Poems: their drafts as they grow, then each of them with its verdict."""
        policy.load()  # one that cannot be understood lets nothing out
        async with while_present(request.receive):
            return EventStream(await begun(_events(poets, easel, recorder, ask)))
        return Response(status_code=204)  # the client has left

    @api.post("/check")
    def check_poem(ask: CheckAsk) -> PoemVerdict:
        """What is right and wrong with a poem, character by character."""
        from luoxia.data.verse import forms, sounds
        from luoxia.data.verse.verdict import judge, lines_of

        form = forms.form(ask.form) if ask.form else None
        book = sounds.book(ask.rhyme)
        return told.verdict_of(
            judge(lines_of(ask.text), book, form=form, tones=ask.tones, acrostic=ask.acrostic)
        )

    @api.post("/nearest")
    def nearest_poem(ask: NearestAsk) -> Nearest:
        """The old poem that has the longest run of characters in common with this one."""
        from luoxia.data.verse import originals
        from luoxia.data.verse.lexicon import simplified
        from luoxia.data.verse.verdict import lines_of

        known = originals.here()
        found = known.nearest(simplified("".join(lines_of(ask.text)))) if known else None
        return Nearest(known=known is not None, poem=told.old_poem(found) if found else None)

    return api


async def _events(
    poets: Poets, easel: Easel, recorder: Recorder, ask: PoemAsk
) -> AsyncGenerator[BaseModel | str, None]:
    done, total = 0, 0

    def draw(superseded: Superseded, tell: Tell) -> None:
        def drafts(first: int, lines: list[list[str]], now: int, all: int) -> None:
            tell(PoemEvent(kind="drafts", done=now, total=all, first=first, drafts=lines))

        for poem in poets.write(ask, superseded, drafts):
            tell(poem)

    async with aclosing(easel.following(draw)) as events:
        async for each in events:
            if isinstance(each, PoemEvent):
                done, total = each.done, each.total
                yield each
            elif each is not None:  # the end, of which there is nothing to say
                left = await recorder.recorded(
                    makers.poems([each]), partial(poets.made_from, ask, each.seed, each.number)
                )
                poem = told.poem_of(each, left)
                yield PoemEvent(kind="poem", done=done, total=total, poem=poem)
    yield "[DONE]"

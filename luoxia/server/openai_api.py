"""OpenAI's two ways of asking for text, plain and streamed."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from luoxia.provenance import policy
from luoxia.server.answers import ChatAnswer, CompletionAnswer, gathered, streamed
from luoxia.server.generation import Wish, chat_wishes, completion_wishes, model_of
from luoxia.server.openapi import events_of
from luoxia.server.presence import EventStream, begun, while_present
from luoxia.server.recorder import Recorder
from luoxia.server.refusals import reader_language
from luoxia.server.runner import Runner
from luoxia.server.schemas import (
    CREATION,
    ChatCompletion,
    ChatCompletionChunk,
    ChatRequest,
    Completion,
    CompletionRequest,
    Generation,
)


def openai_api(runner: Runner, recorder: Recorder) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["text"])

    @api.post("/chat/completions", response_model=ChatCompletion, responses=events_of(ChatCompletionChunk))
    async def chat_completions(
        body: ChatRequest, request: Request, response: Response
    ) -> Response | BaseModel:
        """Answer a conversation."""
        wishes = chat_wishes(body, runner.threads)
        answer = ChatAnswer(model_of(body), recorder, wishes, scored=bool(body.logprobs), n=body.n or 1)
        return await _answered(runner, request, response, body, answer, wishes)

    @api.post("/completions", response_model=Completion, responses=events_of(Completion))
    async def completions(
        body: CompletionRequest, request: Request, response: Response
    ) -> Response | BaseModel:
        """Continue a text as it stands."""
        wishes = completion_wishes(body, runner.threads)
        scored = body.logprobs is not None
        answer = CompletionAnswer(model_of(body), recorder, wishes, scored=scored, n=body.n or 1)
        return await _answered(runner, request, response, body, answer, wishes)

    return api


async def _answered(
    runner: Runner,
    request: Request,
    response: Response,
    body: Generation,
    answer: ChatAnswer | CompletionAnswer,
    wishes: Sequence[Wish],
) -> Response | BaseModel:
    """Wait for the request's turn and for its first sign of life: a failure until then has an HTTP status."""
    chosen = policy.load()  # one that cannot be understood lets nothing out
    answer.sentence = chosen.sentence if chosen.shows("text") else ""
    events = runner.answer(answer.model, [wish.start for wish in wishes])
    async with while_present(request.receive):
        if not body.stream:
            whole = await gathered(answer, events)
            response.headers[CREATION] = ", ".join(answer.luoxia.creations)
            return whole
        events = await begun(events)
        options = body.stream_options
        return EventStream(
            streamed(
                answer,
                events,
                include_usage=bool(options and options.include_usage),
                reader=reader_language(request.headers.get("accept-language", "")),
            )
        )
    return Response(status_code=204)  # the client has left

"""OpenAI's two ways of asking for text, plain and streamed."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from luoxia.server.answers import ChatAnswer, CompletionAnswer, gathered, streamed
from luoxia.server.generation import chat_starts, completion_starts, model_of
from luoxia.server.openapi import events_of
from luoxia.server.presence import EventStream, begun, while_present
from luoxia.server.refusals import reader_language
from luoxia.server.runner import Runner, Start
from luoxia.server.schemas import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatRequest,
    Completion,
    CompletionRequest,
    Generation,
)


def openai_api(runner: Runner) -> APIRouter:
    api = APIRouter(prefix="/v1", tags=["text"])

    @api.post("/chat/completions", response_model=ChatCompletion, responses=events_of(ChatCompletionChunk))
    async def chat_completions(body: ChatRequest, request: Request) -> Response | BaseModel:
        """Answer a conversation."""
        answer = ChatAnswer(model_of(body), scored=bool(body.logprobs), n=body.n or 1)
        return await _answered(runner, request, body, answer, chat_starts(body))

    @api.post("/completions", response_model=Completion, responses=events_of(Completion))
    async def completions(body: CompletionRequest, request: Request) -> Response | BaseModel:
        """Continue a text as it stands."""
        answer = CompletionAnswer(model_of(body), scored=body.logprobs is not None, n=body.n or 1)
        return await _answered(runner, request, body, answer, completion_starts(body))

    return api


async def _answered(
    runner: Runner,
    request: Request,
    body: Generation,
    answer: ChatAnswer | CompletionAnswer,
    starts: Sequence[Start],
) -> Response | BaseModel:
    """Wait for the request's turn and for its first sign of life: a failure until then has an HTTP status."""
    events = runner.answer(answer.model, starts)
    async with while_present(request.receive):
        if not body.stream:
            return await gathered(answer, events)
        events = await begun(events)
        options = body.stream_options
        return EventStream(
            streamed(
                answer,
                events,
                total=len(starts),
                include_usage=bool(options and options.include_usage),
                reader=reader_language(request.headers.get("accept-language", "")),
            )
        )
    return Response(status_code=204)  # the client has left

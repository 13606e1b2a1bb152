"""What the runner's streams do, written as OpenAI's clients read it: whole answers and chunks."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel

from luoxia.server.generation import Wish
from luoxia.server.near import near_of
from luoxia.server.recorder import Recorder
from luoxia.server.refusals import describe, log_unexpected
from luoxia.server.runner import Ended, Event, Opened, Wrote
from luoxia.server.schemas import (
    AssistantMessage,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatLogprobs,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    Delta,
    ErrorAnswer,
    FinishReason,
    Luoxia,
    TokenLogprob,
    TopLogprob,
    Usage,
)

if TYPE_CHECKING:
    from luoxia.generate.stream import TextStream, TokenScore
    from luoxia.workspace.publish import Published

LEAST_LOGPROB = -9999.0  # stands for minus infinity, which JSON does not know

Chunk = ChatCompletionChunk | Completion


@dataclass
class Answer:
    """One answer in the making: what its chunks share, the streams that ended so far, and their records.

    ``wishes`` has one for each stream. ``scored`` says whether log-probabilities were asked for, ``n`` how many streams
    share each prompt, ``sentence`` what is to be shown beside the text.
    """

    model: str
    recorder: Recorder
    wishes: Sequence[Wish]
    scored: bool
    n: int = 1
    sentence: str = ""
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))
    streams: list[TextStream] = field(default_factory=list)
    left: list[Published] = field(default_factory=list)

    async def end(self, stream: TextStream, text: str) -> None:
        """The next stream has ended, and its text passes the door."""
        wish = self.wishes[len(self.streams)]
        self.streams.append(stream)
        self.left.append(await self.recorder.recorded(text, partial(wish.told, stream.seed)))

    def abandon(self, stream: TextStream, text: str) -> None:
        """The reader of the next stream has left, or it broke off: what went out is recorded."""
        wish = self.wishes[len(self.streams)]
        self.recorder.later(text, partial(wish.told, stream.seed, len(text)))

    @property
    def usage(self) -> Usage:
        prompt = sum(stream.prompt_tokens for stream in self.streams[:: self.n])
        written = sum(stream.completion_tokens for stream in self.streams)
        return Usage(prompt_tokens=prompt, completion_tokens=written, total_tokens=prompt + written)

    @property
    def luoxia(self) -> Luoxia:
        """The first stream's seed and wait; the time of all; the speed after each one's first token; what they are."""
        first = self.left[0]
        later = sum(stream.completion_tokens - 1 for stream in self.streams if stream.completion_tokens)
        spent = sum(stream.seconds - stream.first_token_seconds for stream in self.streams)
        return Luoxia(
            seed=self.streams[0].seed,
            seconds=round(sum(stream.seconds for stream in self.streams), 4),
            first_token_seconds=round(self.streams[0].first_token_seconds, 4),
            tokens_per_second=round(later / spent, 2) if later > 0 and spent > 0 else None,
            creation=first.creation.id,
            creations=[left.creation.id for left in self.left],
            label=json.loads(first.label.to_json()) if first.label else None,
            sentence=self.sentence,
            near=near_of(self.left),
        )


class ChatAnswer(Answer):
    def whole(self, texts: Sequence[str], tokens: Sequence[Sequence[TokenScore]]) -> ChatCompletion:
        choices = [
            ChatChoice(
                index=index,
                message=AssistantMessage(content=texts[index]),
                logprobs=self._logprobs(tokens[index]),
                finish_reason=finish_reason(stream),
            )
            for index, stream in enumerate(self.streams)
        ]
        return ChatCompletion(
            id=f"chatcmpl-{self.id}",
            created=self.created,
            model=self.model,
            choices=choices,
            usage=self.usage,
            luoxia=self.luoxia,
        )

    def chunk(self, event: Event | None = None) -> ChatCompletionChunk:
        """The chunk that tells of an event, or one without choices."""
        return ChatCompletionChunk(
            id=f"chatcmpl-{self.id}",
            created=self.created,
            model=self.model,
            choices=[self._choice(event)] if event else [],
        )

    def _choice(self, event: Event) -> ChatChunkChoice:
        delta, logprobs, reason = Delta(), None, None
        match event:
            case Opened():
                delta = Delta(role="assistant", content="")
            case Wrote(_, piece):
                delta, logprobs = Delta(content=piece), self._logprobs(piece.tokens)
            case Ended(_, stream):
                reason = finish_reason(stream)
        return ChatChunkChoice(index=event.index, delta=delta, logprobs=logprobs, finish_reason=reason)

    def _logprobs(self, tokens: Sequence[TokenScore]) -> ChatLogprobs | None:
        if not self.scored:
            return None
        content = [
            TokenLogprob(
                **_scored(token.token, token.logprob),
                top_logprobs=[TopLogprob(**_scored(text, logprob)) for text, _, logprob in token.top],
            )
            for token in tokens
        ]
        return ChatLogprobs(content=content)


@dataclass
class CompletionAnswer(Answer):
    _written: Counter[int] = field(
        default_factory=Counter
    )  # characters of each choice whose tokens were told

    def whole(self, texts: Sequence[str], tokens: Sequence[Sequence[TokenScore]]) -> Completion:
        choices = [
            CompletionChoice(
                index=index,
                text=texts[index],
                logprobs=self._logprobs(index, tokens[index]),
                finish_reason=finish_reason(stream),
            )
            for index, stream in enumerate(self.streams)
        ]
        return self._completion(choices).model_copy(update={"usage": self.usage, "luoxia": self.luoxia})

    def chunk(self, event: Event | None = None) -> Completion:
        """The chunk that tells of an event, or one without choices."""
        return self._completion([self._choice(event)] if event else [])

    def _completion(self, choices: list[CompletionChoice]) -> Completion:
        return Completion(id=f"cmpl-{self.id}", created=self.created, model=self.model, choices=choices)

    def _choice(self, event: Event) -> CompletionChoice:
        text, logprobs, reason = "", None, None
        match event:
            case Wrote(index, piece):
                text, logprobs = piece, self._logprobs(index, piece.tokens)
            case Ended(_, stream):
                reason = finish_reason(stream)
        return CompletionChoice(index=event.index, text=text, logprobs=logprobs, finish_reason=reason)

    def _logprobs(self, index: int, tokens: Sequence[TokenScore]) -> CompletionLogprobs | None:
        if not self.scored:
            return None
        offsets = []
        for token in tokens:
            offsets.append(self._written[index])
            self._written[index] += len(token.token)
        return CompletionLogprobs(
            tokens=[token.token for token in tokens],
            token_logprobs=[_finite(token.logprob) for token in tokens],
            top_logprobs=[{text: _finite(logprob) for text, _, logprob in token.top} for token in tokens],
            text_offset=offsets,
        )


async def gathered(
    answer: ChatAnswer | CompletionAnswer, events: AsyncGenerator[Event, None]
) -> ChatCompletion | Completion:
    """Everything at once, when all streams have ended."""
    texts: list[str] = []
    tokens: list[list[TokenScore]] = []
    async with aclosing(events):
        async for event in events:
            match event:
                case Opened():
                    texts.append("")
                    tokens.append([])
                case Wrote(index, piece):
                    texts[index] += piece
                    tokens[index] += piece.tokens
                case Ended(index, stream):
                    await answer.end(stream, texts[index])
    return answer.whole(texts, tokens)


async def streamed(
    answer: ChatAnswer | CompletionAnswer,
    events: AsyncGenerator[Event, None],
    *,
    include_usage: bool,
    reader: str,
) -> AsyncGenerator[BaseModel | str, None]:
    """A chunk for each event of the answer's streams, then ``[DONE]``; a failure on the way is told as an event.

    Each stream's first chunk has its seed. The last chunk has usage, times and creations; OpenAI's ``include_usage``
    makes that one more chunk, without choices.
    """
    opened: TextStream | None = None
    text = ""
    try:
        async with aclosing(events):
            async for event in events:
                chunk: Chunk = answer.chunk(event)
                match event:
                    case Opened(_, stream):
                        opened, text = stream, ""
                        chunk.luoxia = Luoxia(seed=stream.seed, sentence=answer.sentence)
                    case Wrote(_, piece):
                        text += piece
                    case Ended(_, stream):
                        opened = None
                        await answer.end(stream, text)
                        if len(answer.streams) == len(answer.wishes):
                            if include_usage:
                                yield chunk
                                chunk = answer.chunk()
                            chunk.usage, chunk.luoxia = answer.usage, answer.luoxia
                yield chunk
    except Exception as error:  # headers are out: the stream itself has to say it
        log_unexpected(error)
        _, detail = describe(error, reader)
        yield ErrorAnswer(error=detail)
        return
    finally:
        if opened is not None and text:
            answer.abandon(opened, text)
    yield "[DONE]"


def finish_reason(stream: TextStream) -> FinishReason:
    """A stream that was cancelled has nobody to tell it to."""
    assert stream.finish_reason in ("stop", "length")
    return cast(FinishReason, stream.finish_reason)


def _scored(token: str, logprob: float) -> dict:
    whole = (
        "\N{REPLACEMENT CHARACTER}" not in token
    )  # else it is part of a character, whose bytes we do not have
    return {"token": token, "logprob": _finite(logprob), "bytes": list(token.encode()) if whole else None}


def _finite(logprob: float) -> float:
    return max(logprob, LEAST_LOGPROB)

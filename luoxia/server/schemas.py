"""What goes over the wire: requests as we accept them, answers as OpenAI's clients expect them.

A field that would change the answer and that we cannot honour is refused, never ignored. Fields that we do
not know are left alone, so that clients made for other servers work.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from luoxia.server.fields import (
    AtMostOne,
    Content,
    Incoming,
    JsonSchema,
    Line,
    NotSupported,
    Prompts,
    Stops,
    written,
)
from luoxia.server.near import NearCopy

LARGEST_SEED = 2**63 - 1
LARGEST_LENGTH = 2**20  # tokens, beyond every context
CREATION = "X-Luoxia-Creation"  # the header that names the creations of an answer
ROOM = "an answer ends earlier where the model's context does"


class Message(Incoming):
    role: Literal["system", "developer", "user", "assistant"]
    content: Content


def _to_be_answered(messages: list[Message]) -> list[Message]:
    written(messages[-1].content)
    return messages


class StreamOptions(Incoming):
    include_usage: bool = False


class NamedSchema(Incoming):
    name: str = "answer"
    schema_: JsonSchema = Field(alias="schema")


class PlainText(Incoming):
    type: Literal["text"]


class JsonObject(Incoming):
    type: Literal["json_object"]


class JsonSchemaFormat(Incoming):
    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[PlainText | JsonObject | JsonSchemaFormat, Field(discriminator="type")]


class Generation(Incoming):
    """The fields that both kinds of completion share. What is left out takes Luoxia's own default."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    max_tokens: int | None = Field(None, ge=1, le=LARGEST_LENGTH, description=ROOM)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=2**20, description="0 considers every token")
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float | None = Field(None, ge=0.01, le=100)
    n: int | None = Field(None, ge=1, le=8, description="choice i is drawn with seed + i")
    seed: int | None = Field(None, ge=0, le=LARGEST_SEED)
    stop: Stops = Field([])
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    guided_regex: Line | None = None
    guided_choice: Annotated[list[Line], Field(min_length=1, max_length=1000)] | None = None
    presence_penalty: NotSupported = None
    frequency_penalty: NotSupported = None
    logit_bias: NotSupported = None

    @model_validator(mode="after")
    def _one_constraint(self) -> Generation:
        shaped = self.response_format is not None and self.response_format.type != "text"
        if shaped + (self.guided_regex is not None) + (self.guided_choice is not None) > 1:
            raise PydanticCustomError(
                "one_constraint", "takes one of response_format, guided_regex and guided_choice"
            )
        return self


class ChatRequest(Generation):
    messages: Annotated[list[Message], Field(min_length=1, max_length=1000), AfterValidator(_to_be_answered)]
    max_completion_tokens: int | None = Field(None, ge=1, le=LARGEST_LENGTH, description=ROOM)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: NotSupported = None
    functions: NotSupported = None
    audio: NotSupported = None


class CompletionRequest(Generation):
    prompt: Prompts
    logprobs: int | None = Field(None, ge=0, le=5)
    echo: NotSupported = None
    suffix: NotSupported = None
    best_of: AtMostOne = None


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Luoxia(BaseModel):
    """What makes an answer repeatable, how fast it came, and that AI made it. A stream's first chunk knows only the seed
    and the sentence.

    ``creations`` are the ids of all choices in the history, ``creation`` and ``label`` (GB 45438-2025, Annex E) of the
    first; ``sentence`` is to be shown beside the text, "" where the policy asks for none; ``near`` are training items that
    the texts come near, which a stream tells in its last event.
    """

    seed: int
    seconds: float | None = None
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None
    creation: str | None = None
    creations: list[str] = Field(default=[])
    label: dict[str, str] | None = None
    sentence: str = ""
    near: list[NearCopy] = Field(default=[])


class TopLogprob(BaseModel):
    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(BaseModel):
    content: list[TokenLogprob]
    refusal: None = None


FinishReason = Literal["stop", "length"]


class AssistantMessage(BaseModel):
    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(BaseModel):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    luoxia: Luoxia


class Delta(BaseModel):
    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(BaseModel):
    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatCompletionChunk(BaseModel):
    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    usage: Usage | None = None
    luoxia: Luoxia | None = None


class CompletionLogprobs(BaseModel):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionChoice(BaseModel):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason | None


class Completion(BaseModel):
    """A whole answer, or one chunk of a streamed one."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None
    luoxia: Luoxia | None = None


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


class Bilingual(BaseModel):
    en: str
    zh: str


class CatalogueModel(BaseModel):
    """One entry of the catalogue, whether its file is on this machine or not."""

    id: str
    kind: str
    title: str
    summary: Bilingual
    publisher: str
    licence: str
    languages: list[str]
    size: int = Field(description="bytes")
    here: bool
    default: bool
    opt_in: bool
    note: Bilingual | None
    context: int | None = Field(description="tokens")


class DownloadEvent(BaseModel):
    state: Literal["fetching", "checking", "done", "failed"]
    done: int = Field(description="bytes")
    total: int = Field(description="bytes")
    message: str = ""


class Status(BaseModel):
    version: str
    default_model: str
    loaded: str | None
    device: str | None
    threads: int | None
    reason: str | None
    busy: bool
    queued: int
    temperature: float = Field(description="of a text where the request does not say")
    shaped_temperature: float = Field(description="the same of a text that a schema or another pattern holds")


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    error: ErrorDetail

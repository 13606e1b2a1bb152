"""What goes over the wire: requests as we accept them, answers as OpenAI's clients expect them.

A field that would change the answer and that we cannot honour is refused, never ignored. Fields that we do
not know are left alone, so that clients made for other servers work.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

SCHEMA_DEPTH = 64  # levels of a JSON schema; compilers of grammars recurse
LARGEST_SEED = 2**63 - 1
LARGEST_LENGTH = 2**20  # tokens, beyond every context
ROOM = "an answer ends earlier where the model's context does"


class Incoming(BaseModel):
    """Types are meant: no "5" for 5, no NaN."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class TextPart(Incoming):
    type: Literal["text"]
    text: str


def _listed(value: object) -> object:
    """One string counts as a list of one; nothing as an empty list."""
    return [] if value is None else [value] if isinstance(value, str) else value


def _joined(value: object) -> object:
    """Message content as one string: a list of text parts is joined, other kinds of part are refused."""
    if not isinstance(value, list):
        return value
    try:
        return "".join(TextPart.model_validate(part).text for part in value)
    except ValidationError as error:
        raise PydanticCustomError("text_parts", "takes text parts only") from error


def _whole_characters(text: str) -> str:
    """JSON can escape half a character; no tokenizer can read it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PydanticCustomError("string_unicode", "is not valid Unicode") from error
    return text


def _not_supported(value: object) -> object:
    """Only what changes nothing is let through: nothing, zero, false, or an empty collection."""
    if value is None or value == 0 or value in ([], {}):
        return None
    raise PydanticCustomError("not_supported", "is not supported")


def _at_most_one(value: object) -> object:
    return _not_supported(None if value == 1 else value)


def _ends_with_text(messages: list[Message]) -> list[Message]:
    if not messages[-1].content.strip():
        raise PydanticCustomError("empty_prompt", "ends with nothing to answer")
    return messages


def _all_with_text(prompts: list[str]) -> list[str]:
    if not all(prompt.strip() for prompt in prompts):
        raise PydanticCustomError("empty_prompt", "ends with nothing to answer")
    return prompts


def _shallow(schema: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [schema]
    for _ in range(SCHEMA_DEPTH):
        below = [value.values() if isinstance(value, dict) else value for value in level]
        level = [value for values in below for value in values if isinstance(value, dict | list)]
        if not level:
            return schema
    raise PydanticCustomError("too_deep", "is nested too deeply", {"depth": SCHEMA_DEPTH})


Line = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Stops = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=512)]],
    BeforeValidator(_listed, json_schema_input_type=str | list[str] | None),
    Field(max_length=4),
]
Unicode = Annotated[str, AfterValidator(_whole_characters)]
Content = Annotated[Unicode, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart])]
NotSupported = Annotated[None, BeforeValidator(_not_supported, json_schema_input_type=Any)]
AtMostOne = Annotated[None, BeforeValidator(_at_most_one, json_schema_input_type=int | None)]
JsonSchema = Annotated[dict[str, Any], AfterValidator(_shallow)]


class Message(Incoming):
    role: Literal["system", "developer", "user", "assistant"]
    content: Content


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
    stop: Stops = []
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
    messages: Annotated[list[Message], Field(min_length=1, max_length=1000), AfterValidator(_ends_with_text)]
    max_completion_tokens: int | None = Field(None, ge=1, le=LARGEST_LENGTH, description=ROOM)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: NotSupported = None
    functions: NotSupported = None
    audio: NotSupported = None


class CompletionRequest(Generation):
    prompt: Annotated[
        list[Unicode],
        BeforeValidator(_listed, json_schema_input_type=str | list[str]),
        Field(min_length=1, max_length=16),
        AfterValidator(_all_with_text),
    ]
    logprobs: int | None = Field(None, ge=0, le=5)
    echo: NotSupported = None
    suffix: NotSupported = None
    best_of: AtMostOne = None


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Luoxia(BaseModel):
    """What makes an answer repeatable, and how fast it came. A stream's first chunk knows only the seed."""

    seed: int
    seconds: float | None = None
    first_token_seconds: float | None = None
    tokens_per_second: float | None = None


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


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    error: ErrorDetail

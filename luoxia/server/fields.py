"""The kinds of field that requests are made of, each with what it accepts.

One thing said in several ways, as OpenAI allows, becomes one; what cannot be honoured is refused.
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
)
from pydantic_core import PydanticCustomError

SCHEMA_DEPTH = 64  # levels of a JSON schema; compilers of grammars recurse


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


def whole_characters(text: str) -> str:
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


def written(text: str) -> str:
    """A text that asks for something."""
    if not text.strip():
        raise PydanticCustomError("empty_prompt", "is empty")
    return text


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
Unicode = Annotated[str, AfterValidator(whole_characters)]
Prompts = Annotated[
    list[Annotated[Unicode, AfterValidator(written)]],
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    Field(min_length=1, max_length=16),
]
Content = Annotated[Unicode, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart])]
NotSupported = Annotated[None, BeforeValidator(_not_supported, json_schema_input_type=Any)]
AtMostOne = Annotated[None, BeforeValidator(_at_most_one, json_schema_input_type=int | None)]
JsonSchema = Annotated[dict[str, Any], AfterValidator(_shallow)]

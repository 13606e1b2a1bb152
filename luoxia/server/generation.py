"""A request turned into what the runner starts: which model, with which sampling, under which constraint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from luoxia.core import seeds
from luoxia.generate.sampling import usual_temperature
from luoxia.provenance import policy
from luoxia.server.runner import Start
from luoxia.server.schemas import ChatRequest, CompletionRequest, Generation, JsonObject, JsonSchemaFormat
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL
from luoxia.weights.own_texts import text_id
from luoxia.workspace.asked import Writing
from luoxia.workspace.gates import admit
from luoxia.workspace.made_from import MadeFrom

if TYPE_CHECKING:
    from luoxia.generate.constraint import Constraint
    from luoxia.generate.stream import TextStream
    from luoxia.generate.text import TextModel

CHAT_TOKENS, COMPLETION_TOKENS = 1024, 16  # when the request does not say; OpenAI's own 16 for the older call
SAME_NAME = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def model_of(request: Generation) -> str:
    """The name of a text model here, or of adapters. Never a path: a name from the network opens no file."""
    return text_id(request.model or DEFAULT_TEXT_MODEL)


@dataclass(frozen=True)
class Wish:
    """One text to write: what begins it, and what its record says was asked for."""

    start: Start
    prompt: str
    asked: Writing

    def told(self, seed: int, cut: int | None = None) -> MadeFrom:
        """The record of what was written, up to so many characters where its reader left."""
        from luoxia.workspace import makers

        asked = replace(self.asked, cut=cut)
        return makers.told("text", "write", asked.model, asked, prompt=self.prompt, seed=seed)


def chat_wishes(request: ChatRequest, threads: int | None) -> list[Wish]:
    """``n`` answers to the conversation."""
    roles = {"developer": "system"}
    messages = [{"role": roles.get(m.role, m.role), "content": m.content} for m in request.messages]
    length = request.max_completion_tokens or request.max_tokens or CHAT_TOKENS
    logprobs = request.top_logprobs or 0 if request.logprobs else None
    sampling = _sampling(request, length, logprobs)

    def start(model: TextModel, seed: int) -> TextStream:
        admit(*(m["content"] for m in messages if m["role"] != "assistant"), command="write")
        return model.chat(messages, constraint=_constraint(request), seed=seed, **sampling)

    last = messages[-1]["content"] if messages[-1]["role"] == "user" else ""
    asked = _asked(request, sampling, threads, before=messages[:-1] if last else messages)
    return [Wish(partial(start, seed=seed), last, asked) for seed in _seeds(request)]


def completion_wishes(request: CompletionRequest, threads: int | None) -> list[Wish]:
    """``n`` continuations of each prompt, as OpenAI orders them."""
    sampling = _sampling(request, request.max_tokens or COMPLETION_TOKENS, request.logprobs)

    def start(model: TextModel, prompt: str, seed: int) -> TextStream:
        admit(prompt, command="write")
        return model.stream(prompt, constraint=_constraint(request), seed=seed, **sampling)

    seeds_of_prompt, asked = list(_seeds(request)), _asked(request, sampling, threads, raw=True)
    return [
        Wish(partial(start, prompt=prompt, seed=seed), prompt, asked)
        for prompt in request.prompt
        for seed in seeds_of_prompt
    ]


def _asked(request: Generation, sampling: dict[str, Any], threads: int | None, **more: Any) -> Writing:
    """What the record says, from which the same text can be written again."""
    schema = _schema(request)
    return Writing(
        model_of(request),
        json_schema=None if schema is None else json.dumps(schema, ensure_ascii=False),
        regex=request.guided_regex,
        choices=request.guided_choice or (),
        threads=threads,
        **{name: value for name, value in sampling.items() if name != "logprobs"},  # which changes no text
        **more,
    )


def _seeds(request: Generation) -> Iterator[int]:
    first = seeds.checked(request.seed)
    return ((first + choice) & seeds.LARGEST for choice in range(request.n or 1))


def _sampling(request: Generation, length: int, logprobs: int | None) -> dict[str, Any]:
    given = {name: getattr(request, name) for name in SAME_NAME if getattr(request, name) is not None}
    mark = policy.load().embeds
    patterns = (request.guided_regex, request.guided_choice)
    shaped = any(pattern is not None for pattern in patterns) or isinstance(
        request.response_format, JsonSchemaFormat | JsonObject
    )
    given.setdefault("temperature", usual_temperature(mark=mark, constrained=shaped))
    return given | {"mark": mark, "max_new_tokens": length, "stop": tuple(request.stop), "logprobs": logprobs}


def _constraint(request: Generation) -> Constraint | None:
    """Compiled on the worker thread, where a large one keeps nobody else waiting."""
    from luoxia.generate.constraint import Constraint

    if request.guided_regex is not None:
        return Constraint.from_regex(request.guided_regex)
    if request.guided_choice is not None:
        return Constraint.from_choices(request.guided_choice)
    schema = _schema(request)
    return None if schema is None else Constraint.from_json_schema(schema)


def _schema(request: Generation) -> dict[str, Any] | None:
    if isinstance(request.response_format, JsonSchemaFormat):
        return request.response_format.json_schema.schema_
    return {"type": "object"} if isinstance(request.response_format, JsonObject) else None

"""A request turned into what the runner starts: which model, with which sampling, under which constraint."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from luoxia.core import seeds
from luoxia.generate.sampling import usual_temperature
from luoxia.provenance import policy
from luoxia.server.runner import Start
from luoxia.server.schemas import ChatRequest, CompletionRequest, Generation, JsonObject, JsonSchemaFormat
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL
from luoxia.weights.own_texts import text_id
from luoxia.workspace.gates import admit

if TYPE_CHECKING:
    from luoxia.generate.constraint import Constraint
    from luoxia.generate.stream import TextStream
    from luoxia.generate.text import TextModel

CHAT_TOKENS, COMPLETION_TOKENS = 1024, 16  # when the request does not say; OpenAI's own 16 for the older call
SAME_NAME = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def model_of(request: Generation) -> str:
    """The name of a text model here, or of adapters. Never a path: a name from the network opens no file."""
    return text_id(request.model or DEFAULT_TEXT_MODEL)


def chat_starts(request: ChatRequest) -> list[Start]:
    """``n`` answers to the conversation."""
    roles = {"developer": "system"}
    messages = [{"role": roles.get(m.role, m.role), "content": m.content} for m in request.messages]
    length = request.max_completion_tokens or request.max_tokens or CHAT_TOKENS
    logprobs = request.top_logprobs or 0 if request.logprobs else None
    sampling = _sampling(request, length, logprobs)

    def start(model: TextModel, seed: int) -> TextStream:
        admit(*(m["content"] for m in messages if m["role"] != "assistant"), command="write")
        return model.chat(messages, constraint=_constraint(request), seed=seed, **sampling)

    return [partial(start, seed=seed) for seed in _seeds(request)]


def completion_starts(request: CompletionRequest) -> list[Start]:
    """``n`` continuations of each prompt, as OpenAI orders them."""
    sampling = _sampling(request, request.max_tokens or COMPLETION_TOKENS, request.logprobs)

    def start(model: TextModel, prompt: str, seed: int) -> TextStream:
        admit(prompt, command="write")
        return model.stream(prompt, constraint=_constraint(request), seed=seed, **sampling)

    seeds_of_prompt = list(_seeds(request))
    return [partial(start, prompt=prompt, seed=seed) for prompt in request.prompt for seed in seeds_of_prompt]


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
    if isinstance(request.response_format, JsonSchemaFormat):
        return Constraint.from_json_schema(request.response_format.json_schema.schema_)
    if isinstance(request.response_format, JsonObject):
        return Constraint.from_json_schema({"type": "object"})
    return None

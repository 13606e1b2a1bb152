"""`luoxia write`: a prompt in, text out as it is made."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luoxia.cli import inputs, options
from luoxia.cli.door import admit, check_text, leave_later, leave_text
from luoxia.cli.readiness import make_ready
from luoxia.cli.words import tell
from luoxia.core import seeds
from luoxia.core.errors import UserError
from luoxia.core.progress import counter
from luoxia.generate.sampling import Sampling, usual_temperature
from luoxia.provenance import policy
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL

if TYPE_CHECKING:
    from luoxia.generate.stream import TextStream
    from luoxia.workspace.asked import Writing
    from luoxia.workspace.made_from import MadeFrom

INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + SIGINT and 128 + SIGPIPE, as shells report them

USUAL = Sampling()


def write(
    prompt: options.Prompt,
    model: options.ModelName = DEFAULT_TEXT_MODEL,
    system: options.System = None,
    examples: options.Examples = None,
    raw: options.Raw = False,
    json_schema: options.JsonSchema = None,
    regex: options.Regex = None,
    choice: options.Choice = None,
    max_tokens: options.MaxTokens = USUAL.max_new_tokens,
    stop: options.Stop = None,
    seed: options.Seed = None,
    temperature: options.FreeTemperature = None,
    top_k: options.TopK = USUAL.top_k,
    top_p: options.TopP = USUAL.top_p,
    min_p: options.MinP = USUAL.min_p,
    repetition_penalty: options.RepetitionPenalty = USUAL.repetition_penalty,
    out: options.TextFile = None,
    threads: options.Threads = None,
    stats: options.Stats = False,
    later: options.Later = False,
) -> int:
    from luoxia.workspace import makers
    from luoxia.workspace.asked import Writing

    mark = policy.load().embeds
    if temperature is None:
        temperature = usual_temperature(mark=mark, constrained=bool(json_schema or regex or choice))
    knobs = {
        "max_new_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "stop": tuple(stop or ()),
        "mark": mark,
    }
    shape = _shape(json_schema, regex, choice)
    asked = Writing(model, raw=raw, threads=threads, **shape, **knobs)
    constraint = makers.constraint_of(asked)
    seeds.checked(seed)
    text = inputs.prompt_text(prompt)
    messages = _messages(text, system, examples)
    asked = replace(asked, before=messages[:-1])
    admit(*(m["content"] for m in messages if m["role"] != "assistant"), command="write")
    if raw and len(messages) > 1:
        raise UserError(
            "--raw continues the prompt alone; leave out --system and --examples",
            "--raw 只续写提示本身；请去掉 --system 与 --examples",
        )
    if later and stats:
        raise UserError(
            "--stats tells of a text as it is written; leave it out with --later",
            "--stats 只用于即时写出的文本；使用 --later 时请去掉",
        )
    check_text(out, later=later)
    if out is not None and out.suffix.lower() == ".json" and asked.json_schema is None:
        raise UserError(
            f"{out}: give --json-schema with it, or the model may write what is no JSON",
            f"{out}：请同时给出 --json-schema，否则写出的可能不是 JSON",
        )
    make_ready(model)  # mistakes were told before a model is fetched or loaded
    if out is not None and later:
        leave_later(_told(asked, text, seed), out)
        return 0
    stream = makers.writing(asked, text, seed, constraint)
    if seed is None:
        tell(f"seed {stream.seed}", f"种子 {stream.seed}")
    return _left(stream, asked, text, out, stats=stats)


def _left(stream: TextStream, asked: Writing, prompt: str, out: Path | None, *, stats: bool) -> int:
    """Let out what the stream writes; the exit code."""
    written, code = _written(stream, out, asked.max_new_tokens)
    if written or not code:
        asked = replace(asked, cut=len(written) if code else None)
        leave_text(written, _told(asked, prompt, stream.seed), out)
    if code:
        return code
    if stream.finish_reason == "length":
        tell(
            f"(cut off after {stream.completion_tokens} tokens; --max-tokens sets how many)",
            f"（在 {stream.completion_tokens} 个词元后截断；可用 --max-tokens 调整）",
        )
    if stats:
        _tell_stats(stream)
    return 0


def _messages(text: str, system: str | None, examples: Path | None) -> list[dict[str, str]]:
    before = [{"role": "system", "content": system}] if system else []
    shown = inputs.examples(examples) if examples else []
    return [*before, *shown, {"role": "user", "content": text}]


def _shape(json_schema: Path | None, regex: str | None, choice: list[str] | None) -> dict[str, Any]:
    """What the text is to look like, as :class:`Writing` has it."""
    if sum(map(bool, (json_schema, regex, choice))) > 1:
        raise UserError(
            "--json-schema, --regex and --choice exclude each other; give one kind",
            "--json-schema、--regex 与 --choice 互斥；请只用其中一种",
        )
    schema = inputs.schema(json_schema) if json_schema else None
    return {"json_schema": schema, "regex": regex or None, "choices": choice or ()}


def _written(stream: TextStream, out: Path | None, most: int) -> tuple[str, int]:
    """What was written, and 0 or the exit code of an interruption: whoever stops reading, or presses Ctrl-C, stops the
    writing. Each piece is shown as it comes, or, where it is for a file, counted."""
    written: list[str] = []
    code = 0
    try:
        if out is not None:
            with counter(str(out)) as count:
                for piece in stream:
                    written.append(piece)
                    count(min(stream.completion_tokens, most - 1), most)
        else:
            for piece in stream:
                written.append(piece)
                sys.stdout.write(piece)
                sys.stdout.flush()
            sys.stdout.write("\n")
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        code = PIPE_CLOSED
    finally:
        stream.close()
    return "".join(written), code


def _told(asked: Writing, prompt: str, seed: int | None) -> MadeFrom:
    from luoxia.workspace import makers

    return makers.told("text", "write", asked.model, asked, prompt=prompt, seed=seed)


def _tell_stats(stream: TextStream) -> None:
    first, speed = stream.first_token_seconds, stream.tokens_per_second
    tell(
        f"{stream.prompt_tokens} tokens read, {stream.completion_tokens} written, "
        f"the first after {first:.2f} s, then {speed:.0f} a second",
        f"读入 {stream.prompt_tokens} 个词元，写出 {stream.completion_tokens} 个，"
        f"首个用时 {first:.2f} 秒，其后每秒 {speed:.0f} 个",
    )

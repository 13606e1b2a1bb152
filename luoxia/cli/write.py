"""`luoxia write`: a prompt in, text out as it is made."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.cli import inputs, options
from luoxia.cli.door import admit, check_text, leave_text
from luoxia.cli.readiness import make_ready
from luoxia.cli.words import tell
from luoxia.core.errors import UserError
from luoxia.core.progress import counter
from luoxia.generate.sampling import Sampling, usual_temperature
from luoxia.provenance import policy
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL
from luoxia.workspace.asked import Writing

if TYPE_CHECKING:
    from luoxia.generate.constraint import Constraint
    from luoxia.generate.stream import TextStream

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
) -> int:
    mark = policy.load().embeds
    if temperature is None:
        temperature = usual_temperature(mark=mark, constrained=bool(json_schema or regex or choice))
    sampling = {
        "max_new_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "stop": tuple(stop or ()),
        "seed": seed,
        "mark": mark,
    }
    Sampling(**sampling)  # a mistake is told before a model is fetched or loaded
    text = inputs.prompt_text(prompt)
    messages = _messages(text, system, examples)
    admit(*(m["content"] for m in messages if m["role"] != "assistant"), command="write")
    if raw and len(messages) > 1:
        raise UserError(
            "--raw continues the prompt alone; leave out --system and --examples",
            "--raw 只续写提示本身；请去掉 --system 与 --examples",
        )
    schema, constraint = _constraint(json_schema, regex, choice)
    check_text(out)
    if out is not None and out.suffix.lower() == ".json" and schema is None:
        raise UserError(
            f"{out}: give --json-schema with it, or the model may write what is no JSON",
            f"{out}：请同时给出 --json-schema，否则写出的可能不是 JSON",
        )
    make_ready(model)

    import luoxia  # brings torch

    gpt = luoxia.load(model, threads=threads)
    if raw:
        stream = gpt.stream(text, constraint=constraint, **sampling)
    else:
        stream = gpt.chat(messages, constraint=constraint, **sampling)
    if seed is None:
        tell(f"seed {stream.seed}", f"种子 {stream.seed}")
    written, code = _written(stream, out, max_tokens)
    if written or not code:
        asked = {
            "before": messages[:-1],
            "raw": raw,
            "json_schema": schema,
            "regex": regex,
            "choices": choice or (),
            "threads": threads,
            "cut": len(written) if code else None,
        }
        _leave(
            written,
            out,
            text,
            Writing(model, **asked, **{name: sampling[name] for name in sampling if name != "seed"}),
            stream.seed,
        )
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


def _constraint(
    json_schema: Path | None, regex: str | None, choice: list[str] | None
) -> tuple[str | None, Constraint | None]:
    """The schema's text, where there is one, and what holds the text to it or to another pattern."""
    if sum(map(bool, (json_schema, regex, choice))) > 1:
        raise UserError(
            "--json-schema, --regex and --choice exclude each other; give one kind",
            "--json-schema、--regex 与 --choice 互斥；请只用其中一种",
        )
    if not (json_schema or regex or choice):
        return None, None
    schema = inputs.schema(json_schema) if json_schema else None

    from luoxia.generate.constraint import Constraint  # brings a grammar compiler that few need

    if schema is not None:
        return schema, Constraint.from_json_schema(schema)
    return None, Constraint.from_regex(regex) if regex else Constraint.from_choices(choice or [])


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


def _leave(text: str, out: Path | None, prompt: str, asked: Writing, seed: int) -> None:
    from luoxia.workspace import makers

    leave_text(text, makers.told("text", "write", asked.model, asked, prompt=prompt, seed=seed), out)


def _tell_stats(stream: TextStream) -> None:
    first, speed = stream.first_token_seconds, stream.tokens_per_second
    tell(
        f"{stream.prompt_tokens} tokens read, {stream.completion_tokens} written, "
        f"the first after {first:.2f} s, then {speed:.0f} a second",
        f"读入 {stream.prompt_tokens} 个词元，写出 {stream.completion_tokens} 个，"
        f"首个用时 {first:.2f} 秒，其后每秒 {speed:.0f} 个",
    )

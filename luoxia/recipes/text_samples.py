"""What a model writes to prompts, and what can be counted in it: variety, repetition, length, passages learned by heart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from luoxia.evaluate.diversity import diversity
from luoxia.evaluate.overlap import Overlap, longest
from luoxia.generate.text import TextModel

LONG = 50  # characters: a passage of so many, letter for letter, is no chance
PROMPTS = (
    "Write two sentences about the sea.",
    "Tell a short story about a lost key.",
    "Describe a market on a Saturday morning.",
    "Give three tips for learning a language.",
    "Why is the sky blue?",
    "Write a polite letter that declines an invitation.",
    "Describe your favourite season.",
    "What would you pack for a week in the mountains?",
    "Explain to a child how bread is made.",
    "Write the beginning of a detective story.",
    "写两句关于大海的话。",
    "用几句话介绍春天。",
    "讲一个关于钥匙的小故事。",
    "给学外语的人三条建议。",
    "写一封婉拒邀请的短信。",
    "向小孩解释月亮为什么会变圆。",
)

Note = Callable[[str, int, int], None]


def written(
    model: TextModel, prompts: Sequence[str], count: int, seed: int, note: Note, **sampling: Any
) -> list[dict[str, Any]]:
    """``count`` samples, sample i to prompt i modulo their number, from seed ``seed + i`` alone: in the chat format of a
    model that has one, else as the prompt's continuation."""
    rows = list[dict[str, Any]]()
    for i in range(count):
        prompt = prompts[i % len(prompts)]
        knobs = {**sampling, "seed": seed + i}
        chat = model.tokenizer.template is not None
        stream = (
            model.chat([{"role": "user", "content": prompt}], **knobs)
            if chat
            else model.stream(prompt, **knobs)
        )
        text = stream.text()
        rows.append(
            {
                "prompt": prompt,
                "text": text,
                "seed": seed + i,
                "tokens": stream.completion_tokens,
                "cut_off": stream.finish_reason == "length",
            }
        )
        note(f"{model.id}, samples", i + 1, count)
    return rows


def scores(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Numbers of all samples together."""
    return {
        "samples": len(rows),
        **diversity([row["text"] for row in rows]),
        "tokens_mean": float(np.mean([row["tokens"] for row in rows])),
        "cut_off": float(np.mean([row["cut_off"] for row in rows])),
    }


def copied(
    rows: Sequence[dict[str, Any]], training: Iterable[str], unseen: Sequence[str] = ()
) -> dict[str, Any]:
    """Adds to each row its longest ``overlap`` with ``training``; what these come to, beside those of texts that were
    held out, which people wrote: what is common to all writing is found in these too."""
    found = longest([*(row["text"] for row in rows), *unseen], training, least=LONG)
    for row, overlap in zip(rows, found, strict=False):
        row["overlap"] = asdict(overlap)
    told = summed_up(found[: len(rows)])
    if unseen:
        told |= {f"held_out_{key}": value for key, value in summed_up(found[len(rows) :]).items()}
    return told


def summed_up(found: Sequence[Overlap]) -> dict[str, Any]:
    lengths = np.array([overlap.length for overlap in found])
    return {
        "overlap_median": float(np.median(lengths)),
        "overlap_longest": int(lengths.max()),
        "overlap_long": int((lengths >= LONG).sum()),
        "overlap_share": float(np.mean([overlap.share for overlap in found])),
    }

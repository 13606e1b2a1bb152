"""The judge of prompts: trained on written examples, measured on sentences and words that it has not seen.

    python -m luoxia.recipes.prompt_gate weights/prompt-gate

brings two dictionaries (25 MB), takes about ten minutes of one core, and writes ``model.safetensors`` (2.2 MB) with
``scores.json`` beside it: precision and recall of each class, pooled over four folds of which each was held out once,
and the share of plain prompts that would have been refused. What is written has learned from all folds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from luoxia.core.language import LANGUAGES
from luoxia.data import prompt_examples, wordnet
from luoxia.data.prompt_examples import Prompts, in_fold
from luoxia.provenance.policy import THRESHOLDS
from luoxia.provenance.prompt_judge import (
    AROUND,
    CLASSES,
    HIDDEN,
    WIDTH,
    WINDOWS,
    PromptJudge,
    judge_of,
    windows,
)
from luoxia.provenance.prompt_text import BUCKETS, features, plain, tokens
from luoxia.weights.fetch import fetch

SEED, FOLDS = 7, 4
OF_TEMPLATE = 24  # examples of each harmful template; twice as many of minors, which no policy turns off
OF_PLAIN, DEFINED, NOISE = 18_000, 40_000, 2_000  # examples of a language
MEASURED = 10  # fillings of each held-out template
EPOCHS, BATCH, RATE, DECAY, DROPPED, MISSING = 3, 256, 5e-3, 1e-2, 0.3, 0.1
CALIBRATED, REFUSED = 2_500, 0.003  # texts of a language, share of each class
LONG = 40  # definitions of such a text
NEW, KNOWN = "sentences and words not learned from", "sentences not learned from"
Defined = dict[str, list[str]]
Characters = dict[int, int]  # simplified ones by traditional ones
Measured = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Example:
    buckets: np.ndarray
    starts: np.ndarray
    target: np.ndarray  # (classes,), 0 or 1


class Network(nn.Module):
    """The one of :mod:`luoxia.provenance.prompt_judge`, of one window."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(BUCKETS, WIDTH) * 0.05)
        self.seen = nn.Linear(WIDTH * AROUND, HIDDEN)
        self.classes = nn.Linear(HIDDEN, len(CLASSES))
        nn.init.constant_(self.classes.bias, -2.0)

    def forward(self, buckets: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        """Buckets (N,), where each token's begin (T,), tokens of each example (B,), to logits (B, classes)."""
        x = F.embedding_bag(buckets, self.vectors, starts, mode="mean")  # (T, WIDTH)
        example = torch.repeat_interleave(torch.arange(len(lengths)), lengths)  # (T,)
        if self.training:  # a word is missing now and then: the sentence has to tell
            x = x * (torch.rand(len(x), 1) > MISSING)
        # All examples in one row, with nothing between them for as far as a token sees.
        place = torch.arange(len(x)) + AROUND // 2 * (example + 1)
        row = x.new_zeros(len(x) + AROUND // 2 * (len(lengths) + 1), WIDTH).index_copy(0, place, x)
        near = row.unfold(0, AROUND, 1)[place - AROUND // 2]  # (T, WIDTH, AROUND)
        h = F.relu(self.seen(near.transpose(1, 2).flatten(1)))
        most = h.new_zeros(len(lengths), HIDDEN).scatter_reduce(0, example[:, None].expand_as(h), h, "amax")
        return self.classes(F.dropout(most, DROPPED, self.training))

    def tensors(self) -> dict[str, Tensor]:
        with torch.no_grad():
            scale = self.vectors.abs().max().reshape(1) / 127
            kept = {"vectors": (self.vectors / scale).round().to(torch.int8), "scale": scale}
        return kept | {name: p.detach() for name, p in self.named_parameters() if name != "vectors"}


def examples(
    prompts: Prompts, defined: Defined, simplified: Characters, random: np.random.Generator
) -> list[Example]:
    """What is learned from: harmful templates as often as each other, alone or beside plain sentences."""
    found = []
    for language in LANGUAGES:
        templates = [t for t in prompts.templates if t.language == language]
        harmless = [t for t in templates if not t.labels]

        def plainly(those=harmless, tongue=language) -> str:
            return prompt_examples.faced(prompts.drawn(_one(those, random), random), tongue, random)

        told: list[tuple[str, tuple[str, ...]]] = [(prompt_examples.noise(random), ()) for _ in range(NOISE)]
        for i in range(DEFINED):
            several = [_one(defined[language], random) for _ in range((1, 1, 2, 5)[i % 4])]
            if i % 4 == 3:  # formulas in prose
                several.insert(1, prompt_examples.noise(random))
            text = prompt_examples.piece(several[0], random) if i % 4 == 0 else ". ".join(several)
            told.append((text, ()))
        for i in range(OF_PLAIN):
            told.append((plainly() if i % 3 else f"{plainly()}. {plainly()}", ()))
        for template in (t for t in templates if t.labels):
            for _ in range(OF_TEMPLATE * (2 if "minors" in template.labels else 1)):
                text = prompt_examples.faced(prompts.drawn(template, random), language, random)
                beside = random.integers(6)
                text = (
                    f"{plainly()}. {text}" if beside == 0 else f"{text}. {plainly()}" if beside == 1 else text
                )
                told.append((text, template.labels))
        for text, labels in told:
            example = _example(str(text), labels, simplified)
            if len(example.starts):
                found.append(example)
    return found


def _one(those: Sequence[Any], random: np.random.Generator) -> Any:
    return those[int(random.integers(len(those)))]


def _example(text: str, labels: Sequence[str], simplified: Characters) -> Example:
    found = tokens(plain(text).translate(simplified))[: WINDOWS[0]]
    return Example(*features(found), np.array([name in labels for name in CLASSES], np.float32))


def trained(learned: list[Example], seed: int) -> Network:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = Network().train()
    steps = EPOCHS * (len(learned) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order = random.permutation(len(learned))
        for first in range(0, len(learned) // BATCH * BATCH, BATCH):
            some = [learned[i] for i in order[first : first + BATCH]]
            loss = F.binary_cross_entropy_with_logits(network(*_batch(some)), _targets(some))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def _batch(some: list[Example]) -> tuple[Tensor, Tensor, Tensor]:
    before = np.cumsum([0, *(len(e.buckets) for e in some[:-1])])
    starts = np.concatenate([e.starts + shift for e, shift in zip(some, before, strict=True)])
    lengths = torch.tensor([len(e.starts) for e in some])
    return torch.from_numpy(np.concatenate([e.buckets for e in some])), torch.from_numpy(starts), lengths


def _targets(some: list[Example]) -> Tensor:
    return torch.from_numpy(np.stack([e.target for e in some]))


def measured(judge: PromptJudge, held: Prompts, random: np.random.Generator) -> Measured:
    """By language: of each class how many were told rightly, told at all, and were there; of plain prompts, refused and all."""
    found = {}
    for language in LANGUAGES:
        right, told, there = (np.zeros(len(CLASSES), int) for _ in range(3))
        refused = np.zeros(2, int)
        for template in held.templates:
            if template.language != language:
                continue
            for _ in range(MEASURED):
                scores = judge.judge(held.drawn(template, random))
                says = np.array([scores[name] >= THRESHOLDS[name] for name in CLASSES])
                truth = np.array([name in template.labels for name in CLASSES])
                right, told, there = right + (says & truth), told + says, there + truth
                refused += (0, 0) if template.labels else (says.any(), 1)
        found[language] = {"right": right, "told": told, "there": there, "refused": refused}
    return found


def scores(parts: list[Measured]) -> dict[str, Any]:
    """Precision and recall, pooled over folds."""
    found: dict[str, Any] = {}
    for language in LANGUAGES:
        right, told, there, refused = (
            np.sum([part[language][name] for part in parts], 0)
            for name in ("right", "told", "there", "refused")
        )
        found[language] = {
            name: {
                "precision": round(float(right[i] / max(told[i], 1)), 3),
                "recall": round(float(right[i] / max(there[i], 1)), 3),
            }
            for i, name in enumerate(CLASSES)
        } | {"plain refused": round(float(refused[0] / refused[1]), 4)}
    return found


def simplified() -> Characters:
    """Each traditional character's simplified one."""
    from opencc import OpenCC

    convert = OpenCC("t2s").convert
    told = ((c, convert(chr(c))) for c in range(0x3400, 0xA000))
    return {c: ord(other) for c, other in told if len(other) == 1 and c != ord(other) < 1 << 16}


def learned(prompts: Prompts, defined: Defined, characters: Characters, seed: int) -> dict[str, Tensor]:
    """The tensors of a judge that has learned from these prompts, with thresholds set."""
    random = np.random.default_rng(seed)
    told = trained(examples(prompts, defined, characters, random), SEED).tensors()
    told["simplified"] = torch.tensor([list(characters), list(characters.values())], dtype=torch.uint16)
    told["looks"] = torch.zeros(len(LANGUAGES), len(CLASSES))
    told["looks"] = torch.stack([needless(_judge(told), defined[one], random) for one in LANGUAGES])
    return told


def needless(judge: PromptJudge, defined: list[str], random: np.random.Generator) -> Tensor:
    """k (classes,) of which k log n is to be taken off the logit of a text of n windows, so that of long plain prose REFUSED
    at most is refused."""
    texts = [". ".join(_one(defined, random) for _ in range(LONG)) for _ in range(CALIBRATED)]
    told = np.array([list(judge.judge(text).values()) for text in texts]).clip(1e-9, 1 - 1e-9)
    wanted = np.array([THRESHOLDS[name] for name in CLASSES])
    over = np.log(told / (1 - told)) - np.log(wanted / (1 - wanted))
    looks = [len(windows(len(tokens(plain(text))))) for text in texts]
    return torch.from_numpy(
        np.quantile(over / np.log(looks)[:, None], 1 - REFUSED, axis=0).clip(0).astype(np.float32)
    )


def _judge(told: dict[str, Tensor]) -> PromptJudge:
    return judge_of({name: tensor.numpy() for name, tensor in told.items()})


def main(out: Path) -> None:
    torch.set_num_threads(1)
    dictionaries, idioms = [fetch(entry) for entry in wordnet.FILES], fetch(prompt_examples.IDIOMS)
    defined, written = prompt_examples.definitions(dictionaries, idioms), prompt_examples.written()
    prompts = replace(written, added=prompt_examples.added(dictionaries[0]))
    characters = simplified()
    out.mkdir(parents=True, exist_ok=True)
    save_file(learned(prompts, defined, characters, SEED), out / "model.safetensors")
    told: dict[str, list[Measured]] = {NEW: [], KNOWN: []}
    for fold in range(FOLDS):
        held = in_fold(fold, FOLDS)
        seen, unseen = prompts.fold(lambda t, held=held: not held(t)), written.fold(held)
        judge = _judge(learned(seen, defined, characters, SEED + fold))
        random = np.random.default_rng(SEED + fold)
        told[NEW].append(measured(judge, unseen, random))
        told[KNOWN].append(measured(judge, Prompts(unseen.templates, seen.words), random))
        print(json.dumps({name: scores(parts[-1:]) for name, parts in told.items()}), file=sys.stderr)
    text = json.dumps({name: scores(parts) for name, parts in told.items()}, indent=1)
    (out / "scores.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

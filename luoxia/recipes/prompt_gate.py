"""The judge of prompts: trained on written examples, measured on sentences and words that it has not seen.

    python -m luoxia.recipes.prompt_gate weights/prompt-gate

brings two dictionaries (25 MB), takes about five minutes of one core, and writes ``model.safetensors`` (290 kB) with
``scores.json`` beside it: precision and recall of each class, pooled over four folds of which each was held out once,
and the share of plain prompts that would have been refused. What is written has learned from all folds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from luoxia.core.language import LANGUAGES
from luoxia.data import prompt_examples
from luoxia.data.prompt_examples import Prompts, in_fold
from luoxia.provenance.policy import THRESHOLDS
from luoxia.provenance.prompt_judge import AROUND, CLASSES, HIDDEN, WIDTH, WINDOWS, PromptJudge
from luoxia.provenance.prompt_text import BUCKETS, features, plain, tokens
from luoxia.weights.fetch import fetch

SEED, FOLDS = 7, 4
OF_CLASS, OF_PLAIN, DEFINED, NOISE = 1_200, 16_000, 20_000, 2_000  # examples of a language
MEASURED = 20  # fillings of each held-out template
EPOCHS, BATCH, RATE, DECAY, DROPPED, MISSING = 4, 256, 5e-3, 1e-2, 0.3, 0.1
TRADITIONAL = 0.15  # of the Chinese examples
NEW, KNOWN = "sentences and words not learned from", "sentences not learned from"
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
        if self.training:  # a word is missing now and then: the sentence has to tell
            x = x * (torch.rand(len(x), 1) > MISSING)
        # All examples in one row, with nothing between them for as far as a token sees.
        example = torch.repeat_interleave(torch.arange(len(lengths)), lengths)  # (T,)
        place = torch.arange(len(x)) + AROUND // 2 * (example + 1)
        row = x.new_zeros(len(x) + AROUND // 2 * (len(lengths) + 1), WIDTH).index_copy(0, place, x)
        near = row.unfold(0, AROUND, 1)[place - AROUND // 2]  # (T, WIDTH, AROUND)
        h = F.relu(self.seen(near.transpose(1, 2).flatten(1)))
        most = h.new_zeros(len(lengths), HIDDEN).scatter_reduce(0, example[:, None].expand_as(h), h, "amax")
        return self.classes(F.dropout(most, DROPPED, self.training))

    def judge(self) -> PromptJudge:
        """As it is written: vectors in 8 bits."""
        told = self.tensors()
        vectors = told["vectors"].float() * told["scale"]
        rest = (told[name] for name in ("seen.weight", "seen.bias", "classes.weight", "classes.bias"))
        return PromptJudge(vectors.numpy(), *(part.numpy() for part in rest))

    def tensors(self) -> dict[str, Tensor]:
        with torch.no_grad():
            scale = self.vectors.abs().max().reshape(1) / 127
            kept = {"vectors": (self.vectors / scale).round().to(torch.int8), "scale": scale}
        return kept | {name: p.detach() for name, p in self.named_parameters() if name != "vectors"}


def examples(prompts: Prompts, defined: dict[str, list[str]], random: np.random.Generator) -> list[Example]:
    """What is learned from: each class as often as any other, alone or beside plain sentences."""
    from opencc import OpenCC

    traditional = OpenCC("s2t")
    found = []
    for language in LANGUAGES:
        templates = [t for t in prompts.templates if t.language == language]
        harmless = [t for t in templates if not t.labels]

        def plainly(those=harmless, tongue=language) -> str:
            return prompt_examples.faced(prompts.drawn(_one(those, random), random), tongue, random)

        told = [(prompt_examples.noise(random), ()) for _ in range(NOISE)]
        for i in range(DEFINED):
            text, other = _one(defined[language], random), _one(defined[language], random)
            text = (
                text
                if i % 3 == 0
                else f"{text}. {other}"
                if i % 3 == 1
                else prompt_examples.piece(text, random)
            )
            told.append((text, ()))
        for i in range(OF_PLAIN):
            told.append((plainly() if i % 3 else f"{plainly()}. {plainly()}", ()))
        for name in CLASSES:
            those = [t for t in templates if name in t.labels]
            for _ in range(OF_CLASS):
                template = _one(those, random)
                text = prompt_examples.faced(prompts.drawn(template, random), language, random)
                beside = random.integers(6)
                text = (
                    f"{plainly()}. {text}" if beside == 0 else f"{text}. {plainly()}" if beside == 1 else text
                )
                told.append((text, template.labels))
        for text, labels in told:
            if language == "zh" and random.random() < TRADITIONAL:
                text = traditional.convert(text)
            example = _example(str(text), labels)
            if len(example.starts):
                found.append(example)
    return found


def _one(those: Sequence[Any], random: np.random.Generator) -> Any:
    return those[int(random.integers(len(those)))]


def _example(text: str, labels: Sequence[str]) -> Example:
    buckets, starts = features(tokens(plain(text))[: WINDOWS[0]])
    return Example(buckets, starts, np.array([name in labels for name in CLASSES], np.float32))


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


def main(out: Path) -> None:
    torch.set_num_threads(1)
    wordnet, idioms = map(fetch, prompt_examples.WORDNET), fetch(prompt_examples.IDIOMS)
    defined, prompts = prompt_examples.definitions(wordnet, idioms), prompt_examples.written()
    out.mkdir(parents=True, exist_ok=True)
    whole = trained(examples(prompts, defined, np.random.default_rng(SEED)), SEED)
    save_file(whole.tensors(), out / "model.safetensors")
    told: dict[str, list[Measured]] = {NEW: [], KNOWN: []}
    for fold in range(FOLDS):
        held = in_fold(fold, FOLDS)
        random = np.random.default_rng(SEED + fold)
        seen, unseen = prompts.fold(lambda t, held=held: not held(t)), prompts.fold(held)
        judge = trained(examples(seen, defined, random), SEED).judge()
        told[NEW].append(measured(judge, unseen, random))
        told[KNOWN].append(measured(judge, Prompts(unseen.templates, seen.words), random))
        print(json.dumps({name: scores(parts[-1:]) for name, parts in told.items()}), file=sys.stderr)
    text = json.dumps({name: scores(parts) for name, parts in told.items()}, indent=1)
    (out / "scores.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

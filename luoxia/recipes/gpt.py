"""GPT from a corpus of one's own: a decoder of today's form, its size set by one dial.

luoxia data prepare corpus/ -o corpus.tokens --tokenizer train:16000
luoxia train gpt --data corpus.tokens --depth 8
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data import tokens
from luoxia.data.token_rows import TokenRows
from luoxia.models.gpt import GPT, parameter_count
from luoxia.objectives.language import NextWord
from luoxia.objectives.phase import Phase
from luoxia.recipes.gpt_dial import GPTSettings, budget, completed, network
from luoxia.recipes.gpt_study import GPTStudy
from luoxia.train.adamw import adamw, split
from luoxia.train.engine import Training
from luoxia.train.muon import Muon
from luoxia.weights.gpt_run import FAMILY
from luoxia.weights.vocabulary import tokenizer_files


def open_corpus(settings: GPTSettings, data: str, world: int) -> tuple[GPTSettings, TokenRows]:
    """The corpus in the folder ``data`` as rows, and ``settings`` with what the dial chooses by it."""
    corpus = tokens.read(data)
    settings = completed(settings, corpus, world)
    return settings, TokenRows(corpus, settings.block_size)


def build(settings: GPTSettings, rows: TokenRows, seed: int) -> Training:
    """The decoder with weights drawn from ``seed``, and bits per byte of the held-out text."""
    if settings.mirror or settings.augment:
        raise UserError(
            "text is not mirrored or augmented: leave mirror and augment out", "文本不做镜像与增强：请勿设置"
        )
    corpus, config = rows.corpus, network(settings, rows.corpus.vocab_size)
    tokenizer = corpus.tokenizer()
    gpt = GPT(config, torch.Generator().manual_seed(seed))
    loss = NextWord(
        Rows(rows, settings.by_document),
        # Looked up when they are called: splitting the weights over processes wraps the method.
        lambda ids, documents: gpt.hidden(ids, documents=documents),
        gpt.last,
        corpus.train.bytes / len(corpus.train.tokens),
    )
    study = GPTStudy(
        corpus, tokenizer, settings.block_size, settings.by_document, seed, settings.precision == "bf16"
    )
    return Training(
        {"gpt": gpt},
        [Phase("words", gpt, optimizer_of(gpt, settings), loss)],
        ("gpt",),
        lambda _modules, _generator: torch.empty(0, 3, 1, 1),  # what it makes is text
        study.scores,
        ("bits_per_byte", True),
        {"family": FAMILY, "network": config.to_json(), "scored_on": study.told},
        warnings=_said(settings, rows),
        entrances=("forward", "hidden"),
        texts=study.texts,
        files=tokenizer_files(tokenizer),
        steady=True,
    )


class Rows:
    """What the examples at places (B,) are: ids and targets (B, T), and the documents' numbers where they count."""

    def __init__(self, rows: TokenRows, by_document: bool) -> None:
        self.rows, self.by_document = rows, by_document

    def __call__(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        places, device = index.cpu().numpy(), index.device
        seen = torch.from_numpy(self.rows.at(places)).to(device)
        if not self.by_document:
            return seen[:, :-1], seen[:, 1:], None
        numbers = self.rows.documents(places).astype(np.int64)
        return seen[:, :-1], seen[:, 1:], torch.from_numpy(numbers).to(device)


def optimizer_of(model: GPT, settings: GPTSettings) -> torch.optim.Optimizer:
    """AdamW, or Muon for matrices: both pull the blocks' and the head's matrices towards 0, and neither tables nor gains."""
    if settings.optimizer == "muon":
        return Muon(*split(model), settings.learning_rate, weight_decay=settings.decay)
    return adamw(model, settings.learning_rate, settings.decay)


def _said(settings: GPTSettings, rows: TokenRows) -> tuple[Text, ...]:
    """What the dial has chosen."""
    s, there = settings, len(rows.corpus.train.tokens)
    weights, seen = parameter_count(network(s, rows.corpus.vocab_size)), budget(s)
    return (
        Text(
            f"depth {s.depth}: {weights / 1e6:.2f} M weights (width {s.width}, {s.heads} heads, rows of {s.block_size}); "
            f"in {s.steps} steps of {s.batch_size * s.block_size} tokens, at a rate of {s.learning_rate:.3g}, a process sees "
            f"{seen / 1e6:.1f} M tokens, {seen / weights:.1f} for each weight, the corpus {seen / there:.1f} times",
            f"depth {s.depth}：{weights / 1e6:.2f} M 个权重（宽 {s.width}，{s.heads} 个头，每行 {s.block_size} 个词元）；"
            f"共 {s.steps} 步，每步 {s.batch_size * s.block_size} 个词元，学习率 {s.learning_rate:.3g}，"
            f"每个进程将看到 {seen / 1e6:.1f} M 个词元，每个权重 {seen / weights:.1f} 个，语料 {seen / there:.1f} 遍",
        ),
    )

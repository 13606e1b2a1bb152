"""Verse: a small GPT that writes classical Chinese poems in four forms, on a theme.

luoxia data get verse
luoxia train verse --data verse

6.7 M weights; a step of 128 poems takes one core a little more than a second, the whole training of five times through the
poems two hours and a half. Held-out poems get no likelier from the fourth time on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from luoxia.core.errors import UserError
from luoxia.data.verse import verse_set
from luoxia.data.verse.forms import FORMS
from luoxia.data.verse.verse_set import VerseSet
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.verse_tokenizer import PROMPT, VerseTokenizer
from luoxia.objectives.phase import Phase
from luoxia.objectives.verse import NextCharacter, Shape, VersePieces
from luoxia.recipes.verse_study import VerseStudy
from luoxia.train.adamw import adamw
from luoxia.train.engine import Training
from luoxia.train.settings import Settings
from luoxia.weights.verse_folder import FAMILY


@dataclass(frozen=True)
class VerseSettings(Settings):
    """``batch_size`` in poems; ``inner`` is the width inside the MLPs, ``decay`` the weight decay of matrices."""

    steps: int = 7_500
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup: int = 200
    cosine: bool = True
    clip: float = 1.0
    half_life: float = 20_000.0
    precision: str = "bf16"
    workers: int = 0
    sample_every: int = 500
    checkpoint_every: int = 500
    layers: int = 6
    heads: int = 4
    width: int = 256
    inner: int = 768
    decay: float = 0.1


def open_poems(settings: VerseSettings, data: str, world: int) -> tuple[VerseSettings, VerseSet]:
    """The poems, for any number of processes."""
    del world
    return settings, verse_set.load(data)


def build(settings: VerseSettings, poems: VerseSet, seed: int) -> Training:
    """The decoder with weights drawn from ``seed``, and how well it foretells held-out poems."""
    if settings.mirror or settings.augment:
        raise UserError(
            "text is not mirrored or augmented: leave mirror and augment out", "文本不做镜像与增强：请勿设置"
        )
    config = network(settings, poems.tokenizer)
    gpt = GPT(config, torch.Generator().manual_seed(seed))
    pieces = pieces_of(poems)
    # Looked up when it is called: splitting the weights over processes wraps the method.
    loss = NextCharacter(pieces, lambda ids: gpt.hidden(ids), gpt.last)
    study = VerseStudy(poems, pieces, seed, settings.precision == "bf16")
    return Training(
        {"verse": gpt},
        [Phase("verse", gpt, adamw(gpt, settings.learning_rate, settings.decay), loss)],
        ("verse",),
        lambda _modules, _generator: torch.empty(0, 3, 1, 1),  # what it makes is text
        study.scores,
        ("nats_per_character", True),
        {"family": FAMILY, "network": config.to_json(), "tokenizer": poems.tokenizer.to_json()},
        entrances=("forward", "hidden"),
        texts=study.texts,
    )


def network(settings: VerseSettings, tokenizer: VerseTokenizer) -> GPTConfig:
    """RMSNorm, rotary positions and SwiGLU, no biases, one table for what comes in and goes out."""
    longest = max(form.lines * (form.length + 1) for form in FORMS.values())
    return GPTConfig(
        tokenizer.vocab_size,
        PROMPT + longest + 1,
        settings.layers,
        settings.heads,
        settings.width,
        n_ff=settings.inner,
        norm="rmsnorm",
        position="rotary",
        mlp="swiglu",
        qkv_bias=False,
        out_bias=False,
        mlp_bias=False,
    )


def pieces_of(poems: VerseSet) -> VersePieces:
    """The set as tensors."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.int32) if array.dtype == np.uint16 else array)

    shapes = tuple(
        Shape(form.lines, form.length, poems.tokenizer.form(form.id, False)) for form in FORMS.values()
    )
    return VersePieces(
        shapes,
        tensor(poems.text),
        tensor(poems.form),
        tensor(poems.regular),
        tensor(poems.author),
        torch.stack([tensor(poems.pingshui), tensor(poems.xinyun)]),
        tensor(poems.title),
        torch.from_numpy(poems.neighbours()),
    )

"""Settings of fine-tuning, and those that follow from how much there is to learn from.

    tokens a step    2,048, in parts of 512, which keeps SmolLM2's memory below 2 GB; fewer where data is scarce
    steps            three times through the data; up to ten times where that is less than 60 steps
    learning rate    1e-3 for low-rank maps, 5e-5 for all weights: the maps take about ten times more (Schulman et al. 2025,
                     "LoRA Without Regret"), and with alpha fixed the rate does not depend on the rank

The run ends early when held-out loss has got no better for ``patience`` looks; the best state is what is kept.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from luoxia.core.errors import UserError
from luoxia.core.runtime import resolve
from luoxia.data.lessons import LessonRows
from luoxia.nn.lora import LAYERS
from luoxia.train.settings import Settings, parts
from luoxia.weights.catalogue import DEFAULT_TEXT_MODEL

STEP, AT_ONCE = 2_048, 512
EPOCHS, MOST_EPOCHS, LEAST_STEPS = 3.0, 10.0, 60
LOOKS = 8  # scored checkpoints of a run
GROUPS = {"all": LAYERS, "attention": LAYERS[:4], "mlp": LAYERS[4:]}


@dataclass(frozen=True)
class FinetuneSettings(Settings):
    """``base`` is a text model's name or path. ``rank`` and ``alpha`` are those of the low-rank maps beside ``layers`` ("all",
    "attention", "mlp", or names as in "q,v"), ``dropout`` of what enters them; ``full``: all weights learn instead.
    ``length`` tokens of an example are read, ``share`` of the examples is held out. ``name``: what the result is called
    among the user's models. ``licence`` is the data's, in words. Every setting of value 0 follows from the data; ``epochs``
    says how often it is gone through where ``steps`` does not.
    """

    steps: int = 0
    batch_size: int = 0
    accumulate: int = 0
    learning_rate: float = 0.0
    cosine: bool = True
    clip: float = 1.0
    half_life: float = 0.0
    precision: str = "bf16"
    workers: int = 0
    log_every: int = 0
    sample_every: int = 0
    checkpoint_every: int = 0
    patience: int = 3
    base: str = DEFAULT_TEXT_MODEL
    name: str = ""
    rank: int = 16
    alpha: float = 32.0
    layers: str = "all"
    dropout: float = 0.0
    full: bool = False
    length: int = 1_024
    share: float = 0.1
    epochs: float = 0.0
    licence: str = ""
    decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen(self.layers)
        bounds = {
            "rank": (1, 512), "alpha": (0.001, 10_000), "dropout": (0, 0.9), "length": (8, 1 << 20),
            "share": (0.001, 0.9), "epochs": (0, 1_000), "decay": (0, 10),
        }  # fmt: skip
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise UserError(
                    f"{name} is {getattr(self, name)}; give {least:g} to {most:,g}",
                    f"{name} 为 {getattr(self, name)}；请给 {least:g} 到 {most:,g}",
                )
        if self.shard:
            raise UserError(
                "the weights that learn are few here, or lie on one machine: leave shard out",
                "此处学习的权重很少，或都在一台机器上：请勿设置 shard",
            )


def chosen(layers: str) -> tuple[str, ...]:
    """The layers that "all", "attention", "mlp" or "q,v" name."""
    names = GROUPS.get(layers) or tuple(part.strip() for part in layers.split(",") if part.strip())
    odd = [name for name in names if name not in LAYERS]
    if odd or not names:
        raise UserError(
            f"layers is {layers!r}; give {', '.join(GROUPS)}, or some of {','.join(LAYERS)}",
            f"layers 为 {layers!r}；请给 {'、'.join(GROUPS)}，或 {','.join(LAYERS)} 中的几个",
        )
    return names


def completed(settings: FinetuneSettings, rows: LessonRows, world: int = 1) -> FinetuneSettings:
    """``settings`` with everything that was left open, for ``world`` processes."""
    s, there = settings, len(rows.train)
    batch = s.batch_size or max(1, min(STEP // rows.width, there // (8 * world)))
    once = math.ceil(there / (batch * world))  # steps once through the data
    epochs = s.epochs or min(MOST_EPOCHS, max(EPOCHS, LEAST_STEPS / once))
    steps = s.steps or max(1, round(epochs * there / (batch * world)))
    native = resolve().dtype is not resolve(dtype="float32").dtype
    return dataclasses.replace(
        s,
        batch_size=batch,
        steps=steps,
        accumulate=s.accumulate or parts(batch, AT_ONCE // rows.width),
        learning_rate=s.learning_rate or (5e-5 if s.full else 1e-3),
        warmup=s.warmup or max(1, steps // 20),
        log_every=s.log_every or max(1, steps // 40),
        sample_every=s.sample_every or max(1, steps // 2),
        checkpoint_every=s.checkpoint_every or max(1, math.ceil(steps / LOOKS)),
        precision=s.precision
        if native
        else "float32",  # bf16 that is not multiplied natively takes far longer
    )

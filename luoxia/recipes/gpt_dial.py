"""One dial for a language model: ``depth`` sets its shape, and with the corpus its batch, rate and number of steps.

    width = 64 depth, heads of 64        the shape of GPT-3 small at depth 12
    D = min(20 N, 4 corpus)              tokens: Hoffmann et al. 2022, arXiv:2203.15556, section 3.4, of N weights; a
                                         corpus read four times teaches nearly as much as one four times as long
                                         (Muennighoff et al. 2023, arXiv:2305.16264, section 6)
    batch = 0.2920 C^0.3271 tokens       C = 6 N D (Bi et al. 2024, arXiv:2401.02954, equation 1, fitted to C of
    learning rate = 0.3118 C^-0.1250     10^17 to 2 10^19)

Carried on to small runs the fit asks for rates at which they learn worse, and for so large a batch that steps are few:
the rate is ``HIGHEST`` at most, and a batch leaves ``LEAST_STEPS`` steps, both by what benchmarks/gpt_scaling.py measured.
What a user sets stays as it is set.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from luoxia.core.errors import UserError
from luoxia.data.tokens import TokenSet
from luoxia.models.gpt import GPTConfig, parameter_count
from luoxia.train.settings import Settings, parts

OPTIMIZERS = ("adamw", "muon")
PER_WEIGHT, EPOCHS = 20, 4
AT_ONCE = 8_192  # tokens that go through the network together; a larger batch is accumulated
LEAST_STEPS, HIGHEST = 1_000, 0.004


@dataclass(frozen=True)
class GPTSettings(Settings):
    """``depth`` is the number of layers, and every setting of value 0 follows from it: ``width``, ``heads``,
    ``block_size`` (tokens of a row), and of those that every recipe has steps, batch_size, learning_rate, warmup, and
    how often it reports. ``tokens`` is what to train on in all, where steps are not given.

    ``optimizer`` is adamw or muon; ``decay`` the weight decay of matrices. ``by_document``: no token sees another
    document's.
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
    depth: int = 4
    width: int = 0
    heads: int = 0
    block_size: int = 0
    tokens: int = 0
    optimizer: str = "muon"
    decay: float = 0.1
    by_document: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "heads", "block_size", "tokens", "decay"):
            if getattr(self, name) < 0:
                raise UserError(
                    f"{name} is {getattr(self, name)}; give 0 or more",
                    f"{name} 为 {getattr(self, name)}；请给 0 或更大的数",
                )
        if not 1 <= self.depth <= 200:
            raise UserError(f"depth is {self.depth}; give 1 to 200", f"depth 为 {self.depth}；请给 1 到 200")
        if self.optimizer not in OPTIMIZERS:
            raise UserError(
                f"optimizer is {self.optimizer}; give {' or '.join(OPTIMIZERS)}",
                f"optimizer 为 {self.optimizer}；请给 {' 或 '.join(OPTIMIZERS)}",
            )


def network(settings: GPTSettings, vocab_size: int) -> GPTConfig:
    """The modern block: rotary positions, RMSNorm, SwiGLU, no biases, one table for both ends."""
    s = settings
    if s.width % (2 * s.heads):
        raise UserError(
            f"width is {s.width} and heads {s.heads}; each head takes an equal and even part of the width",
            f"width 为 {s.width}，heads 为 {s.heads}；每个头须均分 width 且所得为偶数",
        )
    return GPTConfig(
        vocab_size,
        s.block_size,
        s.depth,
        s.heads,
        s.width,
        n_ff=64 * max(1, round(8 * s.width / 3 / 64)),
        norm="rmsnorm",
        norm_eps=1e-6,
        position="rotary",
        mlp="swiglu",
        qkv_bias=False,
        out_bias=False,
        mlp_bias=False,
    )


def completed(settings: GPTSettings, corpus: TokenSet, world: int = 1) -> GPTSettings:
    """``settings`` with everything that was left to the dial, for ``world`` processes."""
    s = settings
    width = s.width or 64 * s.depth
    heads = s.heads or max(1, width // 64)
    block_size = s.block_size or 256 * 2 ** max(0, math.ceil(math.log2(s.depth / 4)))
    s = dataclasses.replace(s, width=width, heads=heads, block_size=block_size)
    weights, there = parameter_count(network(s, corpus.vocab_size)), len(corpus.train.tokens)
    wanted = s.tokens or min(PER_WEIGHT * weights, EPOCHS * there)
    compute = 6.0 * weights * wanted
    rows = s.batch_size or _rows(
        0.2920 * compute**0.3271 / block_size / world, wanted // (block_size * world)
    )
    steps = s.steps or max(1, round(wanted / (rows * world * block_size)))
    return dataclasses.replace(
        s,
        batch_size=rows,
        steps=steps,
        accumulate=s.accumulate or parts(rows, AT_ONCE // block_size),
        learning_rate=s.learning_rate or min(HIGHEST, float(f"{0.3118 * compute**-0.1250:.3g}")),
        warmup=s.warmup or max(1, steps // 20),
        half_life=s.half_life or max(1.0, 0.005 * steps * rows * world),
        log_every=s.log_every or max(1, steps // 100),
        sample_every=s.sample_every or max(1, steps // 10),
        checkpoint_every=s.checkpoint_every or max(1, steps // 10),
    )


def _rows(wished: float, rows: int) -> int:
    """A power of two near ``wished``, which leaves ``LEAST_STEPS`` steps of the ``rows`` there are to see."""
    return 2 ** max(0, round(math.log2(max(1.0, min(wished, rows / LEAST_STEPS)))))


def budget(settings: GPTSettings) -> int:
    """Tokens that a process sees in a run of completed ``settings``."""
    return settings.steps * settings.batch_size * settings.block_size

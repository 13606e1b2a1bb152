"""The training doctor: rules that look at what a run has noted so far and say, in plain words, what is going wrong.

A rule takes the rows of ``metrics.jsonl`` and gives a :class:`Finding` or nothing. It sees numbers alone, so that it
serves every family: a recipe measures its ``vitals`` and the rules know what a healthy one looks like.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from luoxia.core.language import Text

Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Finding:
    """``rule`` names it. ``level`` "note" is for the user to weigh; from a "grave" one a run with ``auto`` goes back;
    after a "fatal" one there is no going on."""

    rule: str
    level: str
    what: Text
    why: Text
    advice: Text

    def row(self, step: int) -> dict[str, Any]:
        """As a line of ``doctor.jsonl``."""
        texts = {"what": self.what, "why": self.why, "advice": self.advice}
        both = {name: {"en": text.en, "zh": text.zh} for name, text in texts.items()}
        return {"step": step, "rule": self.rule, "level": self.level, **both}


Rule = Callable[[Rows], Finding | None]

EXPLODED = 100.0  # times the usual norm of a gradient
USUAL = 10  # reports from which what is usual is known
OVERFITS = 0.6  # r_v of arXiv:2006.06676, which the paper's controller holds at 0.5
ALIKE = 0.4  # diversity of samples as a share of that of real pictures
USED = 0.05  # share of the latent's dimensions
CODES = 0.3  # of the codes that evenly used ones would show
WORSE, LONG = 1.25, 3  # times the best score, and at how many scorings in a row
NOISE = 3.0  # times the usual change from one scoring to the next
STALLED = 6  # scorings without a better one, and a third of all


def not_finite(rows: Rows) -> Finding | None:
    """A loss, gradient or weight that is no number."""
    row = rows[-1]
    wrong = [name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)]
    if not wrong:
        return None
    names = ", ".join(wrong[:4])
    return Finding(
        "not finite",
        "fatal",
        Text(f"{names} is no longer a finite number", f"{names} 已不是有限数"),
        Text(
            "a step was so large that values overflowed; every later step only spreads it",
            "某一步过大导致数值溢出；之后每一步只会扩散",
        ),
        Text(
            "a lower learning_rate, some warmup, or clip=1; --auto goes back and halves the rate",
            "降低 learning_rate、增加 warmup，或设 clip=1；--auto 会回退并将学习率减半",
        ),
    )


def exploding(rows: Rows) -> Finding | None:
    """A phase's gradient norm far above its usual one, twice in a row."""
    for name in (n for n in rows[-1] if n.startswith("grad_")):
        norms = [row[name] for row in rows if name in row]
        usual, last = norms[:-2], norms[-2:]
        if len(usual) < USUAL or not all(map(math.isfinite, norms)):
            continue
        middle = median(usual)
        if min(last) > EXPLODED * middle > 0:
            return Finding(
                "exploding gradients",
                "grave",
                Text(
                    f"{name} is {last[-1]:.3g}, where {middle:.3g} was usual",
                    f"{name} 为 {last[-1]:.3g}，此前通常为 {middle:.3g}",
                ),
                Text(
                    "steps point anywhere, and the next may overflow",
                    "步伐方向失控，随时可能溢出",
                ),
                Text(
                    "a lower learning_rate, or clip=1; --auto goes back and halves the rate",
                    "降低 learning_rate，或设 clip=1；--auto 会回退并将学习率减半",
                ),
            )
    return None


def discriminator_overfits(rows: Rows) -> Finding | None:
    """r_v = (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(made)]) (Karras et al. 2020, arXiv:2006.06676,
    equation 1): 0 where it treats new pictures like those it knows, 1 where it takes them for made ones."""
    values = _vital(rows, "r_v")
    if len(values) < 2 or min(values[-2:]) <= OVERFITS:
        return None
    share = f"{values[-1]:.2f}"
    return Finding(
        "discriminator overfits",
        "note",
        Text(
            f"the discriminator takes held-out pictures for made ones (r_v {share}; 0 is sound, 1 is blind)",
            f"判别器把留出图片当作生成图片（r_v {share}；0 为健康，1 为完全过拟合）",
        ),
        Text(
            "it has learned the training pictures by heart, and what it tells the generator is of no more use",
            "它已背下训练图片，给生成器的信号不再有用",
        ),
        Text(
            "more pictures, mirror=true, augment=0.5, a stronger r1, or a smaller network; keep the best checkpoint",
            "更多图片、mirror=true、augment=0.5、更强的 r1 或更小的网络；保留得分最佳的检查点",
        ),
    )


def mode_collapse(rows: Rows) -> Finding | None:
    """Samples of fixed latents that have grown alike: less than ``ALIKE`` of real pictures' diversity, after more."""
    values = _vital(rows, "diversity")
    if len(values) < 3 or max(values[-2:]) >= ALIKE or max(values[:-2]) < 1.5 * max(values[-2:]):
        return None
    return Finding(
        "mode collapse",
        "note",
        Text(
            f"samples differ {values[-1]:.2f} times as much as real pictures, after {max(values):.2f}",
            f"样本间差异仅为真实图片的 {values[-1]:.2f} 倍，此前曾达 {max(values):.2f} 倍",
        ),
        Text(
            "the generator has found few pictures that pass, and makes those whatever it is asked",
            "生成器找到了少数能过关的图片，并反复生成它们",
        ),
        Text(
            "a lower learning_rate, a larger batch_size, more critic_steps, a stronger r1, or the recipe wgan-gp",
            "降低 learning_rate、增大 batch_size、增加 critic_steps、加强 r1，或改用配方 wgan-gp",
        ),
    )


def posterior_collapse(rows: Rows) -> Finding | None:
    """A latent that hardly any of its dimensions is used of."""
    values = _vital(rows, "used_latent")
    if len(values) < 2 or max(values[-2:]) >= USED:
        return None
    return Finding(
        "posterior collapse",
        "note",
        Text(
            f"{100 * values[-1]:.0f} % of the latent's dimensions carry anything of the picture",
            f"仅 {100 * values[-1]:.0f}% 的潜变量维度携带图片信息",
        ),
        Text(
            "the decoder does without the latent: samples look alike and reconstructions show no detail",
            "解码器不再使用潜变量：样本彼此相似，重建缺少细节",
        ),
        Text(
            "a smaller beta, free_bits=0.1, or a longer warmup",
            "减小 beta、设 free_bits=0.1，或延长 warmup",
        ),
    )


def codebook_collapse(rows: Rows) -> Finding | None:
    """A codebook most of whose codes nothing falls to."""
    values = _vital(rows, "codebook_use")
    if len(values) < 2 or max(values[-2:]) >= CODES:
        return None
    share = f"{100 * values[-1]:.0f}"
    return Finding(
        "codebook collapse",
        "note",
        Text(
            f"{share} % of the codes are in use, where 100 % would be even",
            f"仅 {share}% 的编码在使用，均匀使用应为 100%",
        ),
        Text(
            "pictures are told with a few codes: reconstructions stay coarse, and what learns the codes repeats itself",
            "图片只用少数编码表达：重建粗糙，学习这些编码的模型也会重复自己",
        ),
        Text(
            "quantiser=fsq, which has no codebook to lose; with vq a lower learning_rate or a smaller codebook; with "
            "gumbel a smaller beta or a longer tau_steps",
            "改用没有码本可丢失的 quantiser=fsq；vq 可降低 learning_rate 或减小 codebook；gumbel 可减小 beta "
            "或延长 tau_steps",
        ),
    )


def diverging(rows: Rows, score: str, less_is_better: bool) -> Finding | None:
    """The score of checkpoints well behind its best for long."""
    values = _scores(rows, score)
    if len(values) <= LONG or not less_is_better or min(values) <= 0:
        return None
    best, last = min(values[:-LONG]), values[-LONG:]
    usual = median(abs(b - a) for a, b in pairwise(values))
    if min(last) <= WORSE * best or sorted(last) != last or last[-1] - best <= NOISE * usual:
        return None
    return Finding(
        "diverging",
        "note",
        Text(
            f"{score} has risen to {last[-1]:.4g} from its best, {best:.4g}",
            f"{score} 已从最佳的 {best:.4g} 升至 {last[-1]:.4g}",
        ),
        Text(
            "on what is held out the model gets worse, whatever the training loss says",
            "在留出数据上模型正在变差，无论训练损失如何",
        ),
        Text(
            "stop here: model.safetensors is the best checkpoint; then fewer steps, more data, or a lower rate",
            "可在此停止：model.safetensors 即最佳检查点；之后可减少步数、增加数据或降低学习率",
        ),
    )


def stalled(rows: Rows, score: str, less_is_better: bool) -> Finding | None:
    """No better score in the last third of many scorings."""
    values = [v if less_is_better else -v for v in _scores(rows, score)]
    since = len(values) - 1 - values.index(min(values)) if values else 0
    if since < max(STALLED, len(values) / 3):
        return None
    return Finding(
        "stalled",
        "note",
        Text(
            f"{score} has not been better for {since} checkpoints of {len(values)}",
            f"{score} 已连续 {since} 个检查点（共 {len(values)} 个）没有进步",
        ),
        Text("more steps of the same kind may bring nothing", "继续同样的训练可能没有收获"),
        Text(
            "stop, or go on from the best checkpoint with a lower rate (cosine=true), or change the recipe",
            "停止；或以更低的学习率（cosine=true）继续；或更改配方",
        ),
    )


class Doctor:
    """Hears every row that a run notes, and says each finding once."""

    def __init__(self, score: tuple[str, bool], heard: Rows = (), told: Rows = ()) -> None:
        name, less = score
        self.rules: list[Rule] = [
            not_finite,
            exploding,
            discriminator_overfits,
            mode_collapse,
            posterior_collapse,
            codebook_collapse,
            lambda rows: diverging(rows, name, less),
            lambda rows: stalled(rows, name, less),
        ]
        self.rows, self.told = list(heard), {row["rule"] for row in told}

    def hear(self, row: Row) -> list[Finding]:
        """What is new with ``row``."""
        self.rows.append(row)
        found = [f for f in (rule(self.rows) for rule in self.rules) if f and f.rule not in self.told]
        self.told.update(f.rule for f in found)
        return found


def _vital(rows: Rows, name: str) -> list[float]:
    return [row[f"vital_{name}"] for row in rows if f"vital_{name}" in row]


def _scores(rows: Rows, name: str) -> list[float]:
    return [row[f"held_out_{name}"] for row in rows if f"held_out_{name}" in row]

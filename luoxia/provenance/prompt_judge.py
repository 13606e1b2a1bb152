"""Judges a prompt by a small network that learned from written examples.

Each token is the mean of learned vectors of its pieces, x_t in R^32 (Bojanowski, Grave, Joulin and Mikolov, *Enriching Word
Vectors with Subword Information*, 2017); five neighbouring tokens are seen together, and the most striking place counts
(Kim, *Convolutional Neural Networks for Sentence Classification*, 2014):

    h_t = relu(A [x_{t-2}; ...; x_{t+2}] + a),    p_c = sigmoid(w_c . max_t h_t + b_c).

A long prompt is judged in windows of 64 and of 16 tokens that overlap by half, and the highest logit counts, so that what is
harmless around it hides less. Of n windows it is less by k_{l,c} log n: who looks oftener finds more by chance; l is the script
that most tokens are in, Chinese characters or others. NumPy alone: a prompt of a hundred words takes half a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import MalformedFileError
from luoxia.core.shapes import fits
from luoxia.provenance.prompt_text import BUCKETS, features, is_han, plain, tokens

CLASSES = ("sexual", "minors", "gore", "hate", "self-harm", "weapons", "deception")
WIDTH, AROUND, HIDDEN = 32, 5, 192
WINDOWS = (64, 16)  # tokens
BLOCK = 4096  # tokens whose neighbours are written out at a time
SHAPES: dict[str, tuple[int | None, ...]] = {  # of the file's tensors
    "vectors": (BUCKETS, WIDTH),  # int8, times scale
    "scale": (1,),
    "seen.weight": (HIDDEN, WIDTH * AROUND),
    "seen.bias": (HIDDEN,),
    "classes.weight": (len(CLASSES), HIDDEN),
    "classes.bias": (len(CLASSES),),
    "looks": (2, len(CLASSES)),  # where other scripts prevail, where Chinese characters do
    "simplified": (2, None),  # uint16, traditional characters over their simplified ones
}


@dataclass(frozen=True)
class PromptJudge:
    """The network's tensors: vectors (BUCKETS, 32), the others as :data:`SHAPES` names them, float32; ``simplified`` is each
    traditional character's simplified one, for :meth:`str.translate`."""

    vectors: NDArray[np.float32]
    seen: NDArray[np.float32]
    seen_bias: NDArray[np.float32]
    classes: NDArray[np.float32]
    classes_bias: NDArray[np.float32]
    looks: NDArray[np.float32]
    simplified: Mapping[int, int]

    def judge(self, prompt: str) -> dict[str, float]:
        """p_c of each of :data:`CLASSES`, 0 to 1; zeros of a prompt without letters."""
        found = tokens(plain(prompt).translate(self.simplified))
        if not found:
            return dict.fromkeys(CLASSES, 0.0)
        buckets, starts = features(found)
        counts = np.diff(np.append(starts, len(buckets)))
        x = np.add.reduceat(self.vectors[buckets], starts) / counts[:, None].astype(np.float32)  # (T, 32)
        x = np.pad(x, ((AROUND // 2, AROUND // 2), (0, 0)))
        near = np.lib.stride_tricks.sliding_window_view(x, AROUND, 0).swapaxes(1, 2)  # (T, 5, 32)
        blocks = (near[i : i + BLOCK] for i in range(0, len(near), BLOCK))
        h = np.concatenate([block.reshape(len(block), -1) @ self.seen.T for block in blocks])  # (T, 192)
        h = np.maximum(h + self.seen_bias, 0)
        seen = windows(len(found))
        most = np.stack([h[window].max(0) for window in seen])
        looks = self.looks[int(np.mean([is_han(token) for token in found]) > 0.5)] * np.log(len(seen))
        logits = (most @ self.classes.T + self.classes_bias).max(0) - looks
        return dict(zip(CLASSES, (1 / (1 + np.exp(-logits.astype(float)))).tolist(), strict=True))


def windows(count: int) -> list[slice]:
    """Those in which ``count`` tokens are looked at, each once."""
    ends = ((i, min(i + n, count)) for n in WINDOWS for i in range(0, max(1, count - n // 2), n // 2))
    return [slice(*both) for both in dict.fromkeys(ends)]


@cache
def opened() -> PromptJudge:
    """The judge that comes with Luoxia. Raises :class:`luoxia.core.errors.UserError` where its file is not what it was."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from luoxia.weights import catalogue

    path = catalogue.verified(catalogue.find("prompt-gate"))
    try:
        told = load_file(path)
    except (OSError, SafetensorError) as error:
        raise MalformedFileError(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}") from error
    wrong = [name for name, shape in SHAPES.items() if name not in told or not fits(told[name].shape, shape)]
    if wrong:
        raise MalformedFileError(
            f"{path} holds no prompt judge: {', '.join(wrong)}",
            f"{path} 不是提示词判别网络：{'、'.join(wrong)}",
        )
    return judge_of(told)


def judge_of(told: Mapping[str, NDArray[Any]]) -> PromptJudge:
    """The judge of these tensors, which have :data:`SHAPES`."""
    return PromptJudge(
        vectors=told["vectors"].astype(np.float32) * told["scale"],
        seen=told["seen.weight"],
        seen_bias=told["seen.bias"],
        classes=told["classes.weight"],
        classes_bias=told["classes.bias"],
        looks=told["looks"],
        simplified=dict(zip(*told["simplified"].tolist(), strict=True)),
    )

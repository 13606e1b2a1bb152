"""Judges a prompt by a small network that learned from written examples.

Each token is the mean of learned vectors of its pieces, x_t in R^16 (Bojanowski, Grave, Joulin and Mikolov, *Enriching Word
Vectors with Subword Information*, 2017); five neighbouring tokens are seen together, and the most striking place counts
(Kim, *Convolutional Neural Networks for Sentence Classification*, 2014):

    h_t = relu(A [x_{t-2}; ...; x_{t+2}] + a),    p_c = sigmoid(w_c . max_t h_t + b_c).

A long prompt is judged in windows of 64 and of 16 tokens that overlap by half, and the highest p_c counts, so that what is
harmless around it hides less. NumPy alone: a prompt of a hundred words takes about a millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import MalformedFileError
from luoxia.provenance.prompt_text import BUCKETS, features, plain, tokens

CLASSES = ("sexual", "minors", "gore", "hate", "self-harm", "weapons", "deception")
WIDTH, AROUND, HIDDEN = 16, 5, 64
WINDOWS = (64, 16)  # tokens
SHAPES = {  # of the file's tensors
    "vectors": (BUCKETS, WIDTH),  # int8, times scale
    "scale": (1,),
    "seen.weight": (HIDDEN, WIDTH * AROUND),
    "seen.bias": (HIDDEN,),
    "classes.weight": (len(CLASSES), HIDDEN),
    "classes.bias": (len(CLASSES),),
}


@dataclass(frozen=True)
class PromptJudge:
    """The network's tensors: vectors (BUCKETS, 16), the others as :data:`SHAPES` names them, float32."""

    vectors: NDArray[np.float32]
    seen: NDArray[np.float32]
    seen_bias: NDArray[np.float32]
    classes: NDArray[np.float32]
    classes_bias: NDArray[np.float32]

    def judge(self, prompt: str) -> dict[str, float]:
        """p_c of each of :data:`CLASSES`, 0 to 1; zeros of a prompt without letters."""
        found = tokens(plain(prompt))
        if not found:
            return dict.fromkeys(CLASSES, 0.0)
        buckets, starts = features(found)
        counts = np.diff(np.append(starts, len(buckets)))
        x = np.add.reduceat(self.vectors[buckets], starts) / counts[:, None].astype(np.float32)  # (T, 16)
        x = np.pad(x, ((AROUND // 2, AROUND // 2), (0, 0)))
        near = np.lib.stride_tricks.sliding_window_view(x, AROUND, 0).swapaxes(1, 2)  # (T, 5, 16)
        h = np.maximum(near.reshape(len(found), -1) @ self.seen.T + self.seen_bias, 0)
        windows = (h[i : i + n] for n in WINDOWS for i in range(0, max(1, len(h) - n // 2), n // 2))
        most = np.stack([window.max(0) for window in windows])
        logits = (most @ self.classes.T + self.classes_bias).max(0)
        return dict(zip(CLASSES, (1 / (1 + np.exp(-logits.astype(float)))).tolist(), strict=True))


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
    wrong = [name for name, shape in SHAPES.items() if name not in told or told[name].shape != shape]
    if wrong:
        raise MalformedFileError(
            f"{path} holds no prompt judge: {', '.join(wrong)}",
            f"{path} 不是提示词判别网络：{'、'.join(wrong)}",
        )
    vectors = told["vectors"].astype(np.float32) * told["scale"]
    rest = (told[name] for name in list(SHAPES)[2:])
    return PromptJudge(vectors, *rest)

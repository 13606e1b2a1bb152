r"""How well pictures and texts find each other: everything here takes vectors of length 1, of whatever judge made them.

Recall@k (Karpathy and Fei-Fei 2015), the CLIP score (Hessel et al. 2021, arXiv:2104.08718), R-precision (Xu et al.
2018, AttnGAN, section 4), and classification by words alone (Radford et al. 2021, section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.evaluate.neighbours import Vectors, pair

KS = (1, 5)
WEIGHT = 2.5  # of the CLIP score
DISTRACTORS = 20
BLOCK = 1 << 22  # similarities in memory at a time
Places = Sequence[int] | NDArray[np.int64]


def retrieval(images: Vectors, texts: Vectors, of: Places, ks: Sequence[int] = KS) -> dict[str, float]:
    """``image_to_text_r<k>``, the share of pictures whose own text is among the k nearest, and ``text_to_image_r<k>``,
    the share of texts that have one of their own pictures among the k nearest.

    ``images`` (N, D); ``texts`` (U, D), distinct ones; ``of`` (N,) the place of each picture's text, each text at least
    once. What is as near as a true one counts as nearer: a judge that gives all the same finds nothing.
    """
    a, b, own = _checked(images, texts, of)
    found = {}
    for name, ranks in (("image_to_text", _ranks(a, b, own)), ("text_to_image", _ranks_of_texts(a, b, own))):
        found |= {f"{name}_r{k}": float((ranks < k).double().mean()) for k in ks}
    return found


def retrieval_chance(of: Places, ks: Sequence[int] = KS) -> dict[str, float]:
    """What :func:`retrieval` gives on average when the order is drawn by lot."""
    counts = np.unique(np.asarray(of), return_counts=True)[1].tolist()
    n, found = sum(counts), {}
    found |= {f"image_to_text_r{k}": min(1.0, k / len(counts)) for k in ks}
    for k in ks:
        missed = [comb(n - m, k) / comb(n, k) if k <= n else 0.0 for m in counts]
        found[f"text_to_image_r{k}"] = 1 - sum(missed) / len(missed)
    return found


def clip_score(images: Vectors, texts: Vectors) -> NDArray[np.float64]:
    """2.5 max(cos, 0) of picture i and text i, (N,) (Hessel et al. 2021, equation 1)."""
    a, b = pair(images, texts)
    _same_number(a, b)
    return (WEIGHT * (a * b).sum(1).clamp_min(0)).numpy()


def r_precision(
    images: Vectors,
    texts: Vectors,
    keys: Places,
    *,
    distractors: int = DISTRACTORS,
    seed: int = 0,
    pool: Vectors | None = None,
    pool_keys: Places | None = None,
) -> NDArray[np.bool_]:
    """Whether picture i is nearer to its text i than to ``distractors`` others, (N,); by lot 1 / (distractors + 1).

    Args:
        images, texts: (N, D).
        keys: (N,), equal where texts say the same: such are no distractors of each other.
        pool, pool_keys: (M, D) and (M,), what distractors are drawn from, without repetition; else the texts themselves.

    Raises :class:`UserError` where a picture has fewer than ``distractors`` other texts.
    """
    a, b = pair(images, texts)
    _same_number(a, b)
    own = np.asarray(keys)
    others = b if pool is None else pair(images, pool)[1]
    other_keys = own if pool_keys is None else np.asarray(pool_keys)
    kept = np.unique(other_keys, return_index=True)[1]  # each text once
    random = np.random.Generator(np.random.PCG64(seed))
    found = np.zeros(len(a), np.bool_)
    for i in range(len(a)):
        choice = kept[other_keys[kept] != own[i]]
        if len(choice) < distractors:
            raise UserError(
                f"there are {len(choice)} other captions, and {distractors} distractors are needed: give more captions",
                f"其他描述只有 {len(choice)} 条，需要 {distractors} 条干扰项：请给出更多描述",
            )
        drawn = torch.from_numpy(random.choice(choice, distractors, replace=False))
        found[i] = bool((others[drawn] @ a[i] < b[i] @ a[i]).all())
    return found


def class_vectors(
    encode_text: Callable[[Sequence[str]], Tensor], classes: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """(K, D): for each class the mean of its prompts' vectors, of length 1 again; a template says ``{}`` for the class."""
    vectors = []
    for name in classes:
        each = encode_text([template.replace("{}", name) for template in templates])
        vectors.append(torch.nn.functional.normalize(each.double().mean(0), dim=0))
    return torch.stack(vectors)


def zero_shot_accuracy(images: Vectors, classes: Vectors, labels: Places) -> float:
    """The share of pictures (N, D) whose nearest class of (K, D) is their label."""
    a, b = pair(images, classes)
    guessed = torch.cat([rows.argmax(1) for rows in _similarities(a, b)])
    return float((guessed == torch.as_tensor(np.asarray(labels))).double().mean())


def _checked(images: Vectors, texts: Vectors, of: Places) -> tuple[Tensor, Tensor, Tensor]:
    a, b = pair(images, texts)
    own = torch.as_tensor(np.asarray(of, np.int64))
    if own.shape != (len(a),) or sorted(set(own.tolist())) != list(range(len(b))):
        raise UserError(
            f"{len(a)} pictures and {len(b)} texts need one place of a text for each picture, and each text once at least",
            f"{len(a)} 张图片与 {len(b)} 条文字：每张图片须指明一条文字，且每条文字至少出现一次",
        )
    return a, b, own


def _ranks(a: Tensor, b: Tensor, own: Tensor) -> Tensor:
    """(N,) how many texts are as near to each picture as its own, which is not counted."""
    found, first = [], 0
    for rows in _similarities(a, b):
        mine = own[first : first + len(rows), None]
        found.append((rows >= rows.gather(1, mine)).sum(1) - 1)
        first += len(rows)
    return torch.cat(found)


def _ranks_of_texts(a: Tensor, b: Tensor, own: Tensor) -> Tensor:
    """(U,) how many pictures of other texts are as near to each text as the nearest of its own."""
    found, first = [], 0
    for rows in _similarities(b, a):
        mine = own[None] == torch.arange(first, first + len(rows))[:, None]
        best = rows.masked_fill(~mine, -torch.inf).amax(1, keepdim=True)
        found.append(((rows >= best) & ~mine).sum(1))
        first += len(rows)
    return torch.cat(found)


def _similarities(a: Tensor, b: Tensor):
    for rows in a.split(max(1, BLOCK // len(b))):
        yield rows @ b.T


def _same_number(a: Tensor, b: Tensor) -> None:
    if len(a) != len(b):
        raise UserError(
            f"there are {len(a)} pictures and {len(b)} texts; give one text for each picture",
            f"有 {len(a)} 张图片和 {len(b)} 条文字；每张图片应有一条文字",
        )

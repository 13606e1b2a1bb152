"""Texts of letters whose choice carries the mark, or does not, and a label to put beside it."""

from __future__ import annotations

import numpy as np
from tiny_text import byte_tokenizer

from luoxia.core import seeds
from luoxia.generate.sampling import Chooser, Sampling
from luoxia.provenance.label import Label

LABEL = Label.first("001191440300708461136T1XGW3", "L01ARZ3NDEKTSV4RRFFQ69G5FAV")
LETTERS = "abcdefghijklmnopqrstuvwxyz .,"


def written(n: int, mark: bool, seed: int = 0) -> str:
    """``n`` letters, each as likely as any other."""
    (ids,) = (byte_tokenizer().encode(LETTERS),)
    logits = np.full(256, -np.inf, np.float32)
    logits[ids] = 0
    choose = Chooser(Sampling(temperature=1, top_p=1, repetition_penalty=1, mark=mark), seeds.generator(seed))
    return byte_tokenizer().decode([choose(logits, ()) for _ in range(n)])

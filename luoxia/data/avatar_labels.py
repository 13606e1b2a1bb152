"""What is to be seen in each drawn face, as yes or no, out of its caption."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from luoxia.data.images import ImageSet

GLAD = ("laughing", "smiling broadly", "smiling", "happy")
OTHER_MOODS = ("smirking", "sad", "frowning", "angry", "surprised", "nervous")
DARK = ("black", "brown")
WARM = ("peach", "cream", "pink", "yellow", "blond", "orange")

Words = set[str]
Answer = Callable[[Words], bool | None]  # None where the caption says nothing about it


def _smile(words: Words) -> bool | None:
    return None if words.isdisjoint((*GLAD, *OTHER_MOODS)) else not words.isdisjoint(GLAD)


def _hair(words: Words) -> str | None:
    return next((w.removesuffix(" hair") for w in words if w.endswith(" hair")), None)


def _dark_hair(words: Words) -> bool | None:
    hair = _hair(words)
    return None if hair is None else hair.removeprefix("long ") in DARK


def _warm_ground(words: Words) -> bool:
    ground = next(w for w in words if w.endswith(" ground"))
    return ground.removeprefix("on a ").removesuffix(" ground") in WARM


QUESTIONS: dict[str, Answer] = {
    "glasses": lambda words: "glasses" in words,
    "beard": lambda words: "a beard" in words,
    "smile": _smile,
    "long-hair": lambda words: (_hair(words) or "").startswith("long "),
    "dark-hair": _dark_hair,
    "warm-ground": _warm_ground,
}


def labels(images: ImageSet) -> dict[str, NDArray[np.float64]]:
    """(N,) for each question: 1, 0, or not a number where it is not known.

    Styles differ in what their captions can say. Where one never says yes, its no means nothing, and counts as not known.
    """
    assert images.captions is not None
    assert images.labels is not None
    words = [set(caption.en.partition(": ")[2].split(", ")) for caption in images.captions]
    found = {}
    for name, question in QUESTIONS.items():
        answers = [question(of) for of in words]
        values = np.array([np.nan if a is None else float(a) for a in answers])
        for style in range(len(images.classes)):
            of_style = images.labels == style
            if not (values[of_style] == 1).any():
                values[of_style] = np.nan
        found[name] = values
    return found

"""What captions say becomes yes, no, or not known."""

from __future__ import annotations

import numpy as np

from luoxia.core.language import Text
from luoxia.data.avatar_labels import labels
from luoxia.data.avatars import STYLES, _caption
from luoxia.data.images import ImageSet


def of(*captions: tuple[int, str]) -> dict[str, np.ndarray]:
    styles = np.array([style for style, _ in captions])
    texts = tuple(Text(f"a face in the x style: {words}", "") for _, words in captions)
    pictures = np.zeros((len(captions), 3, 8, 8), np.uint8)
    return labels(ImageSet("a", pictures, styles, ("one", "two"), texts, np.array([0]), (), "d"))


def test_yes_no_and_not_known() -> None:
    found = of(
        (0, "long brown hair, glasses, smiling broadly, on a peach ground"),
        (0, "blond hair, a beard, sad, on a light blue ground"),
        (0, "on a mint ground"),
        (1, "black hair, happy, on a cream ground"),
    )
    nan = np.nan
    np.testing.assert_array_equal(found["glasses"], [1, 0, 0, nan])  # the second style never says it
    np.testing.assert_array_equal(found["beard"], [0, 1, 0, nan])
    np.testing.assert_array_equal(found["smile"], [1, 0, nan, 1])
    np.testing.assert_array_equal(found["long-hair"], [1, 0, 0, nan])
    np.testing.assert_array_equal(found["dark-hair"], [1, 0, nan, 1])
    np.testing.assert_array_equal(found["warm-ground"], [1, 0, 0, 1])


def test_the_captions_of_the_set_are_understood() -> None:
    style = next(iter(STYLES))
    options = {
        "hairVariant": "long08",
        "hairColor": ["#0e0e0e"],
        "glassesVariant": "variant01",
        "beardVariant": "variant02",
        "mouthVariant": "happy05",
        "backgroundColor": ["#ffd5dc"],
    }
    english, _ = _caption(style, options)
    words = english.partition(": ")[2]
    found = of((0, words))
    assert {k: v.tolist() for k, v in found.items()} == {k: [1.0] for k in found}, english

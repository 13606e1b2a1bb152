import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luoxia.core.errors import UserError
from luoxia.provenance import visible
from luoxia.provenance.visible import CONTRAST, contrast, mark, mark_film


def _luminance(pixels: np.ndarray) -> np.ndarray:
    """WCAG 2.2's definition, written down again."""
    value = pixels.astype(np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def _changed(before: np.ndarray, after: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.nonzero((before != after).any(2))
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def _measured(before: np.ndarray, after: np.ndarray, text: str, dark: bool) -> float:
    """The least contrast of the letters' full strokes with any pixel around them that no letter touches."""
    h, w = before.shape[:2]
    coverage = visible._lettered(h, w, text, None)
    box = after[coverage.top :, coverage.left :][: coverage.letters.shape[0], : coverage.letters.shape[1], :3]
    light = _luminance(box)
    inside = np.zeros(light.shape, bool)
    pad = max(2, round(0.35 * visible.letter_size(h, w)))
    inside[pad // 2 : -(pad // 2), pad // 2 : -(pad // 2)] = True
    stroke, around = light[coverage.letters == 1], light[(coverage.letters == 0) & inside]
    assert len(stroke) > 50
    lighter, darker = (stroke.min(), around.max()) if dark else (around.min(), stroke.max())
    return (lighter + 0.05) / (darker + 0.05)


def _noise(seed: int, height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    low = random.integers(0, 256, (6, 6, 3))
    smooth = np.kron(low, np.ones((-(-height // 6), -(-width // 6), 1)))[:height, :width]
    return (smooth if seed % 2 else random.integers(0, 256, (height, width, 3))).astype(np.uint8)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 999),
    st.integers(256, 420),
    st.integers(256, 420),
    st.sampled_from(["AI生成", "AI-generated"]),
)
def test_letters_are_legible_on_anything(seed: int, height: int, width: int, text: str) -> None:
    before = _noise(seed, height, width)
    after = mark(before, text)
    dark = (after == 255).all(2).sum() > (before == 255).all(2).sum()
    assert _measured(before, after, text, bool(dark)) >= CONTRAST
    assert after.shape == before.shape


@pytest.mark.parametrize("grey", range(0, 256, 15))
def test_letters_are_legible_on_every_grey(grey: int) -> None:
    before = np.full((300, 300, 3), grey, np.uint8)
    after = mark(before, "AI生成")
    assert max(_measured(before, after, "AI生成", dark) for dark in (True, False)) >= CONTRAST


def test_black_and_white_need_no_plate() -> None:
    for grey in (0, 255):
        before = np.full((512, 512, 3), grey, np.uint8)
        after = mark(before, "AI生成")
        assert (after != before).any(2).mean() < 0.01  # strokes alone
        assert set(np.unique(after[_changed(before, after)])) >= {0, 255}


@pytest.mark.parametrize(
    ("height", "width"), [(256, 256), (1024, 768), (300, 2000), (2000, 300), (1080, 1920)]
)
def test_capitals_are_five_percent_of_the_shortest_side_high(height: int, width: int) -> None:
    before = np.zeros((height, width, 3), np.uint8)
    rows, columns = _changed(before, mark(before, "AI"))
    assert rows.stop - rows.start >= 0.05 * min(height, width)
    assert rows.stop - rows.start <= 0.07 * min(height, width) + 2
    margin = 0.06 * min(height, width)
    assert height - rows.stop < margin
    assert width - columns.stop < margin


def test_a_place_that_is_kept_free_is_used_and_nothing_else() -> None:
    before = _noise(1, 400, 500)
    after = mark(before, "AI生成", (30, 40, 190, 100))
    rows, columns = _changed(before, after)
    assert rows.start >= 40
    assert rows.stop <= 100
    assert columns.start >= 30
    assert columns.stop <= 190


@pytest.mark.parametrize("place", [(0, 0, 20, 20), (450, 0, 600, 100), (-1, 0, 200, 200)])
def test_a_place_that_is_too_small_or_outside_is_told(place: tuple[int, int, int, int]) -> None:
    with pytest.raises(UserError, match=r"place|needs"):
        mark(np.zeros((400, 500, 3), np.uint8), "AI-generated", place)


@pytest.mark.parametrize("size", [28, 32, 64, 128, 255])
@pytest.mark.parametrize("text", ["AI生成", "AI-generated"])
@pytest.mark.parametrize("channels", [3, 4])
def test_small_pictures_get_a_strip_below(size: int, text: str, channels: int) -> None:
    before = np.full((size, size, channels), 77, np.uint8)
    after = mark(before, text)
    assert (after[:size] == before).all()
    strip = after[size:]
    assert len(strip) % 2 == 0
    assert strip.shape[1:] == (size, channels)
    assert strip[..., :3].max() == 255
    assert (strip[[0, -1], :, :3] == 0).all()
    assert channels == 3 or (strip[..., 3] == 255).all()


def test_what_shows_through_is_covered() -> None:
    before = np.zeros((300, 300, 4), np.uint8)
    after = mark(before, "AI生成")
    marked = after[..., 3] > 0
    assert marked.any()
    over_black, over_white = (
        after[..., :3] * (after[..., 3:] / 255) + (255 - after[..., 3:]) * v for v in (0, 1)
    )
    solid = after[..., 3] == 255
    assert (over_black[solid] == over_white[solid]).all()
    assert solid.sum() > 0.9 * marked.sum()


def test_a_film_is_marked_for_two_seconds_from_its_first_frame() -> None:
    frames = [_noise(2 * i + 1, 270, 480) for i in range(70)]
    marked = list(mark_film(iter(frames), 29.97, "AI生成"))
    changed = [bool((a != b).any()) for a, b in zip(frames, marked, strict=True)]
    assert changed.index(False) / 29.97 >= 2
    assert not any(changed[61:])
    boxes = {str(_changed(a, b)) for a, b in zip(frames[:10], marked[:10], strict=True)}
    assert len(boxes) == 1  # it does not move


def test_frames_of_a_small_film_stay_of_one_size() -> None:
    frames = [np.zeros((64, 64, 3), np.uint8)] * 40
    assert {frame.shape for frame in mark_film(frames, 10, "AI生成")} == {(82, 64, 3)}


def test_the_given_picture_is_not_touched() -> None:
    before = _noise(3, 300, 300)
    kept = before.copy()
    mark(before, "AI生成")
    assert (before == kept).all()


@pytest.mark.parametrize("text", ["", "  ", "AI鑫", "\u202eAI", "AI\n", "AI\x00"])
def test_letters_that_the_font_lacks_are_told(text: str) -> None:
    with pytest.raises(UserError, match="font has no"):
        mark(np.zeros((300, 300, 3), np.uint8), text)


def test_the_font_has_every_letter_it_is_said_to_have() -> None:
    nothing = (
        visible._font(40).getmask("\U0010ffff").getbbox(),
        bytes(visible._font(40).getmask("\U0010ffff")),
    )
    for letter in visible._characters() - {" "}:
        shape = visible._font(40).getmask(letter)
        assert (shape.getbbox(), bytes(shape)) != nothing, letter


def test_words_too_long_for_the_picture_are_told() -> None:
    with pytest.raises(UserError, match="make room"):
        mark(np.zeros((300, 300, 3), np.uint8), "AI" * 40)


def test_contrast_is_wcags() -> None:
    assert contrast(np.zeros((1, 3), np.uint8), 255) == pytest.approx(21, rel=1e-4)
    assert contrast(np.full((1, 3), 119, np.uint8), 255) == pytest.approx(
        4.48, abs=0.005
    )  # the grey of textbooks
    assert math.isclose(contrast(np.full((1, 3), 9, np.uint8), 9), 1)


def test_below_a_sheet_no_picture_is_covered() -> None:
    sheet = np.random.default_rng(0).integers(0, 256, (300, 620, 3), dtype=np.uint8)
    marked = visible.mark(sheet, "AI生成", below=True)
    assert np.array_equal(marked[:300], sheet)
    strip = marked[300:]
    assert (strip == 255).all(2).mean() > 0.8
    rows = np.flatnonzero((strip < 128).all(2).any(1))
    assert rows[-1] - rows[0] + 1 >= 0.05 * 300

"""A picture keeps its number through what happens to pictures, is not seen to change, and no other picture has one."""

from __future__ import annotations

import binascii
import math
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.provenance import watermark
from luoxia.provenance.watermark import code, ground, lattice, reading, search
from tests.watermarked import CHANGES, PICTURES, drawing, encoded, photograph, scaled, transparent

NUMBER = 0x9F2468ACE135


@pytest.fixture(scope="module")
def marked():
    return {name: watermark.mark(pixels, NUMBER) for name, pixels in PICTURES.items()}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", PICTURES)
def test_the_number_survives(marked, name, change):
    found = watermark.read(CHANGES[change](marked[name]))
    assert found is not None
    assert found.number == NUMBER
    assert found.false_positive <= 1e-7
    assert 0.5 < found.confidence <= 1


@pytest.mark.parametrize("name", PICTURES)
def test_the_mark_is_faint(marked, name):
    change = marked[name].astype(float) - PICTURES[name]
    psnr = 10 * np.log10(255**2 / (change**2).mean())
    assert psnr > (42 if name in ("drawing", "poster", "plain") else 38.5)
    inside = ((PICTURES[name] > 8) & (PICTURES[name] < 247)).all(2)
    assert np.ptp(change[inside], axis=1).max() == 0  # the pattern is grey
    assert np.abs(change).max() <= 9
    if name == "drawing":
        on_white = marked[name][(PICTURES[name] == 255).all(2)]
        assert on_white.min() >= 250


def test_large_pictures_are_marked_in_bands_without_seams(monkeypatch):
    picture = photograph(900, 1100, seed=5)
    whole = watermark.mark(picture, NUMBER)
    monkeypatch.setattr(ground, "BAND", 1100 * 64)
    np.testing.assert_array_equal(watermark.mark(picture, NUMBER), whole)
    assert watermark.read(scaled(0.25)(whole)).number == NUMBER
    assert watermark.read(scaled(0.5)(encoded("JPEG", 60)(whole))).number == NUMBER


def test_numbers_at_the_ends_and_between():
    picture = photograph(seed=6)
    for number in (0, 1, 2**47, 2**48 - 1):
        assert watermark.read(watermark.mark(picture, number)).number == number
    with pytest.raises(AssertionError):
        watermark.mark(picture, 2**48)


def test_what_is_transparent_stays_and_does_not_matter():
    picture = transparent(320)
    hidden = picture[..., 3] == 0
    marked = watermark.mark(picture, NUMBER)
    np.testing.assert_array_equal(marked[hidden], picture[hidden])
    np.testing.assert_array_equal(marked[..., 3], picture[..., 3])
    other = picture.copy()
    other[hidden, :3] = np.random.default_rng(0).integers(0, 256, (int(hidden.sum()), 3))
    remarked = watermark.mark(other, NUMBER)
    np.testing.assert_array_equal(remarked[~hidden], marked[~hidden])
    assert watermark.read(remarked).number == NUMBER
    for colour in ("white", "black", (40, 90, 160)):
        image = Image.new("RGBA", (320, 320), colour)
        flat = np.asarray(Image.alpha_composite(image, Image.fromarray(marked)).convert("RGB"))
        assert watermark.read(flat).number == NUMBER


def test_what_cannot_be_seen_cannot_be_marked():
    nothing = np.zeros((256, 256, 4), np.uint8)
    np.testing.assert_array_equal(watermark.mark(nothing, NUMBER), nothing)
    assert watermark.read(nothing) is None


@pytest.mark.parametrize("name", ["photograph", "drawing", "plain"])
def test_the_last_mark_is_read(marked, name):
    again = watermark.mark(marked[name], 7)
    assert watermark.read(again).number == 7
    assert watermark.read(encoded("JPEG", 60)(again)).number == 7
    cut = np.ascontiguousarray(marked[name][13:, 21:])
    assert watermark.read(cut).number == NUMBER
    assert watermark.read(watermark.mark(cut, 8)).number == 8
    change = again.astype(float) - PICTURES[name]
    assert 10 * np.log10(255**2 / (change**2).mean()) > 38


def test_a_picture_made_white_is_lost_and_not_misread(marked):
    assert watermark.read(np.full_like(marked["plain"], 255)) is None


def test_unmarked_pictures_have_no_number():
    draw = np.random.default_rng(11)
    y, x = np.mgrid[0:200, 0:300]
    for seed in range(20):
        tile = draw.integers(0, 256, (int(draw.choice([30, 60, 64, 120, 150])),) * 2 + (3,)).astype(np.uint8)
        ramp = np.clip(draw.normal(0, 1) * x + draw.normal(0, 1) * y + 128, 0, 255).astype(np.uint8)
        for picture in (
            photograph(180, 240, seed=100 + seed),
            drawing(200, seed=100 + seed),
            draw.integers(0, 256, (150, 220, 3)).astype(np.uint8),
            np.tile(tile, (5, 5, 1))[:320, :320],
            ramp[..., None].repeat(3, 2),
        ):
            assert watermark.read(picture) is None


def test_the_bound_on_false_positives():
    """Noise against a fixed codeword stays under Hoeffding's bound, and the search over codewords under the sum's."""
    draw = np.random.default_rng(12)
    word = lattice.spread(NUMBER)
    soft = draw.standard_t(3, (10_000, len(word)))
    z = soft @ word / np.linalg.norm(soft, axis=1)
    for level in (1.0, 2.0, 3.0):
        assert (z >= level).mean() <= math.exp(-level * level / 2)
    assert 0.95 < z.std() < 1.05
    assert reading.false_positive(10.3) <= reading.RATE < reading.false_positive(10.1)
    assert reading.false_positive(-20) == 1
    checks_that_fit = [n for n in code.decode(soft[:1000, :192].astype(np.float32)) if n is not None]
    assert len(checks_that_fit) <= 3  # one of 65,536 by chance


def test_pictures_say_nothing_of_a_number_they_do_not_carry():
    z = []
    for seed in range(40):
        for picture in (photograph(160, 200, seed=500 + seed), drawing(180, seed=500 + seed)):
            field = search.field_of(np.asarray(ground.work_picture(picture, 1), np.float32))
            waves = search.waves_in(field, lattice.FINE)
            z += [reading.fit(lattice.signs_in(waves, b), NUMBER) for b in lattice.beginnings(waves, 2)]
    assert abs(np.mean(z)) < 0.35
    assert 0.8 < np.std(z) < 1.2


def test_signs_that_are_lost_are_corrected():
    draw = np.random.default_rng(13)
    numbers = [int(n) for n in draw.integers(0, 2**48, 20)]
    words = np.stack([code.encode(n) for n in numbers])
    assert set(np.unique(words)) == {-1, 1}
    wrong = words.copy()
    for row in wrong:
        row[draw.choice(code.SIGNS, 16, replace=False)] *= -1  # a twelfth is false
    assert code.decode(wrong) == numbers
    apart = (words[:, None] != words[None]).sum(2)[~np.eye(20, dtype=bool)]
    assert apart.min() >= 18  # the code's free distance


def test_a_codeword_begins_in_the_state_it_ends_in():
    """The rate 1/3 code, bit by bit from its generators: window of nine bits round the end."""
    number = 0x123456789ABC
    word = number << 16 | binascii.crc_hqx(number.to_bytes(6, "big"), 0xFFFF)
    bits = [word >> (63 - i) & 1 for i in range(64)]
    for step in (0, 5, 63):
        window = [bits[step - age] for age in range(9)]
        for k, generator in enumerate((0o557, 0o663, 0o711)):
            parity = sum(window[age] for age in range(9) if generator >> age & 1) % 2
            assert code.encode(number)[3 * step + k] == 1 - 2 * parity


def test_the_pattern_is_the_same_for_ever():
    """A picture marked by an older version is read by a newer: what is drawn from hashes must not change."""
    assert lattice.VECTORS[:3].tolist() == [[-11, 5], [11, 4], [8, 7]]
    assert "".join("+" if s > 0 else "-" for s in lattice.spread(0)[:24]) == "+--+++-+--++++---+++--+-"
    assert (lattice.FINE, lattice.COARSE, lattice.SPARSE) == (60, 150, 120)


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (2, 63), (63, 63)])
def test_sizes_without_room_have_no_number(shape):
    picture = np.full((*shape, 3), 77, np.uint8)
    assert watermark.read(picture) is None
    with pytest.raises(UserError, match="too small for a watermark"):
        watermark.mark(picture, NUMBER)


@pytest.mark.parametrize("shape", [(20_000, 20_000), (64, 2_000_000)])
def test_huge_pictures_are_read_in_little_memory(shape):
    picture = np.broadcast_to(np.array([200, 30, 90], np.uint8), (*shape, 3))
    tracemalloc.start()
    try:
        assert watermark.read(picture) is None
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()

"""What of a picture is given and what is to be drawn: masks, transparency, shapes, shares; every mode and size."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.generate.canvas import canvas


def png(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def red(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (width, height), "red").convert(mode)


def test_of_a_square_picture_a_share_of_the_rows_is_given() -> None:
    found = canvas(png(red(100, 100)), 16, keep=0.25)
    assert (~found.missing).sum(0).tolist() == [4] * 16
    assert (found.pixels[:, 4:] == 255).all()
    assert (found.pixels[1:, :4] == 0).all()
    assert found.free(4).tolist() == [False] * 4 + [True] * 12


def test_a_wide_picture_is_the_upper_part_and_a_tall_one_the_left() -> None:
    wide, tall = canvas(png(red(200, 100)), 16), canvas(png(red(30, 60)), 16)
    assert (~wide.missing[:8]).all()
    assert wide.missing[8:].all()
    assert (~tall.missing[:, :8]).all()
    assert tall.missing[:, 8:].all()
    assert tall.free(2).tolist() == [False, True, False, True]


def test_what_is_transparent_is_to_be_drawn() -> None:
    image = red(32, 32, "RGBA")
    image.paste((0, 0, 0, 0), (16, 0, 32, 16))
    found = canvas(png(image), 16)
    assert found.free(2).tolist() == [False, True, False, False]
    assert (found.pixels[:, :8, 8:] == 255).all()
    assert canvas(png(red(32, 32, "RGBA")), 16).free(2).tolist() == [False, False, True, True]


def test_a_mask_is_white_where_to_draw() -> None:
    mask = Image.new("L", (40, 40), 0)
    mask.paste(255, (0, 20, 20, 40))
    found = canvas(png(red(40, 40)), 16, mask=png(mask))
    assert found.free(2).tolist() == [False, False, True, False]
    with pytest.raises(UserError, match="the mask has 10 x 40 pixels, the picture 40 x 40"):
        canvas(png(red(40, 40)), 16, mask=png(mask.resize((10, 40))))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I"])
def test_pictures_of_every_mode(mode: str) -> None:
    image = Image.new("I", (33, 33), 40_000) if mode == "I" else red(33, 33, mode.replace("I;16", "L"))
    image = image.convert("I;16") if mode == "I;16" else image
    found = canvas(png(image, "TIFF" if mode in ("CMYK", "I") else "PNG"), 16)
    assert found.pixels.shape == (3, 16, 16)
    assert found.free(2).tolist() == [False, False, True, True]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3, 2), (1000, 10)])
def test_pictures_of_every_size(size: tuple[int, int]) -> None:
    found = canvas(png(red(*size)), 16)
    assert found.pixels.shape == (3, 16, 16)
    assert found.missing.any()


def test_one_line_says_what_is_wrong() -> None:
    black, white = (png(Image.new("L", (8, 8), level)) for level in (0, 255))
    for mask, words in ((black, "nothing is to be drawn"), (white, "nothing of the picture is kept")):
        with pytest.raises(UserError, match=words):
            canvas(png(red(8, 8)), 16, mask=mask).free(2)
    with pytest.raises(UserError, match="the share to keep is 1"):
        canvas(png(red(8, 8)), 16, keep=1)
    with pytest.raises(UserError, match="not a picture"):
        canvas(b"no picture", 16)

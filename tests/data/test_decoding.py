"""Any picture file becomes plain RGB, and hostile ones a line that says why not."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from luoxia.data import strips
from luoxia.data.decoding import PIXELS, UndecodableError, decode, fit


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def ramp(mode="RGB", size=(40, 30)):
    values = np.linspace(0, 255, size[0] * size[1]).reshape(size[1], size[0]).astype(np.uint8)
    return Image.fromarray(values).convert(mode)


def test_modes_become_rgb_or_grey_of_the_same_look():
    grey = np.asarray(ramp("L"), int)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        picture = decode(saved(ramp(mode)))
        assert picture.image.mode in ("L", "RGB")
        if mode != "1":
            found = np.asarray(picture.image.convert("L"), int)
            assert np.abs(found - grey).max() <= 3, mode
        assert picture.size == (40, 30)


def test_cmyk_is_converted_and_named():
    image = Image.merge("CMYK", [Image.new("L", (20, 20), v) for v in (0, 255, 255, 0)])
    picture = decode(saved(image, "JPEG", quality=95))
    red, green, blue = np.asarray(picture.image)[10, 10]
    assert red > 200
    assert max(green, blue) < 80
    assert picture.mode == "CMYK"
    assert "mode" in picture.fixes


def test_sixteen_bits_are_scaled_not_cut():
    values = np.array([[0, 257 * 100, 65_535]], np.uint16).repeat(8, 0)
    picture = decode(saved(Image.fromarray(values)))
    assert np.asarray(picture.image)[0].tolist() == [0, 100, 255]
    assert picture.fixes == ("16 bit",)


def test_floating_point_pictures_are_read_from_0_to_1_and_refused_beyond():
    values = np.array([[0.0, 0.5, 1.0]], np.float32).repeat(8, 0)
    assert np.asarray(decode(saved(Image.fromarray(values), "TIFF")).image)[0].tolist() == [0, 128, 255]
    for wrong in (np.nan, 7.0, -1.0):
        values[0, 0] = wrong
        with pytest.raises(UndecodableError, match="values"):
            decode(saved(Image.fromarray(values), "TIFF"))


def test_transparent_parts_are_white():
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 10, 20))
    picture = decode(saved(image))
    assert picture.image.getpixel((15, 5)) == (255, 255, 255)
    assert picture.image.getpixel((5, 5)) == (0, 0, 255)
    assert "alpha" in picture.fixes
    opaque = decode(saved(Image.new("RGBA", (20, 20), (1, 2, 3, 255))))
    assert "alpha" not in opaque.fixes


def test_a_turned_photograph_is_upright():
    image = Image.new("RGB", (40, 20), "black")
    image.paste((255, 255, 255), (0, 0, 40, 5))  # white on top as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # the right side is up: turn a quarter clockwise
    picture = decode(saved(image, "JPEG", exif=exif, quality=95))
    assert picture.size == (20, 40)
    assert picture.fixes == ("rotated",)
    assert np.asarray(picture.image.convert("L"))[20, 18] > 200


def test_of_an_animation_the_first_frame():
    frames = [Image.new("RGB", (16, 16), c) for c in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        picture = decode(data)
        assert picture.image.convert("RGB").getpixel((8, 8))[0] > 200, kind
        assert "first frame" in picture.fixes


def test_a_colour_profile_is_honoured():
    lab = saved(Image.new("RGB", (8, 8), (200, 100, 50)), "PNG")
    assert "profile" not in decode(lab).fixes
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = decode(saved(Image.new("RGB", (8, 8), (200, 100, 50)), "PNG", icc_profile=srgb))
    assert plain.image.getpixel((4, 4)) == (200, 100, 50)
    assert "profile" not in plain.fixes
    broken = decode(saved(Image.new("RGB", (8, 8), (200, 100, 50)), "PNG", icc_profile=b"no profile"))
    assert broken.image.getpixel((4, 4)) == (200, 100, 50)


def test_a_jpeg_may_come_smaller_but_not_below_what_is_wanted():
    picture = decode(saved(ramp(size=(1600, 1200)), "JPEG"), wanted=100)
    assert picture.size == (1600, 1200)
    assert 200 <= min(picture.image.size) < 1200


def bomb(width, height):
    """A PNG whose header claims a size that its few bytes do not hold."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"hello, I am text", "not a picture"),
        (saved(ramp(), "JPEG")[:400], "broken"),
        (saved(ramp())[:100], "broken"),
        (bomb(30_000, 30_000), "million pixels"),
        (bomb(PIXELS // 8_000, 8_001), "million pixels"),
        (bomb(12_000, 8_000), "million pixels"),  # where Pillow only warns
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    ],
)
def test_what_is_no_sound_picture_is_named(data, says):
    with pytest.raises(UndecodableError, match=says):
        decode(data)


def test_fit_takes_the_middle_square():
    image = Image.new("RGB", (300, 100), "white")
    image.paste((255, 0, 0), (100, 0, 200, 100))
    pixels = fit(image, 16)
    assert pixels.shape == (3, 16, 16)
    assert pixels.dtype == np.uint8
    assert (pixels[0] == 255).all()
    assert pixels[1][:, 2:-2].max() <= 2


def test_strips_are_found_and_even_backgrounds_are_not():
    random = np.random.default_rng(0)
    photo = random.integers(60, 200, (96, 96, 3)).astype(np.uint8)
    assert strips.find(photo) is None
    framed = np.zeros((128, 120, 3), np.uint8)
    framed[20:116, 10:106] = photo
    assert strips.find(framed) == (10, 20, 106, 116)
    captioned = framed.copy()
    captioned[4:12, 30:80:3] = 255  # letters in the strip
    assert strips.find(captioned) == (10, 20, 106, 116)
    disc = np.full((96, 96, 3), 255, np.uint8)  # a subject on an even ground
    rows, columns = np.mgrid[:96, :96]
    disc[(rows - 48) ** 2 + (columns - 48) ** 2 < 40**2] = (200, 30, 30)
    assert strips.find(disc) is None
    assert strips.find(np.zeros((64, 64, 3), np.uint8)) is None

"""Tracing: an SVG of flat shapes that looks like the picture, is small, and holds paths alone."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
import skia
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.generate.trace import flattened, trace

SVG = "{http://www.w3.org/2000/svg}"


def drawn(size: int = 256) -> np.ndarray:
    """A red disc with a blue square on white, edges smooth as a renderer leaves them."""
    y, x = (np.mgrid[:size, :size] + 0.5) * 256 / size
    unit = 256 / size
    disc = np.clip((90 - np.hypot(x - 120, y - 120)) / unit + 0.5, 0, 1)[None]
    square = ((abs(x - 150) < 32) & (abs(y - 150) < 32))[None].astype(float)
    white, red, blue = (np.array(c, float)[:, None, None] for c in ((255,) * 3, (230, 40, 30), (20, 60, 200)))
    picture = white + disc * (red - white)
    return (picture + square * (blue - picture)).round().astype(np.uint8)


def rendered(svg: str, size: int) -> np.ndarray:
    data = svg.encode()
    dom = skia.SVGDOM.MakeFromStream(skia.MemoryStream(data, True))
    surface = skia.Surface(size, size)
    with surface as canvas:
        canvas.clear(skia.ColorWHITE)
        dom.setContainerSize(skia.Size(size, size))
        dom.render(canvas)
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].transpose(2, 0, 1)


def test_it_looks_like_the_picture_and_is_three_shapes():
    picture = drawn()
    svg = trace(picture)
    root = ET.fromstring(svg)
    assert [child.tag for child in root] == [SVG + "path"] * 3
    fills = [child.attrib["fill"] for child in root]
    assert fills[0] == "#ffffff"
    assert {"#e6281e", "#143cc8"} == set(fills[1:])
    assert len(svg) < 2_000
    error = (rendered(svg, 256).astype(float) - picture) ** 2
    assert 10 * np.log10(255**2 / error.mean()) > 28


def test_a_smooth_edge_makes_no_rim_of_a_third_colour():
    """Between black and white lies the grey of a square elsewhere."""
    y, x = np.mgrid[:256, :256] + 0.5
    picture = 255 - 255 * np.clip((60 - np.hypot(x - 80, y - 80)) / 3 + 0.5, 0, 1)
    picture[180:230, 180:230] = 128
    image = Image.fromarray(np.repeat(picture.round().astype(np.uint8)[:, :, None], 3, 2))
    values, counts = np.unique(np.asarray(flattened(image, 24))[..., 0], return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True))[128] == 50 * 50


def test_it_scales_and_keeps_the_pictures_own_size():
    small = trace(drawn(64))
    root = ET.fromstring(small)
    assert (root.attrib["width"], root.attrib["height"]) == ("64", "64")
    wide = trace(drawn()[:, :128])
    assert ET.fromstring(wide).attrib["viewBox"] == "0 0 256 128"


@pytest.mark.parametrize(
    "picture",
    [
        np.random.default_rng(0).integers(0, 256, (3, 48, 48)).astype(np.uint8),
        np.zeros((1, 32, 32), np.uint8),
        np.full((3, 8, 200), 255, np.uint8),
        drawn(64)[:1],
    ],
    ids=["noise", "black", "a strip", "grey"],
)
def test_whatever_the_picture_nothing_but_paths_is_in_it(picture):
    root = ET.fromstring(trace(picture))
    assert root.tag == SVG + "svg"
    assert set(root.attrib) == {"width", "height", "viewBox"}
    assert len(root) >= 1
    for child in root:
        assert child.tag == SVG + "path"
        assert set(child.attrib) <= {"d", "fill", "transform"}
        assert not len(child)


def test_what_the_tracer_writes_besides_paths_is_refused(monkeypatch):
    import vtracer

    hostile = '<svg><script>alert(1)</script><path d="M0 0 Z" fill="url(http://x)" transform="translate(0,0)"/></svg>'
    monkeypatch.setattr(vtracer, "convert_raw_image_to_svg", lambda *_, **__: hostile)
    with pytest.raises(RuntimeError, match="something else"):
        trace(drawn(64))
    inside = '<svg onload="x"><path d="M0 0 L8 8 Z " fill="#FF0000" transform="translate(1,2)"/></svg>'
    monkeypatch.setattr(vtracer, "convert_raw_image_to_svg", lambda *_, **__: inside)
    svg = trace(drawn(64))
    assert "onload" not in svg
    assert '<path d="M0 0 L8 8 Z" fill="#ff0000" transform="translate(1,2)"/>' in svg


def test_the_same_picture_gives_the_same_bytes():
    assert trace(drawn()) == trace(drawn())


@pytest.mark.parametrize(
    ("picture", "options", "words"),
    [
        (np.zeros((3, 4, 64), np.uint8), {}, "64 x 4"),
        (np.zeros((3, 64, 4096), np.uint8), {}, "4096"),
        (np.zeros((4, 64, 64), np.uint8), {}, "no picture"),
        (np.zeros((3, 64, 64), np.float32), {}, "no picture"),
        (np.zeros((3, 64, 64), np.uint8), {"colours": 1}, "colours is 1"),
        (np.zeros((3, 64, 64), np.uint8), {"speckle": -1}, "speckle -1"),
    ],
)
def test_what_is_not_traced_is_refused_with_the_reason(picture, options, words):
    with pytest.raises(UserError, match=words):
        trace(picture, **options)

"""Grids to the pixel, and curves as XML whose numbers are where they should be."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from luoxia.core.errors import UserError
from luoxia.evaluate.pictures import curves, grid, side_by_side

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = np.random.default_rng(1).integers(0, 255, (5, 3, 4, 6), dtype=np.uint8)


def test_grid_to_the_pixel() -> None:
    found = np.asarray(grid(PICTURES, 3, gap=1))
    assert found.shape == (2 * 4 + 1, 3 * 6 + 2, 3)
    np.testing.assert_array_equal(found[:4, :6], PICTURES[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(found[5:, 7:13], PICTURES[4].transpose(1, 2, 0))
    assert (found[4] == 255).all()
    assert (found[:, 6] == 255).all()
    assert (found[5:, 14:] == 255).all()  # the place that no picture fills


def test_grid_of_fewer_than_a_row_and_of_grey() -> None:
    found = np.asarray(grid(PICTURES[:2, :1], 8, gap=0))
    assert found.shape == (4, 12, 3)
    np.testing.assert_array_equal(found[:, 6:, 2], PICTURES[1, 0])
    for columns, gap in ((0, 2), (2, -1)):
        with pytest.raises(UserError, match="columns"):
            grid(PICTURES, columns, gap=gap)


def test_rows_beside_each_other() -> None:
    found = np.asarray(side_by_side(PICTURES, PICTURES[::-1], PICTURES, gap=0))
    assert found.shape == (12, 30, 3)
    np.testing.assert_array_equal(found[4:8, :6], PICTURES[4].transpose(1, 2, 0))
    with pytest.raises(UserError, match="side by side"):
        side_by_side(PICTURES, PICTURES[:4])
    with pytest.raises(UserError, match="side by side"):
        side_by_side()


def drawn(svg: str) -> ElementTree.Element:
    assert svg.startswith("<svg ")
    return ElementTree.fromstring(svg)


def lines(root: ElementTree.Element) -> list[list[list[tuple[float, float]]]]:
    """The strokes of each series, in pixels."""
    found = []
    for path in root.iter(f"{SVG}path"):
        if path.get("stroke-linejoin"):
            strokes = [stroke for stroke in path.attrib["d"].split("M") if stroke]
            found.append([[tuple(map(float, p.split())) for p in stroke.split("L")] for stroke in strokes])
    return found


def ticks(root: ElementTree.Element, anchor: str) -> dict[float, float]:
    """What the labels of an axis say and where they stand: x by the middle, y by the end."""
    found = {}
    for text in root.iter(f"{SVG}text"):
        words = (text.text or "").replace("\N{MINUS SIGN}", "-")
        if text.get("text-anchor") == anchor and re.fullmatch(r"-?[\d.]+(e[+-]\d+)?", words):
            found[float(words)] = float(text.attrib["x"] if anchor == "middle" else text.attrib["y"]) - (
                0 if anchor == "middle" else 4
            )
    return found


def test_points_stand_where_the_axes_say() -> None:
    points = [(0, 3.0), (500, 1.0), (1000, -2.0)]
    root = drawn(curves({"loss": points}, title="t", x_label="step", y_label="nats"))
    (((*found,),),) = lines(root)
    across, up = ticks(root, "middle"), ticks(root, "end")
    assert min(up) <= -2
    assert max(up) >= 3
    for (x, y), (px, py) in zip(points, found, strict=True):
        assert px == pytest.approx(np.interp(x, sorted(across), [across[t] for t in sorted(across)]), abs=0.2)
        assert py == pytest.approx(np.interp(y, sorted(up), [up[t] for t in sorted(up)]), abs=0.2)
    assert up[max(up)] < up[min(up)]


def test_logarithmic_axis() -> None:
    points = [(0, 1e-3), (1, 1e-1), (2, 0.0), (3, 10.0)]
    root = drawn(curves({"a": points}, title="t", x_label="x", y_label="y", log_y=True))
    ((first, last),) = lines(root)
    assert (len(first), len(last)) == (2, 1)
    heights = [p[1] for p in (*first, *last)]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.3)  # two decades each
    assert math.isclose(min(ticks(root, "end")), 1e-3)


def test_the_axis_takes_in_what_it_is_told() -> None:
    root = drawn(curves({"a": [(0, 0.0), (1, 0.0)]}, title="t", x_label="x", y_label="y", reach=(0, 1)))
    assert (min(ticks(root, "end")), max(ticks(root, "end"))) == (0, 1)


def test_logarithmic_ticks_are_round_numbers_about_the_values() -> None:
    for values, expected in [
        ([3.0, 40.0], {2, 5, 10, 20, 50}),
        ([0.09, 0.42], {0.09, 0.1, 0.2, 0.3, 0.4, 0.5}),
        ([1.0, 1e4], {1, 10, 100, 1000, 10_000}),
        ([7.0, 7.0], {7, 8}),
        ([282.0, 333.0], {200, 300, 400}),
        ([1.0, 1.0], {1, 2}),
    ]:
        series = {"a": list(enumerate(values))}
        root = drawn(curves(series, title="t", x_label="x", y_label="y", log_y=True))
        assert set(ticks(root, "end")) == expected, values


def test_what_is_not_finite_breaks_the_line() -> None:
    nan, inf = float("nan"), float("inf")
    points = [(0, 1.0), (1, 2.0), (2, nan), (3, 1.0), (4, inf), (5, 1.0), (6, 1.0)]
    root = drawn(curves({"a": points}, title="t", x_label="x", y_label="y"))
    ((*strokes,),) = lines(root)
    assert [len(stroke) for stroke in strokes] == [2, 1, 2]
    assert len(list(root.iter(f"{SVG}circle"))) == 1  # a point alone would not be seen otherwise
    assert "nan" not in curves({"a": points}, title="t", x_label="x", y_label="y")


def test_one_value_and_no_value() -> None:
    for y in (0.0, 5.0, -1e9, 1e-12):
        root = drawn(curves({"a": [(1, y)]}, title="t", x_label="x", y_label="y"))
        assert len(ticks(root, "end")) >= 3
    for series in ({}, {"a": []}, {"a": [(0.0, float("nan"))]}):
        with pytest.raises(UserError, match="no finite point"):
            curves(series, title="t", x_label="x", y_label="y")


def test_texts_are_escaped_and_nothing_is_referred_to() -> None:
    hostile = "</text><script>alert(1)</script>&\"'"
    svg = curves(
        {hostile: [(0, 1), (1, 2)], "b": [(0, 2), (1, 1)]}, title=hostile, x_label=hostile, y_label=hostile
    )
    root = drawn(svg)
    assert not list(root.iter(f"{SVG}script"))
    assert [t.text for t in root.iter(f"{SVG}text")].count(hostile) == 4
    assert "href" not in svg
    assert "url(" not in svg
    assert len({path.get("stroke") for path in root.iter(f"{SVG}path") if path.get("stroke-linejoin")}) == 2
    assert (
        len({path.get("stroke-dasharray") for path in root.iter(f"{SVG}path") if path.get("stroke-linejoin")})
        == 2
    )

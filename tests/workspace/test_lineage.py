from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET

import numpy as np
from workspace_made import creation

from luoxia.workspace import content
from luoxia.workspace.history import Workspace
from luoxia.workspace.lineage import MOST, Lineage, layers, lineage
from luoxia.workspace.lineage_picture import HEIGHT, WIDTH, _fitting, svg

SVG = "{http://www.w3.org/2000/svg}"


def _family(workspace: Workspace) -> dict[str, str]:
    """a and b made m; m and c made d; a made s, which is nothing to m's descendants; x is known by name alone."""
    ids: dict[str, str] = {"x": "L" + "0" * 26}
    for at, (name, of) in enumerate({"a": "x", "b": "", "c": "", "m": "ab", "s": "a", "d": "mc"}.items()):
        told = creation(name, kind="picture", parents=tuple(ids[p] for p in of), at=at)
        workspace.record(told)
        ids[name] = told.id
    return ids


def test_a_lineage_is_all_ancestors_and_all_descendants(either: Workspace) -> None:
    ids = _family(either)
    names = {id: name for name, id in ids.items()}
    found = lineage(either, ids["m"])
    assert {names[id] for id in found.nodes} == {"x", "a", "b", "m", "d"}
    assert [(names[p], names[c], role) for p, c, role in found.edges] == [
        ("x", "a", "picture"),
        ("a", "m", "picture"),
        ("b", "m", "picture"),
        ("m", "d", "picture"),
    ]
    assert found.nodes[ids["x"]] is None
    assert {names[id]: d for id, d in layers(found).items()} == {"x": 0, "b": 0, "a": 1, "m": 2, "d": 3}
    assert {names[id] for id in lineage(either, ids["d"]).nodes} == {"x", "a", "b", "c", "m", "d"}


def test_a_long_line_and_a_circle_come_to_an_end(workspace: Workspace) -> None:
    before: tuple[str, ...] = ()
    for at in range(MOST + 20):
        told = creation(str(at), parents=before, at=at)
        workspace.record(told)
        before = (told.id,)
    found = lineage(workspace, before[0])
    assert found.cut
    assert len(found.nodes) == MOST
    assert max(layers(found).values()) == MOST - 1
    circle = Lineage(
        "a", dict.fromkeys("abc"), [("a", "b", ""), ("b", "c", ""), ("c", "a", ""), ("a", "a", "")]
    )
    assert sorted(layers(circle)) == ["a", "b", "c"]
    ET.fromstring(svg(circle))
    deep = Lineage(
        "0", {str(i): None for i in range(5_000)}, [(str(i), str(i + 1), "") for i in range(4_999)]
    )
    assert layers(deep)["4999"] == 4_999


def test_the_picture_has_a_card_for_each_and_none_lies_on_another(workspace: Workspace) -> None:
    ids = _family(workspace)
    drawn = ET.fromstring(svg(lineage(workspace, ids["d"])))
    cards = [g.get("transform", "") for g in drawn.iter(f"{SVG}g")]
    places = [tuple(map(float, re.findall(r"[\d.]+", c))) for c in cards]
    assert len(places) == 6
    for i, (x, y) in enumerate(places):
        assert x + WIDTH <= float(drawn.get("width", 0))
        assert y + HEIGHT <= float(drawn.get("height", 0))
        for u, v in places[:i]:
            assert abs(x - u) >= WIDTH or abs(y - v) >= HEIGHT
    assert len([p for p in drawn.iter(f"{SVG}path") if p.get("marker-end")]) == 5


def test_what_was_recorded_cannot_put_anything_into_the_picture(workspace: Workspace) -> None:
    sly = creation(
        '"/><script>alert(1)</script>&lol;]]>\x00\x1b\ufffe<image href="http://x"/>',
        kind='"><script>',
        sketch='" onload="x',
        parents=("L" + "0" * 26,),
    )
    workspace.record(sly)
    graph = lineage(workspace, sly.id)
    graph.edges = [(p, c, "<b onclick='x'>") for p, c, _ in graph.edges]
    text = svg(graph)
    drawn = ET.fromstring(text)
    assert {e.tag.removeprefix(SVG) for e in drawn.iter()} == {
        "svg",
        "rect",
        "defs",
        "marker",
        "path",
        "g",
        "title",
        "text",
    }
    assert not any(name.startswith("on") or "href" in name for e in drawn.iter() for name in e.attrib)


def test_a_pictures_sketch_is_on_its_card(workspace: Workspace) -> None:
    red = np.zeros((64, 48, 3), np.uint8)
    red[..., 0] = 200
    told = creation("red", kind="picture", sketch=content.sketch(red))
    workspace.record(told)
    drawn = ET.fromstring(svg(lineage(workspace, told.id)))
    data = next(drawn.iter(f"{SVG}image")).get("href", "")
    assert base64.b64decode(data.removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"


def test_lines_break_between_words_and_not_before_a_mark() -> None:
    assert _fitting("a quiet harbour at dawn, with lanterns", 15) == ["a quiet harbour", "at dawn, with…"]
    assert _fitting("落霞与孤鹜齐飞，秋水共长天一色。", 14) == ["落霞与孤鹜齐飞，", "秋水共长天一…"]
    assert _fitting("short", 15) == ["short"]
    assert _fitting("", 15) == [""]
    assert _fitting("x" * 100, 10) == ["x" * 10, "x" * 9 + "…"]

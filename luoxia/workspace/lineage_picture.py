"""A lineage drawn: time from left to right, a card for each creation, its picture on it where the record has a sketch."""

from __future__ import annotations

import base64
import io
import unicodedata
from xml.sax.saxutils import escape

import numpy as np

from luoxia.core.language import Text
from luoxia.workspace.content import SIDE
from luoxia.workspace.creation import Creation
from luoxia.workspace.lineage import Lineage, layers

WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 236, 84, 72, 22, 28
SWEEPS = 8
LINES, HANGING = 2, "，。、；：！？）》”’"
COLUMNS = 24  # of text on a line, a Chinese character taking two
COLOURS = {
    "text": "#3b6ea5",
    "picture": "#b4532a",
    "film": "#7a4d9f",
    "sound": "#2f7d5b",
    "drawing": "#a07818",
    "document": "#55606e",
}
KINDS = {
    "text": Text("text", "文本"),
    "picture": Text("picture", "图片"),
    "film": Text("film", "影片"),
    "sound": Text("sound", "声音"),
    "drawing": Text("drawing", "图形"),
    "document": Text("document", "文档"),
}
OTHER = "#8a8f98"
FONT = "system-ui, 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"


def svg(graph: Lineage) -> str:
    """The whole picture, which needs nothing from outside and runs nothing."""
    places = _places(graph)
    width = max(x for x, _ in places.values()) + WIDTH + MARGIN
    height = max(y for _, y in places.values()) + HEIGHT + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{FONT}">',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#faf8f5"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0.5 8 4 0 7.5z" fill="#9aa0a8"/></marker></defs>',
        *(
            _arrow(places[parent], places[child], role)
            for parent, child, role in graph.edges
            if parent != child
        ),
        *(_card(graph, id, *places[id]) for id in graph.nodes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _places(graph: Lineage) -> dict[str, tuple[float, float]]:
    """Left upper corners: a column a generation, in each the order in which the fewest arrows cross, by the means of their
    neighbours' places swept forth and back (Sugiyama et al. 1981, section 3)."""
    depth = layers(graph)
    columns = [[id for id in graph.nodes if depth[id] == d] for d in range(max(depth.values()) + 1)]
    rank = {id: float(i) for column in columns for i, id in enumerate(column)}
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for column in columns if forth else columns[::-1]:
            near = graph.above if forth else graph.below
            mean = {id: _mean([rank[n] for n in near(id)], rank[id]) for id in column}
            column.sort(key=mean.__getitem__)
            rank |= {id: float(i) for i, id in enumerate(column)}
    tallest = max(map(len, columns))
    places = {}
    for d, column in enumerate(columns):
        top = MARGIN + (tallest - len(column)) * (HEIGHT + DOWN) / 2
        for i, id in enumerate(column):
            places[id] = (MARGIN + d * (WIDTH + ACROSS), top + i * (HEIGHT + DOWN))
    return places


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _arrow(start: tuple[float, float], end: tuple[float, float], role: str) -> str:
    x0, y0, x1, y1 = start[0] + WIDTH, start[1] + HEIGHT / 2, end[0] - 2, end[1] + HEIGHT / 2
    bend = max(ACROSS / 2, (x1 - x0) / 2)
    line = (
        f'<path d="M{x0:.1f} {y0:.1f}C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}" '
        'fill="none" stroke="#9aa0a8" stroke-width="1.6" marker-end="url(#tip)"/>'
    )
    if not role:
        return line
    x, y = (x0 + x1) / 2, (y0 + y1) / 2 - 5
    return line + (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="10" text-anchor="middle" fill="#6a7078" stroke="#faf8f5" '
        f'stroke-width="3" paint-order="stroke">{_safe(_fitting(role, 12)[0])}</text>'
    )


def _card(graph: Lineage, id: str, x: float, y: float) -> str:
    creation = graph.nodes[id]
    colour = COLOURS.get(creation.kind, OTHER) if creation else OTHER
    focus = id == graph.focus
    edge = f'stroke="{colour}" stroke-width="{2.6 if focus else 1}"' + (
        "" if creation else ' stroke-dasharray="5 4"'
    )
    parts = [
        f'<g transform="translate({x:.1f} {y:.1f})"><title>{_safe(_title(creation, id))}</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="9" fill="{"#ffffff" if creation else "none"}" {edge}/>',
    ]
    picture = _picture(creation)
    left = HEIGHT + 2 if picture else 14
    if picture:
        parts.append(
            f'<image x="8" y="8" width="{HEIGHT - 16}" height="{HEIGHT - 16}" '
            f'href="data:image/png;base64,{picture}"/>'
        )
    head = (
        f"{KINDS.get(creation.kind, Text(creation.kind, creation.kind))} · {creation.made[:10]}"
        if creation
        else str(Text("recorded elsewhere", "记录不在本机"))
    )
    lines = _fitting(creation.made_from.prompt if creation else "", COLUMNS - (9 if picture else 0))[:2]
    parts.append(
        f'<text x="{left}" y="21" font-size="10.5" font-weight="600" fill="{colour}">{_safe(head)}</text>'
    )
    for i, line in enumerate(lines):
        parts.append(
            f'<text x="{left}" y="{39 + 16 * i}" font-size="12.5" fill="#22262b">{_safe(line)}</text>'
        )
    parts.append(
        f'<text x="{left}" y="{HEIGHT - 10}" font-size="9" font-family="ui-monospace, monospace" fill="#8a8f98">'
        f"{id[:11]}…{id[-5:]}</text></g>"
    )
    return "".join(parts)


def _title(creation: Creation | None, id: str) -> str:
    return f"{id}\n{creation.made_from.prompt[:400]}" if creation else id


def _picture(creation: Creation | None) -> str:
    """The sketch as base64 of a PNG."""
    if creation is None or creation.kind == "text" or not creation.sketch:
        return ""
    try:
        raw = base64.b64decode(creation.sketch, validate=True)
    except ValueError:
        return ""
    if len(raw) != 3 * SIDE**2:
        return ""
    from PIL import Image

    file = io.BytesIO()
    small = Image.fromarray(np.frombuffer(raw, np.uint8).reshape(SIDE, SIDE, 3))
    small.resize((4 * SIDE, 4 * SIDE), Image.Resampling.BICUBIC).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _fitting(text: str, columns: int) -> list[str]:
    """The text in two lines of so many columns, cut off with an ellipsis. English breaks between words, Chinese anywhere
    but before a mark."""
    words = " ".join(text.split())
    lines = []
    while words and len(lines) < LINES:
        end = width = 0
        while end < len(words) and width < columns:
            width += 2 if unicodedata.east_asian_width(words[end]) in "WF" else 1
            end += 1
        if len(lines) == LINES - 1 and end < len(words):
            return [*lines, words[: end - 1].rstrip() + "…"]
        if end < len(words) and words[end] in HANGING:
            end += 1
        elif end < len(words) and words[end - 1].isascii() and words[end] != " ":
            space = words.rfind(" ", 0, end)
            end = space if space > end // 2 else end
        lines.append(words[:end].strip())
        words = words[end:].lstrip()
    return lines or [""]


def _safe(text: str) -> str:
    """Text for XML: what it may not hold is left out, what it would read as markup is escaped."""
    allowed = (c for c in text if c in "\n\t" or (c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF))
    return escape("".join(allowed), {'"': "&quot;"})

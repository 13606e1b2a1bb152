"""The visible mark on drawings (SVG): outlines of letters on a plate, so that no font of a viewer's machine matters."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError
from luoxia.provenance.carriers.markup import Element, elements, escaped
from luoxia.provenance.carriers.splicing import Edit, spliced
from luoxia.provenance.visible import SHARE

OUTLINES = Path(__file__).parent / "glyphs" / "outlines.json"
COVER = 0.8
# A style sheet of the drawing must not undo the mark; the attributes beside are for readers that know no "important".
BARE = "stroke:none!important"
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?)")
_UNITS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}


def mark(svg: str, text: str) -> str:
    """The drawing with ``text`` in its lower right corner, above all else, capitals 5 % of the shortest side high.

    The plate is dark and hides 80 % of what is below it, so that white letters have a contrast of more than 9 : 1 on
    anything. Raises :class:`UserError` for a document without a size, one that is too narrow for the words, and for
    letters whose outlines are not bundled.
    """
    data = svg.encode()
    root = elements(data, lambda element: element.depth == 0)[0]
    left, top, width, height = _box(root)
    face = _face()
    missing = sorted(set(text) - set(face["glyphs"]))
    if missing or not text.strip():
        raise UserError(
            f"there are no outlines of {' '.join(missing)!r} for the mark on drawings",
            f"绘图标识没有 {' '.join(missing)!r} 的轮廓",
        )
    scale = SHARE * min(width, height) / face["cap"]  # units of the drawing per unit of the letters
    advance = sum(face["glyphs"][letter][0] for letter in text)
    pad, margin = 0.3 * face["em"] * scale, 0.25 * face["em"] * scale
    wide, high = advance * scale + 2 * pad, face["cap"] * scale * 1.35 + 2 * pad
    if wide + 2 * margin > width:
        raise UserError(
            f"the mark {text!r} does not fit into a drawing {width:g} wide and {height:g} high",
            f"标识 {text!r} 放不进宽 {width:g}、高 {height:g} 的绘图",
        )
    x, y = left + width - margin - wide, top + height - margin - high
    plate = (
        f'<{_p(root)}rect x="{x:.6g}" y="{y:.6g}" width="{wide:.6g}" height="{high:.6g}" rx="{pad:.6g}" '
        f'fill="#000" fill-opacity="{COVER}" style="fill:#000!important;fill-opacity:{COVER}!important;{BARE}"/>'
    )
    at, baseline, letters = x + pad, y + pad + 1.17 * face["cap"] * scale, []
    for letter in text:
        width_of, path = face["glyphs"][letter]
        if path:
            place = f"matrix({scale:.6g} 0 0 {-scale:.6g} {at:.6g} {baseline:.6g})"
            style = f"fill:#fff!important;fill-opacity:1!important;{BARE}"
            letters.append(f'<{_p(root)}path transform="{place}" d="{path}" fill="#fff" style="{style}"/>')
        at += width_of * scale
    shown = "display:inline!important;visibility:visible!important;opacity:1!important"
    group = f'<{_p(root)}g style="{shown}" aria-label="{escaped(text)}">{plate}{"".join(letters)}</{_p(root)}g>'.encode()
    if root.is_empty:
        edit = Edit(root.inside - 2, root.inside, b">" + group + f"</{_p(root)}svg>".encode())
    else:
        edit = Edit(root.close, root.close, group)
    return spliced(data, [edit]).decode()


def _box(root: Element) -> tuple[float, float, float, float]:
    """Left, top, width and height of what is shown, in the units of the drawing."""
    given = {name[1]: value for name, value in root.attributes.items() if not name[0]}
    parts = given.get("viewBox", "").replace(",", " ").split()
    if len(parts) == 4 and all(_NUMBER.fullmatch(part) for part in parts):
        box = tuple(float(part) for part in parts)
    else:
        box = (0.0, 0.0, _length(given.get("width", "")), _length(given.get("height", "")))
    left, top, width, height = box
    if root.name[1] != "svg" or not (0 < width < 1e9 and 0 < height < 1e9):
        raise UserError(
            "the drawing has no size to mark it by; give its svg element a viewBox",
            "该绘图没有可据以添加标识的尺寸；请为其 svg 元素加上 viewBox",
        )
    return left, top, width, height


def _length(text: str) -> float:
    found = _NUMBER.match(text)
    unit = text[found.end() :].strip() if found else "?"
    return float(found[1]) * _UNITS[unit] if found and unit in _UNITS else 0.0


def _p(root: Element) -> str:
    return f"{root.prefix}:" if root.prefix else ""


@lru_cache(maxsize=1)
def _face() -> dict[str, Any]:
    return json.loads(OUTLINES.read_text(encoding="utf-8"))

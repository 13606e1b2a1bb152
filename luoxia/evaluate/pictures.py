"""Pictures of results: grids of samples, rows beside each other, and curves as SVG that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import torch
from PIL import Image

from luoxia.core import images as images_core
from luoxia.core.errors import UserError
from luoxia.evaluate.features import Images, checked_images

# Okabe and Ito's palette, which most colour-blind readers tell apart; dashes tell lines apart without colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("", "7 3", "2 3", "9 3 2 3")
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 32, 44  # px about the plot

Points = Sequence[tuple[float, float]]


def grid(images: Images, columns: int, *, gap: int = 2, enlarge: int = 1) -> Image.Image:
    """uint8 pictures (N, C, H, W) in rows of ``columns`` with white gaps of ``gap`` pixels: an RGB picture.

    Each pixel becomes ``enlarge`` squared.
    """
    given = checked_images(images)
    if columns < 1 or gap < 0:
        raise UserError(
            f"columns is {columns} and gap {gap}; give at least 1 and 0",
            f"columns 为 {columns}，gap 为 {gap}；至少应为 1 和 0",
        )
    return images_core.grid(given.cpu().numpy(), columns, gap=gap, enlarge=enlarge)


def side_by_side(*rows: Images, gap: int = 2, enlarge: int = 1) -> Image.Image:
    """One row for each set of pictures (N, C, H, W), picture i of each above one another; all of one size and number."""
    given = [checked_images(row).expand(-1, 3, -1, -1) for row in rows]
    if not given or len({row.shape for row in given}) > 1:
        shapes = ", ".join(str(tuple(row.shape)) for row in given) or "-"
        raise UserError(
            f"rows of shapes {shapes} do not go side by side; give as many pictures of one size in each",
            f"形状为 {shapes} 的各行无法并列；各行的图片数量与尺寸应相同",
        )
    return grid(torch.cat(given), len(given[0]), gap=gap, enlarge=enlarge)


def curves(
    series: Mapping[str, Points],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    reach: Sequence[float] = (),
    bands: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
    width: int = 640,
    height: int = 360,
) -> str:
    """A line for each series of (x, y), as one SVG element to stand in a page or a file.

    ``bands`` of (x, low, high), under the names of series, are shaded in their colours, on a linear axis.

    It takes its text colour from its surroundings, refers to nothing outside, and holds its texts escaped; a legend
    tells several series apart. The y axis takes in ``reach`` besides the points. A point
    that is no finite number (or not positive, with ``log_y``) breaks its line. Raises :class:`UserError` when there
    is nothing to draw.
    """
    lines = {name: [_kept(point, log_y) for point in points] for name, points in series.items()}
    kept = [point for line in lines.values() for point in line if point is not None]
    if not kept:
        raise UserError(
            f"there is no finite point to draw in {title!r}", f"{title!r} 中没有可绘制的有限数据点"
        )
    x = _Axis.about([p[0] for p in kept], LEFT, width - RIGHT)
    edges = [end for band in (bands or {}).values() for _, *ends in band for end in ends]
    y = (_Axis.powers if log_y else _Axis.about)(
        [*(p[1] for p in kept), *reach, *edges], height - BOTTOM, TOP
    )
    body = [
        f'<title>{escape(title)}</title><text x="{width / 2}" y="20" text-anchor="middle">{escape(title)}</text>'
    ]
    for value in x.ticks:
        at = x.place(value)
        body.append(
            f'<path d="M{at:.1f} {TOP}V{height - BOTTOM}" stroke="currentColor" stroke-opacity=".12"/>'
            f'<text x="{at:.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">{_number(value)}</text>'
        )
    for value in y.ticks:
        at = y.place(value)
        shown = _number(10**value if log_y else value)
        body.append(
            f'<path d="M{LEFT} {at:.1f}H{width - RIGHT}" stroke="currentColor" stroke-opacity=".12"/>'
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{shown}</text>'
        )
    body.append(
        f'<text x="{(LEFT + width - RIGHT) / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>'
    )
    body.append(
        f'<text transform="translate(14 {(TOP + height - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    for i, (name, line) in enumerate(lines.items()):
        body += _shaded(i, (bands or {}).get(name, ()), x, y)
        body += _drawn(i, line, x, y)
        if len(lines) > 1:
            body += _legend(i, name, width - RIGHT - max(150, 30 + 7 * max(map(len, lines))))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12" fill="currentColor">{"".join(body)}</svg>'
    )


@dataclass(frozen=True)
class _Axis:
    """Values from ``low`` to ``high`` laid out from pixel ``start`` to pixel ``end``."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    @classmethod
    def about(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        """An axis that begins and ends at round numbers about the values."""
        low, high = min(values), max(values)
        if high - low <= 1e-12 * max(abs(low), abs(high)):  # one value: room about it
            room = abs(low) / 2 or 1.0
            low, high = low - room, high + room
        rough = (high - low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        return cls(first * step, last * step, start, end, tuple(i * step for i in range(first, last + 1)))

    @classmethod
    def powers(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        """An axis of decimal logarithms, with ticks at whole multiples of powers of ten, all, some, or the powers alone."""
        low, high, found = min(values), max(values), list[float]()
        for multiples in (range(1, 10), (1, 2, 5), (1,)):
            powers = range(math.floor(low) - 1, math.ceil(high) + 2)
            every = [power + math.log10(m) for power in powers for m in multiples]
            first = max(i for i, tick in enumerate(every) if tick <= low + 1e-9)
            last = min(i for i, tick in enumerate(every) if tick >= high - 1e-9 and i > first)
            found = every[first : last + 1]
            if len(found) <= 7:
                break
        return cls(found[0], found[-1], start, end, tuple(found))

    def place(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _kept(point: tuple[float, float], log_y: bool) -> tuple[float, float] | None:
    x, y = float(point[0]), float(point[1])
    if log_y:
        y = math.log10(y) if 0 < y < math.inf else math.nan
    return (x, y) if math.isfinite(x) and math.isfinite(y) else None


def _style(i: int) -> str:
    colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
    return f'stroke="{colour}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _drawn(i: int, line: Sequence[tuple[float, float] | None], x: _Axis, y: _Axis) -> list[str]:
    """The line of series ``i``, and a dot where a point stands alone."""
    path, body = "", []
    for j, point in enumerate(line):
        if point is None:
            continue
        before = j > 0 and line[j - 1] is not None
        after = j + 1 < len(line) and line[j + 1] is not None
        at = f"{x.place(point[0]):.1f} {y.place(point[1]):.1f}"
        path += f"{'L' if before else 'M'}{at}"
        if not before and not after:
            cx, cy = at.split()
            body.append(f'<circle cx="{cx}" cy="{cy}" r="3" fill="{COLOURS[i % len(COLOURS)]}"/>')
    if path:
        body.append(f'<path d="{path}" fill="none" stroke-linejoin="round" {_style(i)}/>')
    return body


def _shaded(i: int, band: Sequence[tuple[float, float, float]], x: _Axis, y: _Axis) -> list[str]:
    """Between low and high of each (x, low, high); an upright line where there is one only."""
    there = [f"{x.place(at):.1f} {y.place(low):.1f}" for at, low, _ in band]
    back = [f"{x.place(at):.1f} {y.place(high):.1f}" for at, _, high in reversed(band)]
    if not there:
        return []
    colour = COLOURS[i % len(COLOURS)]
    if len(there) == 1:
        return [f'<path d="M{there[0]}L{back[0]}" stroke="{colour}" stroke-opacity=".6"/>']
    return [f'<path d="M{"L".join([*there, *back])}Z" fill="{colour}" fill-opacity=".15"/>']


def _legend(i: int, name: str, left: int) -> list[str]:
    top = TOP + 14 + 16 * i
    return [
        f'<path d="M{left} {top - 4}h24" fill="none" {_style(i)}/>',
        f'<text x="{left + 30}" y="{top}">{escape(name)}</text>',
    ]


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")

"""What `luoxia draw` has drawn, written: a sheet, single files, at the size that is asked for, and told in a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.cli.words import tell
from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.images import form_of, grid
from luoxia.core.progress import counter
from luoxia.generate.drawing import Drawing, Pictures, Preview

SIZES = (16, 2048)
COLUMNS, GAP = 4, 8


def check(out: Path, size: int | None) -> None:
    """Refuse what cannot be written before anything is drawn."""
    form_of(out)
    if size is not None and not SIZES[0] <= size <= SIZES[1]:
        raise UserError(
            f"size is {size}; give {SIZES[0]} to {SIZES[1]} pixels",
            f"size 为 {size}；请给 {SIZES[0]} 到 {SIZES[1]} 像素",
        )


@contextmanager
def counted(title: str) -> Iterator[Preview]:
    """A bar of the codes that are drawn."""
    with counter(title) as watch:
        yield lambda _, done, total: watch(done, total)


def keep(drawing: Drawing, made: Pictures, out: Path, size: int | None, svg: bool, each: bool) -> None:
    """Write the pictures as one sheet, and each by itself where that is asked for."""
    for warning in made.prompt.warnings if made.prompt else ():
        tell(warning.en, warning.zh)
    pixels = sized(drawing, made.pixels, size)
    columns = COLUMNS if len(pixels) > COLUMNS or len(pixels) == COLUMNS else len(pixels)
    sheet = grid(pixels, columns, gap=GAP if len(pixels) > 1 else 0)
    _save(sheet, out)
    for i, picture in enumerate(pixels if each and len(pixels) > 1 else ()):
        _save(grid(picture[None], 1, gap=0), out.with_stem(f"{out.stem}-{i + 1}"))
    if svg:
        _traced(pixels, out)
    names = ", ".join(str(number) for number in made.numbers)
    best = "" if made.scores is None else f", CLIP {made.scores[0]:.3f}"
    best_zh = "" if made.scores is None else f"，CLIP {made.scores[0]:.3f}"
    tell(
        f"{out}: {sheet.width} x {sheet.height}, seed {made.seed}, samples {names}{best}",
        f"{out}：{sheet.width} x {sheet.height}，种子 {made.seed}，样本 {names}{best_zh}",
    )


def sized(drawing: Drawing, pixels: NDArray[np.uint8], size: int | None) -> NDArray[np.uint8]:
    """(n, C, S, S) -> (n, C, size, size)."""
    if size is None or size == drawing.size:
        return pixels
    if size > drawing.size and drawing.upscaler is None:
        tell(
            f"{drawing.told.name} has no upscaler: pictures are enlarged by resampling, and stay soft",
            f"{drawing.told.name} 没有放大模型：图片按重采样放大，会偏柔和",
        )
    return drawing.enlarged(pixels, size)


def _save(image: Image.Image, path: Path) -> None:
    with write_atomically(path) as file:
        image.save(file, form_of(path))


def _traced(pixels: NDArray[np.uint8], out: Path) -> None:
    from luoxia.generate.trace import trace  # needs a tracer that not every installation has

    for i, picture in enumerate(pixels):
        path = out.with_name(f"{out.stem}-{i + 1}.svg" if len(pixels) > 1 else f"{out.stem}.svg")
        with write_atomically(path) as file:
            file.write(trace(picture).encode())
        tell(f"{path}: traced", f"{path}：已描摹")

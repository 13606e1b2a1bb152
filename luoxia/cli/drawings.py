"""What `luoxia draw` has drawn, written: a sheet, single files, at the size that is asked for, and told in a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.cli.door import leave, leave_picture
from luoxia.cli.words import tell
from luoxia.core.errors import UserError
from luoxia.core.images import form_of, grid
from luoxia.core.language import Text
from luoxia.core.progress import counter
from luoxia.generate.drawing import Drawing, Pictures, Preview
from luoxia.workspace.made_from import MadeFrom

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


@dataclass(frozen=True)
class Made:
    """Pictures, and what they were asked for: ``command`` as in "draw", ``asked`` with the options of that command."""

    drawing: Drawing
    pictures: Pictures
    command: str
    asked: Mapping[str, Any]
    prompt: str
    parents: tuple[Path, ...] = ()

    def told(self, one: int | None = None) -> MadeFrom:
        """The record of the sheet, or of one of its pictures alone."""
        count = len(self.pictures.pixels)
        return told(self.command, self.asked, count, self.prompt, self.pictures.seed, one)


def told(
    command: str,
    asked: Mapping[str, Any],
    count: int,
    prompt: str,
    seed: int | None,
    one: int | None = None,
) -> MadeFrom:
    """The record of a sheet of ``count`` pictures, or of ``one`` of them alone."""
    from luoxia.workspace import makers
    from luoxia.workspace.asked import parameters

    columns = 1 if one is not None else min(count, COLUMNS)
    facts = parameters(makers.ASKED[command](**asked, columns=columns, gap=GAP, one=one))
    model, clip = str(asked["model"]), asked["clip"]
    return makers.told("picture", command, model, facts, clip=clip, prompt=prompt, seed=seed)


@contextmanager
def counted(title: str) -> Iterator[Preview]:
    """A bar of the codes that are drawn."""
    with counter(title) as watch:
        yield lambda _, done, total: watch(done, total)


def keep(made: Made, out: Path, size: int | None, svg: bool, each: bool) -> None:
    """Let the pictures out as one sheet, and each by itself where that is asked for."""
    drawing, pictures = made.drawing, made.pictures
    for warning in pictures.prompt.warnings if pictures.prompt else ():
        tell(warning.en, warning.zh)
    pixels = sized(drawing, pictures.pixels, size)
    sheet = grid(pixels, min(len(pixels), COLUMNS), gap=GAP if len(pixels) > 1 else 0)
    names = ", ".join(str(number) for number in pictures.numbers)
    best = "" if pictures.scores is None else f"CLIP {pictures.scores[0]:.3f}"
    more = Text(
        f", seed {pictures.seed}, samples {names}{best and ', ' + best}",
        f"，种子 {pictures.seed}，样本 {names}{best and '，' + best}",
    )
    leave_picture(sheet, made.told(), out, more=more, parents=made.parents)
    for i, picture in enumerate(pixels if each and len(pixels) > 1 else ()):
        place = out.with_stem(f"{out.stem}-{i + 1}")
        leave_picture(grid(picture[None], 1, gap=0), made.told(i), place, parents=made.parents)
    if svg:
        _traced(made, pixels, out)


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


def _traced(made: Made, pixels: NDArray[np.uint8], out: Path) -> None:
    from luoxia.generate.trace import trace  # needs a tracer that not every installation has

    for i, picture in enumerate(pixels):
        path = out.with_name(f"{out.stem}-{i + 1}.svg" if len(pixels) > 1 else f"{out.stem}.svg")
        creation = leave(
            trace(picture),
            replace(made.told(i), kind="drawing", command=f"{made.command} traced"),
            path,
            parents=made.parents,
        )
        tell(f"{path}: traced, {creation.id}", f"{path}：已描摹，{creation.id}")

"""What `luoxia draw` asks for, and what is drawn of it, written: a sheet, single files, and told in a line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from luoxia.cli.door import leave, leave_picture
from luoxia.cli.words import tell
from luoxia.core import seeds
from luoxia.core.language import Text
from luoxia.core.progress import counter
from luoxia.workspace import makers
from luoxia.workspace.made_from import MadeFrom


def told(command: str, asked: Mapping[str, Any], prompt: str, seed: int | None) -> MadeFrom:
    """The record of a sheet of pictures, its seed drawn where none is given."""
    what = makers.ASKED[command](**asked)
    return makers.told(
        "picture", command, what.model, what, clip=what.clip, prompt=prompt, seed=seeds.checked(seed)
    )


def leave_drawn(
    made_from: MadeFrom, out: Path, *, svg: bool, each: bool, parents: tuple[Path, ...] = ()
) -> None:
    """Draw, with a bar of what is done, and let the pictures out as one sheet, and each by itself where that is asked for."""
    with counter(str(out)) as watch:
        drawing, made = makers.pictures(made_from, watch)
    for warning in made.prompt.warnings if made.prompt else ():
        tell(warning.en, warning.zh)
    if made.pixels.shape[-1] > drawing.size and drawing.upscaler is None:
        tell(
            f"{drawing.told.name} has no upscaler: pictures are enlarged by resampling, and stay soft",
            f"{drawing.told.name} 没有放大模型：图片按重采样放大，会偏柔和",
        )
    names = ", ".join(str(number) for number in made.numbers)
    best = "" if made.scores is None else f"CLIP {made.scores[0]:.3f}"
    more = Text(
        f", seed {made.seed}, samples {names}{best and ', ' + best}",
        f"，种子 {made.seed}，样本 {names}{best and '，' + best}",
    )
    leave_picture(makers.sheet(made.pixels, made_from), made_from, out, more=more, parents=parents)
    alone = [
        replace(made_from, parameters={**made_from.parameters, "one": i}) for i in range(len(made.pixels))
    ]
    if each and len(alone) > 1:
        for i, one in enumerate(alone):
            place = out.with_stem(f"{out.stem}-{i + 1}")
            leave_picture(makers.sheet(made.pixels, one), one, place, parents=parents)
    if svg:
        from luoxia.generate.trace import trace  # needs a tracer that not every installation has

        for i, one in enumerate(alone):
            path = out.with_name(f"{out.stem}-{i + 1}.svg" if len(alone) > 1 else f"{out.stem}.svg")
            traced = replace(one, kind="drawing", command=f"{one.command} traced")
            creation = leave(trace(made.pixels[i]), traced, path, parents=parents)
            tell(f"{path}: traced, {creation.id}", f"{path}：已描摹，{creation.id}")

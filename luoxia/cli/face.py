"""`luoxia face`: pictures from a StyleGAN by seeds, mixed, and moving; and, from face_edit, found and edited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Context, Option

from luoxia.cli import face_edit, options
from luoxia.cli.door import leave_made
from luoxia.cli.portraits import MODEL, Class, Model, Noise, Out, Scale, Truncation
from luoxia.cli.words import say
from luoxia.core.errors import UserError

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def draw(
    context: Context,
    seeds: Annotated[
        str | None, Option(metavar="SEEDS", help=say("As in 0-31 or 3,8,21.", "如 0-31 或 3,8,21。"))
    ] = None,
    model: Model = MODEL,
    truncation: Truncation = 0.7,
    class_: Class = None,
    noise: Noise = "const",
    columns: Annotated[int, Option(metavar="N", min=1, help=say("Pictures in a row.", "每行图片数。"))] = 8,
    scale: Scale = 1,
    out: Out = Path("faces.png"),
    later: options.Later = False,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    if seeds is None:
        raise UserError(
            "give seeds, as in `luoxia face --seeds 0-31 -o grid.png`",
            "请给种子，如 `luoxia face --seeds 0-31 -o grid.png`",
        )
    from luoxia.core.images import form_of
    from luoxia.generate.portraits import numbers
    from luoxia.workspace import makers
    from luoxia.workspace.asked import Faces

    form_of(out)
    asked = Faces(
        model, numbers(seeds, "--seeds"), truncation, class_, _noise(noise), columns, scale, device, threads
    )
    leave_made(makers.told("picture", "face", model, asked), out, later=later)


@app.command(help=say("One face's styles on another's.", "将一张脸的样式用于另一张。"))
def mix(
    rows: Annotated[str, Option(metavar="SEEDS", help=say("Seeds of the rows.", "各行的种子。"))],
    cols: Annotated[str, Option(metavar="SEEDS", help=say("Seeds of the columns.", "各列的种子。"))],
    styles: Annotated[
        str,
        Option(
            metavar="RANGE",
            help=say("Styles taken from the columns: 0-3 are coarse.", "取自各列的样式：0-3 为粗略特征。"),
        ),
    ] = "0-3",
    model: Model = MODEL,
    truncation: Truncation = 0.7,
    class_: Class = None,
    scale: Scale = 1,
    out: Out = Path("mix.png"),
    later: options.Later = False,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.core.images import form_of
    from luoxia.generate.portraits import numbers
    from luoxia.workspace import makers
    from luoxia.workspace.asked import Mixed

    form_of(out)
    asked = Mixed(
        model,
        numbers(rows, "--rows"),
        numbers(cols, "--cols"),
        numbers(styles, "--styles"),
        truncation,
        class_,
        scale,
        device,
        threads,
    )
    leave_made(makers.told("picture", "face mix", model, asked), out, later=later)


@app.command(help=say("A film from face to face.", "从一张脸渐变到另一张的影片。"))
def morph(
    seeds: Annotated[
        str,
        Option(metavar="SEEDS", help=say("The last like the first is a loop.", "首尾相同即为循环。")),
    ],
    seconds: Annotated[float, Option(metavar="S", min=0.1, max=600, help=say("Length.", "时长。"))] = 6.0,
    fps: Annotated[int, Option(metavar="N", min=1, max=60, help=say("Frames a second.", "每秒帧数。"))] = 30,
    way: Annotated[str, Option(metavar="WAY", help="linear, slerp, spline")] = "spline",
    space: Annotated[str, Option(metavar="SPACE", help="w, z")] = "w",
    model: Model = MODEL,
    truncation: Truncation = 0.7,
    class_: Class = None,
    scale: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            max=16,
            help=say("Enlarge; by itself to 256 pixels.", "放大倍数；默认放大到 256 像素。"),
        ),
    ] = None,
    out: Out = Path("morph.mp4"),
    later: options.Later = False,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.generate import morph as films
    from luoxia.generate.portraits import numbers
    from luoxia.weights import stylegan_folder
    from luoxia.workspace import makers
    from luoxia.workspace.asked import Morphed

    if out.suffix.lower() not in films.SUFFIXES or space not in films.SPACES:
        raise UserError(
            f"a film is .mp4, .gif or .webp and goes through w or z, not {out.suffix or out} through {space}",
            f"影片为 .mp4、.gif 或 .webp，经由 w 或 z，而不是 {out.suffix or out} 与 {space}",
        )
    scale = scale or max(1, 256 // stylegan_folder.find(model).network.size)
    asked = Morphed(
        model,
        numbers(seeds, "--seeds"),
        seconds,
        fps,
        way,
        space,
        truncation,
        class_,
        scale,
        device,
        threads,
    )
    leave_made(makers.told("film", "face morph", model, asked), out, later=later)


app.command(help=say("The style that makes a photograph.", "找到生成某张照片的样式。"))(face_edit.invert)
app.command(help=say("Change a face along named directions.", "沿有名称的方向改变一张脸。"))(face_edit.edit)
app.command(help=say("What can be changed, and how strongly.", "可改变什么，以及强度如何。"))(
    face_edit.directions
)


def _noise(mode: str) -> str:
    if mode not in ("const", "none", "random"):
        raise UserError(
            f"noise {mode!r}: give const, none or random", f"噪声 {mode!r}：请给 const、none 或 random"
        )
    return mode

"""`luoxia face invert`, `edit` and `directions`: a photograph as a style, and styles changed by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from luoxia.cli import options
from luoxia.cli.door import leave_picture
from luoxia.cli.portraits import MODEL, Model, Out, Scale, Truncation, opened
from luoxia.cli.words import say, tell
from luoxia.core.errors import UserError


def invert(
    photo: Annotated[Path, Argument(metavar="PICTURE", help=say("A picture of a face.", "一张人脸图片。"))],
    space: Annotated[
        str,
        Option(
            metavar="SPACE",
            help=say(
                "w: one style, edits well; w+: one a layer, nearer.",
                "w：单一样式，易于编辑；w+：每层一个，更接近。",
            ),
        ),
    ] = "w+",
    steps: Annotated[int, Option(metavar="N", help=say("Steps of the search.", "搜索步数。"))] = 400,
    tune: Annotated[
        int,
        Option(metavar="N", help=say("Steps of tuning the model to it besides.", "另外微调模型的步数。")),
    ] = 0,
    as_is: Annotated[
        bool,
        Option(
            "--as-is",
            help=say(
                "Take the middle square, without looking for a face.", "直接取中间的正方形，不检测人脸。"
            ),
        ),
    ] = False,
    seed: Annotated[int, Option(metavar="N", help=say("Of the search.", "搜索的种子。"))] = 0,
    model: Model = MODEL,
    out: Annotated[
        Path | None, Option("-o", "--out", metavar="FILE", help=say("As in me.w.", "如 me.w。"))
    ] = None,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.core.images import grid
    from luoxia.core.progress import counter
    from luoxia.generate import inversion
    from luoxia.workspace import makers

    portraits = opened(model, device, threads)
    target = _target(photo, portraits.config.size, as_is)
    to = out or Path(photo.stem + ".w")
    with counter(photo.name) as watch:
        found = inversion.invert(
            portraits, target, space=space, steps=steps, tune=tune, seed=seed, watch=watch
        )
    inversion.write(found, to)
    shown = to.with_suffix(".png")
    sheet = grid(_with(found.way, target), len(found.way) + 1, enlarge=max(1, 128 // len(target[0])))
    asked = {"photo": photo.name, "space": space, "steps": steps, "tune": tune}
    asked |= {"n": len(found.way) + 1, "columns": len(found.way) + 1}
    made = makers.told("picture", "face invert", model, asked, seed=seed)
    leave_picture(sheet, made, shown, parents=[photo])
    tell(
        f"{to}: perceptual distance {found.distance:.2f}, {found.psnr:.1f} dB; {shown} shows the way, the photograph last.",
        f"{to}：感知距离 {found.distance:.2f}，{found.psnr:.1f} dB；{shown} 展示过程，最后为原照片。",
    )
    if found.psnr < inversion.LIKENESS:
        tell(
            f"A poor likeness: {portraits.told.name} hardly draws what is in {photo}, or more --steps are needed.",
            f"相似度很低：{portraits.told.name} 难以画出 {photo} 中的内容，或需增加 --steps。",
        )


def edit(
    style: Annotated[
        str,
        Argument(
            metavar="STYLE", help=say("A .w file of invert, or a seed.", "invert 生成的 .w 文件，或种子。")
        ),
    ],
    set_: Annotated[
        list[str],
        Option(
            "--set",
            metavar="NAME=STEPS",
            help=say("As in smile=+1.5; several times.", "如 smile=+1.5；可多次给出。"),
        ),
    ],
    model: Annotated[
        str | None,
        Option(
            metavar="MODEL", help=say("Where another is meant than the style's.", "若非该样式所属的模型。")
        ),
    ] = None,
    truncation: Truncation = 0.7,
    scale: Scale = 1,
    out: Out = Path("edited.png"),
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.core.images import grid
    from luoxia.generate import directions as learned
    from luoxia.generate import inversion
    from luoxia.workspace import makers

    changes = {name: _steps(name, text) for name, text in options.changes(set_, None).items()}
    if style.isdecimal():
        name = MODEL
        portraits = opened(model or name, device, threads)
        ws = portraits.styles([int(style)], psi=truncation, name=portraits.first_class).clone()
    else:
        name, tensors = inversion.open_style(Path(style))
        portraits = opened(model or name, device, threads)
        ws = inversion.ready(portraits, tensors, Path(style))
    made = learned.edited(ws, _directions(portraits), changes)
    asked = {"style": style, "set": changes, "truncation": truncation, "scale": scale}
    sheet = grid(portraits.pictures(made), 1, enlarge=scale)
    leave_picture(sheet, makers.told("picture", "face edit", model or name, asked), out)


def directions(
    model: Annotated[
        str,
        Argument(metavar="[MODEL]", help=say("A model's name or a run's folder.", "模型名称或训练文件夹。")),
    ] = MODEL,
    strip: Annotated[
        Path | None,
        Option(
            metavar="FILE", help=say("Show each from -3 to +3 on a picture.", "以图展示各方向从 -3 到 +3。")
        ),
    ] = None,
    seed: Annotated[int, Option(metavar="N", help=say("The face of the strip.", "图中人脸的种子。"))] = 0,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    import torch

    from luoxia.cli.words import print_table
    from luoxia.core.images import grid
    from luoxia.workspace import makers

    portraits = opened(model, device, threads)
    found = _directions(portraits)
    heading = (
        say("direction", "方向"),
        say("found by", "方法"),
        say("a step", "每步"),
        say("others", "其他"),
    )
    rows = [
        (
            d.name,
            d.how,
            "" if d.own is None else f"{d.own:.2f}",
            "" if d.others is None else f"{d.others:.2f}",
        )
        for d in found
    ]
    print_table([heading, *rows])
    if strip is not None:
        base = portraits.styles([seed], psi=0.7, name=portraits.first_class)
        steps = (-3, -2, -1, 0, 1, 2, 3)
        ws = torch.cat([base + n * d.vector.to(base.device) for d in found for n in steps])
        sheet = grid(portraits.pictures(ws), len(steps))
        asked = {"n": len(ws), "columns": len(steps)}
        leave_picture(sheet, makers.told("picture", "face directions", model, asked, seed=seed), strip)


def _steps(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(
            f"--set {name}={text}: give a number of steps, as in {name}=+1.5",
            f"--set {name}={text}：请给步数，如 {name}=+1.5",
        ) from error


def _directions(portraits):
    """Those that lie with the model; learned at their first use, and kept."""
    from luoxia.core.progress import counter
    from luoxia.generate import directions as learned

    path = portraits.told.kept_directions()
    if path.is_file():
        return learned.read(path)
    with counter(say("directions", "方向")) as watch:
        found = learned.learn(portraits, watch=watch)
    learned.write(found, path)
    return found


def _target(photo: Path, size: int, as_is: bool):
    """The picture to find, uint8 (3, size, size): the face in it, framed as the model knows faces."""
    from luoxia.data.alignment import Refused, portrait
    from luoxia.data.decoding import decode, fit

    try:
        image = decode(photo.read_bytes()).image
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{photo} cannot be read: {reason}", f"无法读取 {photo}：{reason}") from error
    if not as_is:
        from luoxia.data.faces import FaceFinder

        found = portrait(image, size, FaceFinder(), strict=False)
        if isinstance(found, Refused):
            raise UserError(
                f"{photo}: {found.why.en}; --as-is takes the middle square instead",
                f"{photo}：{found.why.zh}；加 --as-is 可直接取中间的正方形",
            )
        if found.others:
            tell(
                f"{photo}: {found.others + 1} faces; the largest is taken",
                f"{photo}：有 {found.others + 1} 张人脸，取最大的一张",
            )
        image = found.image
    return fit(image, size)


def _with(way, target):
    import numpy as np

    return np.concatenate([np.broadcast_to(way, (len(way), *target.shape)), target[None]])

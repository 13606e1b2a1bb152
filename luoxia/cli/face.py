"""`luoxia face`: pictures from a StyleGAN by seeds, mixed, moving, found for a photograph, and edited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Context, Option

from luoxia.cli import options
from luoxia.cli.words import say, tell
from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically

app = typer.Typer(rich_markup_mode=None)

MODEL = "faces-64"
Model = Annotated[
    str,
    Option(
        metavar="MODEL",
        help=say("A model's name or a run's folder.", "模型名称或训练文件夹。"),
    ),
]
Truncation = Annotated[
    float,
    Option(
        "--truncation",
        metavar="PSI",
        help=say(
            "1: all variety; below, fewer flaws; 0: the mean.", "1 为全部多样性；越小瑕疵越少；0 为平均。"
        ),
    ),
]
Class = Annotated[
    str | None,
    Option("--class", metavar="NAME", help=say("Of a model that knows classes.", "仅用于有类别的模型。")),
]
Noise = Annotated[str, Option(metavar="MODE", help="const, none, random")]
Scale = Annotated[
    int,
    Option(
        metavar="N", min=1, max=16, help=say("Enlarge each picture so many times.", "每张图片放大的倍数。")
    ),
]
Out = Annotated[Path, Option("-o", "--out", metavar="FILE", help=say("What to write.", "输出文件。"))]


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
    from luoxia.core.images import grid
    from luoxia.generate.portraits import numbers

    portraits = _open(model, device, threads)
    ws = portraits.styles(numbers(seeds, "--seeds"), psi=truncation, name=class_)
    _save(grid(portraits.pictures(ws, noise_mode=_noise(noise)), columns, enlarge=scale), out)


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
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    import numpy as np

    from luoxia.core.images import grid
    from luoxia.generate.portraits import numbers

    portraits = _open(model, device, threads)
    of_rows = portraits.styles(numbers(rows, "--rows"), psi=truncation, name=class_)
    of_columns = portraits.styles(numbers(cols, "--cols"), psi=truncation, name=class_)
    made = portraits.mixed(of_rows, of_columns, numbers(styles, "--styles"))
    r, c = len(of_rows), len(of_columns)
    left, top = portraits.pictures(of_rows), portraits.pictures(of_columns)
    inner = portraits.pictures(made.flatten(0, 1)).reshape(r, c, *left.shape[1:])
    corner = np.full_like(left[:1], 255)
    table = np.concatenate([np.concatenate([corner, top])[None], np.concatenate([left[:, None], inner], 1)])
    _save(grid(table.reshape(-1, *left.shape[1:]), c + 1, enlarge=scale), out)


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
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.core.progress import counter
    from luoxia.generate import morph as films
    from luoxia.generate.portraits import checked_psi, numbers

    if out.suffix.lower() not in films.SUFFIXES or space not in ("w", "z"):
        raise UserError(
            f"a film is .mp4, .gif or .webp and goes through w or z, not {out.suffix or out} through {space}",
            f"影片为 .mp4、.gif 或 .webp，经由 w 或 z，而不是 {out.suffix or out} 与 {space}",
        )
    portraits = _open(model, device, threads)
    given = numbers(seeds, "--seeds")
    frames = max(2, round(seconds * fps))
    if space == "w":
        ws = portraits.styles(given, psi=truncation, name=class_ or _first_class(portraits))
        ways = films.path(ws[:, 0].clone(), frames, way)[:, None].repeat(1, ws.shape[1], 1)
    else:
        z = films.path(portraits.latents(given), frames, way)
        c = portraits.classes(range(frames), class_ or _first_class(portraits))
        ways = portraits.network.mapping(z, c, checked_psi(truncation))
    with counter(str(out)) as watch:
        pictures = portraits.pictures(ways, watch=watch)
    films.write(pictures, out, fps=fps, scale=scale or max(1, 256 // portraits.config.size))
    tell(f"{out}: {frames} frames, {frames / fps:g} s", f"{out}：{frames} 帧，{frames / fps:g} 秒")


@app.command(help=say("The style that makes a photograph.", "找到生成某张照片的样式。"))
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

    portraits = _open(model, device, threads)
    target = _target(photo, portraits.config.size, as_is)
    to = out or Path(photo.stem + ".w")
    with counter(photo.name) as watch:
        found = inversion.invert(
            portraits, target, space=space, steps=steps, tune=tune, seed=seed, watch=watch
        )
    inversion.write(found, to)
    shown = to.with_suffix(".png")
    _save(grid(_with(found.way, target), len(found.way) + 1, enlarge=max(1, 128 // len(target[0]))), shown)
    tell(
        f"{to}: perceptual distance {found.distance:.2f}, {found.psnr:.1f} dB; {shown} shows the way, the photograph last.",
        f"{to}：感知距离 {found.distance:.2f}，{found.psnr:.1f} dB；{shown} 展示过程，最后为原照片。",
    )
    if found.psnr < inversion.LIKENESS:
        tell(
            f"A poor likeness: {portraits.told.name} hardly draws what is in {photo}, or more --steps are needed.",
            f"相似度很低：{portraits.told.name} 难以画出 {photo} 中的内容，或需增加 --steps。",
        )


@app.command(help=say("Change a face along named directions.", "沿有名称的方向改变一张脸。"))
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

    changes = {name: _steps(name, text) for name, text in options.changes(set_, None).items()}
    if style.isdecimal():
        portraits = _open(model or MODEL, device, threads)
        ws = portraits.styles([int(style)], psi=truncation, name=_first_class(portraits)).clone()
    else:
        name, tensors = inversion.open_style(Path(style))
        portraits = _open(model or name, device, threads)
        ws = inversion.ready(portraits, tensors, Path(style))
    made = learned.edited(ws, _directions(portraits), changes)
    _save(grid(portraits.pictures(made), 1, enlarge=scale), out)


@app.command(help=say("What can be changed, and how strongly.", "可改变什么，以及强度如何。"))
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

    portraits = _open(model, device, threads)
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
        base = portraits.styles([seed], psi=0.7, name=_first_class(portraits))
        steps = (-3, -2, -1, 0, 1, 2, 3)
        ws = torch.cat([base + n * d.vector.to(base.device) for d in found for n in steps])
        _save(grid(portraits.pictures(ws), len(steps)), strip)


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


def _first_class(portraits) -> str | None:
    """A film keeps to one class."""
    if not portraits.config.classes:
        return None
    return portraits.told.classes[0] if portraits.told.classes else "0"


def _noise(mode: str) -> str:
    if mode not in ("const", "none", "random"):
        raise UserError(
            f"noise {mode!r}: give const, none or random", f"噪声 {mode!r}：请给 const、none 或 random"
        )
    return mode


def _open(model: str, device: str | None, threads: int | None):
    import torch

    from luoxia.core.runtime import resolve
    from luoxia.generate.portraits import Portraits

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    return Portraits.open(model, runtime)


def _save(image, out: Path) -> None:
    from luoxia.core.images import form_of

    form = form_of(out)
    with write_atomically(out) as file:
        image.save(file, form)
    tell(f"{out}: {image.width} x {image.height}", f"{out}：{image.width} x {image.height}")

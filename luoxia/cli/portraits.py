"""What the commands of `luoxia face` share: options, and the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from luoxia.cli.words import say

if TYPE_CHECKING:
    from luoxia.generate.portraits import Portraits

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


def opened(model: str, device: str | None, threads: int | None) -> Portraits:
    import torch

    from luoxia.core.runtime import resolve
    from luoxia.generate.portraits import Portraits

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    return Portraits.open(model, runtime)

"""`luoxia evaluate`: what a run or a model has come to, in numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from luoxia.cli import options
from luoxia.cli.words import print_table, say, tell


def evaluate(
    source: Annotated[
        str,
        Argument(
            metavar="RUN",
            help=say("A run's folder, or a StyleGAN model's name.", "训练文件夹，或 StyleGAN 模型的名称。"),
        ),
    ],
    data: Annotated[
        str | None,
        Option(
            metavar="DATA",
            help=say(
                "Other data to compare with than its own; a model needs it.",
                "用于比较的其他数据；默认为训练所用；模型必须给出。",
            ),
        ),
    ] = None,
    samples: Annotated[int, Option(metavar="N", help=say("Pictures to draw.", "生成的图片数。"))] = 500,
    seed: Annotated[int, Option(metavar="N", help=say("Of the samples.", "样本的种子。"))] = 0,
    inversions: Annotated[
        int,
        Option(
            metavar="N",
            help=say(
                "Held-out pictures to look for in a StyleGAN's space.", "在 StyleGAN 空间中寻找的留出图片数。"
            ),
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        Option(
            "-o",
            "--out",
            metavar="FOLDER",
            help=say("Where to write, instead of the run's folder.", "输出位置；默认为训练文件夹。"),
        ),
    ] = None,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    import torch

    from luoxia.core import language, seeds
    from luoxia.core.runtime import resolve
    from luoxia.recipes import evaluation
    from luoxia.recipes.evaluation_page import readable

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    shown: dict[str, int] = {}

    def note(name: str, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > shown.get(name, 0):
            shown[name] = tenth
            print(f"{name}: {done}/{total}", file=sys.stderr, flush=True)

    folder, report = evaluation.evaluate(
        source,
        runtime,
        data=data,
        samples=samples,
        seed=seeds.checked(seed),
        inversions=inversions,
        out=out,
        note=note,
    )
    print_table(list(readable(report, language.current()).items()))
    tell(
        f"Kept in {folder}/evaluation.json; {folder}/report.html shows it with pictures.",
        f"已存入 {folder}/evaluation.json；{folder}/report.html 附图展示。",
    )

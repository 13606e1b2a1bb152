"""`luoxia evaluate`: what a run has come to, in numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from luoxia.cli import options
from luoxia.cli.words import print_table, say, tell


def evaluate(
    folder: Annotated[Path, Argument(metavar="RUN", help=say("A run's folder.", "训练文件夹。"))],
    data: Annotated[
        str | None,
        Option(
            metavar="DATA",
            help=say("Other data to compare with than its own.", "用于比较的其他数据；默认为训练所用。"),
        ),
    ] = None,
    samples: Annotated[int, Option(metavar="N", help=say("Pictures to draw.", "生成的图片数。"))] = 500,
    seed: Annotated[int, Option(metavar="N", help=say("Of the samples.", "样本的种子。"))] = 0,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    import torch

    from luoxia.core import seeds
    from luoxia.core.runtime import resolve
    from luoxia.recipes import evaluation
    from luoxia.recipes.report import readable

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    shown: dict[str, int] = {}

    def note(name: str, done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > shown.get(name, 0):
            shown[name] = tenth
            print(f"{name}: {done}/{total}", file=sys.stderr, flush=True)

    report = evaluation.evaluate(
        folder, runtime, data=data, samples=samples, seed=seeds.checked(seed), note=note
    )
    print_table(list(readable(report).items()))
    tell(
        f"Kept in {folder}/evaluation.json; {folder}/report.html shows it with pictures.",
        f"已存入 {folder}/evaluation.json；{folder}/report.html 附图展示。",
    )

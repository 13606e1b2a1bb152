"""`luoxia evaluate`: what a run or a model has come to, in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from luoxia.cli import options, text_evaluation
from luoxia.cli.evaluation_options import TextOptions
from luoxia.cli.shared import unfolded
from luoxia.cli.words import print_table, say, tell, tenths


@unfolded
def evaluate(
    source: Annotated[
        str,
        Argument(
            metavar="RUN",
            help=say(
                "A run's folder, or the name of a StyleGAN or of a model that writes.",
                "训练文件夹，或 StyleGAN、文本模型的名称。",
            ),
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
    samples: Annotated[
        int | None,
        Option(
            metavar="N",
            help=say(
                "Pictures to draw (500), or texts to write (32).", "生成的图片数（500）或文本数（32）。"
            ),
        ),
    ] = None,
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
    judge: Annotated[
        str | None,
        Option(
            metavar="MODEL",
            help=say(
                "Of a model that draws from words: the CLIP that judges it, which had no part in drawing.",
                "用于按文字作画的模型：评判它的 CLIP，且未参与作画。",
            ),
        ),
    ] = None,
    text: TextOptions = TextOptions(),
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
    note = tenths()
    if text.on is not None or text_evaluation.writes(source):
        text_evaluation.run(
            source, text, note, samples=samples, seed=seed, out=out, device=device, threads=threads
        )
        return

    import torch

    from luoxia.core import language, seeds
    from luoxia.core.runtime import resolve
    from luoxia.recipes import drawing_evaluation, evaluation
    from luoxia.recipes.evaluation_page import readable, shown
    from luoxia.recipes.names import name

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    lang, told = language.current(), seeds.checked(seed)
    if judge is not None:
        folder, report = drawing_evaluation.evaluate(
            source, judge, runtime, data=data or "icons", seed=told, out=out, note=note
        )
        rows = report["tables"]["r_precision"]
        heading = tuple(name(key, lang) for key in rows[0])
        print_table([heading, *(tuple(shown(v, lang) for v in row.values()) for row in rows)])
    else:
        folder, report = evaluation.evaluate(
            source,
            runtime,
            data=data,
            samples=500 if samples is None else samples,
            seed=told,
            inversions=inversions,
            out=out,
            note=note,
        )
        print_table(list(readable(report, lang).items()))
    tell(
        f"Kept in {folder}/evaluation.json; {folder}/report.html shows it with pictures.",
        f"已存入 {folder}/evaluation.json；{folder}/report.html 附图展示。",
    )

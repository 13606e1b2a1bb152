"""`luoxia finetune`: teach a text model by examples of how to answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from luoxia.cli import options
from luoxia.cli.readiness import make_ready
from luoxia.cli.train import STOPPED, learn
from luoxia.cli.words import say, tell
from luoxia.core.errors import UserError


def finetune(
    base: Annotated[
        str | None,
        Argument(
            metavar="[MODEL]",
            help=say(
                "The text model to teach: a catalogue id, a GGUF file, a model folder or a run's.",
                "要微调的文本模型：目录中的 id、GGUF 文件、模型文件夹或训练文件夹。",
            ),
        ),
    ] = None,
    data: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help=say(
                "Examples as JSONL, JSON, CSV, TSV or Parquet: prompt and completion, question and answer, input and "
                "output, or messages.",
                "样例文件（JSONL、JSON、CSV、TSV 或 Parquet）：prompt 与 completion、question 与 answer、input 与 output，或 messages。",
            ),
        ),
    ] = None,
    out: Annotated[
        str | None,
        Option(
            "-o",
            "--out",
            metavar="NAME",
            help=say("What the result is called; --model takes this name.", "结果的名称，供 --model 使用。"),
        ),
    ] = None,
    lora: Annotated[
        int | None,
        Option(
            metavar="RANK", help=say("Rank of the low-rank maps, 16 by default.", "低秩矩阵的秩，默认 16。")
        ),
    ] = None,
    layers: Annotated[
        str | None,
        Option(
            metavar="NAMES",
            help=say(
                "Layers that they stand beside: all, attention, mlp, or names as in q,v.",
                "所附着的层：all、attention、mlp，或如 q,v 的名称。",
            ),
        ),
    ] = None,
    full: Annotated[
        bool,
        Option(
            "--full",
            help=say(
                "Teach all weights instead; the result is a whole model.",
                "改为训练全部权重，结果为完整模型。",
            ),
        ),
    ] = False,
    epochs: Annotated[
        float | None,
        Option(metavar="N", help=say("How often to go through the examples.", "样例重复的遍数。")),
    ] = None,
    steps: options.Steps = None,
    seed: Annotated[
        int | None,
        Option(metavar="N", help=say("The same seed gives the same weights.", "相同的种子得到相同的权重。")),
    ] = None,
    licence: Annotated[
        str | None,
        Option(
            metavar="TEXT", help=say("The data's licence, kept with the result.", "数据的许可，随结果保存。")
        ),
    ] = None,
    run: Annotated[
        Path | None,
        Option(metavar="FOLDER", help=say("The run's folder; runs/NAME.", "训练文件夹；默认 runs/名称。")),
    ] = None,
    set_: options.Settings = None,
    resume: Annotated[
        Path | None, Option(metavar="FOLDER", help=say("Go on with this run.", "继续此训练。"))
    ] = None,
    device: options.Device = None,
    threads: options.Threads = None,
) -> int:
    if resume is None and (base is None or data is None or out is None):
        raise UserError(
            "say which model, by which examples and as what, as in `luoxia finetune smollm2-135m-instruct --data "
            "pairs.jsonl -o my-writer`, or --resume FOLDER",
            "请说明微调哪个模型、用哪些样例、结果叫什么，如 `luoxia finetune smollm2-135m-instruct --data pairs.jsonl "
            "-o my-writer`，或 --resume 文件夹",
        )
    if full and (lora is not None or layers is not None):
        raise UserError(
            "--full teaches all weights: leave --lora and --layers out",
            "--full 训练全部权重：请勿给出 --lora 与 --layers",
        )
    asked = {"base": base, "name": out, "rank": lora, "layers": layers, "epochs": epochs, "licence": licence}
    changes = {**options.changes(set_, steps), **{k: v for k, v in asked.items() if v is not None}}
    changes |= {"full": True} if full else {}
    if resume is None:
        assert base is not None
        make_ready(base)

    import torch

    from luoxia.core.runtime import resolve
    from luoxia.recipes import session
    from luoxia.train.processes import together

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    with together() as processes:
        folder = resume or run or Path("runs") / str(out)

        def work():
            """Nothing of it outlives the group of processes."""
            if resume is not None:
                return session.resume(resume, runtime, processes)
            return session.begin(
                "finetune", str(data), folder, runtime, seed=seed, changes=changes, processes=processes
            )

        finished = learn(work(), quiet=not processes.first)
        if processes.first and finished:
            _tell_result(folder)
    return 0 if finished else STOPPED


def _tell_result(folder: Path) -> None:
    """The numbers that say what it came to, and how the result is used."""
    import json

    from luoxia.cli.words import print_table
    from luoxia.core import language
    from luoxia.recipes.evaluation_page import readable

    name = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))["settings"]["name"]
    found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    print_table(list(readable(found, language.current()).items()))
    tell(
        f'Answers before and after are in {folder}/report.html. Use it with: luoxia write "..." --model {name or folder}',
        f'微调前后的回答见 {folder}/report.html。使用方法：luoxia write "…" --model {name or folder}',
    )

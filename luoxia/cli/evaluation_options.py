"""The options of `luoxia evaluate` for models that write, with what help says of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from luoxia.cli import options
from luoxia.cli.words import say
from luoxia.generate.sampling import Sampling


@dataclass(frozen=True)
class TextOptions:
    """What of a model that writes is measured, and how; None where the command line does not say."""

    on: Annotated[
        str | None,
        Option(
            metavar="PARTS",
            help=say(
                "Of a model that writes: what to measure, with commas between: perplexity, perplexity:FILE, fewshot:TASK, "
                "samples. A task is sentiment, cloze, arithmetic, scrambling, one of theirs, JSON lines or a folder.",
                "文本模型：要测量的内容，以逗号分隔：perplexity、perplexity:文件、fewshot:任务、samples。"
                "任务可为 sentiment、cloze、arithmetic、scrambling 或其中之一，或 JSON lines 文件、文件夹。",
            ),
        ),
    ] = None
    shots: Annotated[
        str, Option(metavar="K,K,...", help=say("How many examples to show.", "展示的示例数。"))
    ] = "0,1,4,16"
    draws: Annotated[
        int,
        Option(
            metavar="N", help=say("Draws of examples for each number of them.", "每种示例数抽取示例的次数。")
        ),
    ] = 3
    limit: Annotated[
        int, Option(metavar="N", help=say("The most items of a task to measure.", "每个任务至多测量的题数。"))
    ] = 200
    tasks: Annotated[
        Path | None,
        Option(
            metavar="FOLDER",
            help=say(
                "Where tasks of your own are, besides here.", "自有任务所在的文件夹（除当前文件夹外）。"
            ),
        ),
    ] = None
    constrained: Annotated[
        bool,
        Option(
            "--constrained",
            help=say(
                "Score choices also by writing where only a choice can be written.",
                "选择题另以只能写出选项的约束生成判定。",
            ),
        ),
    ] = False
    beside: Annotated[
        str | None,
        Option(
            metavar="MODEL", help=say("Measure this model too, side by side.", "同时测量此模型，并列比较。")
        ),
    ] = None
    prompts: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help=say("Prompts for the samples, a line each.", "用于生成样本的提示，每行一个。"),
        ),
    ] = None
    against: Annotated[
        Path | None,
        Option(
            metavar="PATH",
            help=say(
                "The text that the model learned from: how long passages of it stand in the samples.",
                "模型的训练文本：检查样本中有多长的相同片段。",
            ),
        ),
    ] = None
    max_tokens: options.MaxTokens = 128
    temperature: options.Temperature = Sampling().temperature
    stride: Annotated[
        int | None,
        Option(
            metavar="N",
            help=say(
                "Tokens by which perplexity's window moves on; half of it otherwise.",
                "计算困惑度时窗口移动的词元数；默认为窗口的一半。",
            ),
        ),
    ] = None

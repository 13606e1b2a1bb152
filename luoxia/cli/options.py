"""The options of the commands, with what help says of each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from luoxia.cli.words import say
from luoxia.core.errors import UserError
from luoxia.generate.sampling import MARKED, Sampling

Prompt = Annotated[
    str,
    Argument(
        metavar="PROMPT",
        help=say("What to write; - reads it from standard input.", "要写什么；- 表示从标准输入读取。"),
    ),
]
ModelName = Annotated[
    str,
    Option(
        metavar="MODEL",
        help=say("A catalogue id, a GGUF file or a model folder.", "目录中的 id、GGUF 文件或模型文件夹。"),
    ),
]
System = Annotated[
    str | None,
    Option(
        metavar="TEXT", help=say("Who the model is to be, how it is to answer.", "模型的身份与作答方式。")
    ),
]
Examples = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        help=say(
            'Examples to follow, a line each: {"user": "...", "assistant": "..."}.',
            '供模仿的示例，每行一个：{"user": "…", "assistant": "…"}。',
        ),
    ),
]
Raw = Annotated[
    bool,
    Option(
        "--raw",
        help=say("Continue the prompt as it stands, no chat format.", "原样续写提示，不套用对话格式。"),
    ),
]

JsonSchema = Annotated[
    Path | None,
    Option(
        metavar="FILE", help=say("The answer is JSON that this schema accepts.", "答案是符合此模式的 JSON。")
    ),
]
Regex = Annotated[
    str | None,
    Option(
        metavar="REGEX",
        help=say("The answer as a whole matches this expression.", "答案整体匹配此正则表达式。"),
    ),
]
Choice = Annotated[
    list[str] | None,
    Option(
        metavar="TEXT",
        help=say("The answer is one of these; give it several times.", "答案是其中之一；可多次给出。"),
    ),
]

MaxTokens = Annotated[int, Option(metavar="N", help=say("The most tokens to write.", "最多生成的词元数。"))]
Stop = Annotated[
    list[str] | None,
    Option(
        metavar="TEXT",
        help=say("End before this text; may be given several times.", "遇到此文本即停止；可多次给出。"),
    ),
]
Seed = Annotated[
    int | None,
    Option(
        metavar="N",
        help=say(
            "The same seed writes the same text; left out, one is drawn and told.",
            "相同的种子写出相同的文本；省略时随机抽取并告知。",
        ),
    ),
]
Temperature = Annotated[
    float,
    Option(metavar="X", help=say("0 takes the likeliest token each time.", "0 表示每次取最可能的词元。")),
]
FreeTemperature = Annotated[
    float | None,
    Option(
        metavar="X",
        help=say(
            f"0 takes the likeliest token each time. Unless you say: {Sampling.temperature}, or {MARKED} where the policy has "
            "texts carry a mark in their words and no pattern holds them.",
            f"0 表示每次取最可能的词元。不指定时为 {Sampling.temperature}；若策略要求在用词中加标记且文本不受格式约束，则为 {MARKED}。",
        ),
    ),
]
TopK = Annotated[
    int,
    Option(
        metavar="K",
        help=say("Draw from the k likeliest tokens; 0: all.", "从最可能的 k 个词元中抽取；0 为不限。"),
    ),
]
TopP = Annotated[
    float,
    Option(
        metavar="P",
        help=say("Draw from the likeliest tokens of mass p.", "从累计概率达 p 的最可能词元中抽取。"),
    ),
]
MinP = Annotated[
    float,
    Option(
        metavar="P",
        help=say(
            "Leave out tokens below p times the likeliest.", "排除概率低于最高者 p 倍的词元；0 为不限。"
        ),
    ),
]
RepetitionPenalty = Annotated[
    float,
    Option(
        metavar="X",
        help=say("Above 1, what was said is less likely again.", "大于 1 时，已出现的词元更少重复。"),
    ),
]

Size = Annotated[
    int | None, Option(metavar="PIXELS", help=say("Side of the pictures.", "图片边长（像素）。"))
]
Steps = Annotated[int | None, Option(metavar="N", help=say("Steps in all.", "总步数。"))]
Depth = Annotated[
    int | None,
    Option(
        metavar="N",
        help=say("Layers of a GPT; all its other sizes follow.", "GPT 的层数；其余规模由它决定。"),
    ),
]
Settings = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="NAME=VALUE",
        help=say("Change a setting of the recipe; several times.", "更改配方的一项设置；可多次给出。"),
    ),
]
Device = Annotated[str | None, Option(metavar="DEVICE", help=say("cpu, cuda or mps.", "cpu、cuda 或 mps。"))]
Threads = Annotated[
    int | None, Option(metavar="N", help=say("Processor threads to use.", "使用的处理器线程数。"))
]
Later = Annotated[
    bool,
    Option(
        "--later",
        help=say("Have a worker make it; `luoxia jobs` tells.", "交给后台制作；`luoxia jobs` 可查看。"),
    ),
]
TextFile = Annotated[
    Path | None,
    Option(
        "-o",
        "--out",
        metavar="FILE",
        help=say(
            "A file to write, labelled, in place of standard output: .txt, .md, .html or .json.",
            "写入带标识的文件，代替标准输出：.txt、.md、.html 或 .json。",
        ),
    ),
]
Stats = Annotated[
    bool, Option("--stats", help=say("Tell counts and speed at the end.", "结束时显示词元数与速度。"))
]


def changes(set_: list[str] | None, steps: int | None, depth: int | None = None) -> dict[str, str]:
    """The settings that ``--set``, ``--steps`` and ``--depth`` change, as texts."""
    named = {"steps": steps, "depth": depth}
    return dict(_pair(text) for text in set_ or []) | {k: str(v) for k, v in named.items() if v is not None}


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name:
        raise UserError(
            f"--set {text}: write NAME=VALUE, as in --set batch_size=32",
            f"--set {text}：请写 名称=值，如 --set batch_size=32",
        )
    return name.strip(), value.strip()

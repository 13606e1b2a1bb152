"""The `luoxia` command: its parts put together, and how its failures are told."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

import luoxia
from luoxia.cli import clip, data, draw, face, jobs, keys, models, poem, policy
from luoxia.cli.evaluate import evaluate
from luoxia.cli.finetune import finetune
from luoxia.cli.history import history, show
from luoxia.cli.lineage import lineage, replay
from luoxia.cli.plan import plan
from luoxia.cli.runs import runs
from luoxia.cli.serve import serve
from luoxia.cli.takedown import takedown
from luoxia.cli.train import train
from luoxia.cli.verify import verify
from luoxia.cli.words import misuse, say
from luoxia.cli.write import INTERRUPTED, write
from luoxia.core.errors import UserError

USER_ERROR, INTERNAL_ERROR = 2, 70  # 70 is sysexits' EX_SOFTWARE

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    help=say("AI-generated content, made on this machine.", "在本机上生成 AI 内容。"),
)
app.command(help=say("Write text from a prompt.", "按提示写出文本。"))(write)
app.add_typer(
    models.app,
    name="models",
    help=say("List the models, or bring one here.", "列出模型，或将模型下载到本机。"),
)
app.command(
    help=say("Start the studio and its OpenAI-compatible API.", "启动工作室及其兼容 OpenAI 的 API。")
)(serve)

app.add_typer(
    draw.app,
    name="draw",
    help=say("Pictures from words, completed and varied.", "按文字作画，补全与变化图片。"),
)
app.add_typer(
    face.app,
    name="face",
    help=say("Faces from seeds, mixed, moving and edited.", "由种子生成人脸，并混合、渐变与编辑。"),
)
app.add_typer(
    poem.app,
    name="poem",
    help=say("Classical Chinese poems, written and checked.", "写近体诗，查格律。"),
)
app.add_typer(
    clip.app,
    name="clip",
    help=say("Find pictures by words, and judge them by words.", "用文字查找图片，判断图文是否相符。"),
)
app.add_typer(
    data.app,
    name="data",
    help=say("Check pictures and texts, and prepare them for training.", "检查图片与文本，并为训练做准备。"),
)
app.add_typer(
    policy.app,
    name="policy",
    help=say("Which marks leave with what is made here.", "生成内容携带哪些标识。"),
)
app.add_typer(
    keys.app,
    name="keys",
    help=say("The certificate that credentials are signed with.", "为凭证签名的证书。"),
)
app.command(
    help=say("What files say of their origin, and whether it holds.", "查验文件声明的来源是否有效。")
)(verify)
app.command(help=say("Train a model, or go on with a run.", "训练模型，或继续一次训练。"))(train)
app.add_typer(
    jobs.app, name="jobs", help=say("Work that waits, runs or is done.", "等待、进行与完成的任务。")
)
app.command(help=say("Teach a text model by examples of how to answer.", "以作答样例微调文本模型。"))(
    finetune
)
app.command(help=say("Measure what a training will cost here.", "测量一次训练在本机的开销。"))(plan)
app.command(help=say("Measure what a run has come to.", "衡量一次训练的成果。"))(evaluate)
app.command(help=say("List the trainings in a folder.", "列出文件夹中的训练。"))(runs)
app.command(help=say("What was made here, and find it again.", "列出并查找在本机生成的作品。"))(history)
app.command(help=say("What a creation was made from.", "查看一件作品的来历。"))(show)
app.command(help=say("What a creation came from, and what came of it.", "查看一件作品的来源与衍生。"))(
    lineage
)
app.command(help=say("Make a creation again, and tell how exact it is.", "重制一件作品，并说明吻合程度。"))(
    replay
)
app.command(
    help=say(
        "Take an item out of a data set, and mark what descends from it.", "从数据中移除一项，并标记其衍生。"
    )
)(takedown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 2, with one line, for what the user can mend."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old terminal's encoding is no reason to stop
    rest, debug = _without_debug(given)
    try:
        return app(rest or ["--help"], prog_name="luoxia", standalone_mode=False) or 0
    except typer.Abort:
        return INTERRUPTED
    except (UserError, TyperException) as error:
        line = misuse(error) if isinstance(error, TyperException) else str(error)
        code = USER_ERROR
        problem = error
    except Exception as error:
        line = say(
            f"something went wrong inside Luoxia ({type(error).__name__}); --debug shows where",
            f"Luoxia 内部出错（{type(error).__name__}）；加 --debug 可查看位置",
        )
        code = INTERNAL_ERROR
        problem = error
    if debug:
        traceback.print_exception(problem)
    print(f"luoxia: {line}", file=sys.stderr)
    return code


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    """``--debug`` may stand anywhere before ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    before = [argument for argument in arguments[:end] if argument != "--debug"]
    return before + arguments[end:], len(before) < end


def _print_version(asked: bool) -> None:
    if asked:
        print(f"luoxia {luoxia.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help=say("Tell the version.", "显示版本。")
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help=say("Show where a failure came from.", "出错时显示来源位置。"))
    ] = False,
) -> None:
    """What may stand before a command; :func:`main` has taken ``--debug`` out, wherever it stood."""

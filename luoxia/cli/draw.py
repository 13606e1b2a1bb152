"""`luoxia draw`: pictures from words, completed, redrawn in part, and varied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from luoxia.cli import options
from luoxia.cli.door import admit, leave_later, leave_made
from luoxia.cli.shared import unfolded
from luoxia.cli.words import say
from luoxia.core.errors import UserError

MODEL, NEW = "icons-64", "new"
MOST = 400  # pictures on a sheet of many prompts


class WordsFirst(TyperGroup):
    """``luoxia draw "a cat"`` is ``luoxia draw new "a cat"``; the names of commands come first."""

    def parse_args(self, ctx, args):
        if args and args[0] not in (*self.commands, "--help"):
            args = [NEW, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(rich_markup_mode=None, cls=WordsFirst, no_args_is_help=True)


@dataclass(frozen=True)
class Order:
    """What every kind of drawing may be asked for."""

    n: Annotated[int, Option("-n", metavar="N", help=say("Pictures to draw.", "图片数。"))] = 1
    seed: Annotated[
        int | None,
        Option(
            metavar="N",
            help=say(
                "The same seed draws the same; left out, one is drawn and told.",
                "相同的种子画出相同的图；省略时随机抽取并告知。",
            ),
        ),
    ] = None
    style: Annotated[
        str | None,
        Option(
            metavar="STYLE", help=say("As in flat, cartoon, 3d, outline.", "如 flat、cartoon、3d、outline。")
        ),
    ] = None
    guidance: Annotated[
        float,
        Option(
            metavar="X",
            help=say("How much more the words count than without: 1 to 10.", "文字的影响力：1 到 10。"),
        ),
    ] = 3.0
    temperature: Annotated[
        float, Option(metavar="X", help=say("Below 1, more of the usual.", "低于 1 时更常规。"))
    ] = 1.0
    top_k: options.TopK = 0
    top_p: options.TopP = 0.95
    candidates: Annotated[
        int | None,
        Option(
            metavar="N",
            help=say(
                "Draw so many, and keep those that CLIP finds best.", "多画若干张，保留 CLIP 评分最高者。"
            ),
        ),
    ] = None
    size: Annotated[
        int | None,
        Option(
            metavar="PIXELS",
            help=say(
                "Side of each picture; else as the model makes them.", "每张图片的边长；缺省由模型决定。"
            ),
        ),
    ] = None
    svg: Annotated[
        bool, Option("--svg", help=say("Trace each picture to an SVG besides.", "另将每张图片描摹为 SVG。"))
    ] = False
    each: Annotated[
        bool,
        Option(
            "--each",
            help=say("A file for each picture besides the sheet.", "除总图外每张图片另存一个文件。"),
        ),
    ] = False
    model: Annotated[
        str, Option(metavar="MODEL", help=say("A model's name or a run's folder.", "模型名称或训练文件夹。"))
    ] = MODEL
    clip: Annotated[
        str | None,
        Option(
            metavar="MODEL",
            help=say("A CLIP to rank by, where the model has none.", "模型没有 CLIP 时用于排序的 CLIP。"),
        ),
    ] = None
    out: Annotated[Path, Option("-o", "--out", metavar="FILE", help=say("What to write.", "输出文件。"))] = (
        Path("drawing.png")
    )
    later: options.Later = False
    device: options.Device = None
    threads: options.Threads = None

    def check(self) -> None:
        """Refuse a name that no picture can have before anything is drawn."""
        from luoxia.core.images import form_of

        form_of(self.out)

    def leave(
        self,
        prompt: str | None,
        command: str = "draw",
        *,
        parents: tuple[Path, ...] = (),
        **more: object,
    ) -> None:
        """Draw and let the pictures out, or have a worker make the sheet."""
        from luoxia.cli.drawings import leave_drawn, told

        made_from = told(command, self.asked() | more, prompt or "", self.seed)
        if self.later:
            self.refuse_more("--later makes the sheet alone", "--later 只制作总图")
            leave_later(made_from, self.out, parents=parents)
        else:
            leave_drawn(made_from, self.out, svg=self.svg, each=self.each, parents=parents)

    def asked(self) -> dict[str, Any]:
        """What the record says of every kind."""
        named = "model clip n candidates guidance temperature top_k top_p size device threads"
        return {name: getattr(self, name) for name in named.split()}

    def refuse_more(self, en: str, zh: str) -> None:
        """Raise where more than the sheet is asked for, for the reason given."""
        if self.svg or self.each:
            raise UserError(f"{en}; leave out --svg and --each", f"{zh}；请去掉 --svg 与 --each")

    def styled(self, prompt: str | None) -> str | None:
        """The prompt with the style's word, in the prompt's language."""
        if self.style is None:
            return prompt
        from luoxia.core.language import Text
        from luoxia.data.icon_captions import styled
        from luoxia.data.icon_packages import STYLES

        names = {str(word): key for key, words in STYLES.items() for word in (key, words.en, words.zh)}
        if self.style.lower() not in names:
            raise UserError(
                f"style {self.style!r} is not known; give {', '.join(STYLES)}",
                f"没有风格 {self.style!r}；可选 {'、'.join(f'{k}（{v.zh}）' for k, v in STYLES.items())}",
            )
        said = styled(Text(prompt or "", prompt or ""), names[self.style.lower()])
        chinese = any("\u4e00" <= c <= "\u9fff" for c in prompt or "")
        return (said.zh if chinese else said.en).strip(", ，")


Picture = Annotated[
    Path, Argument(metavar="PICTURE", help=say("Of any size and mode.", "任意大小与模式的图片。"))
]


@app.command(NEW, help=say("Pictures from words; `new` may be left out.", "按文字作画；new 可省略。"))
@unfolded
def new(
    prompt: Annotated[
        str,
        Argument(
            metavar="PROMPT", help=say("In English or Chinese, a few words.", "英文或中文，几个词即可。")
        ),
    ],
    order: Order = Order(),
) -> None:
    order.check()
    text = order.styled(prompt)
    admit(text or "", command="draw")
    order.leave(text)


@app.command(help=say("One sheet of many prompts, a line each.", "许多提示画成一张总图，每行一个提示。"))
@unfolded
def sheet(
    prompts: Annotated[Path, Argument(metavar="FILE", help=say("Of UTF-8 text.", "UTF-8 文本文件。"))],
    columns: Annotated[int, Option(metavar="N", min=1, help=say("Pictures in a row.", "每行图片数。"))] = 8,
    order: Order = Order(out=Path("sheet.png")),
) -> None:
    from luoxia.cli import inputs
    from luoxia.core.seeds import checked
    from luoxia.workspace import makers
    from luoxia.workspace.asked import Drawn

    order.check()
    order.refuse_more("a sheet is one picture", "总图只有一张")
    numbered = enumerate(inputs.contents(prompts).splitlines(), start=1)
    lines = {number: order.styled(line.strip()) or "" for number, line in numbered if line.strip()}
    if not 1 <= len(lines) * order.n <= MOST:
        raise UserError(
            f"{prompts}: {len(lines)} prompts of {order.n} pictures each; 1 to {MOST} fit on a sheet",
            f"{prompts}：{len(lines)} 个提示，每个 {order.n} 张；总图可容 1 到 {MOST} 张",
        )
    for number, line in lines.items():
        try:
            admit(line, command="draw sheet")
        except UserError as error:
            raise UserError(
                f"{prompts}:{number}: {error.text.en}", f"{prompts}:{number}：{error.text.zh}"
            ) from error
    text = "\n".join(lines.values())
    facts: dict[str, Any] = {**order.asked(), "n": len(lines) * order.n, "columns": columns}
    asked = Drawn(**facts)
    seed = checked(order.seed)
    made_from = makers.told(
        "picture", "draw sheet", order.model, asked, clip=order.clip, prompt=text, seed=seed
    )
    leave_made(made_from, order.out, later=order.later)


@app.command(
    help=say("Keep the given part of a picture, and draw the rest.", "保留图片的给定部分，画出其余。")
)
@unfolded
def complete(
    picture: Picture,
    prompt: Annotated[
        str | None, Argument(metavar="[PROMPT]", help=say("What it is to become.", "要画成什么。"))
    ] = None,
    mask: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help=say("A picture of the same size, white where to draw.", "同样大小的图片，白色处重画。"),
        ),
    ] = None,
    keep: Annotated[
        float,
        Option(
            metavar="SHARE",
            help=say(
                "Rows kept of a square picture without mask or transparency.",
                "无遮罩、不透明的方形图片所保留的行比例。",
            ),
        ),
    ] = 0.5,
    order: Order = Order(out=Path("completed.png")),
) -> None:
    order.check()
    text = order.styled(prompt)
    admit(text or "", command="draw complete")
    from luoxia.workspace.asked import given

    more = {"picture": given(picture), "mask": given(mask) if mask else None, "keep": keep}
    parents = (picture, *([mask] if mask else []))
    order.leave(text, "draw complete", parents=parents, **more)


@app.command(help=say("Pictures like a given one.", "画出与给定图片相似的图片。"))
@unfolded
def vary(
    picture: Picture,
    prompt: Annotated[
        str | None, Argument(metavar="[PROMPT]", help=say("What it shows.", "图片内容。"))
    ] = None,
    strength: Annotated[
        float,
        Option(metavar="X", help=say("Share that is drawn anew, up to 1.", "重画的比例，最大为 1。")),
    ] = 0.5,
    order: Order = Order(n=6, out=Path("variations.png")),
) -> None:
    order.check()
    text = order.styled(prompt)
    admit(text or "", command="draw vary")
    from luoxia.workspace.asked import given

    more = {"picture": given(picture), "strength": strength}
    order.leave(text, "draw vary", parents=(picture,), **more)

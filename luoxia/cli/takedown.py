"""`luoxia takedown`: an item goes out of a data set, and what descends from it is told and marked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from luoxia.cli.history import opened, printable
from luoxia.cli.words import say, tell

if TYPE_CHECKING:
    from luoxia.data.takedown import Found

SHOWN = 20  # of a list


def takedown(
    item: Annotated[
        str,
        Argument(
            metavar="ITEM",
            help=say(
                "Its number, its name in the source, the SHA-256 of its pixels or text, or a file that shows it.",
                "编号、来源中的名称、像素或文本的 SHA-256，或展示它的文件。",
            ),
        ),
    ],
    data: Annotated[
        str,
        Option(
            metavar="DATA",
            help=say(
                "A .data or .tokens folder, avatars or icons.", ".data 或 .tokens 文件夹，avatars 或 icons。"
            ),
        ),
    ],
    reason: Annotated[
        str,
        Option(metavar="TEXT", help=say("Who asked for it, and why; kept.", "由谁要求、为何；会被保存。")),
    ] = "",
    yes: Annotated[
        bool, Option("--yes", "-y", help=say("Do it; without, it is told only.", "执行；不加则只作说明。"))
    ] = False,
) -> None:
    from luoxia.core.errors import UserError
    from luoxia.data import takedown as sets
    from luoxia.workspace.takedown import descent, take_down

    places = sets.folders(data)
    if not places:
        raise UserError(f"{data} has not been drawn here", f"本机尚未绘制 {data}")
    with opened() as workspace:
        for found in _in(places, item):
            off = (
                say(f", {found.off:.1f} grey levels off", f"，相差 {found.off:.1f} 灰度级")
                if found.off
                else ""
            )
            print(
                say(
                    f"{found.folder}: item {printable(found.item)}{off}",
                    f"{found.folder}：第 {printable(found.item)} 项{off}",
                )
            )
            told = take_down(workspace, found, reason) if yes else descent(workspace, found)
            _list(say("models that learned from it", "由其训练的模型"), told.models)
            _list(say("what these made", "这些模型的作品"), told.outputs)
    if not yes:
        tell("Nothing was changed; do it with --yes.", "未作任何更改；加 --yes 执行。")
        return
    tell(
        f"It is out of {data}, and will not come back when the set is prepared or drawn again here.",
        f"已从 {data} 移除；今后在本机重新准备或绘制时不会再出现。",
    )
    tell(
        "Weights keep what they learned until they are trained anew: luoxia train RECIPE --data "
        f"{data} -o runs/NEW, then remove the old ones.",
        f"模型权重仍保留所学内容，须重新训练：luoxia train 配方 --data {data} -o runs/新，然后删除旧模型。",
    )


def _in(places: Iterable[Path], item: str) -> list[Found]:
    """The item in each folder that still has it: the command may have been interrupted between two of them."""
    from luoxia.data.takedown import GoneError, find

    found, gone = [], None
    for folder in places:
        try:
            found.append(find(item, folder))
        except GoneError as error:
            gone = error
    if gone and not found:
        raise gone
    return found


def _list(title: str, names: tuple[str, ...]) -> None:
    more = (
        [say(f"and {len(names) - SHOWN} more", f"另有 {len(names) - SHOWN} 项")] if len(names) > SHOWN else []
    )
    told = [*map(printable, names[:SHOWN]), *more] or [say("none", "无")]
    print("\n".join([f"  {title}:", *(f"    {name}" for name in told)]))

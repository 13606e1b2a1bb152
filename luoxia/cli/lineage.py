"""`luoxia lineage` and `luoxia replay`: where a creation stands among others, and whether it can be made again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from luoxia.cli.history import FAULTY, Id, opened, printable, shortened
from luoxia.cli.words import say, tell
from luoxia.core.errors import UserError

if TYPE_CHECKING:
    from luoxia.workspace.lineage import Lineage

DEEPEST, PROMPT = 40, 60


def lineage(
    id: Id,
    svg: Annotated[bool, Option("--svg", help=say("Draw it as a picture.", "画成一张图。"))] = False,
    out: Annotated[
        Path | None,
        Option(
            "-o",
            "--out",
            metavar="FILE",
            help=say("The picture; lineage-ID.svg.", "图片；默认 lineage-编号.svg。"),
        ),
    ] = None,
) -> None:
    from luoxia.workspace.lineage import MOST
    from luoxia.workspace.lineage import lineage as around
    from luoxia.workspace.takedown import marks

    if out is not None and not svg:
        raise UserError(
            f"{out} is where a picture goes: give --svg too", f"{out} 用于保存图片：请同时给出 --svg"
        )
    with opened() as workspace:
        graph = around(workspace, workspace.find(id).id)
        taken_down = marks(workspace, graph.nodes)
    if graph.cut:
        tell(f"there are more; {MOST} creations are shown", f"数量过多，只显示 {MOST} 件作品")
    if svg:
        from luoxia.core.folder import write_atomically
        from luoxia.workspace.lineage_picture import svg as drawn

        path = out or Path(f"lineage-{graph.focus}.svg")
        try:
            with write_atomically(path) as file:
                file.write(drawn(graph).encode())
        except OSError as error:
            raise UserError(
                f"{path} cannot be written: {error.strerror}", f"无法写入 {path}：{error.strerror}"
            ) from error
        tell(f"{path}: {len(graph.nodes)} creations", f"{path}：{len(graph.nodes)} 件作品")
        return
    for one, some in taken_down.items():
        items = printable(", ".join(f"{mark.data} {mark.item}" for mark in some))
        tell(
            f"{one}: a model of it learned from what was taken down since ({items})",
            f"{one}：其模型曾学习此后下架的内容（{items}）",
        )
    above, below = _tree(graph, graph.focus, up=True)[1:], _tree(graph, graph.focus, up=False)[1:]
    print(_line(graph, graph.focus))
    for title, lines in ((say("made from", "来自"), above), (say("came of it", "衍生"), below)):
        if lines:
            print("\n".join([title, *lines]))


def _tree(graph: Lineage, id: str, *, up: bool) -> list[str]:
    """The line of ``id`` and those on one side of it, indented; what was shown before is not unfolded again."""
    lines, seen, stack = [], set[str](), [(id, 0)]
    while stack:
        one, depth = stack.pop()
        again = one in seen
        lines.append(
            "  " * min(depth, DEEPEST)
            + _line(graph, one)
            + (say(" (see above)", "（见上）") if again else "")
        )
        if not again:
            seen.add(one)
            stack += [(other, depth + 1) for other in reversed(graph.above(one) if up else graph.below(one))]
    return lines


def _line(graph: Lineage, id: str) -> str:
    creation = graph.nodes[id]
    if creation is None:
        return f"{id}  {say('recorded elsewhere', '记录不在本机')}"
    return f"{id}  {creation.kind}  {shortened(creation.made_from.prompt, PROMPT)}".rstrip()


def replay(id: Id) -> int:
    with opened() as workspace:
        creation = workspace.find(id)
    from luoxia.workspace.replay import replay as made_again

    found = made_again(creation)
    distance = "" if found.distance is None else f"{found.distance:.4f}"
    print(
        {
            "identical": say("identical: the content before labelling is the same, byte for byte", "完全一致：标识前的内容逐字节相同"),
            "close": say(f"close: at a distance of {distance} of 1", f"接近：距离为 {distance}（最大为 1）"),
            "different": say(
                f"different: at a distance of {distance} of 1" if distance else "different; its record keeps no sketch to compare with",
                f"不同：距离为 {distance}（最大为 1）" if distance else "不同；记录中没有可供比较的缩略内容",
            ),
            "impossible": say("it cannot be made again", "无法重制"),
        }[found.outcome]
    )  # fmt: skip
    for reason in found.reasons:
        print(f"· {reason}")
    return 0 if found.outcome == "identical" else FAULTY

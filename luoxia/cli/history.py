"""`luoxia history` and `luoxia show`: what was made here, and what it was made from."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from luoxia.cli.words import print_table, say, tell
from luoxia.core.errors import UserError

if TYPE_CHECKING:
    from luoxia.workspace.creation import Creation
    from luoxia.workspace.history import Workspace
    from luoxia.workspace.made_from import DatasetUsed
    from luoxia.workspace.takedown import Mark

FAULTY = 1
PROMPT, FILE = 48, 32  # columns
As_json = Annotated[bool, Option("--json", help=say("As JSON.", "输出 JSON。"))]
Id = Annotated[
    str,
    Argument(metavar="ID", help=say("Of a creation; its beginning is enough.", "作品编号，写出开头即可。")),
]


def history(
    search: Annotated[
        str,
        Option(
            metavar="WORDS",
            help=say(
                "Those with all of these words in prompt, text, file or model; in quotes, as they stand.",
                "提示、文本、文件名或模型中含全部词语者；加引号则按原样查找。",
            ),
        ),
    ] = "",
    kind: Annotated[
        str, Option(metavar="KIND", help=say("As in text, picture, film.", "如 text、picture、film。"))
    ] = "",
    limit: Annotated[
        int, Option("-n", "--limit", metavar="N", help=say("How many, the newest.", "最多列出最新的几件。"))
    ] = 20,
    check: Annotated[
        bool,
        Option(
            "--check",
            help=say("Tell whether the records are those that were written.", "检查记录是否被改动。"),
        ),
    ] = False,
    head: Annotated[
        str | None,
        Option(
            metavar="HASH",
            help=say(
                "With --check: an earlier head, still to be in the chain.",
                "与 --check 同用：此前记下的哈希。",
            ),
        ),
    ] = None,
    refused: Annotated[
        bool, Option("--refused", help=say("What the gates refused.", "关卡所拒绝的内容。"))
    ] = False,
    as_json: As_json = False,
) -> int:
    with opened() as workspace:
        if refused:
            return _refused(workspace, limit, as_json)
        if check or head:
            return _check(workspace, head, as_json)
        found = workspace.list(search=search, kind=kind, limit=limit)
        if kind and not found and kind not in (known := workspace.kinds()):
            raise UserError(
                f"there is nothing of kind {kind!r}; there is {', '.join(known) or 'nothing yet'}",
                f"没有 {kind!r} 类作品；现有 {'、'.join(known) or '（无）'}",
            )
    if as_json:
        print(json.dumps([asdict(row) for row in found], ensure_ascii=False, indent=1))
        return 0
    if not found:
        tell("nothing found", "没有找到作品")
        return 0
    heading = (
        say("id", "编号"),
        say("made", "时间"),
        say("kind", "种类"),
        say("prompt", "提示"),
        say("file", "文件"),
    )
    rows = [
        (
            row.id,
            _local(row.made),
            row.kind,
            shortened(row.prompt, PROMPT),
            shortened(row.path.replace("\\", "/").rsplit("/", 1)[-1], FILE),
        )
        for row in found
    ]
    print_table([heading, *rows])
    return 0


def show(id: Id, as_json: As_json = False) -> None:
    from luoxia.workspace.takedown import marks

    with opened() as workspace:
        creation = workspace.find(id)
        children = workspace.children(creation.id)
        taken_down = marks(workspace, [creation.id]).get(creation.id, [])
    if as_json:
        more = {"children": children, "taken_down": [asdict(mark) for mark in taken_down]}
        print(json.dumps(creation.to_json() | more, ensure_ascii=False, indent=1))
        return
    for name, value in _facts(creation, children, taken_down):
        if value:
            first, *rest = value.split("\n")
            print((name + say(": ", "：") + first).rstrip())
            for line in rest:
                print(f"    {line}")


def _refused(workspace: Workspace, limit: int, as_json: bool) -> int:
    from luoxia.workspace import gates

    found = gates.refusals(workspace, limit)
    if as_json:
        print(json.dumps([asdict(row) for row in found], ensure_ascii=False, indent=1))
    elif not found:
        tell("nothing was refused", "没有被拒绝的内容")
    else:
        names = (
            ("made", "时间"),
            ("command", "命令"),
            ("class", "类别"),
            ("score", "得分"),
            ("what", "内容"),
        )
        rows = [
            (
                _local(r.at),
                printable(r.command),
                r.name,
                "" if r.score is None else f"{r.score:.2f}",
                shortened(r.what, PROMPT),
            )
            for r in found
        ]
        print_table([tuple(say(*name) for name in names), *rows])
    return 0


def opened() -> Workspace:
    """The workspace, and a line for what a crash had left unfinished and was mended."""
    from luoxia.workspace.history import Workspace

    workspace = Workspace()
    for id in workspace.mended:
        tell(
            f"{id} was published just before a crash; its record is made now",
            f"{id} 在崩溃前刚刚发布；现已补上记录",
        )
    return workspace


def printable(text: str) -> str:
    """One line without what a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, columns: int) -> str:
    from rich.cells import cell_len, set_cell_size

    text = printable(text[: columns * 4])
    return text if cell_len(text) <= columns else set_cell_size(text, columns - 1).rstrip() + "…"


def _local(made: str) -> str:
    try:
        return datetime.fromisoformat(made).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return printable(made)


def _facts(creation: Creation, children: list[str], taken_down: list[Mark]) -> list[tuple[str, str]]:
    made_from = creation.made_from
    models = "\n".join(
        printable(f"{m.id} ({m.role})" if m.role else m.id)
        + f"\n  SHA-256 {m.sha256}"
        + (f"\n  {say('run', '训练')} {printable(m.run)}" if m.run else "")
        + "".join(f"\n  {_of(d)}" for d in m.datasets)
        for m in made_from.models
    )
    parameters = "\n".join(
        f"{k} {printable(json.dumps(v, ensure_ascii=False))}" for k, v in sorted(made_from.parameters.items())
    )
    return [
        (say("id", "编号"), creation.id),
        (say("watermark number", "水印编号"), f"{creation.number:012x}"),
        (say("made", "时间"), _local(creation.made)),
        (say("kind", "种类"), made_from.kind),
        (say("made by", "命令"), printable(made_from.command)),
        (say("file", "文件"), printable(creation.path)),
        (say("prompt", "提示"), "\n".join(map(printable, made_from.prompt.split("\n")))),
        (say("seed", "种子"), "" if made_from.seed is None else str(made_from.seed)),
        (say("models", "模型"), _block(models)),
        (say("taken down since", "此后下架的训练数据"), _block("\n".join(map(marked, taken_down)))),
        (say("near training items", "与训练数据相近"), _block(_near(creation))),
        (say("recipe", "配方"), printable(made_from.recipe)),
        (say("licences", "许可"), printable(", ".join(made_from.licences))),
        (say("parameters", "参数"), _block(parameters)),
        (
            say("made from", "来自"),
            ", ".join(f"{p.id} {printable(p.role)}".strip() for p in made_from.parents),
        ),
        (say("children", "衍生"), ", ".join(children)),
        (
            say("versions", "版本"),
            printable(", ".join(f"{k} {v}" for k, v in sorted(made_from.versions.items()))),
        ),
        (say("judged", "安全判别"), ", ".join(_judged(creation))),
        (say("content before labelling", "标识前的内容"), f"SHA-256 {creation.content_sha256}"),
        (
            say("file as published", "发布的文件"),
            f"SHA-256 {creation.file_sha256}" if creation.file_sha256 else "",
        ),
    ]


def marked(mark: Mark) -> str:
    """An item that a model had learned from and that was taken down since, in a line."""
    why = f" ({mark.reason})" if mark.reason else ""
    return printable(f"{mark.data} {mark.item} {_local(mark.at)}{why}")


def _near(creation: Creation) -> str:
    """What the gate found, or why it could not look."""
    told, lines = creation.memorisation, list[str]()
    for one in told.get("near", ()):
        lines.append(printable(f"{one['what']}: {one['data']} {one['item']}, {one.get('source', '')}"))
    for model in told.get("looked_up", ()) if not lines else ():
        lines.append(printable(say(f"none that {model} learned from", f"{model} 的训练数据中没有")))
    for model, why in told.get("not_looked_up", {}).items():
        lines.append(printable(say(f"not looked up for {model}: {why}", f"{model} 未能查找：{why}")))
    return "\n".join(lines)


def _of(dataset: DatasetUsed) -> str:
    """What a model learned from, in a line."""
    by = say(f" by {dataset.author}", f"，作者 {dataset.author}") if dataset.author else ""
    terms = dataset.licence or say("no licence is told", "未说明许可")
    return printable(
        say(f"learned from {dataset.name}: {terms}{by}", f"训练数据 {dataset.name}：{terms}{by}")
    )


def _judged(creation: Creation) -> list[str]:
    off = say("off", "关闭")
    return [
        f"{name} {score:.2f} ({off if threshold is None else f'< {threshold:g}'})"
        for name, (score, threshold) in creation.judged.items()
    ]


def _block(text: str) -> str:
    return f"\n{text}" if text else ""


def _check(workspace: Workspace, head: str | None, as_json: bool) -> int:
    found = workspace.check(head)
    if as_json:
        fault = found.fault and {"at": found.at, "en": found.fault.en, "zh": found.fault.zh}
        print(
            json.dumps(
                {"count": found.count, "head": found.head, "fault": fault}, ensure_ascii=False, indent=1
            )
        )
    elif found.fault:
        print(say(f"✗ record {found.at}: {found.fault.en}", f"✗ 第 {found.at} 条记录：{found.fault.zh}"))
    else:
        print(
            say(
                f"✓ {found.count} records hold; the head is {found.head}",
                f"✓ {found.count} 条记录完好；链首为 {found.head}",
            )
        )
    return FAULTY if found.fault else 0

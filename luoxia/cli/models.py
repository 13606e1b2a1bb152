"""`luoxia models`: which there are, what each is, and how it comes here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Context, Option, Typer

from luoxia.cli.readiness import bring
from luoxia.cli.words import print_table, say, tell
from luoxia.core import language
from luoxia.core.errors import UserError
from luoxia.core.progress import readable_size
from luoxia.weights import own_texts
from luoxia.weights.catalogue import (
    ADAPTER_FACTS,
    CATALOGUE,
    FACTS,
    Entry,
    card,
    find,
    is_here,
    own,
    path_of,
    place,
)

app = Typer(rich_markup_mode=None)

Id = Annotated[
    str, Argument(metavar="ID", help=say("An id that `luoxia models` lists.", "`luoxia models` 列出的 id。"))
]


@app.callback(invoke_without_command=True)
def list_models(context: Context) -> None:
    if context.invoked_subcommand is None:
        heading = (
            say("id", "id"),
            say("kind", "类别"),
            say("size", "大小"),
            say("licence", "许可"),
            say("here", "在本机"),
        )
        print_table(
            [heading, *map(_row, CATALOGUE.values()), *map(_own_row, own()), *map(_adapter_row, _adapters())]
        )


@app.command(help=say("Bring a model to this machine.", "将模型下载到本机。"))
def get(
    id: Id,
    yes: Annotated[
        bool,
        Option(
            "--yes",
            "-y",
            help=say("Do not ask before a model that needs consent.", "需要同意的模型也不再询问。"),
        ),
    ] = False,
) -> None:
    entry = find(id)
    if entry.opt_in and not yes and not is_here(entry):
        _ask(entry)
    bring(entry)
    tell(f"{entry.title} is here: {path_of(entry)}", f"{entry.title} 已在本机：{path_of(entry)}")


@app.command(
    "import",
    help=say(
        "Keep a StyleGAN, a CLIP or a discrete VAE: as it was published, or a run.",
        "收入 StyleGAN、CLIP 或离散 VAE：已发布的文件，或一次训练。",
    ),
)
def import_(
    source: Annotated[
        Path,
        Argument(
            metavar="SOURCE",
            help=say(
                "NVIDIA's network.pkl, a folder with OpenAI's encoder.pkl and decoder.pkl, of which nothing is "
                "executed, a Hugging Face folder of CLIP, or a run's folder.",
                "NVIDIA 的 network.pkl、含 OpenAI encoder.pkl 与 decoder.pkl 的文件夹（不执行其中任何代码）、"
                "CLIP 的 Hugging Face 文件夹，或训练文件夹。",
            ),
        ),
    ],
    name: Annotated[str, Option("--as", metavar="NAME", help=say("Its name from now on.", "今后的名称。"))],
) -> None:
    from luoxia.weights import clip_folder, openai_dvae
    from luoxia.weights.stylegan_import import keep

    if openai_dvae.is_one(source):
        dvae = openai_dvae.keep(source, name).config
        tell(
            f"{name}: discrete VAE, {dvae.size} x {dvae.size} pixels as {dvae.side} x {dvae.side} of {dvae.codes} codes",
            f"{name}：离散 VAE，{dvae.size} x {dvae.size} 像素对应 {dvae.side} x {dvae.side} 个编码（共 {dvae.codes} 种）",
        )
        return
    if clip_folder.is_one(source):
        clip = clip_folder.keep(source, name)
        c = clip.config
        tell(
            f"{name}: CLIP, {c.size} x {c.size} pixels, texts of {c.block_size} tokens; in {clip.weights.parent}",
            f"{name}：CLIP，{c.size} x {c.size} 像素，文字至多 {c.block_size} 个词元；位于 {clip.weights.parent}",
        )
        return
    kept = keep(source, name)
    network = kept.network
    classes = f", {network.classes} classes" if network.classes else ""
    tell(
        f"{name}: {network.size} x {network.size} pixels, {network.num_ws} styles{classes}; in {kept.folder}",
        f"{name}：{network.size} x {network.size} 像素，{network.num_ws} 个样式；位于 {kept.folder}",
    )


@app.command(
    help=say("Write a CLIP or a DALL·E for other programs to open.", "将 CLIP 或 DALL·E 导出供其他程序使用。")
)
def export(
    model: Annotated[
        str,
        Argument(
            metavar="MODEL",
            help=say("A model's name, its folder, or a run's.", "模型的名称、文件夹或训练文件夹。"),
        ),
    ],
    out: Annotated[
        Path,
        Option("-o", "--out", metavar="FOLDER", help=say("A new folder.", "新文件夹。")),
    ],
    onnx: Annotated[
        bool,
        Option(
            "--onnx",
            help=say(
                "As ONNX, of a CLIP a file for each tower; else as transformers reads it.",
                "导出为 ONNX，CLIP 每塔一个文件；否则为 transformers 可读的格式。",
            ),
        ),
    ] = False,
    part: Annotated[
        str,
        Option(
            metavar="PART",
            help=say("Of a model that draws: clip or dalle.", "绘图模型的部分：clip 或 dalle。"),
        ),
    ] = "clip",
) -> None:
    from luoxia.weights import clip_export, clip_folder, clip_onnx

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already: give another -o", f"{out} 已存在：请用 -o 另指定")
    if part not in ("clip", "dalle"):
        raise UserError(f"--part {part}: give clip or dalle", f"--part {part}：请给 clip 或 dalle")
    if part == "dalle":
        from luoxia.weights import dalle_export, drawing_folder

        dalle = drawing_folder.find(model).part("dalle")
        write = dalle_export.export_onnx if onnx else dalle_export.export_folder
        write(dalle.network(), dalle.reader(), out)
        tell(f"{dalle.name} is in {out}", f"{dalle.name} 已写入 {out}")
        return
    found = clip_folder.find(model)
    write = clip_onnx.export_onnx if onnx else clip_export.export_folder
    write(found.network(), found.tokenizer, out)
    tell(f"{found.name} is in {out}", f"{found.name} 已写入 {out}")


@app.command(help=say("Take a model or an adapter of your own away.", "删除自有的模型或适配器。"))
def remove(
    name: Annotated[
        str,
        Argument(metavar="NAME", help=say("As `luoxia models` lists it.", "`luoxia models` 列出的名称。")),
    ],
) -> None:
    own_texts.remove(name)
    tell(f"{name} is gone", f"{name} 已删除")


@app.command("card", help=say("What a model is and may be used for.", "模型是什么、可作何用途。"))
def print_card(id: Id) -> None:
    own_text = own_texts.find(id)
    told = own_text.card(language.current()) if own_text else card(find(id), language.current())
    print(told.rstrip())


@app.command(
    help=say("Where a model's file belongs, to place it by hand.", "模型文件应在的位置，便于手动放置。")
)
def path(id: Id) -> None:
    print(path_of(find(id)))


def _ask(entry: Entry) -> None:
    note = entry.note or entry.summary
    tell(
        f"{entry.title}: {readable_size(entry.size)}, licence {entry.licence}, from {entry.publisher}.",
        f"{entry.title}：{readable_size(entry.size)}，许可 {entry.licence}，发布者 {entry.publisher}。",
    )
    tell(note.en, note.zh)
    if not sys.stdin.isatty():
        raise UserError(
            f"{entry.id} is fetched only with your consent: add --yes",
            f"{entry.id} 须经您同意才会下载：请加 --yes",
        )
    if not typer.confirm(say("Fetch it?", "要下载吗？"), err=True):
        raise typer.Exit(1)


def _own_row(name: str) -> tuple[str, ...]:
    size = sum(file.stat().st_size for file in place(name).iterdir() if file.is_file())
    try:
        family = str(json.loads((place(name) / FACTS).read_text(encoding="utf-8"))["family"])
    except (OSError, ValueError, KeyError, TypeError):
        family = "?"
    kind = "pictures" if family.startswith("stylegan") else family[:20]
    return name, kind, readable_size(size), say("your own", "自有"), say("yes", "是")


def _adapters() -> list[str]:
    return [path.parent.name for path in sorted(place("_").parent.glob(f"*/{ADAPTER_FACTS}"))]


def _adapter_row(name: str) -> tuple[str, ...]:
    own = own_texts.find(name)
    if own is None:
        return name, "?", "?", "?", say("damaged", "已损坏")
    return name, "text", readable_size(own.size), own.licence or say("your own", "自有"), f"+ {own.base}"


def _row(entry: Entry) -> tuple[str, ...]:
    here = say("yes", "是") if is_here(entry) else say("no", "否")
    return entry.id, entry.kind, readable_size(entry.size), entry.licence, here

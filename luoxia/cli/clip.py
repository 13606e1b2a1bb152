"""`luoxia clip`: pictures found by words, and words judged by pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from luoxia.cli import options
from luoxia.cli.inputs import prompt_text
from luoxia.cli.words import print_table, say, tell
from luoxia.core.errors import UserError, unreadable

if TYPE_CHECKING:
    from luoxia.generate.picture_index import PictureIndex
    from luoxia.generate.sight import Sight

app = Typer(rich_markup_mode=None, no_args_is_help=True)
MODEL = "icons-64"
SHOWN, SIDE = 3, 128  # files named that are no pictures; pixels of a picture on a sheet at least
MOST = 1_000

Model = Annotated[
    str,
    Option(
        metavar="MODEL",
        help=say("A model's name, its folder, or a run's.", "模型名称、模型文件夹或训练文件夹。"),
    ),
]
Place = Annotated[
    str,
    Argument(
        metavar="PICTURES",
        help=say(
            "A folder, a zip or tar archive, shards, a prepared .data folder, or a built-in set.",
            "文件夹、zip 或 tar 压缩包、分片、准备好的 .data 文件夹或内置数据集。",
        ),
    ),
]


@app.command(help=say("Find the pictures that fit a text best.", "找出最符合文字的图片。"))
def search(
    text: Annotated[str, Argument(metavar="TEXT", help=say("What they show.", "图片的内容。"))],
    pictures: Place,
    count: Annotated[
        int, Option("-n", "--count", metavar="N", min=1, max=MOST, help=say("How many.", "数量。"))
    ] = 12,
    sheet: Annotated[
        Path | None,
        Option(metavar="FILE", help=say("Lay them out on one picture, in order.", "按序排成一张图片。")),
    ] = None,
    model: Model = MODEL,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    words = prompt_text(text)
    if sheet is not None:
        from luoxia.core.images import form_of

        form_of(sheet)
    sight = _open(model, device, threads)
    vector = _read(sight, [words])[0]
    index = _index(pictures, sight)
    found = index.nearest(vector, count)
    rows = [(str(rank + 1), f"{near:.3f}", index.names[i]) for rank, (i, near) in enumerate(found)]
    print_table([(say("rank", "名次"), say("cosine", "余弦"), say("picture", "图片")), *rows])
    if sheet is not None:
        _lay_out(index, [i for i, _ in found], sight, sheet)


@app.command(help=say("How well each text fits a picture.", "各条文字与图片的契合程度。"))
def score(
    picture: Annotated[Path, Argument(metavar="PICTURE", help=say("A picture's file.", "图片文件。"))],
    texts: Annotated[list[str], Argument(metavar="TEXT...", help=say("What it might show.", "可能的内容。"))],
    model: Model = MODEL,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    from luoxia.data.decoding import UndecodableError, decode

    words = [prompt_text(text) for text in texts]
    try:
        image = decode(picture.read_bytes()).image
    except OSError as error:
        raise unreadable(picture, error) from error
    except UndecodableError as error:
        raise UserError(f"{picture}: {error.text.en}", f"{picture}：{error.text.zh}") from error
    sight = _open(model, device, threads)
    vectors = _read(sight, words)
    seen = sight.of_pictures(sight.pixels(image)[None])
    shares, near = sight.probabilities(seen, vectors)[0], (vectors @ seen[0])
    order = sorted(range(len(words)), key=lambda i: -near[i])
    rows = [(say("probability", "概率"), say("cosine", "余弦"), say("text", "文字"))]
    rows += [(f"{shares[i]:.1%}", f"{near[i]:.3f}", words[i]) for i in order]
    first = 0 if len(words) > 1 else 1  # a text alone has all of the probability
    print_table([row[first:] for row in rows])


@app.command(help=say("Tell for each picture which of some words fits.", "判断每张图片最符合哪个词。"))
def classify(
    pictures: Place,
    classes: Annotated[
        list[str], Argument(metavar="CLASS...", help=say("Two words or more.", "两个或更多的词。"))
    ],
    template: Annotated[
        list[str] | None,
        Option(
            metavar="TEXT",
            help=say(
                'How a class is said, as in "a drawing of a {}"; several are averaged.',
                "类别的说法，如“一幅{}的画”；给出多个时取平均。",
            ),
        ),
    ] = None,
    model: Model = MODEL,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    names = [prompt_text(name) for name in classes]
    if len(set(names)) < 2:
        raise UserError("give two different classes at least", "请至少给出两个不同的类别")
    ways = template or ["{}"]
    if any("{}" not in way for way in ways):
        raise UserError(
            "a template says {} where the class stands, as in --template 'a drawing of a {}'",
            "模板须用 {} 表示类别的位置，如 --template '一幅{}的画'",
        )
    import torch

    from luoxia.evaluate.alignment import class_vectors

    sight = _open(model, device, threads)
    vectors = class_vectors(lambda texts: torch.from_numpy(_read(sight, list(texts))), names, ways)
    index = _index(pictures, sight)
    shares = sight.probabilities(index.vectors, vectors.float().numpy())
    best = shares.argmax(1)
    rows = [(names[k], f"{row[k]:.1%}", name) for name, row, k in zip(index.names, shares, best, strict=True)]
    print_table([(say("class", "类别"), say("probability", "概率"), say("picture", "图片")), *rows])


def _open(model: str, device: str | None, threads: int | None) -> Sight:
    import torch

    from luoxia.core.runtime import resolve
    from luoxia.generate.sight import Sight
    from luoxia.weights import clip_folder

    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    return Sight(clip_folder.find(model), runtime.device)


def _read(sight: Sight, texts: list[str]):
    vectors = sight.of_texts(texts)
    for text in texts:
        if sight.is_cut(text):
            tell(
                f"only the beginning is read of: {text[:60]}…",
                f"只读取了开头：{text[:60]}…",
            )
    return vectors


def _index(place: str, sight: Sight) -> PictureIndex:
    from luoxia.core.progress import bar
    from luoxia.generate.picture_index import index

    with bar(place[-40:]) as progress:
        made = index(place, sight, progress)
    for name, why in made.unread[:SHOWN]:
        tell(f"left out: {name}: {why.en}", f"略过：{name}：{why.zh}")
    rest = len(made.unread) - SHOWN
    if rest > 0:
        tell(f"left out: {rest} more files that cannot be read", f"略过：另有 {rest} 个无法读取的文件")
    return made


def _lay_out(index: PictureIndex, places: list[int], sight: Sight, path: Path) -> None:
    from luoxia.core.folder import write_atomically
    from luoxia.core.images import form_of, grid

    shown = index.pictures(places, sight)
    columns = min(6, len(places))
    picture = grid(shown, columns, gap=4, enlarge=max(1, SIDE // shown.shape[-1]))
    with write_atomically(path) as file:
        picture.save(file, form_of(path))
    tell(f"The sheet is {path}", f"排版图片：{path}")

"""Texts under `luoxia data`: the options that they have, and what is done with them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from luoxia.cli.words import say, tell
from luoxia.core.errors import UserError
from luoxia.core.progress import bar

if TYPE_CHECKING:
    from luoxia.data.corpus import Wanted
    from luoxia.data.corpus_findings import CorpusExamination

NEAR, SHARE = (
    0.8,
    0.02,
)  # those of luoxia.data.prepare_text and corpus_split, which are not imported to say help
LOOK = 1000  # files of a source that tell what it is

Texts = Annotated[
    bool,
    Option("--text", help=say("Take it for text whatever else there is.", "无论含有什么，一律视为文本。")),
]
Field = Annotated[
    str,
    Option(
        metavar="NAMES",
        help=say(
            "Texts: the columns of a row that make up its text, as in title,text.",
            "文本：组成一行正文的列，如 title,text。",
        ),
    ),
]
Language = Annotated[
    str,
    Option(
        metavar="CODES",
        help=say("Texts: keep these languages alone, as in zh,en.", "文本：只保留这些语言，如 zh,en。"),
    ),
]
ShortestText = Annotated[
    int,
    Option(
        metavar="N",
        min=1,
        help=say("Texts: leave out what has fewer characters.", "文本：剔除字符数更少的。"),
    ),
]
LongestText = Annotated[
    int,
    Option(
        metavar="N",
        min=0,
        help=say(
            "Texts: leave out what has more characters; 0: nothing.", "文本：剔除字符数更多的；0 为不限。"
        ),
    ),
]
Near = Annotated[
    float,
    Option(
        metavar="X",
        help=say(
            "Texts: as alike as this, from 0.5 to 1, one is left out as a copy; above 1: none.",
            "文本：相似度达到此值（0.5 到 1）的视为重复而剔除；大于 1 则不剔除。",
        ),
    ),
]
HeldOut = Annotated[
    float,
    Option(metavar="X", help=say("Texts: the share that is held out.", "文本：留出的比例。")),
]
TokenizerName = Annotated[
    str,
    Option(
        metavar="WHICH",
        help=say(
            "Texts: train:16000 learns a vocabulary of 16,000; else a model's name or folder, for its own.",
            "文本：train:16000 学习大小为 16,000 的词表；也可给模型名或文件夹以使用其分词器。",
        ),
    ),
]


@dataclass(frozen=True)
class Asked:
    """The options of texts, as they were typed."""

    field: str
    language: str
    min_chars: int
    max_chars: int
    near: float
    held_out: float

    def wanted(self) -> Wanted:
        from luoxia.data.corpus import Wanted
        from luoxia.data.languages import checked

        if not self.near >= 0.5:
            raise UserError(f"--near {self.near}: give 0.5 or more", f"--near {self.near}：请给 0.5 或更大")
        if not 0 < self.held_out <= 0.5:
            raise UserError(
                f"--held-out {self.held_out}: give a share above 0, up to 0.5",
                f"--held-out {self.held_out}：请给大于 0 且不超过 0.5 的比例",
            )
        if self.max_chars and self.max_chars < self.min_chars:
            raise UserError(
                f"--max-chars {self.max_chars} is less than --min-chars {self.min_chars}",
                f"--max-chars {self.max_chars} 小于 --min-chars {self.min_chars}",
            )
        fields = tuple(name.strip() for name in self.field.split(",") if name.strip())
        return Wanted(fields, checked(tuple(self.language.split(","))), self.min_chars, self.max_chars)


def is_text(place: str) -> bool:
    """Whether there are texts and no pictures at ``place``, by the names of its first files."""
    from luoxia.data.decoding import SUFFIXES
    from luoxia.data.documents import is_text as named_text
    from luoxia.data.sources import find_files

    path = Path(place).expanduser()
    if ":" in place or "{" in place or not path.exists():
        return False
    if path.suffix.lower() in (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet"):
        return not _names_pictures(path)
    names = [item.name for item in islice(find_files(place).items(), LOOK)]
    pictures = any(Path(name).suffix.lower() in SUFFIXES for name in names)
    return not pictures and any(named_text(name) for name in names)


def _names_pictures(path: Path) -> bool:
    """Whether the first rows of a table have a column for a picture's file or address."""
    from luoxia.data import tables

    columns = {*tables.FILE, *tables.ADDRESS, *tables.BYTES}
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if path.suffix.lower() == ".parquet":
        return any(
            row.file or row.address or row.data
            for row in islice(tables.rows(path.name, path.read_bytes()), 4)
        )
    first = head.split(b"\n", 1)[0] if path.suffix.lower() in (".csv", ".tsv") else head[:4096]
    return any(
        f'"{c}"'.encode() in first or c.encode() in first.replace(b'"', b"").split(b",") for c in columns
    )


def pictures_alone(**options: object) -> None:
    """Refuse what is for pictures."""
    for name, value in options.items():
        if value:
            raise UserError(
                f"--{name} is for pictures, and this is text", f"--{name} 只用于图片，而这里是文本"
            )


def check(place: str, asked: Asked) -> tuple[CorpusExamination, str]:
    from luoxia.data.prepare_text import examine

    wanted = asked.wanted()
    with tempfile.TemporaryDirectory(prefix="luoxia-check-") as scratch, bar(place) as progress:
        found = examine(
            place,
            Path(scratch),
            wanted=wanted,
            near=asked.near,
            share=asked.held_out,
            progress=progress,
        )
    return found, found.corpus.name


def prepare(
    place: str, out: Path, tokenizer: str, asked: Asked, licence: str, threads: int
) -> CorpusExamination:
    from luoxia.data.prepare_text import prepare as prepare_

    if not tokenizer:
        raise UserError(
            "give --tokenizer: train:16000 to learn one from these texts, or a model's name for its own",
            "请给出 --tokenizer：train:16000 从这些文本中学习，或给模型名以使用其分词器",
        )
    if not out.name.endswith(".tokens"):
        raise UserError(
            f"-o {out}: name the prepared corpus as in corpus.tokens", f"-o {out}：请如 corpus.tokens 命名"
        )
    wanted = asked.wanted()
    with bar(place) as progress:
        tokens, found = prepare_(
            place,
            out,
            tokenizer=tokenizer,
            wanted=wanted,
            near=asked.near,
            share=asked.held_out,
            licence=licence,
            threads=threads,
            progress=progress,
        )
    n, m, v = len(tokens.train.tokens), len(tokens.held_out.tokens), tokens.vocab_size
    tell(
        f"{out}: {n:,} tokens to train on, {m:,} held out, of a vocabulary of {v:,}.",
        f"{out}：{n:,} 个词元用于训练，{m:,} 个留出，词表大小 {v:,}。",
    )
    if not licence and not found.corpus.log.licences:
        tell(
            "No licence is recorded: say with --licence whose the texts are.",
            "未记录许可：请用 --licence 说明文本的归属。",
        )
    return found

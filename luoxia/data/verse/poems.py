"""The poems to learn from: those of the package in one of the four forms, in simplified characters, checked and told apart.

What is left out, and why, is counted: flagged by the collectors as faulty; of another form; with gaps or characters that
no table knows; without a level rhyme; printed before, which half of the lines show.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.folder import home, write_atomically
from luoxia.data.verse import package
from luoxia.data.verse.forms import FORMS, Form, form_of
from luoxia.data.verse.lexicon import is_character, look_up, simplified
from luoxia.data.verse.sounds import Book, book
from luoxia.data.verse.verdict import NOTE, judge
from luoxia.weights.catalogue import Entry

VERSION = 3  # of what is written; another one is made anew
ENDS = re.compile(r"[，。！？；：、]")
NOTES = re.compile(r"[（(〔\[].*?[)）〕\]]|其[一二三四五六七八九十]+$|\s.*$")
NAMELESS = ("無名氏", "不詳", "闕名")
COUNTED = {
    "flagged": ("flagged by the collectors as faulty", "收集者标记有误"),
    "form": ("of another form", "其他诗体"),
    "character": ("with gaps or unknown characters", "有缺字或生僻字"),
    "rhyme": ("without a level rhyme", "不押平声韵"),
    "again": ("printed before", "重复收录"),
}


@dataclass(frozen=True)
class Poem:
    """``text`` is the lines in a row, without punctuation. ``regular``: whether it keeps the tones of its form."""

    form: Form
    dynasty: str
    author: str
    title: str
    text: str
    regular: bool
    rhyme: int  # of 平水韵

    @property
    def lines(self) -> tuple[str, ...]:
        n = self.form.length
        return tuple(self.text[i : i + n] for i in range(0, len(self.text), n))


@dataclass
class Poems:
    """``left_out`` counts by reason; ``lines`` are all lines of five or seven characters in the package, which a new
    poem must not copy; ``others`` are the texts that are not learned from, for vectors that judge what was learned."""

    kept: list[Poem] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    lines: set[str] = field(default_factory=set)
    others: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """SHA-256 of what is learned from, in its order."""
        found = hashlib.sha256()
        for poem in self.kept:
            found.update(f"{poem.form.id} {poem.author} {poem.title} {poem.text}\n".encode())
        return found.hexdigest()


def prepare(entry: Entry = package.PACKAGE, watch: Callable[[int], None] = lambda _: None) -> Poems:
    """Read the package; ``watch`` hears how many poems were looked at."""
    flagged, poems = set[str](), Poems()
    rows = list[tuple[str, dict[str, Any]]]()
    for dynasty, faulty, found in package.files(entry):
        if faulty:
            flagged |= {str(row.get("id")) for row in found}
        else:
            rows += [(dynasty, row) for row in found]
    converted, books = _converter(), book("平水韵")
    for seen, (dynasty, row) in enumerate(_originals_first(rows), start=1):
        if seen % 1000 == 0:
            watch(seen)
        if str(row.get("id")) in flagged:
            poems.left_out["flagged"] += 1
        else:
            _take(poems, dynasty, row, converted, books)
    return poems


def _originals_first(rows: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """The Tang before the Song, who quote them whole; of a poem under two names, the poet with more poems has it."""
    written = Counter(str(row.get("author")) for _, row in rows)
    for name in NAMELESS:
        written[name] = 0
    return sorted(rows, key=lambda row: (row[0] != "tang", -written[str(row[1].get("author"))]))


def _take(
    poems: Poems, dynasty: str, row: dict[str, Any], converted: Callable[[str], str], pingshui: Book
) -> None:
    text = converted(NOTE.sub("", "".join(map(str, row.get("paragraphs", ())))))
    lines = [line for line in ENDS.split(text) if line]
    known = [line for line in lines if all(_known(c) for c in line)]
    fresh = [line for line in lines if line not in poems.lines]
    poems.lines |= {line for line in known if len(line) in (5, 7)}
    form, reason = form_of(lines), None
    if form is None:
        reason = "form"
    elif len(known) < len(lines):
        reason = "character"
    elif 2 * len(fresh) <= len(lines):
        reason = "again"
    else:
        verdict = judge(lines, pingshui)
        if verdict.free_of("rhyme"):
            rhyme = pingshui.names.index(str(verdict.rhyme))
            title, author = (converted(str(row.get(name, ""))) for name in ("title", "author"))
            poems.kept.append(
                Poem(form, dynasty, author, _title(title), "".join(lines), verdict.tones_kept, rhyme)
            )
            return
        reason = "rhyme"
    poems.left_out[reason] += 1
    if reason == "form":
        poems.others.append("".join(c for c in text if is_character(c)))


@cache
def _known(character: str) -> bool:
    return is_character(character) and look_up(character) is not None


def _title(title: str) -> str:
    """Its characters, without what says which of a series it is."""
    return "".join(c for c in NOTES.sub("", title) if is_character(c))


def _converter() -> Callable[[str], str]:
    """Traditional to simplified by OpenCC, which looks at words, then what only single characters show."""
    try:
        import opencc
    except ImportError as error:
        raise UserError(
            'the poems are turned into simplified characters by OpenCC; install it with: pip install "luoxia[train]"',
            '诗歌由 OpenCC 转为简体；请安装：pip install "luoxia[train]"',
        ) from error
    convert = opencc.OpenCC("t2s").convert
    return lambda text: simplified(convert(text))


def folder(entry: Entry = package.PACKAGE) -> Path:
    """Where the prepared poems lie."""
    return home() / "data" / "verse" / f"{entry.sha256[:12]}-{VERSION}"


def get(entry: Entry = package.PACKAGE, watch: Callable[[int], None] = lambda _: None) -> Poems:
    """The prepared poems, which are made of the package the first time."""
    path = folder(entry)
    if (path / "poems.tsv").exists():
        return read(path)
    package.require(entry)
    poems = prepare(entry, watch)
    write(path, poems)
    return poems


def write(path: Path, poems: Poems) -> None:
    """Lay ``poems`` down in the folder ``path``; poems.tsv comes last."""
    parts = {
        "others.txt": (text for text in poems.others),
        "lines.txt": iter(sorted(poems.lines)),
        "left_out.tsv": (f"{reason}\t{count}" for reason, count in sorted(poems.left_out.items())),
        "poems.tsv": (
            "\t".join((p.form.id, p.dynasty, p.author, p.title, p.text, str(int(p.regular)), str(p.rhyme)))
            for p in poems.kept
        ),
    }
    for name, rows in parts.items():
        with write_atomically(path / name) as file:
            file.write("".join(f"{row}\n" for row in rows).encode())


def read(path: Path) -> Poems:
    """What :func:`write` laid down."""

    def rows(name: str) -> Iterator[str]:
        return iter((path / name).read_text(encoding="utf-8").splitlines())

    try:
        poems = Poems(lines=set(rows("lines.txt")), others=list(rows("others.txt")))
        poems.left_out.update({k: int(v) for k, v in (row.split("\t") for row in rows("left_out.tsv"))})
        for row in rows("poems.tsv"):
            form, dynasty, author, title, text, regular, rhyme = row.split("\t")
            poems.kept.append(Poem(FORMS[form], dynasty, author, title, text, regular == "1", int(rhyme)))
    except (OSError, ValueError, KeyError) as error:
        raise MalformedFileError(
            f"{path} is not whole ({error}): remove it, and it is made again",
            f"{path} 不完整（{error}）：删除后会重新生成",
        ) from error
    return poems

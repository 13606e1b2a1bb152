"""What the drawings show, in English and Chinese: emojibase's names, synonyms and tags for each emoji.

A concept is one thing that several makers drew. Left out are flags of countries, keys and signs of writing, and skin
tones but for the plain one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Any

from luoxia.data import icon_packages
from luoxia.data.icon_renames import BETTER, ODD, ODD_ZH, RUDE, SHORT
from luoxia.data.icon_words import COLOURS, MASS, PLURALS, SAME, classifier

FILES = (
    "en/data.json",
    "zh/data.json",
    *(f"en/shortcodes/{k}.json" for k in ("github", "joypixels", "iamcal")),
)
# Numbers of emojibase's groups and subgroups.
FACES, PEOPLE, ANIMALS, OBJECTS, SYMBOLS, FLAGS = 0, 1, 3, 7, 8, 9
LEFT_OUT = frozenset(
    (32, 33, 94, 95, 98, 99)
)  # skin tones, hair, keys, letters, flags of countries and regions
CLOCKS, OTHER = 58, 82
TINTS = frozenset("红橙黄绿青蓝紫粉棕褐灰黑白金银彩")
SOMEBODY = frozenset((
    "man", "woman", "person", "people", "manager", "businessman", "businesswoman", "agent", "worker", "firefighter", "soldier",
    "receptionist", "selfie", "astronaut", "claus",
))  # fmt: skip
UNTINTED = frozenset(
    ("青蛙", "银行", "黄油", "白菜", "金字塔", "红薯", "黑板")
)  # names that begin like a colour


@dataclass(frozen=True)
class Concept:
    """``key`` is emojibase's code, or a name; ``en`` without article, ``others`` further names that stand alone,
    ``tags`` what it makes one think of; ``counter`` the Chinese measure word; ``many`` the English plural, "" for
    what is not counted. ``family`` is the same for a cat and a cat's face."""

    key: str
    group: int
    subgroup: int
    en: str
    zh: str
    article: str
    many: str
    counter: str
    family: str
    others_en: tuple[str, ...]
    others_zh: tuple[str, ...]
    tags_en: tuple[str, ...]
    tags_zh: tuple[str, ...]


def plain_key(code: str) -> str:
    """A code without the mark that asks for a coloured picture: sources differ in it."""
    return code.upper().replace("-FE0F", "")


def tinted(zh: str) -> bool:
    """Whether a Chinese name says a colour."""
    return zh not in UNTINTED and (zh[0] in TINTS or "色" in zh)


def slug(name: str) -> str:
    """The name as packages write it: ``face with tears of joy`` is ``face-with-tears-of-joy``."""
    bare = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode().replace("'", "")
    return re.sub("[^a-z0-9]+", "-", bare.replace("&", "and")).strip("-")


def concepts() -> tuple[dict[str, Concept], dict[str, str]]:
    """Concepts by key, and keys by slugs of names without hyphens."""
    found = icon_packages.files(icon_packages.NAMES, FILES)
    english, chinese = found[FILES[0]], {entry["hexcode"]: entry for entry in found[FILES[1]]}
    short = [found[name] for name in FILES[2:]]
    kept = [entry for entry in english if _kept(entry)]
    labels = Counter(_name(entry["label"]) for entry in english)
    labels_zh = Counter(_name(entry["label"]) for entry in chinese.values())
    tags_zh = Counter(_name(tag) for entry in chinese.values() for tag in entry.get("tags", ()))
    labels_zh.update({tag: n for tag, n in tags_zh.items() if n > 2})  # "fruit" names no fruit
    made = dict[str, Concept]()
    places = {slug(entry["label"]).replace("-", ""): plain_key(entry["hexcode"]) for entry in kept}
    for entry in kept:
        codes = [code for table in short for code in _listed(table.get(entry["hexcode"]))]
        said = [code for table in (short[0], short[2]) for code in _listed(table.get(entry["hexcode"]))]
        concept = _concept(entry, chinese[entry["hexcode"]], said, labels, labels_zh)
        made[concept.key] = concept
        for code in codes:
            places.setdefault(slug(code).replace("-", ""), concept.key)
    return made, places


def named(en: str, zh: str) -> Concept:
    """What is no emoji, by its names."""
    counted = "" if en in MASS else plural(en)
    short_en, short_zh = _shorter(en, zh, OBJECTS)
    return Concept(
        slug(en),
        PEOPLE if SOMEBODY & set(re.split("[ -]", en)) else OBJECTS,
        OTHER,
        en,
        zh,
        _article(en, counted),
        counted,
        classifier(OTHER, zh),
        short_en,
        (short_en,) if short_en != en else (),
        (short_zh,) if short_zh != zh else (),
        (),
        (),
    )


def _kept(entry: dict[str, Any]) -> bool:
    subgroup = entry.get("subgroup", 32)
    named = str(entry["label"]).lower()
    halves = subgroup == CLOCKS and "thirty" in named
    return subgroup not in LEFT_OUT and not halves and named not in RUDE


def _concept(
    entry: dict[str, Any],
    other: dict[str, Any],
    codes: list[str],
    labels: Counter[str],
    labels_zh: Counter[str],
) -> Concept:
    en, zh = _name(entry["label"]), _name(other["label"])
    en, zh = BETTER.get(en, (en, zh))
    if en.endswith(" o'clock"):
        en, zh = f"clock showing {en}", f"{zh}的时钟"
    group, subgroup = int(entry["group"]), int(entry["subgroup"])
    short_en, short_zh = _shorter(en, zh, group)
    face = group == FACES and "face" in en.split()
    if face and not zh.endswith(("脸", "头", "人", "鬼", "表情")):
        zh = short_zh = f"{zh}的表情"
    others_en = _others_en(codes, labels, "face" if face else "") if group != PEOPLE else []
    tags_zh = [tag for tag in map(_name, other.get("tags", ())) if tag not in ODD_ZH]
    others_zh = [
        tag
        for tag in tags_zh
        if len(tag) > 1
        and tag[-1] == ("脸" if face else zh[-1])
        and not TINTS & set(tag)
        and not labels_zh[tag]
    ]
    counted = "" if en in MASS or subgroup in (85, 88) else plural(en)
    return Concept(
        plain_key(entry["hexcode"]),
        group,
        subgroup,
        en,
        zh,
        _article(en, counted),
        counted,
        classifier(subgroup, zh),
        short_en,
        tuple(name for name in dict.fromkeys([short_en, *others_en]) if name != en),
        tuple(name for name in dict.fromkeys([short_zh, *others_zh]) if name != zh),
        tuple(t for t in map(_name, entry.get("tags", ())) if t not in en and re.fullmatch("[a-z -]{3,}", t)),
        tuple(tag for tag in tags_zh if tag not in zh and len(tag) > 1),
    )


def _others_en(codes: list[str], labels: Counter[str], ending: str) -> list[str]:
    """Short codes that are names, of this thing alone, and say no colour."""
    names = [_name(re.sub(r"\d+$", "", code.replace("_", " "))) for code in codes]
    return [
        name
        for name in names
        if re.fullmatch("[a-z][a-z -]{2,24}", name)
        and name.endswith(ending)
        and name not in RUDE | ODD
        and not labels[name]
        and not COLOURS.keys() & set(name.split())
    ]


def _name(label: str) -> str:
    """Lower case, plain quotes and hyphens; "flag: x" and "旗: x" lose the heading."""
    label = unicodedata.normalize("NFKC", label.lower()).replace("’", "'").strip()
    label = re.sub('[“”"!]', "", label)
    label = re.sub(r"^(.*): (.*)$", r"\1 \2", label) if label.isascii() else re.sub(r"[::] ?", "", label)
    return label.strip()


def _shorter(en: str, zh: str, group: int) -> tuple[str, str]:
    """A cat's face is a cat, also in Chinese; a deciduous tree is a tree."""
    if en in SHORT:
        return SHORT[en]
    if group == ANIMALS and en.endswith(" face"):
        en, zh = en.removesuffix(" face"), re.sub("(?<=.)[头脸]$", "", zh)
    return en, zh


def _listed(value: Any) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _article(en: str, counted: str) -> str:
    if not counted or (counted == en and en.split()[-1] not in SAME):
        return ""
    sounded = re.match("(uni|use|one|eur|ewe|ufo|u-)", en)
    return "an" if (en[0] in "aeiou" and not sounded) or en.startswith(("hour", "x-", "sos")) else "a"


def plural(en: str) -> str:
    """The plural, which is the name itself for what comes in the plural, and "" for what is no thing."""
    head, rest = en, ""
    for joint in (" showing ", " with ", " of ", " in ", " on ", " from ", " behind ", " without ", " and "):
        if joint in en:
            place = en.index(joint)
            head, rest = en[:place], en[place:]
            break
    words = head.split(" ")
    last = words[-1]
    if re.search("(ing|ly)$", last) and words[0] == "face":  # "face screaming in fear"
        words, rest = ["faces", *words[1:-1]], f" {last}{rest}"
        return " ".join(words) + rest
    if last in PLURALS:
        many = PLURALS[last]
    elif (
        last.endswith("ing")
        and len(words) > 1
        and words[0] in ("person", "man", "woman", "men", "women", "people")
    ):
        words[0], many = PLURALS.get(words[0], words[0]), last
    elif re.search("[^s]s$", last) and last not in ("bus", "cactus", "octopus", "lotus", "gas"):
        return en
    elif re.search("(s|x|ch|sh)$", last):
        many = f"{last}es"
    elif re.search("[^aeiou]y$", last):
        many = f"{last[:-1]}ies"
    else:
        many = f"{last}s"
    return " ".join([*words[:-1], many]) + rest

"""Captions of icons in English and Chinese: short, lower case, said in more than one way."""

from __future__ import annotations

from numpy.random import Generator

from luoxia.core.language import Text
from luoxia.data.icon_names import Concept, plural
from luoxia.data.icon_packages import STYLES
from luoxia.data.icon_words import COLOURS, GROUNDS, NUMBERS, SHAPES, WORN


def styled(caption: Text, style: str) -> Text:
    """The caption with the word for a style, as training captions have it: "a cat, flat style", "猫，扁平风格"."""
    words = STYLES[style]
    return Text(f"{caption.en}, {words.en} style", f"{caption.zh}，{words.zh}风格")


def with_style(caption: Text, style: str, rng: Generator) -> Text:
    """One of several ways to say the style."""
    words, way = STYLES[style], rng.integers(4)
    if way < 2 or (way == 3 and not caption.en.startswith(("a ", "an "))):
        return styled(caption, style)
    en = f"{caption.en}, {words.en}" if way == 2 else _in_front(words.en, caption.en)
    return Text(en, f"{words.zh}风格的{caption.zh}")


def _in_front(word: str, phrase: str) -> str:
    """ "flat" and "a cat" make "a flat cat"."""
    for article in ("a ", "an "):
        if phrase.startswith(article):
            return f"{'an' if word[0] in 'aeiou' else 'a'} {word} {phrase.removeprefix(article)}"
    return f"{word} {phrase}"


def countable(zh: str) -> bool:
    """Whether a Chinese name is short and plain enough to have a measure word in front."""
    return len(zh) <= 4 and "的" not in zh and "和" not in zh and zh[0] != "一"


def named(concept: Concept, rng: Generator) -> tuple[str, str]:
    """One of its names in each language, without article: the first one mostly."""
    en, zh = concept.en, concept.zh
    if concept.others_en and rng.random() < 0.3:
        en = str(concept.others_en[rng.integers(len(concept.others_en))])
    if concept.others_zh and rng.random() < 0.3:
        zh = str(concept.others_zh[rng.integers(len(concept.others_zh))])
    return en, zh


def one(name: str, concept: Concept) -> str:
    """ "a cat"; nothing is put before names of what is not counted."""
    if not concept.article:
        return name
    if name == concept.en:
        return f"{concept.article} {name}"
    if name.endswith("s") and not name.endswith("ss"):
        return name
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def said(concept: Concept, rng: Generator) -> Text:
    """ "a cat", "猫"."""
    en, zh = named(concept, rng)
    return Text(one(en, concept), zh)


def plain(concept: Concept, rng: Generator) -> Text:
    """A drawing alone."""
    en, zh = named(concept, rng)
    way = rng.random()
    said = one(en, concept)
    if way < 0.3:
        said = en
    elif way < 0.36:
        said = f"{en} icon"
    elif way < 0.46 and concept.tags_en:
        said = f"{said}, {concept.tags_en[rng.integers(len(concept.tags_en))]}"
    way = rng.random()
    if way < 0.2 and concept.many and concept.many != concept.en and countable(zh):
        zh = f"一{concept.counter}{zh}"
    elif way < 0.28:
        zh = f"{zh}图标"
    elif way < 0.38 and concept.tags_zh:
        zh = f"{zh}，{concept.tags_zh[rng.integers(len(concept.tags_zh))]}"
    return Text(said, zh)


def uncoloured(concept: Concept) -> tuple[str, str]:
    """Names that say no colour: those of a red apple are "apple" and "苹果"."""
    if not COLOURS.keys() & set(concept.en.split()):
        return concept.en, concept.zh
    return concept.family, concept.others_zh[0] if concept.others_zh else concept.zh


def coloured(concept: Concept, colour: str, rng: Generator) -> Text:
    """ "a red cat"."""
    (en, zh), words = uncoloured(concept), COLOURS[colour][0]
    if en == concept.en:
        en, zh = named(concept, rng)
    said = _in_front(words.en, one(en, concept))
    close = rng.random() < 0.35 and "的" not in zh
    return Text(said, f"{words.zh}{zh}" if close else f"{words.zh}的{zh}")


def counted(concept: Concept, number: int, colour: str = "") -> Text:
    """ "two cats", "两只猫"."""
    words = NUMBERS[number]
    tint = COLOURS[colour][0] if colour else Text("", "")
    en, zh = uncoloured(concept) if colour else (concept.en, concept.zh)
    many = concept.many if en == concept.en else plural(en)
    return Text(
        " ".join(filter(None, [words.en, tint.en, many])), f"{words.zh}{concept.counter}{tint.zh}{zh}"
    )


def paired(first: Concept, second: Concept, rng: Generator, side_by_side: bool) -> Text:
    """ "a cat and a rocket"; the first stands on the left."""
    (a, x), (b, y) = (named(concept, rng) for concept in (first, second))
    a, b = one(a, first), one(b, second)
    way = rng.random()
    if way < 0.15 and side_by_side:
        return Text(f"{a} to the left of {b}", f"{y}左边的{x}")
    if way < 0.3 and side_by_side:
        return Text(f"{b} to the right of {a}", f"{x}右边的{y}")
    if way < 0.45:
        return Text(f"{a} next to {b}", f"{x}旁边有{y}")
    return Text(f"{a} and {b}", f"{x}和{y}")


def worn(concept: Concept, key: str, rng: Generator) -> Text:
    """ "a cat wearing sunglasses", "戴墨镜的猫"."""
    (en, zh), thing = named(concept, rng), WORN[key][0]
    said = one(en, concept)
    return Text(f"{said} {'with' if rng.random() < 0.3 else 'wearing'} {thing.en}", f"戴{thing.zh}的{zh}")


def grounded(caption: Text, shape: str, colour: str, rng: Generator) -> Text:
    """ "a cat on a blue circle", "蓝色圆底上的猫"."""
    tint, form = GROUNDS[colour][0], SHAPES[shape]
    article = "an" if tint.en[0] in "aeiou" else "a"
    if rng.random() < 0.7:
        zh = f"{tint.zh}{form.zh}上的{caption.zh}"
    else:
        zh = f"{caption.zh}，{tint.zh}{form.zh}"
    return Text(f"{caption.en} on {article} {tint.en} {form.en}", zh)

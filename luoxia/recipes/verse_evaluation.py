"""What a model of verse has come to: how many poems are valid with and without constraints, and whether a theme that no poem
had for a title is heard.

Similarity is of mean vectors (:mod:`luoxia.data.verse.kinship`) of the theme's characters and of the poem's other ones; the
vectors come of poems in other forms, which the model did not learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from luoxia.core.language import Text
from luoxia.data.verse import kinship, sounds
from luoxia.data.verse.forms import FORMS, Form
from luoxia.data.verse.line_index import LineIndex
from luoxia.data.verse.poems import Poems
from luoxia.data.verse.verdict import judge
from luoxia.generate.decoding import continued
from luoxia.generate.sampling import Sampling
from luoxia.generate.verse import VerseModel
from luoxia.generate.verse_order import VerseOrder
from luoxia.models.verse_tokenizer import END
from luoxia.train.engine import Note

THEMES = (
    "高铁穿山", "地铁清晨", "太空行走", "雪夜读书灯", "云端漫步", "毕业远行", "外婆菜园", "城市灯火", "沙漠驼铃", "樱花列车", "图书馆午后",
    "江边老人垂钓", "秋水长天", "月圆思亲", "渔村晚霞", "古镇石桥雨", "草原骏马飞", "竹林煮茶", "深秋红叶路", "飞机云海", "猫卧窗台", "病中盼春",
    "荒城老将", "渡口离人",
)  # fmt: skip
WAYS: tuple[tuple[Text, dict[str, object]], ...] = (  # that a theme is asked for, and what is told then
    (Text("no theme", "不给主题"), {"theme": ""}),
    (Text("the theme, one draft", "主题，一稿"), {"candidates": 1, "guidance": 1.0}),
    (Text("the theme, guided", "主题，加引导"), {"candidates": 1}),
    (Text("the theme, by default", "主题，默认"), {}),
)
DRAWN = Sampling(temperature=0.8, top_p=0.95, repetition_penalty=1.0)
SPAN = 12  # characters of other poems that count as standing together
AT_ONCE = 32


@dataclass(frozen=True)
class Rates:
    """Shares of ``poems`` in [0, 1], judged by ``book``, which they were ``held`` to or not. ``whole``: all of it at once."""

    form: str
    book: str
    held: bool
    poems: int
    shape: float
    rhyme: float
    tones: float
    fresh: float
    whole: float


@dataclass(frozen=True)
class Adherence:
    """``present``: share of the theme's characters in its poem. ``similarity``: mean cosine of the theme and the other
    characters. ``found``: how often the theme is nearest to its poem of all themes (1 / themes by chance)."""

    asked: str
    poems: int
    present: float
    similarity: float
    found: float


def free(model: VerseModel, form: Form, count: int, seed: int, theme: str = "") -> list[list[str]]:
    """The lines of ``count`` poems that the model writes with nothing to hold it to the form."""
    prompt = model.tokenizer.prompt(form.id, regular=True, theme=theme)
    new = form.lines * (form.length + 1) + 1
    out = list[list[str]]()
    for at in range(0, count, AT_ONCE):
        prompts = [prompt] * min(AT_ONCE, count - at)
        rows = continued(model.network, prompts, new, DRAWN, seed, ends=(END,), first=at)
        out += [model.tokenizer.lines(row) for row in rows]
    return out


def rates(
    form: Form, poems: Sequence[Sequence[str]], lines: LineIndex | None, *, book: str, held: bool
) -> Rates:
    """How many of ``poems`` are what ``form`` asks for."""
    found = []
    for poem in poems:
        verdict = judge(poem, sounds.book(book), form=form) if poem else None
        shape = verdict is not None and verdict.free_of("shape")
        kept = [shape] + [shape and verdict is not None and verdict.free_of(k) for k in ("rhyme", "tones")]
        fresh = lines is None or not any(line in lines for line in poem)
        found.append([*kept, fresh, all(kept) and fresh])
    return Rates(form.id, book, held, len(poems), *(float(x) for x in np.mean(found, 0)))


def validity(
    model: VerseModel, lines: LineIndex | None, count: int, seed: int, note: Note = lambda *_: None
) -> list[Rates]:
    """Of each form, of poems without a theme: written freely, and held to it by either book."""
    out = []
    for number, form in enumerate(FORMS.values()):
        note("forms", number, len(FORMS))
        out.append(rates(form, free(model, form, count, seed), lines, book="平水韵", held=False))
        order = VerseOrder(form=form.id, n=1, candidates=1, seed=seed)
        for book in ("平水韵", "新韵"):
            poems = [
                poem.lines
                for at in range(0, count, AT_ONCE)
                for poem in model.write(order, rhyme=book, n=min(AT_ONCE, count - at), seed=seed + at)
            ]
            out.append(rates(form, poems, lines, book=book, held=True))
    note("forms", len(FORMS), len(FORMS))
    return out


def unseen(poems: Poems, themes: Sequence[str] = THEMES) -> list[str]:
    """Those that are in no title and no line that was learned from."""
    text = "\n".join(f"{poem.title}\n{poem.text}" for poem in poems.kept)
    return [theme for theme in themes if theme not in text]


def judge_vectors(model: VerseModel, others: Sequence[str]) -> NDArray[np.float32]:
    """(C, size): vectors of the tokenizer's characters, of texts that were not learned from."""
    place = {c: i for i, c in enumerate(model.tokenizer.characters)}
    rows = [
        [place.get(c, -1) for c in text[at : at + SPAN]]
        for text in others
        for at in range(0, len(text) - SPAN + 1, SPAN)
    ]
    with torch.random.fork_rng():
        return kinship.vectors([np.array(rows, np.int64).reshape(-1, SPAN)], len(place))


def adherence(
    model: VerseModel,
    themes: Sequence[str],
    vectors: NDArray[np.float32],
    each: int,
    seed: int,
    note: Note = lambda *_: None,
) -> list[Adherence]:
    """Poems for each of ``themes`` as they are written by default, one draft each, and those of no theme in their place."""
    place = {c: i for i, c in enumerate(model.tokenizer.characters)}

    def mean(characters: set[str]) -> NDArray[np.float32]:
        found = vectors[[place[c] for c in characters if c in place]].sum(0)
        return found / max(float(np.linalg.norm(found)), 1e-6)

    wanted = np.stack([mean(set(theme)) for theme in themes])
    out = []
    for number, (title, way) in enumerate(WAYS):
        asked = title.en
        present, similar, found = list[float](), list[float](), list[bool]()
        for which, theme in enumerate(themes):
            note(asked, which, len(themes))
            told = {"theme": theme, **way}
            for poem in model.write(VerseOrder(n=each, seed=seed + 1000 * which), **told):
                said = set("".join(poem.lines))
                own = set(theme) & place.keys()
                present.append(len(own & said) / max(1, len(own)))
                near = wanted @ mean(said - own)
                similar.append(float(near[which]))
                found.append(int(near.argmax()) == which)
        count = len(themes) * each
        out.append(
            Adherence(asked, count, float(np.mean(present)), float(np.mean(similar)), float(np.mean(found)))
        )
        note(asked, number + 1, len(WAYS))
    return out

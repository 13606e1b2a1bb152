"""Poems enough for a test: random ones that keep to their forms, of few characters, and a model that has learned nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from luoxia.data.verse import package, poems, sounds
from luoxia.data.verse.forms import FORMS
from luoxia.data.verse.poems import Poem, Poems
from luoxia.data.verse.verdict import judge
from luoxia.generate.verse_rules import Rules, SoundTable
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.verse_tokenizer import PROMPT, VerseTokenizer
from luoxia.weights import verse_folder

# Of 杜甫, 王维 and 李白, and more that rhyme with them.
CHARACTERS = "".join(
    dict.fromkeys(
        "国破山河在城春草木深感时花溅泪恨别鸟惊心烽火连三月家书抵万金白头搔更短浑欲不胜簪空新雨后天气晚来秋明松间照清泉石上流竹喧归"
        "浣女莲动下渔舟随意芳歇王孙自可留朝辞帝彩云千里江陵一日还两岸猿声啼住轻已过重故人西黄鹤楼烟花扬州孤帆远影碧尽唯见长际床前光"
        "疑是地霜举望低思乡林音琴吟寻今沉侵临阴森霖愁游幽悠楼头洲忧浮收求牛关湾颜班攀环鬟闲霜阳堂香场凉肠伤忙妆裳水风"
    )
)


def written(
    form: str, rows: int, seed: int, *, book: str = "平水韵", tones: bool = True, acrostic: str = ""
) -> list:
    """Lines of ``rows`` poems, each character drawn from those that the rules allow."""
    shape = FORMS[form]
    table = SoundTable.of(sounds.book(book), CHARACTERS)
    rules = Rules(shape, table, CHARACTERS, rows, tones=tones, acrostic=acrostic)
    random, out = np.random.default_rng(seed), ["" for _ in range(rows)]
    while not rules.done:
        allowed = rules.allowed()
        assert allowed.any(1).all(), "a dead end"
        chosen = np.array([random.choice(np.flatnonzero(row)) for row in allowed])
        out = [text + CHARACTERS[c] for text, c in zip(out, chosen, strict=True)]
        rules.take(chosen)
    n = shape.length
    return [[text[i : i + n] for i in range(0, len(text), n)] for text in out]


def some(each: int = 40) -> Poems:
    """``each`` poems of each form by two authors."""
    found, pingshui = Poems(), sounds.book("平水韵")
    for number, form in enumerate(FORMS.values()):
        for i, lines in enumerate(written(form.id, each, number)):
            rhyme = pingshui.names.index(str(judge(lines, pingshui).rhyme))
            author = ("李白", "杜甫")[i % 2]
            found.kept.append(Poem(form, "tang", author, lines[0][:2], "".join(lines), True, rhyme))
            found.lines |= set(lines)
    found.others = ["国破山河在城春草木深感时花溅泪恨别鸟惊心"] * 3
    return found


def keep(each: int = 40) -> Poems:
    """The same, where ``luoxia data get verse`` would have put them under ``LUOXIA_HOME``."""
    found = some(each)
    poems.write(poems.folder(package.PACKAGE), found)
    return found


def tokenizer() -> VerseTokenizer:
    books = [sounds.book(name) for name in ("平水韵", "新韵")]
    rhymes = tuple(f"{b.id}/{b.names[i]}" for b in books for i in b.level)
    return VerseTokenizer(tuple(FORMS), rhymes, ("李白", "杜甫"), CHARACTERS)


def network(seed: int = 0) -> GPT:
    size = tokenizer().vocab_size
    config = GPTConfig(size, PROMPT + 65, 2, 2, 32, norm="rmsnorm", position="rotary", mlp="swiglu")
    return GPT(config, torch.Generator().manual_seed(seed))


def model(folder: Path, lines: bytes = b"") -> Path:
    """A folder with a model that has learned nothing."""
    verse_folder.write(folder, network(), tokenizer(), lines=lines, licence=("test",))
    return folder

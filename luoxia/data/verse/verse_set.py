"""The poems as arrays of tokens, numbered for an order: what the recipe ``verse`` learns from."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text
from luoxia.data.examples import Unit, no_images
from luoxia.data.verse import kinship, package
from luoxia.data.verse import poems as poems_
from luoxia.data.verse.forms import FORMS
from luoxia.data.verse.poems import Poem, Poems
from luoxia.data.verse.sounds import book
from luoxia.models.verse_tokenizer import NONE, THEME, VerseTokenizer

RARE = 8  # a character that poems have less often gets no token, and the poems that have it are left out
AUTHORS = 160  # of most poems, who have a token
LONGEST = max(form.lines * form.length for form in FORMS.values())
HELD_OUT = 50  # one poem of so many is
NEAR = 8  # neighbours of a character that are known
POEMS = Unit("poems", Text("poems/s", "首/秒"))


@dataclass(frozen=True)
class VerseSet:
    """Poem i: ``text`` (N, 56) its characters' tokens, ``form`` (N,) its place in FORMS, ``regular`` (N,) whether it keeps
    the tones; ``author`` (N,), ``pingshui`` (N,), ``xinyun`` (N,) tokens or NONE, ``title`` (N, 8) tokens. ``poems`` are
    the same ones as text."""

    tokenizer: VerseTokenizer
    poems: tuple[Poem, ...]
    text: NDArray[np.uint16]
    form: NDArray[np.uint8]
    regular: NDArray[np.bool_]
    author: NDArray[np.uint16]
    pingshui: NDArray[np.uint16]
    xinyun: NDArray[np.uint16]
    title: NDArray[np.uint16]
    held_out: NDArray[np.int64]
    digest: str
    folder: Path
    name: str = "verse"
    licence: tuple[str, ...] = (package.LICENCE,)
    unit: Unit = POEMS

    @property
    def labels(self) -> None:
        return None

    @property
    def images(self) -> NDArray[np.uint8]:
        return no_images(len(self.text))

    @property
    def train(self) -> NDArray[np.int64]:
        return np.setdiff1d(np.arange(len(self.text)), self.held_out, assume_unique=True)

    @property
    def counted(self) -> Text:
        n = len(self.train)
        return Text(f"{n} poems", f"{n} 首诗")

    @property
    def facts(self) -> dict[str, Any]:
        return {"poems": len(self.text), "held_out": len(self.held_out)}

    def neighbours(self) -> NDArray[np.int64]:
        """(V, 8): the tokens of the characters that stand with the same ones as each character; others name themselves."""
        path = self.folder / f"neighbours-{self.digest[:12]}.npy"
        if path.exists():
            return np.load(path, allow_pickle=False)
        first, count = self.tokenizer.first_character, len(self.tokenizer.characters)
        groups = []
        for place, form in enumerate(FORMS.values()):
            rows = np.intersect1d(self.train, np.flatnonzero(self.form == place))
            text = self.text[rows, : form.lines * form.length].astype(np.int64) - first
            groups.append(text.reshape(-1, 2 * form.length))
        near = kinship.nearest(kinship.vectors(groups, count), NEAR) + first
        found = np.repeat(np.arange(self.tokenizer.vocab_size)[:, None], NEAR, 1)
        found[first:] = near
        with write_atomically(path) as file:
            np.save(file, found)
        return found


def load(name: str = "verse") -> VerseSet:
    """The poems that ``luoxia data get verse`` brought here."""
    if name != "verse":
        raise UserError(
            f"this recipe learns from the poems of the Tang and Song: --data verse, not {name}",
            f"此配方以唐宋诗训练：请用 --data verse，而非 {name}",
        )
    return arranged(poems_.get(), poems_.folder())


def arranged(poems: Poems, folder: Path, *, rare: int = RARE) -> VerseSet:
    """``poems`` as arrays, with a tokenizer made of them; ``folder`` is where what is computed of them is kept."""
    counts = Counter("".join(poem.text for poem in poems.kept))
    characters = "".join(
        c for c, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n >= rare
    )
    known = set(characters)
    kept = tuple(poem for poem in poems.kept if known.issuperset(poem.text))
    if len(kept) < 2 * HELD_OUT:
        raise UserError(f"{len(kept)} poems are too few to learn from", f"只有 {len(kept)} 首诗，不足以训练")
    authors = Counter(poem.author for poem in kept)
    often = sorted(authors.items(), key=lambda item: (-item[1], item[0]))[:AUTHORS]
    named = tuple(a for a, _ in often if a not in ("无名氏", "佚名", "不详", ""))
    books = book("平水韵"), book("新韵")
    rhymes = tuple(f"{b.id}/{b.names[i]}" for b in books for i in b.level)
    tokenizer = VerseTokenizer(tuple(FORMS), rhymes, named, characters)
    return _filled(tokenizer, kept, poems, folder)


def _filled(tokenizer: VerseTokenizer, kept: tuple[Poem, ...], poems: Poems, folder: Path) -> VerseSet:
    n, forms = len(kept), list(FORMS)
    pingshui, xinyun = book("平水韵"), book("新韵")
    text, title = np.zeros((n, LONGEST), np.uint16), np.zeros((n, THEME), np.uint16)
    author, old, new = (np.zeros(n, np.uint16) for _ in range(3))
    for i, poem in enumerate(kept):
        text[i, : len(poem.text)] = tokenizer.encode(poem.text)
        told = tokenizer.encode(poem.title)[:THEME]
        title[i, : len(told)] = told
        author[i] = tokenizer.author(poem.author)
        old[i] = tokenizer.rhyme(f"平水韵/{pingshui.names[poem.rhyme]}")
        shared = frozenset.intersection(*(xinyun.rhymes(poem.lines[k][-1]) for k in poem.form.rhyming))
        new[i] = tokenizer.rhyme(f"新韵/{xinyun.names[min(shared)]}") if shared else NONE
    held_out = [i for i, poem in enumerate(kept) if _drawn(poem.text)]
    return VerseSet(
        tokenizer,
        kept,
        text,
        np.array([forms.index(poem.form.id) for poem in kept], np.uint8),
        np.array([poem.regular for poem in kept]),
        author,
        old,
        new,
        title,
        np.array(held_out, np.int64),
        poems.digest,
        folder,
    )


def _drawn(text: str) -> bool:
    """Whether a poem is held out: by its text alone, wherever it stands."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % HELD_OUT == 0

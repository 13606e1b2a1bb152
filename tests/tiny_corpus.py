"""A corpus of sentences made of few words, with a tokenizer of bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tokenizers
from tiny_text import byte_tokenizer

from luoxia.data.tokens import TokenSet, TokenWriter
from luoxia.models.tokenizer import Tokenizer

END = "<|endoftext|>"
WORDS = ("落霞", "孤鹜", "秋水", "长天", "red", "blue", "the", "sea")


def tokenizer() -> Tokenizer:
    engine = byte_tokenizer().engine
    engine.add_special_tokens([tokenizers.AddedToken(END, special=True, normalized=False)])
    end = engine.token_to_id(END)
    return Tokenizer(engine, eos=END, stop_ids=frozenset([end]), specials=(END,))


def texts(n: int = 40) -> list[str]:
    draw = np.random.Generator(np.random.PCG64(5))
    return [" ".join(WORDS[i] for i in draw.integers(len(WORDS), size=12)) for _ in range(n)]


def keep(folder: Path, n: int = 40) -> TokenSet:
    """A corpus of ``n`` documents, every fifth of them held out."""
    made = tokenizer()
    with TokenWriter(folder, made, name="sentences") as writer:
        for i, text in enumerate(texts(n)):
            writer.add(made.encode(text), len(text.encode()), held_out=i % 5 == 4)
        return writer.finish(licence=("made for tests",), source="words by lot")

"""Poems as tokens: one a character, and before them what was asked for.

    [form] [author or none] [rhyme or none] [theme, 8 characters, filled up with none]  line ， line 。 ... 。 [end]

A form is asked for with its tones or without; the rhyme is one of either book.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from luoxia.core.errors import MalformedFileError

NONE, COMMA, STOP, END = range(4)
FIRST = 4  # token that is none of these
THEME = 8  # characters of a theme that are read
PROMPT = 3 + THEME  # tokens before the poem


@dataclass(frozen=True)
class VerseTokenizer:
    """``forms`` stand twice, without and with their tones; ``rhymes`` are "book/rhyme"; each kind of token follows the
    one before."""

    forms: tuple[str, ...]
    rhymes: tuple[str, ...]
    authors: tuple[str, ...]
    characters: str

    @cached_property
    def ids(self) -> dict[str, int]:
        """Characters to tokens."""
        first = FIRST + 2 * len(self.forms) + len(self.rhymes) + len(self.authors)
        return {c: first + i for i, c in enumerate(self.characters)}

    @property
    def first_character(self) -> int:
        return self.vocab_size - len(self.characters)

    @property
    def vocab_size(self) -> int:
        return FIRST + 2 * len(self.forms) + len(self.rhymes) + len(self.authors) + len(self.characters)

    def form(self, form: str, regular: bool) -> int:
        return FIRST + 2 * self.forms.index(form) + regular

    def rhyme(self, rhyme: str | None) -> int:
        """NONE for none, and for one that has no token."""
        return FIRST + 2 * len(self.forms) + self.rhymes.index(rhyme) if rhyme in self.rhymes else NONE

    def author(self, author: str | None) -> int:
        """NONE for none, and for one that has no token."""
        if author not in self.authors:
            return NONE
        return FIRST + 2 * len(self.forms) + len(self.rhymes) + self.authors.index(author)

    def encode(self, text: str) -> list[int]:
        """The characters that have a token."""
        return [self.ids[c] for c in text if c in self.ids]

    def prompt(
        self,
        form: str,
        *,
        regular: bool,
        author: str | None = None,
        rhyme: str | None = None,
        theme: str = "",
    ) -> list[int]:
        """What is asked for, as ``PROMPT`` tokens. Of ``theme`` the first 8 known characters are read."""
        told = self.encode(theme)[:THEME]
        return [
            self.form(form, regular),
            self.author(author),
            self.rhyme(rhyme),
            *told,
            *[NONE] * (THEME - len(told)),
        ]

    def lines(self, tokens: Sequence[int]) -> list[str]:
        """The lines of a poem's ``tokens``, up to their end."""
        lines, first = [""], self.first_character
        for token in tokens:
            if token == END:
                break
            if token in (COMMA, STOP):
                lines.append("")
            elif token >= first:
                lines[-1] += self.characters[token - first]
        return [line for line in lines if line]

    def to_json(self) -> dict[str, Any]:
        return {
            "forms": list(self.forms),
            "rhymes": list(self.rhymes),
            "authors": list(self.authors),
            "characters": self.characters,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> VerseTokenizer:
        try:
            forms, rhymes, authors = (tuple(map(str, told[k])) for k in ("forms", "rhymes", "authors"))
            characters = str(told["characters"])
        except (KeyError, TypeError) as error:
            raise MalformedFileError(
                f"this is no tokenizer of verse: {error}", f"这不是诗歌的分词器：{error}"
            ) from error
        if len(set(characters)) != len(characters) or not characters:
            raise MalformedFileError("a tokenizer of verse names each character once", "诗歌分词器中字符重复")
        return cls(forms, rhymes, authors, characters)

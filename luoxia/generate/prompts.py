"""What a user asks for, made ready for a model that learned from short captions in English and Chinese."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.models.captions import CaptionTokenizer

LONGEST = 1_000  # characters


@dataclass(frozen=True)
class Prompt:
    """``text`` as the model is told it; ``ids`` of length T; ``warnings`` for the user."""

    text: str
    ids: list[int]
    warnings: tuple[Text, ...]


def checked(prompt: str) -> str:
    """:func:`spelled`, where it says something, and not too much."""
    if len(prompt) > LONGEST:
        raise UserError(
            f"the prompt has {len(prompt):,} characters; say it in at most {LONGEST:,}, best in a few words",
            f"提示有 {len(prompt):,} 个字符；请用不超过 {LONGEST:,} 个字符，最好几个词",
        )
    text = spelled(prompt)
    if not any(c.isalnum() for c in text):
        raise UserError(
            'the prompt says nothing: write what to draw, as in "a red heart"',
            "提示没有内容：请写出要画什么，如“红色的心”",
        )
    return text


def prepared(prompt: str, tokenizer: CaptionTokenizer, length: int) -> Prompt:
    """Emoji become their names, white space one blank. Raises :class:`UserError` for a prompt that says nothing or too
    much."""
    text, warnings = checked(prompt), []
    read = len(tokenizer.ids(text))
    if read > length - 2:
        warnings.append(
            Text(
                f"only the first {length - 2} of the prompt's {read} tokens are read: say it shorter",
                f"提示有 {read} 个词元，只读取前 {length - 2} 个：请说得更短",
            )
        )
    if strange(text):
        warnings.append(
            Text(
                "the model learned English and Chinese captions; it hardly understands other languages",
                "模型只学过英文与中文描述，几乎不理解其他语言",
            )
        )
    return Prompt(text, tokenizer.encode([text], length)[0].tolist(), tuple(warnings))


def spelled(prompt: str) -> str:
    """The prompt with symbols by their Unicode names, "heart" for one; without what cannot be seen."""
    out = []
    for c in prompt:
        kind = unicodedata.category(c)
        if kind in ("So", "Sk"):
            name = unicodedata.name(c, "").lower()
            skin_tone = name.startswith("emoji modifier")
            out.append("" if skin_tone else f" {name.removeprefix('heavy black ')} ")
        elif kind in ("Cc", "Cf", "Zl", "Zp", "Zs") or c.isspace():
            out.append(" ")
        elif kind not in ("Mn", "Me", "Cs", "Co", "Cn") or not _selects(c):
            out.append(c)
    return " ".join("".join(out).split())


def _selects(c: str) -> bool:
    """Whether it only tells how to show the character before it, or is no character."""
    return unicodedata.category(c) in ("Cs", "Co", "Cn", "Me") or "VARIATION SELECTOR" in unicodedata.name(
        c, ""
    )


def strange(text: str) -> bool:
    """Whether most of the letters are neither Latin nor Chinese."""
    letters = [c for c in text if c.isalpha()]
    known = sum(unicodedata.name(c, "").startswith(("LATIN", "CJK", "FULLWIDTH LATIN")) for c in letters)
    return known < len(letters) / 2

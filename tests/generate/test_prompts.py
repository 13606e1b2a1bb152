"""Prompts of every kind become tokens, or are refused in one line."""

from __future__ import annotations

import pytest
import tiny_drawing

from luoxia.core.errors import UserError
from luoxia.generate.prompts import prepared, spelled, strange


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a red  heart\n", "a red heart"),
        ("戴墨镜的猫", "戴墨镜的猫"),
        ("\u2764\ufe0f", "heart"),
        ("😀👍🏽", "grinning face thumbs up sign"),
        ("a \u200b\u202ecat\x00", "a cat"),
        ("é è", "é è"),
    ],
)
def test_symbols_are_spelled_and_what_is_not_seen_is_left_out(prompt: str, text: str) -> None:
    assert spelled(prompt) == text


@pytest.mark.parametrize("prompt", ["", "  \n", "?!", "\u200d", "…。"])
def test_a_prompt_that_says_nothing_is_refused(prompt: str) -> None:
    with pytest.raises(UserError, match="the prompt says nothing"):
        prepared(prompt, tiny_drawing.tokenizer(), 8)


def test_a_prompt_too_long_is_refused_and_one_cut_short_is_told_of() -> None:
    with pytest.raises(UserError, match="the prompt has 10,000 characters"):
        prepared("x" * 10_000, tiny_drawing.tokenizer(), 8)
    tokenizer = tiny_drawing.tokenizer()
    found = prepared("a red square 1 and a blue square 2", tokenizer, 8)
    assert len(found.ids) == 8
    assert "only the first 6 of the prompt's" in found.warnings[0].en
    assert prepared("a red square 1", tokenizer, 8).warnings == ()


def test_other_scripts_are_drawn_and_told_of() -> None:
    assert strange("قطة حمراء")
    assert strange("кошка")
    assert not strange("红色 cat")
    assert not strange("café")
    found = prepared("кошка", tiny_drawing.tokenizer(), 16)
    assert any("hardly understands" in w.en for w in found.warnings)

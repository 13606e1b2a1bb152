"""A page of plain prose in each language, written for Luoxia and found nowhere else: what a model's general knowledge of
a language is measured by where no text is given. No model can have learned them by heart."""

from __future__ import annotations

from importlib.resources import files

LANGUAGES = ("en", "zh")


def general_text(language: str) -> str:
    return (files("luoxia.data") / "general" / f"general.{language}.txt").read_text(encoding="utf-8")

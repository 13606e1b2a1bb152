"""Which language the user reads, and texts that exist in both."""

from __future__ import annotations

import locale
import os
from dataclasses import dataclass

LANGUAGES = ("en", "zh")


def current() -> str:
    """``LUOXIA_LANG`` when it is set, else the locale of the environment: ``"en"`` or ``"zh"``."""
    wanted = os.environ.get("LUOXIA_LANG")
    if not wanted:
        wanted = next(
            (os.environ[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(key)), None
        )
    if not wanted:
        wanted = locale.getlocale()[0] or "en"
    return "zh" if wanted.lower().startswith(("zh", "chinese")) else "en"


@dataclass(frozen=True)
class Text:
    """One text in both languages. ``str()`` gives the user's; :meth:`in_` a chosen one."""

    en: str
    zh: str

    def in_(self, language: str) -> str:
        return self.zh if language == "zh" else self.en

    def __str__(self) -> str:
        return self.in_(current())

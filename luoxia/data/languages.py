"""Which language a text is in: by its script where the script has one, else by the py3langid library's letter pairs.

py3langid (BSD) carries its model of 97 languages and fetches nothing. It is asked when languages are to be told apart that
share a script, and needs a few words to be right.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.data.characters import SCRIPTS

BY_SCRIPT = {
    "han": "zh",
    "kana": "ja",
    "hangul": "ko",
    "greek": "el",
    "hebrew": "he",
    "thai": "th",
    "georgian": "ka",
    "armenian": "hy",
}
NAMES = tuple(
    "none" if script == "none" else BY_SCRIPT.get(script, script) for script in SCRIPTS
)  # a language, or else a script
WEIGHT = {"han": 3, "kana": 3, "hangul": 3}  # letters of a word that one character stands for
KANA = 0.05  # of the characters of a text that is Japanese, at least
LOOK = 600  # characters that the library is shown


def by_script(letters: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(N,) places in :data:`NAMES` from (N, scripts) counts of letters; 0 for texts without any."""
    counts = letters.copy()
    counts[:, 0] = 0
    for script, weight in WEIGHT.items():
        counts[:, SCRIPTS.index(script)] *= weight
    han, kana = SCRIPTS.index("han"), SCRIPTS.index("kana")
    japanese = counts[:, kana] > KANA * (counts[:, han] + counts[:, kana])
    counts[japanese, kana] += counts[japanese, han]
    counts[japanese, han] = 0
    found = counts.argmax(1).astype(np.uint8)
    found[counts.sum(1) == 0] = 0
    return found


def share_a_script(names: tuple[str, ...]) -> bool:
    """Whether there are languages among ``names`` that their scripts do not tell."""
    return not set(names) <= set(BY_SCRIPT.values())


def of_text(text: str, name: str) -> str:
    """The language of a text whose script is ``name`` of :data:`NAMES`, as ISO 639-1 has it."""
    if name in BY_SCRIPT.values() or name == "none":
        return name
    middle = max(0, len(text) // 2 - LOOK // 2)
    return str(_library().classify(text[middle : middle + LOOK])[0])


def checked(names: tuple[str, ...]) -> tuple[str, ...]:
    """``names`` in small letters; each is a language's two letters that can be told."""
    small = tuple(name.strip().lower() for name in names if name.strip())
    known = set(BY_SCRIPT.values())
    if set(small) - known:
        known |= _known()
    for name in small:
        if name not in known:
            raise UserError(
                f"--language {name}: give codes of two letters, as in zh,en; known are {', '.join(sorted(known))}",
                f"--language {name}：请给两个字母的代码，如 zh,en；可用的有 {'、'.join(sorted(known))}",
            )
    return small


@cache
def _library() -> Any:
    try:
        import py3langid  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(
            'languages of one script are told apart by py3langid; install it with: pip install "luoxia[text]"',
            '同一文字的不同语言由 py3langid 区分；请安装：pip install "luoxia[text]"',
        ) from error
    return py3langid


def _known() -> set[str]:
    return {str(name) for name, _ in _library().rank("a")}

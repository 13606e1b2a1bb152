"""Text without what no reader sees: control characters, other line ends, spaces at ends of lines, forms other than NFC."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from luoxia.core.language import Text

LINE = 1 << 20  # characters: a longer line is cut in its middle
CLEANED = {
    "line ends": Text("with other line ends, now line feeds", "换行符已统一为 LF"),
    "control": Text("with control or invisible characters, taken out", "含控制字符或不可见字符，已去除"),
    "spaces": Text("with spaces at ends of lines or rows of empty lines", "行尾空格或多余空行已去除"),
    "nfc": Text("in another normal form, now NFC", "已规范化为 NFC"),
}
_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029\x0b\x0c]")
# Joiners (U+200C, U+200D) and direction marks (U+200E, U+200F) belong to scripts and emoji; overrides of direction do not.
_INVISIBLE = re.compile(
    "\x1b\\[[0-9;]*[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060-\u206f\u202a-\u202e\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_HARD_SPACE = re.compile("[\u00a0\u202f\u2007]")
_TRAILING = re.compile(r"[ \t\u3000]+(?=\n)")
_EMPTY = re.compile(r"\n{3,}")
_ASCII_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f]")


def clean(text: str, done: Counter[str] | None = None) -> str:
    """``text`` cleaned, no spaces or empty lines at its ends; ``done`` counts what there was to do, by :data:`CLEANED`."""
    text = _lines(text, done).strip("\n")
    return text.rstrip(" \t\u3000").rstrip("\n")


def clean_pieces(pieces: Iterable[str], done: Counter[str] | None = None) -> Iterator[str]:
    """The same of a text that comes in pieces, each given on up to a place where the next one changes nothing."""
    waiting, first = "", True
    whole = Counter[str]()
    for piece in pieces:
        waiting += piece
        cut = _cut(waiting)
        if cut:
            text = _lines(waiting[:cut], whole)
            waiting = waiting[cut:]
            yield text.lstrip("\n") if first else text
            first = first and not text.strip("\n")
    text = _lines(waiting, whole)
    text = text.strip("\n") if first else text.rstrip("\n")
    if done is not None:
        done.update(whole.keys())
    yield text.rstrip(" \t\u3000").rstrip("\n")


def _cut(text: str) -> int:
    """Before a line feed that follows something seen; else, in a line without end, before a plain letter."""
    cut = text.rfind("\n")
    while cut > 0 and not _seen(text, cut):
        cut = text.rfind("\n", 0, cut)
    if cut > 0:
        return cut
    if len(text) < LINE:
        return 0
    for i in range(len(text) - 1, len(text) - min(10_000, LINE // 2), -1):
        if text[i].isascii() and text[i].isalnum() and text[i - 1].isalnum() and _seen(text, i):
            return i
    return 0 if len(text) < 16 * LINE else len(text)


def _seen(text: str, at: int) -> bool:
    """Whether the character before ``at`` stays, and is no white space."""
    before = text[at - 1]
    return not before.isspace() and before.isprintable() and "\x1b" not in text[max(0, at - 20) : at]


def _lines(text: str, done: Counter[str] | None) -> str:
    """Cleaned but for its ends."""
    seen = []
    if text.isascii():
        if _ASCII_BAD.search(text):
            text = _counted(_ENDS, "\n", text, "line ends", seen)
            text = _counted(_INVISIBLE, "", text, "control", seen)
    else:
        text = _counted(_ENDS, "\n", text, "line ends", seen)
        text = _counted(_INVISIBLE, "", text, "control", seen)
        text = _HARD_SPACE.sub(" ", text)
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
            seen.append("nfc")
    text = _counted(_TRAILING, "", text, "spaces", seen)
    if "\n\n\n" in text:
        text = _counted(_EMPTY, "\n\n", text, "spaces", seen)
    if done is not None:
        done.update(set(seen))
    return text


def _counted(pattern: re.Pattern[str], new: str, text: str, name: str, seen: list[str]) -> str:
    text, count = pattern.subn(new, text)
    if count:
        seen.append(name)
    return text

"""The mark in the choice of words, read from a file: what stands in it for people, as tokens of the models that are here.

How often would a text without the mark seem to carry one? :mod:`luoxia.models.text_mark` bounds it for one vocabulary;
with k vocabularies it is k times that. A reading is given where that is ``RATE`` at most.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from luoxia.models import text_mark
from luoxia.models.tokenizer import Tokenizer
from luoxia.provenance import carriers, document_words, notice
from luoxia.provenance.label import KEY
from luoxia.provenance.policy import SENTENCES

RATE = 1e-6
LARGEST = 1 << 20  # bytes of a file that are read, characters of a Word document
_KINDS = ("plain", "markdown", "hypertext", "notation")
_HIDDEN = re.compile(r"<!--|<(script|style|title|template|noscript|textarea|iframe)\b", re.IGNORECASE)
_BLOCK = re.compile(
    r"</?(?:p|br|div|li|ul|ol|h[1-6]|tr|table|section|article|blockquote|pre)\b[^<>]*>", re.IGNORECASE
)
_TAG = re.compile(
    r"</?[a-z!][^<>]*>", re.IGNORECASE
)  # one that holds another `<` is let stand: looking on has no end
_LABEL = re.compile(r'(?m)^\{"AIGC" ?:.*$')


@dataclass(frozen=True)
class Reading:
    """``model`` is the one whose vocabulary shows the mark, which others may share; ``tokens`` are those that counted;
    ``false_positive`` bounds the probability that a text without the mark reads so."""

    model: str
    tokens: int
    false_positive: float


def read(text: str, vocabularies: Mapping[str, Tokenizer]) -> Reading | None:
    """The mark in ``text``, where there is one."""
    best: Reading | None = None
    for model, tokenizer in vocabularies.items():
        found = text_mark.read(tokenizer.encode(text, bos=False))
        chance = min(1.0, len(vocabularies) * found.chance)
        if chance <= RATE and (best is None or chance < best.false_positive):
            best = Reading(model, found.tokens, chance)
    return best


def words(path: Path) -> tuple[str, bool] | None:
    """What people read in the file at ``path``, without labels and the sentence that says what it is, and whether that is
    the whole of it. None for a file that is no text. Raises :class:`MalformedError` for a broken Word document."""
    kind = carriers.kind(path)
    if kind == "office":
        read = document_words.words(path, LARGEST)
        return None if read is None else (_without_sentences(read[0]), read[1])
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    whole, data = len(data) <= LARGEST, data[:LARGEST]
    if kind not in (*_KINDS, None) or (kind is None and not _is_text(data)):
        return None
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    if kind == "notation":
        text = _strings(text)
    elif kind == "hypertext":
        text = _shown(text)
    else:
        text = _LABEL.sub("", text)
    return _without_sentences(text), whole


def _without_sentences(text: str) -> str:
    for sentence in filter(None, SENTENCES.values()):
        text = notice.taken_off(text, sentence)
    return text.strip()


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3:  # else a character was cut in two
            return False
    return b"\0" not in data


def _strings(text: str) -> str:
    """The strings of a JSON text in their order, without names and without the label; the text itself where it is no JSON."""
    try:
        value = json.loads(text, parse_int=_nothing, parse_float=_nothing)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict):
        value.pop(KEY, None)
    found, waiting = [], [value]
    while waiting:
        match waiting.pop():
            case str() as string:
                found.append(string)
            case dict() as members:
                waiting += reversed(members.values())
            case list() as items:
                waiting += reversed(items)
    return "\n".join(found)


def _nothing(_: str) -> None:
    """For a number: a long one would take time that grows with the square of its length."""


def _shown(page: str) -> str:
    """The text of a page, without tags, scripts, styles and comments."""
    pieces, at = [], 0
    while hidden := _HIDDEN.search(page, at):
        pieces.append(page[at : hidden.start()])
        close = "-->" if hidden[1] is None else f"</{hidden[1]}"
        end = re.compile(close, re.IGNORECASE).search(page, hidden.end())
        at = len(page) if end is None else end.end() if hidden[1] is None else end.start()
    pieces.append(page[at:])
    return html.unescape(_TAG.sub("", _BLOCK.sub("\n", "".join(pieces))))

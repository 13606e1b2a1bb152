"""Where the text comes from that a language model is measured by, and what its samples are compared with.

Names: "en" and "zh" are the pages that ship; else a text file in UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from luoxia.core.errors import UserError
from luoxia.data import general_text
from luoxia.data.labelled import read
from luoxia.generate.text import TextModel

MOST = 100_000  # tokens of a text that are measured
PIECE = 1 << 22  # bytes of a training text read at once


@dataclass(frozen=True)
class Measured:
    """``ids`` of the beginning of a text; the tokens from the second on are ``size`` bytes. ``whole``: nothing was cut."""

    name: str
    ids: tuple[int, ...]
    size: int
    whole: bool


def measured(name: str, model: TextModel) -> Measured:
    """The text called ``name`` as tokens of ``model``."""
    shipped = name in general_text.LANGUAGES
    text = general_text.general_text(name) if shipped else read(Path(name))
    if not text.strip():
        raise UserError(f"{name} is empty; there is nothing to foretell", f"{name} 为空，无可预测")
    return _cut(name if shipped else Path(name).name, text, model)


def _cut(name: str, text: str, model: TextModel) -> Measured:
    # A token is a few characters: so much text gives enough of them without all of it being tokenised.
    ids = model.tokenizer.encode(text[: 8 * MOST])
    whole = len(ids) <= MOST and len(text) <= 8 * MOST
    ids = ids[:MOST]
    told = text if whole else model.tokenizer.decode(ids, specials=True)
    first = len(model.tokenizer.token(ids[0]).encode()) if ids[0] not in _unwritten(model) else 0
    return Measured(name, tuple(ids), len(told.encode()) - first, whole)


def _unwritten(model: TextModel) -> frozenset[int]:
    """The token that stands before every text without being of it."""
    bos = model.tokenizer.engine.token_to_id(model.tokenizer.bos) if model.tokenizer.bos else None
    return frozenset() if bos is None or not model.tokenizer.add_bos else frozenset({bos})


def training_text(path: Path) -> Iterator[str]:
    """The text at ``path`` in pieces that join without a gap; what is not UTF-8 in it is replaced by marks."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    try:
        with path.open("rb") as file:
            while data := file.read(PIECE):
                yield decoder.decode(data)
            yield decoder.decode(b"", final=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"{path} cannot be read ({reason})", f"无法读取 {path}（{reason}）") from error

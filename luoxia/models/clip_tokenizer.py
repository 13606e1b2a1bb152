"""Texts to the ids that a CLIP reads, whatever its vocabulary: begin, the text's tokens, end, then padding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tokenizers
from numpy.typing import NDArray


class ReadsTexts(Protocol):
    """What a CLIP's texts are read by: this file's, or :class:`~luoxia.models.captions.CaptionTokenizer`."""

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int64]:
        """(B, length)."""
        ...

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class CLIPTokenizer:
    """``engine`` splits; ``begin`` and ``end`` are ids, and rows are filled up with ``end``: a CLIP looks no further than
    the first. Special tokens written in a text are not taken for tokens of that kind."""

    engine: tokenizers.Tokenizer
    begin: int
    end: int

    def __post_init__(self) -> None:
        self.engine.no_padding()
        self.engine.no_truncation()
        self.engine.encode_special_tokens = True

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int64]:
        """(B, length). A text too long is cut before its end; letters in it that read as the end token are left out."""
        out = np.full((len(texts), length), self.end, np.int64)
        for row, found in zip(
            out, self.engine.encode_batch(list(texts), add_special_tokens=False), strict=True
        ):
            ids = [self.begin, *(i for i in found.ids if i != self.end)][: length - 1]
            row[: len(ids)] = ids
        return out

    def to_json(self) -> dict[str, Any]:
        return json.loads(self.engine.to_str())

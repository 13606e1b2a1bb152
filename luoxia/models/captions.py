"""Captions to token ids: one byte-level BPE for English and Chinese, learned from the captions themselves.

Capitals, full-width forms and compatibility characters are made equal first (NFKC, lower case), so that "Ａ Cat" is
"a cat". Every text has ids, since bytes are the alphabet: other scripts and emoji cost more tokens and lose nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from luoxia.core.errors import MalformedFileError
from luoxia.models import tokenizer_json

PAD, BEGIN, END = 0, 1, 2
SPECIALS = ("<pad>", "<begin>", "<end>")


@dataclass(frozen=True)
class CaptionTokenizer:
    """``engine`` splits and joins; ids 0, 1 and 2 are padding, begin and end, and no text contains them."""

    engine: tokenizers.Tokenizer

    def __post_init__(self) -> None:
        self.engine.encode_special_tokens = True

    @classmethod
    def learned(cls, captions: Iterable[str], vocab_size: int = 4_096) -> CaptionTokenizer:
        """The merges that shorten ``captions`` most (Sennrich et al. 2016), until there are ``vocab_size`` tokens.

        The same captions in any order give the same tokenizer.
        """
        engine = tokenizers.Tokenizer(models.BPE())
        engine.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])  # type: ignore[assignment]
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)  # type: ignore[assignment]
        engine.decoder = decoders.ByteLevel()  # type: ignore[assignment]
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIALS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        engine.train_from_iterator(sorted(captions), trainer)
        return cls(engine)

    @property
    def vocab_size(self) -> int:
        return self.engine.get_vocab_size()

    def ids(self, text: str) -> list[int]:
        """The tokens of ``text`` alone; special tokens written in it stay the letters they are made of."""
        return self.engine.encode(text, add_special_tokens=False).ids

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int64]:
        """(B, length): begin, the text's tokens, end, then padding. A text too long is cut before its end."""
        out = np.full((len(texts), length), PAD, np.int64)
        for row, found in zip(
            out, self.engine.encode_batch(list(texts), add_special_tokens=False), strict=True
        ):
            ids = [BEGIN, *found.ids[: length - 2], END]
            row[: len(ids)] = ids
        return out

    def decode(self, ids: Iterable[int]) -> str:
        return self.engine.decode([i for i in ids if i > END]).strip()

    def to_json(self) -> dict[str, Any]:
        """In the form of the ``tokenizers`` library, which :meth:`from_json` reads."""
        return json.loads(self.engine.to_str())

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> CaptionTokenizer:
        """Raises :class:`MalformedFileError` for what :meth:`to_json` does not write."""
        engine = tokenizer_json.opened(json.dumps(told), "a caption tokenizer")
        if [engine.token_to_id(token) for token in SPECIALS] != [PAD, BEGIN, END]:
            raise MalformedFileError(
                "the tokenizer is not one of captions: it has other special tokens",
                "该分词器不是描述文字的分词器：其特殊标记不同",
            )
        return cls(engine)

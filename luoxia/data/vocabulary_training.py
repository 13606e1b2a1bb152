"""A vocabulary of byte pairs learned from a corpus (Sennrich et al. 2016, arXiv:1508.07909), by the tokenizers library.

All 256 bytes are in it, so that no text is unknown; digits stand alone; words are split as GPT-2 splits them, of which
Chinese, written without spaces, makes clauses, and their bytes are put together as far as they recur.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from luoxia.core.errors import UserError
from luoxia.models.tokenizer import Tokenizer

END = "<|endoftext|>"
SIZES = (300, 1 << 18)


def wanted_size(text: str) -> int | None:
    """The N of ``train:N``; None for anything else."""
    found = re.fullmatch(r"train:([\d_,]{1,9})", text.strip())
    if not found:
        if text.startswith("train"):
            raise UserError(
                f"--tokenizer {text}: write train:N, as in train:16000",
                f"--tokenizer {text}：请写 train:N，如 train:16000",
            )
        return None
    size = int(re.sub("[_,]", "", found[1]) or 0)
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(
            f"--tokenizer {text}: a vocabulary has {SIZES[0]} to {SIZES[1]} tokens",
            f"--tokenizer {text}：词表大小为 {SIZES[0]} 到 {SIZES[1]}",
        )
    return size


def train(texts: Iterator[str], size: int) -> Tokenizer:
    """A byte-level vocabulary of ``size`` tokens at most: fewer where ``texts`` have not so many pairs that recur.

    Token 0 ends a text. The same texts give the same vocabulary.
    """
    engine = tokenizers.Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(END, special=True, normalized=False)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    return Tokenizer(engine, eos=END, stop_ids=frozenset([0]), specials=(END,))

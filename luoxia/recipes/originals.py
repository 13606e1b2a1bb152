"""The index of training items that goes along with a model, so that what it makes can be looked up: made of a run's data
when its first weights are, copied wherever the model goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.data.examples import Examples
from luoxia.data.images import ImageSet
from luoxia.data.lessons import LessonRows
from luoxia.data.token_rows import TokenRows
from luoxia.data.tokens import Split
from luoxia.evaluate import originals, text_originals
from luoxia.generate.load import open_tokenizer
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights.originals import is_there

MAKERS = ("vae", "cvae", "gan", "dcgan", "cgan", "wgan", "wgan-gp", "stylegan", "dalle", "gpt", "finetune")


def keep(folder: Path, recipe: Mapping[str, Any], examples: Examples) -> None:
    """Write the index of ``examples`` into a run's folder, unless it is there; recipes that make nothing have none."""
    if recipe["recipe"] not in MAKERS or is_there(folder):
        return
    made = None
    if isinstance(examples, ImageSet):
        made = originals.build(examples)
    elif isinstance(examples, TokenRows):
        made = _of_corpus(examples)
    elif isinstance(examples, LessonRows):
        made = _of_lessons(examples, open_tokenizer(recipe["settings"]["base"])[0])
    if made is not None:
        made.write(folder)


def _of_corpus(rows: TokenRows) -> text_originals.TextOriginals | None:
    corpus, tokenizer = rows.corpus, rows.corpus.tokenizer()

    def texts(split: Split) -> Iterator[str]:
        ends = [*split.documents[1:, 0].tolist(), len(split.tokens)]
        for start, end in zip(split.documents[:, 0].tolist(), ends, strict=True):
            yield tokenizer.decode(split.tokens[start:end].tolist())

    return text_originals.build(
        texts(corpus.train), texts(corpus.held_out), corpus.train.bytes,
        data=corpus.name, digest=corpus.digest, sources=list(corpus.licence),
    )  # fmt: skip


def _of_lessons(rows: LessonRows, tokenizer: Tokenizer) -> text_originals.TextOriginals | None:
    """Each example's question and answer are one document, as they were packed into rows."""

    def texts(places: NDArray[np.int64]) -> Iterator[str]:
        for ids, numbers in zip(rows.ids[places], rows.documents[places], strict=True):
            for number in dict.fromkeys(numbers.tolist()):
                if number >= 0:
                    yield tokenizer.decode(ids[numbers == number].tolist())

    return text_originals.build(
        texts(rows.train), texts(rows.held_out), 4 * rows.tokens(rows.train),
        data=rows.name, digest=rows.digest, sources=list(rows.licence),
    )  # fmt: skip

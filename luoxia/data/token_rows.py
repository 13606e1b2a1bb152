"""A corpus cut into rows of equal length: what a language model learns from, a row an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.examples import Unit, no_images
from luoxia.data.tokens import Split, TokenSet


@dataclass(frozen=True)
class TokenRows:
    """Row i of a split has tokens i T to (i + 1) T, one more than it predicts; T is ``block_size``. The rows of the
    training split come first, then those that are held out. What is left at a split's end fills no row and is not read.

    Raises :class:`UserError` where no row fills, or nothing is held out.
    """

    corpus: TokenSet
    block_size: int

    def __post_init__(self) -> None:
        n, name = len(self.corpus.train.tokens), self.corpus.name
        if n <= self.block_size:
            raise UserError(
                f"{name} has {n} tokens to train on, and a row takes {self.block_size + 1}: more text, or "
                f"--set block_size={max(1, n // 8)}",
                f"{name} 只有 {n} 个训练词元，而一行需要 {self.block_size + 1} 个：请增加文本，或 --set block_size={max(1, n // 8)}",
            )
        if len(self.corpus.held_out.tokens) < 2:
            raise UserError(
                f"{name} holds no text out to score by: prepare it with some documents held out",
                f"{name} 没有留出用于评分的文本：请在准备时留出部分文档",
            )

    @property
    def name(self) -> str:
        return self.corpus.name

    @property
    def images(self) -> NDArray[np.uint8]:
        return no_images(sum(self._counts))

    @property
    def labels(self) -> None:
        return None

    @property
    def train(self) -> NDArray[np.int64]:
        return np.arange(self._counts[0])

    @property
    def held_out(self) -> NDArray[np.int64]:
        return np.arange(self._counts[0], sum(self._counts))

    @property
    def licence(self) -> tuple[str, ...]:
        return self.corpus.licence

    @property
    def digest(self) -> str:
        return self.corpus.digest

    @property
    def unit(self) -> Unit:
        return Unit("tokens", Text("tokens/s", "词元/秒"), self.block_size)

    @property
    def counted(self) -> Text:
        """What there is to train on, for people."""
        n, d = len(self.corpus.train.tokens), len(self.corpus.train.documents)
        return Text(
            f"{n / 1e6:.2f} M tokens of {d} documents in rows of {self.block_size}",
            f"{n / 1e6:.2f} M 个词元，来自 {d} 篇文档，每行 {self.block_size} 个",
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What a run notes of it besides its digest and licences."""
        parts = {"train": self.corpus.train, "held_out": self.corpus.held_out}
        return {f"{name}_tokens": len(part.tokens) for name, part in parts.items()} | {
            "documents": sum(len(part.documents) for part in parts.values()),
            "tokenizer": self.corpus.tokenizer_digest,
        }

    def at(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows at places ``index`` (B,): tokens (B, T + 1) int64."""
        return self._gathered(index, self.block_size + 1, lambda split, at: split.tokens[at].astype(np.int64))

    def documents(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which document each token that is predicted from is of: (B, T) int64."""
        return self._gathered(index, self.block_size, Split.document_of)

    def _gathered(self, index: NDArray[np.int64], width: int, look: Any) -> NDArray[np.int64]:
        out, first = np.empty((len(index), width), np.int64), self._counts[0]
        for split, start, here in (
            (self.corpus.train, 0, index < first),
            (self.corpus.held_out, first, index >= first),
        ):
            positions = (index[here] - start)[:, None] * self.block_size + np.arange(width)
            out[here] = look(split, positions)
        return out

    @property
    def _counts(self) -> tuple[int, int]:
        """Rows of the training split, and held out."""
        train, held_out = len(self.corpus.train.tokens), len(self.corpus.held_out.tokens)
        return (train - 1) // self.block_size, (held_out - 1) // self.block_size

"""What every reader of tables needs: the separator of a CSV file, and the rows of Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from luoxia.core.errors import UserError

BATCH = 256  # rows of Parquet that are read at once


class ParquetError(ValueError):
    """Bytes that are no Parquet, with the reader's reason in one line."""


def separator(head: str) -> str:
    """What separates the columns that ``head``, a table's first line, names: the commonest, in doubt the comma."""
    return max(",\t;", key=head.count)


def parquet(
    file: IO[bytes], choose: Callable[[list[str]], Sequence[str]], place: str = ""
) -> Iterator[dict[str, Any]]:
    """The rows of ``file``, of the columns alone that ``choose`` takes of their names.

    Raises :class:`ParquetError`, and :class:`UserError` where the library is missing, ``place`` told before it.
    """
    try:
        import pyarrow  # type: ignore[import-not-found]
        from pyarrow.parquet import ParquetFile  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(
            f'{place and f"{place}: "}Parquet is read with pyarrow; install it with: pip install "luoxia[hub]"',
            f'{place and f"{place}："}Parquet 由 pyarrow 读取；请安装：pip install "luoxia[hub]"',
        ) from error
    try:
        opened = ParquetFile(file)
        columns = list(choose(opened.schema_arrow.names))
        for batch in opened.iter_batches(batch_size=BATCH, columns=columns):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise ParquetError(" ".join(str(error).split())) from error

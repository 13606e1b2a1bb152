"""``tokenizer.json``, the form in which the ``tokenizers`` library keeps a vocabulary with all that is done around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tokenizers

from luoxia.core.errors import MalformedFileError


def opened(text: str, source: object) -> tokenizers.Tokenizer:
    """What ``text`` from ``source`` holds. Raises :class:`MalformedFileError`."""
    with refusing(source):
        return tokenizers.Tokenizer.from_str(text)


@contextmanager
def refusing(source: object) -> Iterator[None]:
    """Whatever the library does to a vocabulary it cannot use is a :class:`MalformedFileError`.

    It raises plain ``Exception`` for much, and panics at the rest, which is a ``BaseException``.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        why = str(error)[:200]
        raise MalformedFileError(
            f"the vocabulary in {source} cannot be used: {why}", f"{source} 中的词表无法使用：{why}"
        ) from error

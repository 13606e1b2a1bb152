"""PDF: the label under /AIGC in the document information dictionary (TC260-PG-20258A). ISO 32000-2, 14.3.3."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from luoxia.core.errors import UserError
from luoxia.provenance.carriers.bounded import MalformedError, Reading, cut_short, not_a, reading
from luoxia.provenance.label import KEY, Label

FORMATS = (".pdf",)
LARGEST = 256 << 20  # bytes of a document, which pypdf may take into memory whole
END = 64 << 10  # bytes at the end of a document in which its end must be marked
NAME = f"/{KEY}"


def labels(file: BinaryIO) -> Iterator[Reading]:
    from pypdf import PdfReader

    _check(file)
    with _plainly():
        value = (PdfReader(file).metadata or {}).get(NAME)
        text = None if value is None else str(value)
    if text is not None:
        yield reading("PDF document information", text)


def write(path: Path, label: Label) -> None:
    from pypdf import PdfReader, PdfWriter

    beside = path.with_name(f"{path.name}.labelled")
    try:
        with path.open("rb") as file, beside.open("xb") as new:
            _check(file)
            with _plainly():
                writer = PdfWriter(clone_from=PdfReader(file))
                writer.add_metadata({NAME: label.to_json()})
                writer.write(new)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _check(file: BinaryIO) -> None:
    if b"%PDF-" not in file.read(1024):
        raise not_a("PDF")
    size = file.seek(0, 2)
    if size > LARGEST:
        raise MalformedError(
            f"documents of more than {LARGEST >> 20} MiB are not read",
            f"不读取超过 {LARGEST >> 20} MiB 的文档",
        )
    file.seek(max(0, size - END))
    if b"startxref" not in file.read(END):  # pypdf would look for it through all of the file
        raise cut_short(size)
    file.seek(0)


@contextmanager
def _plainly() -> Iterator[None]:
    """What broken bytes lead the reader to, told in one line, and nothing said beside it."""
    logger = logging.getLogger("pypdf")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:100] or type(error).__name__
        raise MalformedError(f"it is a broken PDF: {detail}", f"PDF 已损坏：{detail}") from error
    finally:
        logger.disabled = before

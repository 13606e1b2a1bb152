"""Files as they come in over the wire, in base64."""

from __future__ import annotations

import base64
import binascii

from luoxia.core.errors import UserError
from luoxia.core.language import Text


def body_of(most: int) -> int:
    """Bytes of a request that carries a file of ``most``."""
    return most * 4 // 3 + (64 << 10)


def in_base64(text: str, most: int, file: Text, way_out: Text) -> bytes:
    """What a user sent as ``file``, as it is called. Raises :class:`UserError` for what is no base64, or more than ``most``
    bytes, with the ``way_out`` of that."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"{file.en} is not base64", f"{file.zh}不是 base64 编码") from error
    if len(data) > most:
        raise UserError(
            f"{file.en} is larger than {most >> 20} MiB; {way_out.en}",
            f"{file.zh}超过 {most >> 20} MiB；{way_out.zh}",
        )
    return data

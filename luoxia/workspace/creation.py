"""One generated artefact as it is recorded, and the one way to write it as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from luoxia.core.errors import UserError
from luoxia.provenance import ids
from luoxia.workspace.made_from import MadeFrom

LARGEST = 1 << 20  # characters of a record; a prompt of a whole book still fits


def now() -> str:
    """The time in UTC to the millisecond, as records tell it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical(value: Any) -> str:
    """JSON that is the same text for the same facts: keys sorted, no spaces, no escapes but the needed ones.

    Raises :class:`UserError` for what JSON or UTF-8 cannot say, and for more than ``LARGEST`` characters.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"the record of a creation cannot be written: {error}", f"无法写出作品记录：{error}"
        ) from error
    if len(text) > LARGEST:
        raise UserError(
            f"the record of a creation has {len(text):,} characters, and {LARGEST:,} fit; shorten its prompt",
            f"作品记录有 {len(text):,} 个字符，上限为 {LARGEST:,}；请缩短提示",
        )
    return text


@dataclass(frozen=True)
class Creation:
    """``content_sha256`` and ``sketch`` are of the content before it was marked and labelled, as
    :func:`luoxia.workspace.content.digest` and :func:`~luoxia.workspace.content.sketch` give them; ``file_sha256`` of the
    file as it was published, "" for content that left by a page or standard output, which has no ``path`` either.
    ``memorisation`` is what :mod:`luoxia.workspace.memorisation` found, {} where no model took part; ``judged`` what the
    safety gate said: of each class the score, and the policy's threshold, None for one that is off."""

    id: str
    made: str
    made_from: MadeFrom
    content_sha256: str
    file_sha256: str = ""
    path: str = ""
    sketch: str = ""
    memorisation: Mapping[str, Any] = field(default_factory=dict)
    judged: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.made_from.kind

    @property
    def number(self) -> int:
        """What its watermark says, 48 bits."""
        return ids.number_of(self.id)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__annotations__} | {
            "made_from": self.made_from.to_json()
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Creation:
        """The creation that :meth:`to_json` told; ``KeyError`` or ``TypeError`` for anything else."""
        whole: dict[str, Any] = facts | {"made_from": MadeFrom.from_json(facts["made_from"])}
        return cls(**whole)

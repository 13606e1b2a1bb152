"""Creations for tests, made of nothing."""

from __future__ import annotations

from typing import Any

from luoxia.provenance import ids
from luoxia.workspace import content
from luoxia.workspace.creation import Creation
from luoxia.workspace.made_from import DatasetUsed, MadeFrom, ModelUsed, Parent

VERSIONS = {"luoxia": "0.1.0", "torch": "2.13.0"}
WEB = DatasetUsed("web", "ODC-By-1.0", "many", "5" * 64)
SMALL = ModelUsed("small", "a" * 64, "Apache-2.0", "writes", "runs/small", (WEB,))
MOMENT = 1_800_000_000_000  # milliseconds since 1970; ids follow on it


def creation(
    prompt: str, *, kind: str = "text", parents: tuple[str, ...] = (), at: int = 0, **more: Any
) -> Creation:
    of = {"models": (SMALL,), "seed": 7, "parameters": {"top_p": 0.9, "stop": ["。"]}} | more.pop("of", {})
    made_from = MadeFrom(
        kind, more.pop("command", "write"), prompt=prompt, parents=tuple(Parent(p, "picture") for p in parents),
        versions=VERSIONS, **of,
    )  # fmt: skip
    id = more.pop("id", None) or ids.drawn(MOMENT + at)
    return Creation(id, "2026-11-26T08:00:00.000Z", made_from, content.digest(prompt), **more)

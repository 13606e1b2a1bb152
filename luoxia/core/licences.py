"""Licences as they are told: several in a text, a semicolon and a blank between two."""

from __future__ import annotations

from collections.abc import Iterable


def each_once(texts: Iterable[str]) -> tuple[str, ...]:
    """``("Apache-2.0", "Apache-2.0; MIT")`` -> ``("Apache-2.0", "MIT")``: those that the texts name, in their order."""
    named = (part.strip() for text in texts for part in text.split("; "))
    return tuple(dict.fromkeys(filter(None, named)))

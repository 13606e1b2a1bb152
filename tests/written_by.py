"""Models of text that a test only names: what records say of them without a file."""

from __future__ import annotations

from luoxia.workspace.made_from import ModelUsed


def nobody(model: str, _: str | None) -> tuple[ModelUsed, ...]:
    return (ModelUsed(model, "0" * 64, "Apache-2.0", "writes"),)

"""The reference in the guide says what the command says."""

from __future__ import annotations

from pathlib import Path

import pytest

from luoxia.cli.reference import reference

WRITTEN = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.fixture(autouse=True)
def _columns(monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # which the reference must not depend on


def test_it_is_current() -> None:
    way = "python -m luoxia.cli.reference > docs/cli.md"
    assert WRITTEN.read_text(encoding="utf-8") == reference(), way


def test_every_command_is_in_it() -> None:
    headings = [line for line in reference().splitlines() if line.startswith("## ")]
    assert headings == [
        f"## `{command}`"
        for command in (
            "luoxia",
            "luoxia write",
            "luoxia serve",
            "luoxia verify",
            "luoxia train",
            "luoxia finetune",
            "luoxia plan",
            "luoxia evaluate",
            "luoxia runs",
            "luoxia history",
            "luoxia show",
            "luoxia lineage",
            "luoxia replay",
            "luoxia takedown",
            "luoxia models",
            "luoxia draw",
            "luoxia face",
            "luoxia poem",
            "luoxia clip",
            "luoxia data",
            "luoxia policy",
            "luoxia keys",
            "luoxia jobs",
            "luoxia models get",
            "luoxia models import",
            "luoxia models export",
            "luoxia models remove",
            "luoxia models card",
            "luoxia models path",
            "luoxia draw new",
            "luoxia draw sheet",
            "luoxia draw complete",
            "luoxia draw vary",
            "luoxia face mix",
            "luoxia face morph",
            "luoxia face invert",
            "luoxia face edit",
            "luoxia face directions",
            "luoxia poem new",
            "luoxia poem check",
            "luoxia poem measure",
            "luoxia clip search",
            "luoxia clip score",
            "luoxia clip classify",
            "luoxia data check",
            "luoxia data prepare",
            "luoxia data get",
            "luoxia policy show",
            "luoxia policy set",
            "luoxia keys show",
            "luoxia keys create",
            "luoxia keys import",
            "luoxia keys trust",
            "luoxia jobs cancel",
            "luoxia jobs retry",
            "luoxia jobs work",
        )
    ]

"""What is told beside a text that goes to standard output."""

from __future__ import annotations

import pytest

from luoxia.cli import door
from luoxia.core.language import Text
from luoxia.provenance.policy import Policy
from luoxia.workspace import publish
from luoxia.workspace.creation import Creation
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.publish import Published


def test_a_copy_is_told_and_a_label_that_no_file_has_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen, made_from = Policy(), MadeFrom("text", "write")
    creation = Creation("L01ARZ3NDEKTSV4RRFFQ69G5FAV", "2026-01-01T00:00:00Z", made_from, "")
    near = Text("it comes near an item\x1b[2J", "与某项相近")
    assert chosen.warning is not None
    left = Published(
        creation, label=chosen.label(creation.id), sentence="By AI.", warnings=(chosen.warning, near)
    )
    monkeypatch.setattr(publish, "publish", lambda *_, **__: left)
    door.leave("a text", made_from)
    assert capsys.readouterr().err == f"it comes near an item [2J\nBy AI. {creation.id}\n"

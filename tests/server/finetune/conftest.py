"""A server that has trainings done by a process that learns nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import fake_finetune
import pytest
import tiny_base

from luoxia.server.finetune import process
from luoxia.weights import catalogue, text_folder


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COMMAND", (sys.executable, fake_finetune.__file__))


@pytest.fixture
def base(home: Path) -> str:
    """A whole text model of the user's own."""
    text_folder.keep(catalogue.place("tiny"), tiny_base.network(), tiny_base.chat_tokenizer(), {})
    return "tiny"

"""Verification: what was copied, exchanged, stripped or doubled is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luoxia.cli.main import main
from luoxia.core.errors import UserError
from luoxia.provenance import carriers
from luoxia.provenance.label import Label
from luoxia.provenance.verify import FAULTY, HOLDS, NOTHING, verify
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.publish import publish


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUOXIA_LANG", "en")


def made(path: Path, seed: int = 0) -> Path:
    random = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), np.uint8)
    pixels = np.asarray(Image.fromarray(random).resize((320, 300), Image.Resampling.BICUBIC))
    publish(pixels, MadeFrom("picture", "face"), path)
    return path


def told(path: Path) -> str:
    found = verify(path)
    assert found.outcome == FAULTY
    return "; ".join(text.en for text in found.faults)


def test_a_stripped_label_with_the_unseen_mark_alive(tmp_path: Path) -> None:
    Image.open(made(tmp_path / "a.png")).convert("RGB").save(tmp_path / "b.jpg", quality=75)
    assert "its label is gone; its pixels still carry number" in told(tmp_path / "b.jpg")


def test_a_label_put_on_another_creation(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a.png"), made(tmp_path / "b.png", 1)
    label = verify(first).label
    assert label
    carriers.write(second, label)
    said = told(second)
    assert "label and credential speak of two creations" in said
    assert "its content was changed after it was signed" in said
    assert "its pixels carry the number of another creation" in said


def test_a_label_taken_away_and_the_credential_left(tmp_path: Path) -> None:
    data = made(tmp_path / "a.png").read_bytes()
    at = data.index(b"iTXt") - 4
    size = 12 + int.from_bytes(data[at : at + 4], "big")
    (tmp_path / "b.png").write_bytes(data[:at] + data[at + size :])
    assert "its label is gone" in told(tmp_path / "b.png")


def test_a_changed_picture(tmp_path: Path) -> None:
    path = made(tmp_path / "a.webp")
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    assert told(path)


def test_two_labels(tmp_path: Path) -> None:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    for id in ("one", "two"):
        info.add_text("AIGC", Label.first("p", id).to_json())
    Image.new("RGB", (300, 300)).save(tmp_path / "a.png", pnginfo=info)
    found = verify(tmp_path / "a.png")
    assert found.outcome == FAULTY
    assert found.label is None
    assert any("2 labels" in text.en for text in found.faults)


def test_a_label_of_others_alone_holds(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "a.png")
    carriers.write(tmp_path / "a.png", Label.first("someone", "something"))
    found = verify(tmp_path / "a.png")
    assert found.outcome == HOLDS
    assert found.credential is None


def test_what_says_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300)).save(tmp_path / "a.png")
    assert verify(tmp_path / "a.png").outcome == NOTHING
    (tmp_path / "a.bin").write_bytes(b"\0" * 100)
    assert verify(tmp_path / "a.bin").outcome == NOTHING
    with pytest.raises(UserError, match="cannot be read"):
        verify(tmp_path / "none.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    assert verify(tmp_path / "b.png").outcome == FAULTY


def test_the_command_and_its_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path / "out" / "a.png")
    assert main(["verify", str(path)]) == HOLDS
    shown = capsys.readouterr().out
    assert "What it says holds." in shown
    assert "(recorded here)" in shown
    assert main(["verify", str(path), "--json"]) == HOLDS
    facts = json.loads(capsys.readouterr().out)
    assert facts["outcome"] == HOLDS
    assert facts["label"]["produce_id"] == facts["creation"]
    Image.open(path).convert("RGB").save(tmp_path / "out" / "b.png")
    Image.new("RGB", (300, 300)).save(tmp_path / "out" / "c.png")
    assert main(["verify", "-r", str(tmp_path / "out")]) == FAULTY
    captured = capsys.readouterr()
    assert [line[0] for line in captured.out.splitlines()] == ["✓", "✗", "–"]
    assert "3 files: 1 hold, 1 do not, 1 say nothing" in captured.err
    assert main(["verify", str(tmp_path / "out" / "b.png")]) == FAULTY
    assert facts["creation"] in capsys.readouterr().out  # by the unseen mark alone
    assert main(["verify", str(tmp_path / "out" / "c.png")]) == NOTHING
    assert main(["verify", str(tmp_path / "out")]) == 2
    assert "--recursive" in capsys.readouterr().err

"""`luoxia data`: the commands as a user types them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from luoxia.cli.main import main
from luoxia.data.images import load


def photos(root):
    root.mkdir()
    for i in range(20):
        coarse = np.random.default_rng(i).integers(0, 256, (5, 5, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC).save(root / f"{i:02}.png")
    (root / "broken.jpg").write_bytes(b"nothing")


def test_check_reports_and_writes_its_page_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos")
    assert main(["data", "check", "photos"]) == 0
    out, err = capsys.readouterr()
    assert "48 x 64 (20)" in out
    assert "1 cannot be decoded" in out
    assert "photos-report.html" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "photos-report.html"]


def test_prepare_then_load(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos")
    assert main(["data", "prepare", "photos", "-o", "photos.data"]) == 2
    assert "give --size" in capsys.readouterr().err
    assert main(["data", "prepare", "photos", "-o", "photos.data", "--size", "32"]) == 0
    assert "No licence is recorded" in capsys.readouterr().err
    assert load("photos.data").size == 32
    assert (tmp_path / "photos.data/report.html").exists()


def test_in_chinese(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    photos(tmp_path / "photos")
    assert main(["data", "check", "photos"]) == 0
    out, _ = capsys.readouterr()
    assert "1 张无法解码" in out
    assert 'lang="zh"' in (tmp_path / "photos-report.html").read_text()
    assert main(["data", "check", "missing"]) == 2
    assert "没有 missing" in capsys.readouterr().err

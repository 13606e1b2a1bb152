"""`luoxia data`: the commands as a user types them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from luoxia.cli.main import main
from luoxia.data.images import load
from luoxia.data.tokens import read


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


def texts(root):
    root.mkdir()
    lines = [
        f'{{"title": "{i}", "body": "number {i} of some {i * i} lines about {i % 7} geese"}}'
        for i in range(80)
    ]
    (root / "a.jsonl").write_text("\n".join(lines))
    (root / "bad.txt").write_bytes(b"\x89PNG\0\0\0" * 40)
    (root / "LICENSE").write_text("CC0 1.0 Universal\n")


def test_check_sees_that_there_are_texts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts(tmp_path / "corpus")
    assert main(["data", "check", "corpus"]) == 0
    out, err = capsys.readouterr()
    assert "latin 80" in out
    assert "1 files that cannot be read as text" in out
    assert "corpus-report.html" in err
    page = (tmp_path / "corpus-report.html").read_text()
    assert "bad.txt: it is binary" in page
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus", "corpus-report.html"]


def test_prepare_texts_in_chinese(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUOXIA_LANG", "zh")
    texts(tmp_path / "corpus")
    assert (
        main(
            [
                "data",
                "prepare",
                "corpus/",
                "-o",
                "c.tokens",
                "--tokenizer",
                "train:300",
                "--field",
                "title,body",
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert "按内容划分" in out
    assert "个词元用于训练" in err
    assert "CC0 1.0 Universal" in out
    corpus = read("c.tokens")
    assert corpus.licence == ("corpus: CC0 1.0 Universal",)
    assert len(corpus.train.documents) + len(corpus.held_out.documents) == 80
    assert 'lang="zh"' in (tmp_path / "c.tokens/report.html").read_text()


def test_options_that_do_not_fit_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts(tmp_path / "corpus")
    for options, said in (
        (["-o", "c.tokens"], "give --tokenizer"),
        (["-o", "c", "--tokenizer", "train:300"], "as in corpus.tokens"),
        (["-o", "c.tokens", "--tokenizer", "train:300", "--size", "64"], "--size is for pictures"),
        (["-o", "c.tokens", "--tokenizer", "train:300", "--near", "0.1"], "give 0.5 or more"),
        (["-o", "c.tokens", "--tokenizer", "train:300", "--held-out", "0"], "give a share"),
        (
            ["-o", "c.tokens", "--tokenizer", "train:300", "--min-chars", "9", "--max-chars", "3"],
            "is less than",
        ),
        (["-o", "c.tokens", "--tokenizer", "nothing-7b"], "nothing-7b"),
        (["-o", "c.tokens", "--tokenizer", "train:300", "--field", "nix"], "has no nix, but title, body"),
    ):
        assert main(["data", "prepare", "corpus", *options]) == 2
        assert said in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus"]

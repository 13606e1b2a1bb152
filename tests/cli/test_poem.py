"""`luoxia poem`: what it prints, and how it fails."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_verse

from luoxia.cli.main import main
from luoxia.provenance.policy import SENTENCES
from luoxia.provenance.verify import verify
from luoxia.workspace import later, makers
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import Jobs
from luoxia.workspace.replay import replay

GOOD = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUOXIA_LANG", "en")
    monkeypatch.chdir(tmp_path)


def test_poems_are_printed_and_the_seed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tiny_verse.model(Path("model"))
    asked = [
        "poem",
        "--theme",
        "秋水长天",
        "--acrostic",
        "山水",
        "-n",
        "2",
        "--candidates",
        "2",
        "--model",
        "model",
    ]
    assert main([*asked, "--seed", "3", "--marks"]) == 0
    first = capsys.readouterr()
    poems = first.out.strip().split("\n\n")
    assert len(poems) == 2
    for poem in poems:
        title, one, two = poem.splitlines()
        assert title.startswith("秋水长天  [七绝, ")
        assert one[0] == "山"
        assert one.split("，")[1][0] == "水"
        assert len(one.split()[0]) == len(two.split()[0]) == 16
        assert set(one.split()[1]) <= set("平仄中")
    assert "Seed 3." in first.err
    assert "whether a line is copied was not checked" in first.err
    assert main([*asked, "--seed", "3", "--marks"]) == 0
    assert capsys.readouterr().out == first.out


def test_poems_are_recorded_and_can_be_made_again(capsys: pytest.CaptureFixture[str]) -> None:
    tiny_verse.model(Path("model"))
    asked = ["poem", "--theme", "秋水", "-n", "2", "--candidates", "2", "--model", "model", "--seed", "3"]
    assert main(asked) == 0
    assert SENTENCES["cn"] in capsys.readouterr().err
    assert main([*asked, "-o", "poems.txt"]) == 0
    told = capsys.readouterr()
    with Workspace() as workspace:
        file, page = (workspace.find(listed.id) for listed in workspace.list())
    assert told.out == ""
    assert f"{file.id}\n" in told.err
    assert (page.content_sha256, page.path) == (file.content_sha256, "")
    assert replay(page).outcome == "identical"
    text = Path("poems.txt").read_text(encoding="utf-8")
    assert text.startswith(f"{SENTENCES['cn']}\n\n秋水\n")
    assert verify(Path("poems.txt")).creation == file.id
    parameters = {**page.made_from.parameters, "one": 1}
    second = makers.poem(replace(page.made_from, parameters=parameters))
    assert makers.poem(page.made_from).split("\n\n")[1] == second


def test_poems_are_left_to_a_worker(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(later, "attend", lambda: None)
    tiny_verse.model(Path("model"))
    asked = [
        "poem",
        "--theme",
        "秋水",
        "--candidates",
        "2",
        "--model",
        "model",
        "--seed",
        "3",
        "--threads",
        "1",
    ]
    assert main([*asked, "-o", "now.txt"]) == 0
    assert main([*asked, "--later", "-o", "later.txt"]) == 0
    assert "later.txt: to be made as" in capsys.readouterr().err
    with Workspace() as workspace, Jobs(workspace) as jobs:
        (job,) = jobs.list()
        later.make(workspace, job.id, job.asked, makers.nothing)
        assert workspace.find(job.id).content_sha256 == workspace.find(workspace.list()[-1].id).content_sha256
    assert verify(Path("later.txt")).creation == job.id
    for wrong, said in (([], "--later needs a file"), (["-o", "a.txt", "--author", "莎士比亚"], "manner of")):
        assert main([*asked, "--later", *wrong]) == 2
        assert said in capsys.readouterr().err


def test_a_poem_is_checked_character_by_character(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["poem", "check", GOOD]) == 0
    out = capsys.readouterr().out
    assert "白日依山尽  仄仄平平仄  仄仄平平仄" in out
    assert "下平十一尤" in out
    assert "It keeps to its form" in out
    assert main(["poem", "check", GOOD.replace("日", "云")]) == 1
    out = capsys.readouterr().out
    assert "仄[平]平平仄" in out
    assert "✗ line 1: 云 should be oblique" in out


def test_a_poem_comes_from_a_file_or_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("poem.txt").write_text(f"登鹳雀楼\n{GOOD}\n", encoding="utf-8-sig")
    assert main(["poem", "check", "poem.txt"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(GOOD))
    assert main(["poem", "check", "-", "--form", "五绝", "--acrostic", "白黄欲更"]) == 0
    assert main(["poem", "check", GOOD, "--form", "七绝"]) == 1
    assert "七绝 has 4 lines of 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["poem", "check", "hello"], "no Chinese character"),
        (["poem", "check", ""], "no poem"),
        (["poem", "check", GOOD, "--rhyme", "广韵"], "no book of rhymes"),
        (["poem", "--form", "八绝"], "there is no form '八绝'"),
        (["poem", "--theme", "秋", "--model", "nothing"], "there is no model of verse 'nothing'"),
        (["poem", "--acrostic", "一二三四五"], "4 at most"),
        (["poem", "-n", "0"], "n is 0"),
    ],
)
def test_failures_are_told_in_a_line(asked: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.strip().splitlines()) == 1


def test_a_file_of_another_encoding_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("poem.txt").write_bytes(GOOD.encode("gb18030"))
    assert main(["poem", "check", "poem.txt"]) == 2
    assert "not UTF-8" in capsys.readouterr().err

"""What is taken down is gone, stays gone, and nothing else changes, whenever it is interrupted."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import tiny_corpus
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.data import opt_out, prepare, prepare_text, prepared, takedown, tokens
from luoxia.data.images import ImageSet


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for i in range(14):
        folder = tmp_path / "photos" / ("a", "b")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def stored(tmp_path: Path, photos: Path) -> Path:
    prepare.prepare(str(photos), tmp_path / "p.data", licence="Ann, MIT")
    return tmp_path / "p.data"


def gone(item: str, folder: Path) -> None:
    found = takedown.find(item, folder)
    opt_out.note(found.data, found.item, found.keys, "2026")
    takedown.remove(found)


@pytest.mark.parametrize("way", ["name", "number", "hash", "file", "again as JPEG"])
def test_an_item_goes_and_does_not_come_back(stored: Path, photos: Path, tmp_path: Path, way: str) -> None:
    before = prepared.read(stored)
    before = ImageSet(**{**before.__dict__, "images": np.array(before.images)})
    assert before.items is not None
    place = int(before.train[4])
    name = before.items[place]
    given = {"name": name, "number": f"#{place}", "file": str(photos / name),
             "hash": opt_out.of_pixels(before.images[place]).removeprefix("pixels:")}  # fmt: skip
    if way == "again as JPEG":
        given[way] = str(tmp_path / "again.jpg")
        with Image.open(photos / name) as picture:
            picture.save(given[way], quality=98, subsampling=0)
    gone(given[way], stored)
    after, kept = prepared.read(stored), np.delete(np.arange(14), place)
    assert np.array_equal(after.images, before.images[kept])
    assert after.items == tuple(before.items[i] for i in kept)
    assert np.array_equal(after.labels, before.labels[kept])
    assert {after.items[i] for i in after.held_out} == {before.items[i] for i in before.held_out}
    assert np.array_equal(after.numbers, kept)
    assert after.digest != before.digest
    assert after.earlier == (before.digest,)
    with pytest.raises(UserError, match="before"):
        takedown.find(str(place), stored)
    again, found = prepare.prepare(str(photos), tmp_path / "again.data")
    assert again.items is not None
    assert name not in again.items
    assert len(again.images) == 13
    assert [one.name for one in found.survey.left_out if one.kind == "taken down"] == [name]


def test_a_second_item_keeps_its_number(stored: Path) -> None:
    names = prepared.read(stored).items
    gone("3", stored)
    gone("7", stored)
    after = prepared.read(stored)
    assert after.taken_down == (3, 7)
    assert len(after.earlier) == 2
    assert after.items is not None
    assert list(after.items) == [name for i, name in enumerate(names) if i not in (3, 7)]


@pytest.mark.parametrize("at", range(6))
def test_a_kill_at_any_rename_leaves_a_whole_set(
    stored: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    found, calls = takedown.find("3", stored), 0

    def killed(source: object, target: object) -> None:
        nonlocal calls
        calls += 1
        if calls > at:
            raise KeyboardInterrupt
        real(source, target)

    real = os.replace
    monkeypatch.setattr(os, "replace", killed)
    try:
        takedown.remove(found)
        done = True
    except KeyboardInterrupt:
        done = False
    monkeypatch.setattr(os, "replace", real)
    takedown.mend(stored)
    assert len(prepared.read(stored).images) in ((13,) if done else (13, 14))
    if len(prepared.read(stored).images) == 14:
        gone("3", stored)
    assert prepared.read(stored).taken_down == (3,)
    assert sorted(p.name for p in stored.parent.iterdir()) == ["home", "p.data", "photos"]


def test_what_a_kill_left_half_written_goes(stored: Path) -> None:
    for rest in ("taken-down.0123abcd.part", "taken-down.pictures.part", "taken-down"):
        (stored.parent / f"p.data.{rest}").mkdir()
    (stored.parent / "p.data.taken-down.pictures.part").rmdir()
    (stored.parent / "p.data.taken-down.pictures.part").write_bytes(b"x")
    (stored.parent / "p.data.taken-down.txt").write_text("a note of somebody")
    takedown.mend(stored)
    left = {p.name for p in stored.parent.iterdir()}
    assert left == {"home", "p.data", "p.data.taken-down.txt", "photos"}


def test_nobody_mends_what_another_process_rewrites(stored: Path) -> None:
    (stored.parent / "p.data.taken-down").mkdir()
    with takedown._alone():
        mending = threading.Thread(target=takedown.mend, args=(stored,))
        mending.start()
        mending.join(0.3)
        assert (stored.parent / "p.data.taken-down").is_dir()
    mending.join(30)
    assert not (stored.parent / "p.data.taken-down").exists()


def test_of_a_link_the_set_itself_is_rewritten(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "link.data").symlink_to(stored, target_is_directory=True)
    (folder,) = takedown.folders(str(tmp_path / "link.data"))
    gone("3", folder)
    assert prepared.read(stored).taken_down == (3,)
    assert prepared.read(tmp_path / "link.data").taken_down == (3,)


def test_a_set_of_ones_own_says_nothing_of_a_built_in_one(stored: Path) -> None:
    own = stored.with_name("icons-mine.data")
    prepared.write(own, ImageSet(**{**prepared.read(stored).__dict__, "name": "icons-mine"}))
    assert not any(key.startswith("number:") for key in takedown.find("3", own).keys)


def test_a_built_in_set_is_drawn_without_it(home: Path) -> None:
    random = np.random.default_rng(1)
    images = ImageSet("avatars-8", random.integers(0, 255, (12, 3, 8, 8), np.uint8), None, (), None,
                      np.array([0]), ("A by B, MIT",), "d")  # fmt: skip
    folder = home / "data" / "avatars-8-v1.data"
    assert len(takedown.honoured(images, folder).images) == 12
    gone("5", folder)
    other = ImageSet(
        **{**images.__dict__, "name": "avatars-16", "images": images.images.repeat(2, 2).repeat(2, 3)}
    )
    assert takedown.honoured(other, home / "data" / "avatars-16-v1.data").taken_down == (5,)
    both = [home / "data" / f"avatars-{n}-v1.data" for n in (16, 8)]
    assert takedown.folders("avatars") == both
    os.replace(folder, folder.with_name(f"{folder.name}.replaced"))  # as a kill between two renames leaves it
    assert takedown.folders("avatars") == both
    assert len(prepared.read(folder).images) == 11
    with pytest.raises(takedown.GoneError):
        takedown.find("5", folder)


def test_bad_items_and_lists_are_told(stored: Path, tmp_path: Path, home: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    (tmp_path / "none.png").write_bytes(b"no picture")
    for item in (
        "99",
        "nobody.png",
        "x" * 5_000,
        "f" * 64,
        str(tmp_path / "red.png"),
        str(tmp_path / "none.png"),
    ):
        with pytest.raises(UserError):
            takedown.find(item, stored)
    with pytest.raises(UserError, match="no prepared set"):
        takedown.folders(str(tmp_path / "nothing"))
    opt_out.note("p", "a name\u2028in two lines\x85", ["name:p:x\u2028"], "2026")
    assert opt_out.listed() == {"name:p:x\u2028"}
    opt_out.place().write_text("{")
    with pytest.raises(UserError, match="taken down"):
        prepare.prepare(str(tmp_path / "photos"), tmp_path / "x.data")


def test_a_document_goes_out_of_a_corpus(tmp_path: Path) -> None:
    before = tiny_corpus.keep(tmp_path / "c.tokens")
    wanted = tiny_corpus.texts()[5]  # the fifth of those to train on: one in five is held out
    (tmp_path / "wanted.txt").write_text(wanted, encoding="utf-8")
    found = takedown.find(str(tmp_path / "wanted.txt"), tmp_path / "c.tokens")
    assert found.number == 4
    assert takedown.find("4", tmp_path / "c.tokens") == found
    opt_out.note(found.data, found.item, found.keys, "2026")
    takedown.remove(found)
    after = tokens.read(tmp_path / "c.tokens")
    left = [after.tokenizer().decode(ids.tolist()) for ids in takedown._documents(after.train)]
    assert left == [text for i, text in enumerate(tiny_corpus.texts()) if i % 5 != 4 and i != 5]
    assert len(after.held_out.documents) == len(before.held_out.documents)
    assert after.facts["earlier"] == [before.digest]
    (tmp_path / "texts.jsonl").write_text(
        "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in tiny_corpus.texts()),
        encoding="utf-8",
    )
    with pytest.raises(takedown.GoneError):
        takedown.find("4", tmp_path / "c.tokens")
    with pytest.raises(takedown.GoneError):
        takedown.find(str(tmp_path / "wanted.txt"), tmp_path / "c.tokens")
    assert takedown.find("5", tmp_path / "c.tokens").keys == (
        opt_out.of_text(tiny_corpus.texts()[6].encode()),
    )
    seen = prepare_text.examine(str(tmp_path / "texts.jsonl"), _new(tmp_path / "scratch"), near=1.0)
    assert len(seen.corpus) == 39
    assert list(seen.corpus.log.notes) == ["taken down"]


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder

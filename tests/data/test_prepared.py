"""Prepared sets on disk: what is written is what is read, and nothing else is taken for one."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from tiny_pictures import pictures

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.language import Text
from luoxia.data import prepared
from luoxia.data.images import ImageSet, load


@pytest.fixture
def stored(tmp_path):
    images = pictures(16)
    captions = tuple(Text(f"picture {i}", f"图 {i}") for i in range(16))
    whole = ImageSet(
        "squares", images.images, images.labels, images.classes, captions, images.held_out, ("L",), "d1"
    )
    prepared.write(tmp_path / "squares.data", whole)
    return tmp_path / "squares.data", whole


def test_what_is_written_is_what_is_read(stored):
    folder, whole = stored
    back = load(folder)
    assert np.array_equal(back.images, whole.images)
    assert isinstance(back.images, np.memmap)
    assert np.array_equal(back.labels, whole.labels)
    assert np.array_equal(back.held_out, whole.held_out)
    assert (back.classes, back.captions, back.licence, back.digest) == (
        whole.classes,
        whole.captions,
        whole.licence,
        whole.digest,
    )
    assert (back.size, back.channels, len(back.train)) == (8, 3, 14)


def test_writing_again_replaces_and_leaves_nothing_behind(stored):
    folder, whole = stored
    prepared.write(folder, whole)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_a_failure_half_way_leaves_nothing(stored, monkeypatch, tmp_path):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space"):
        prepared.write(tmp_path / "other.data", stored[1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["squares.data"]


def _facts(folder, **changes):
    path = folder / "data.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "data.json").write_text("{"),
        lambda f: (f / "data.json").write_text("[]"),
        lambda f: _facts(f, format=99),
        lambda f: _facts(f, held_out=[99]),
        lambda f: _facts(f, held_out=[3, 3]),
        lambda f: _facts(f, held_out="no"),
        lambda f: _facts(f, classes=["one"]),
        lambda f: (f / "images.npy").unlink(),
        lambda f: os.truncate(f / "images.npy", 300),
        lambda f: np.save(f / "images.npy", np.zeros((16, 3, 8, 9), np.uint8)),
        lambda f: np.save(f / "images.npy", np.zeros((16, 3, 8, 8), np.float32)),
        lambda f: np.save(f / "images.npy", np.array([{}], dtype=object), allow_pickle=True),
        lambda f: np.save(f / "labels.npy", np.zeros(3, np.int64)),
        lambda f: np.save(f / "labels.npy", np.full(16, -1)),
        lambda f: np.save(f / "labels.npy", np.array(["x"] * 16, dtype=object), allow_pickle=True),
        lambda f: (f / "captions.json").write_text('[["a", "b"]]'),
        lambda f: (f / "captions.json").write_text("[1, 2]"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(stored, damage):
    damage(stored[0])
    with pytest.raises(MalformedFileError) as caught:
        load(stored[0])
    assert str(stored[0]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_and_sizes_that_do_not_exist(stored, tmp_path):
    with pytest.raises(UserError, match="avatars"):
        load("avatar")
    with pytest.raises(UserError, match="8 pixels"):
        load(stored[0], size=64)
    with pytest.raises(UserError, match="8 pixels"):
        load("digits", size=64)
    with pytest.raises(UserError, match="from 8 to 256"):
        load("avatars", size=4096)
    (tmp_path / "empty.data").mkdir()
    with pytest.raises(MalformedFileError, match="not a prepared"):
        load(tmp_path / "empty.data")


def test_the_digits_are_in_17_levels_and_a_tenth_is_held_out():
    digits = load("digits")
    assert digits.images.shape == (1797, 1, 8, 8)
    assert len(np.unique(digits.images)) == 17
    assert len(digits.held_out) == 179
    assert digits.classes == tuple("0123456789")
    assert "CC BY" in digits.licence[0]

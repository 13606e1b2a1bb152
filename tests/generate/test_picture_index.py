"""The index of a place's pictures: right, kept, and refreshed where files changed."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest
import tiny_clip
import torch
from PIL import Image
from tiny_pictures import pictures

from luoxia.data import prepared
from luoxia.generate.picture_index import index
from luoxia.generate.sight import Sight
from luoxia.weights import clip_folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))


@pytest.fixture
def sight() -> Sight:
    tiny_clip.keep()
    return Sight(clip_folder.find("tiny"))


@pytest.fixture
def looked_at(sight, monkeypatch) -> list[int]:
    """How many pictures went through the network, call by call."""
    counts, see = [], sight.of_pictures
    monkeypatch.setattr(sight, "of_pictures", lambda x: counts.append(len(x)) or see(x))
    return counts


@pytest.mark.parametrize("language", [0, 1])
def test_the_nearest_of_a_text_show_what_it_says(sight, tmp_path, language):
    found = index(str(tiny_clip.folder_of_squares(tmp_path / "squares")), sight)
    assert len(found.names) == 12
    for colour, captions in tiny_clip.CAPTIONS.items():
        near = found.nearest(sight.of_texts([captions[language]])[0], 4)
        assert {found.names[i].split("-")[0] for i, _ in near} == {colour}
        assert [c for _, c in near] == sorted((c for _, c in near), reverse=True)
    assert len(found.nearest(found.vectors[0], 50)) == 12
    assert found.nearest(found.vectors[5], 1)[0] == (5, pytest.approx(1, abs=1e-5))


def test_vectors_are_the_networks_whatever_the_batch(sight, tmp_path):
    folder = tiny_clip.folder_of_squares(tmp_path / "squares")
    found = index(str(folder), sight)
    for i, name in enumerate(found.names[:3]):
        with Image.open(folder / name) as image:
            x = torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy()).float() / 127.5 - 1
        torch.testing.assert_close(
            torch.from_numpy(found.vectors[i]), sight.network.encode_image(x[None])[0], atol=1e-5, rtol=1e-5
        )


def test_it_is_kept_and_only_what_is_new_is_looked_at(sight, looked_at, tmp_path):
    folder = tiny_clip.folder_of_squares(tmp_path / "squares")
    first = index(str(folder), sight)
    assert looked_at == [12]
    again = index(str(folder), sight)
    assert looked_at == [12]
    assert again.names == first.names
    assert np.array_equal(again.vectors, first.vectors)
    tiny_clip.square("red", 9).save(folder / "another.png")
    os.rename(folder / "blue-0.png", folder / "renamed.png")
    (folder / "green-1.png").unlink()
    tiny_clip.square("green", 8).save(folder / "red-0.png")
    third = index(str(folder), sight)
    assert looked_at == [12, 2]  # the new one and the changed one
    assert len(third.names) == 12
    assert "green-1.png" not in third.names
    fresh = dict(zip(first.names, first.vectors, strict=True))
    assert np.array_equal(third.vectors[third.names.index("renamed.png")], fresh["blue-0.png"])
    green = third.nearest(sight.of_texts([tiny_clip.CAPTIONS["green"][0]])[0], 4)
    assert "red-0.png" in {third.names[i] for i, _ in green}


def test_another_model_has_an_index_of_its_own(sight, looked_at, tmp_path):
    folder = tiny_clip.folder_of_squares(tmp_path / "squares")
    index(str(folder), sight)
    sight.fingerprint = "another"
    index(str(folder), sight)
    assert looked_at == [12, 12]


def test_a_damaged_index_is_made_again(sight, looked_at, tmp_path):
    folder = tiny_clip.folder_of_squares(tmp_path / "squares")
    first = index(str(folder), sight)
    (kept,) = (tmp_path / "home" / "clip").iterdir()
    kept.write_bytes(kept.read_bytes()[:200])
    assert np.array_equal(index(str(folder), sight).vectors, first.vectors)
    assert looked_at == [12, 12]


def test_files_that_are_no_pictures_are_told_and_left_out(sight, tmp_path):
    folder = tiny_clip.folder_of_squares(tmp_path / "squares")
    (folder / "broken.png").write_bytes(b"\x89PNG but no more")
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("a caption")
    found = index(str(folder), sight)
    assert len(found.names) == 12
    assert [name for name, _ in found.unread] == ["broken.png", "empty.jpg"]
    assert index(str(folder), sight).unread == found.unread


def test_archives_and_prepared_sets(sight, looked_at, tmp_path):
    folder = tiny_clip.folder_of_squares(tmp_path / "squares")
    with zipfile.ZipFile(tmp_path / "squares.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    a, b = index(str(folder), sight), index(str(tmp_path / "squares.zip"), sight)
    assert a.names == b.names
    assert np.array_equal(a.vectors, b.vectors)
    assert np.array_equal(a.pictures([3, 0], sight), b.pictures([3, 0], sight))
    made = prepared.write(tmp_path / "set.data", pictures(24, size=16))
    looked_at.clear()
    c = index(str(tmp_path / "set.data"), sight)
    assert c.names[1].startswith("1: a green square")
    assert np.array_equal(c.pictures([2, 5], sight), made.images[[2, 5]])
    index(str(tmp_path / "set.data"), sight)
    assert looked_at == [24]


def test_where_there_is_no_picture_it_says_so(sight, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"nothing")
    for place, words in (
        (tmp_path / "empty", "there is no picture in"),
        (tmp_path / "broken", r"a\.png"),
        (tmp_path / "none", "there is no"),
        ("x" * 10_000, "there is no"),
        ("no-such-set", "there is no data"),
    ):
        with pytest.raises(ValueError, match=words):
            index(str(place), sight)


def test_texts_of_every_kind_have_a_vector(sight):
    texts = ["a red square", "红色方块", "🎂", "سماء", "a " * 900, "\u200b.", "<end> <pad>"]
    vectors = sight.of_texts(texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert [sight.is_cut(text) for text in texts[:2]] == [False, False]
    assert sight.is_cut(texts[4])
    for text, words in (("", "empty"), (" \n", "empty"), ("a" * 10_000, "10,000 characters")):
        with pytest.raises(ValueError, match=words):
            sight.of_texts([text])

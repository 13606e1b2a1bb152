"""Drawn faces: the same for a seed, of every style, and no reference out of an SVG is followed."""

from __future__ import annotations

import numpy as np
import pytest

from luoxia.data import avatars, svg
from luoxia.data.images import load


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return avatars.draw(tmp_path_factory.mktemp("faces") / "faces.data", 32, 24)


def test_every_style_is_there_with_words_in_both_languages(faces):
    assert faces.images.shape == (24, 3, 32, 32)
    assert np.array_equal(np.bincount(faces.labels), [2] * 12)
    for label, caption in zip(faces.labels, faces.captions, strict=True):
        assert faces.classes[label].replace("-", " ") in caption.en
        assert avatars.STYLES[faces.classes[label]] in caption.zh
    assert all("CC" in line and "creativecommons.org" in line for line in faces.licence)
    assert len(faces.licence) == 12


def test_pictures_show_something_and_differ(faces):
    flat = faces.images.reshape(24, -1)
    assert (flat.std(1) > 15).all()
    assert len(np.unique(flat, axis=0)) == 24


def test_the_same_pictures_come_whatever_the_parts(faces):
    again, texts = avatars._part((5, 9, 32))
    assert np.array_equal(again, faces.images[5:9])
    assert [en for en, _ in texts] == [c.en for c in faces.captions[5:9]]


def test_the_set_is_drawn_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    monkeypatch.setattr(avatars, "COUNT", 12)
    first = load("avatars", size=16)
    monkeypatch.setattr(avatars, "draw", None)
    second = load("avatars", size=16)
    assert first.digest == second.digest
    assert second.images.shape == (12, 3, 16, 16)


def test_references_inside_are_followed_and_those_outside_are_not(tmp_path):
    red = tmp_path / "red.svg"
    red.write_text('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9" fill="red"/></svg>')
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">'
    inside = head + '<defs><rect id="r" width="8" height="8" fill="red"/></defs><use href="#r"/></svg>'
    assert svg.on_white(inside, 8)[1].max() == 0
    for where in (f'href="file://{red}"', f"xlink:href='{red}'", f'href = "{red}#r"'):
        for tag in ("image", "use"):
            outside = f'{head}<{tag} width="8" height="8" {where}/></svg>'
            assert svg.on_white(outside, 8).min() == 255, where


def test_what_is_no_svg_is_refused():
    with pytest.raises(ValueError, match="no SVG"):
        svg.on_white("<html>", 8)

"""The marks on drawings, sound and texts."""

import html.parser
import wave
from pathlib import Path

import numpy as np
import pytest
from lxml import etree

from luoxia.core.errors import UserError
from luoxia.provenance import audible, notice, visible_vector
from luoxia.provenance.policy import MARKS, SENTENCES

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="{}"><style>*{{fill:red!important}}</style><rect width="9" height="9"/></svg>'


@pytest.mark.parametrize("text", [mark for mark in MARKS.values() if mark])
@pytest.mark.parametrize("box", ["0 0 100 100", "-50,-50, 640, 360", "0 0 0.2 0.3"])
def test_a_drawing_has_outlines_of_letters_in_its_corner(text: str, box: str) -> None:
    marked = visible_vector.mark(SVG.format(box), text)
    tree = etree.fromstring(marked)
    group = tree[-1]
    assert group.get("aria-label") == text
    plate, *letters = group
    assert len(letters) == len(text)
    left, top, width, height = (float(v) for v in box.replace(",", " ").split())
    x, y, w, h = (float(plate.get(name)) for name in ("x", "y", "width", "height"))
    assert left <= x
    assert top <= y
    assert x + w <= left + width
    assert y + h <= top + height
    for letter in letters:
        scale = float(letter.get("transform").split("(")[1].split()[0])
        assert scale * 733 >= 0.0499 * min(width, height)  # 733: the font's capitals
        assert "fill:#fff!important" in letter.get("style")


def test_a_drawing_looks_marked_to_a_renderer() -> None:
    skia = pytest.importorskip("skia")
    del skia
    from luoxia.data.svg import on_white

    plain = SVG.format("0 0 300 300")
    before, after = on_white(plain, 300), on_white(visible_vector.mark(plain, "AI生成"), 300)
    changed = (before != after).any(0)
    rows, columns = np.nonzero(changed)
    assert rows.min() > 250
    assert columns.min() > 180
    assert after[:, changed].min() < 60
    assert after[:, changed].max() > 245


@pytest.mark.parametrize(
    ("svg", "says"),
    [
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "no size"),
        ('<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%"/>', "no size"),
        ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1e999 9"/>', "no size"),
        ('<html viewBox="0 0 9 9"/>', "no size"),
        ("<svg", "malformed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><svg viewBox="0 0 9 9">&b;</svg>', "entities"),
    ],
)
def test_drawings_that_cannot_be_marked_are_told(svg: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        visible_vector.mark(svg, "AI-generated")


def test_words_without_outlines_or_too_long_are_told() -> None:
    with pytest.raises(UserError, match="no outlines"):
        visible_vector.mark(SVG.format("0 0 9 9"), "AI鑫")
    with pytest.raises(UserError, match="does not fit"):
        visible_vector.mark(SVG.format("0 0 9 9"), "AI-generated" * 4)


def test_an_empty_drawing_in_a_namespace_of_its_own() -> None:
    tree = etree.fromstring(
        visible_vector.mark(
            '<s:svg xmlns:s="http://www.w3.org/2000/svg" width="4in" height="300"/>', "AI生成"
        )
    )
    assert tree[-1].tag == "{http://www.w3.org/2000/svg}g"


def _tones(samples: np.ndarray, rate: int) -> list[float]:
    """Seconds of each tone."""
    loud = np.convolve(np.abs(samples), np.ones(rate // 100) / (rate // 100), "same") > 0.02
    edges = np.flatnonzero(np.diff(np.r_[0, loud.astype(int), 0]))
    return list((edges[1::2] - edges[::2]) / rate)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_the_rhythm_is_short_long_short_short(rate: int) -> None:
    short, long, *rest = _tones(audible.rhythm(rate), rate)
    assert len(rest) == 2
    assert long / short == pytest.approx(3, rel=0.15)
    assert rest == pytest.approx([short, short], abs=0.01)
    spectrum = np.abs(np.fft.rfft(audible.rhythm(rate)))
    assert spectrum.argmax() * rate / len(audible.rhythm(rate)) == pytest.approx(800, abs=3)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("channels", [0, 1, 2])
@pytest.mark.parametrize("at_end", [False, True])
def test_sound_keeps_its_samples_and_type(kind: type, channels: int, at_end: bool) -> None:
    samples = np.ones((500, channels) if channels else 500).astype(kind)
    marked = audible.mark(samples, 16000, at_end=at_end)
    assert marked.dtype == kind
    assert marked.shape[1:] == samples.shape[1:]
    kept = marked[:500] if at_end else marked[-500:]
    assert (kept == samples).all()
    tones = (marked[500:] if at_end else marked[:-500]).astype(np.float64)
    full = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1
    assert np.abs(tones).max() / full == pytest.approx(0.25, rel=0.02)


def test_the_rhythm_survives_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(audible.mark(np.zeros(1600, np.int16), 16000).tobytes())
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(1 << 20), np.int16) / 32768
    assert len(_tones(samples, 16000)) == 4


SENTENCE = SENTENCES["cn"]


@pytest.mark.parametrize(
    ("text", "suffix", "expected"),
    [
        ("秋水", ".txt", f"{SENTENCE}\n\n秋水"),
        ("", ".txt", f"{SENTENCE}\n\n"),
        ("# a\n", ".md", f"> {SENTENCE}\n\n# a\n"),
        ("---\na: 1\n---\n\n# a\n", ".md", f"---\na: 1\n---\n\n> {SENTENCE}\n\n# a\n"),
        ("---\nno end", ".md", f"> {SENTENCE}\n\n---\nno end"),
    ],
)
def test_texts_begin_with_the_sentence(text: str, suffix: str, expected: str) -> None:
    assert notice.mark(text, suffix, SENTENCE) == expected
    assert notice.mark(expected, suffix, SENTENCE) == expected


HOSTILE = """<script>"&'\x00</p>\u202e--> [a](b) `c` *d* # e | ~f~"""


@pytest.mark.parametrize(
    "page", ["<p>a", "<!doctype html><html><head></head><body class='a>b'><p>a</body></html>", "<html>"]
)
def test_a_sentence_cannot_break_out_of_a_page(page: str) -> None:
    tags, words = [], []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)

        def handle_data(self, data: str) -> None:
            words.append(data)

    Parser().feed(notice.mark(page, ".html", HOSTILE))
    assert "script" not in tags
    assert HOSTILE in "".join(words)
    assert tags.count("p") == page.count("<p>") + 1


def test_a_sentence_cannot_break_out_of_markdown() -> None:
    line = notice.mark("text", ".md", HOSTILE).split("\n")[0]
    assert line.startswith("> \\<script\\>")
    assert "\\[a\\](b) \\`c\\` \\*d\\*" in line

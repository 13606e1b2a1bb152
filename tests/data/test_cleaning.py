"""What is taken out of texts, and that a text in pieces comes out as the whole does."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from luoxia.data import cleaning
from luoxia.data.cleaning import clean, clean_pieces

PARTS = [
    "a",
    "é",
    "e\u0301",
    "中",
    "한",
    "\r\n",
    "\r",
    "\n",
    "\n\n\n",
    " ",
    "\t",
    "\u3000",
    "\u00a0",
    "\u2028",
]
PARTS += [
    "\u0000",
    "\u200b",
    "\ufeff",
    "\u202e",
    "\u200d",
    "👩\u200d🚀",
    "\x1b[31m",
    "\ufffd",
    "\x85",
    "x" * 50,
]


def test_what_no_reader_sees_is_taken_out():
    done = Counter()
    text = clean(
        "\ufeffone\r\ntwo \t\r\r\n\n\nthr\u200bee\u202e\x00 e\u0301\u3000\nfour\u00a0five\x1b[1m\n\n", done
    )
    assert text == "one\ntwo\n\nthree é\nfour five"
    assert done == {"line ends": 1, "control": 1, "nfc": 1, "spaces": 1}


def test_a_clean_text_stays_as_it_is_and_counts_nothing():
    done = Counter()
    text = "\u3000\u3000春眠不覺曉，\n處處聞啼鳥。\n\n👩\u200d🚀\tمی\u200cخواهم"
    assert clean(text, done) == text.strip("\n")
    assert not done


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=8), max_size=8))
def test_pieces_come_out_as_the_whole_does(pieces):
    joined = ["".join(piece) for piece in pieces]
    assert "".join(clean_pieces(joined)) == clean("".join(joined))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=30))
def test_cleaning_again_changes_nothing(parts):
    once = clean("".join(parts))
    assert clean(once) == once


def test_a_line_without_end_is_cut_where_nothing_changes(monkeypatch):
    monkeypatch.setattr(cleaning, "LINE", 100)
    text = ("word é e\u0301 more words " * 4 + "\x1b[31m red  ") * 50
    pieces = list(clean_pieces(text[i : i + 30] for i in range(0, len(text), 30)))
    assert "".join(pieces) == clean(text)
    assert len(pieces) > 10

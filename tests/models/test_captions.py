"""The captions' tokenizer: every text has ids, and gives itself back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luoxia.core.errors import MalformedFileError
from luoxia.models.captions import BEGIN, END, PAD, CaptionTokenizer

CAPTIONS = ["a red heart with an arrow", "a cat", "two cats", "戴墨镜的猫", "蓝色的猫", "红心"] * 4
LEARNED = CaptionTokenizer.learned(CAPTIONS, 400)


@given(st.text(st.characters(codec="utf-8"), max_size=40))
@settings(deadline=None)
def test_every_text_has_ids_and_comes_back(text):
    said = LEARNED.engine.normalizer.normalize_str(text)
    assert LEARNED.decode(LEARNED.ids(text)) == said.strip()
    assert all(i > END for i in LEARNED.ids(text))


def test_frequent_words_are_one_token_in_both_languages_wherever_they_stand():
    assert len(LEARNED.ids("cat")) == len(LEARNED.ids("戴墨镜的猫")) == 1
    assert LEARNED.ids("a cat")[-1:] == LEARNED.ids("Ｃat")


def test_special_tokens_in_a_text_are_letters():
    assert BEGIN not in LEARNED.ids("<begin> <pad>")
    assert LEARNED.decode(LEARNED.ids("<begin>")) == "<begin>"


def test_a_row_has_begin_end_and_padding_and_is_cut_before_its_end():
    rows = LEARNED.encode(["a cat", "", "z" * 50], 8)
    assert rows.shape == (3, 8)
    assert rows[0].tolist() == [BEGIN, *LEARNED.ids("a cat"), END, PAD, PAD, PAD, PAD]
    assert rows[1].tolist() == [BEGIN, END] + [PAD] * 6
    assert rows[2, -1] == END
    assert PAD not in rows[2]


def test_the_order_of_captions_does_not_matter_and_json_brings_it_back():
    again = CaptionTokenizer.learned(CAPTIONS[::-1], 400)
    assert again.to_json() == LEARNED.to_json()
    assert CaptionTokenizer.from_json(LEARNED.to_json()).ids("红心 and a cat") == LEARNED.ids(
        "红心 and a cat"
    )


PANICS = {
    "type": "BPE",
    "vocab": {"a": 0, "é": 1, "aé": 2},
    "merges": ["a é"],
    "continuing_subword_prefix": "###",
}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"version": "1.0"},
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}},
        {"version": "1.0", "model": PANICS},
    ],
)
def test_another_file_is_no_tokenizer(told):
    with pytest.raises(MalformedFileError, match="tokenizer"):
        CaptionTokenizer.from_json(told)

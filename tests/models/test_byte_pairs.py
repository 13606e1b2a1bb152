"""The compiled encoder is the tokenizers library's own, on whatever text."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers

from luoxia.models.byte_pairs import BytePairs

TEXTS = [
    "the quick brown fox doesn't jump; we've said it'll  run over 1234 lazy dogs, they're here.\n\n\tindented\n",
    "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。白日依山盡，黃河入海流。",
    "mixed 中文 and English 混合 text 2024年 é è ü — “quotes” … 👩🏽‍🚀 <|endoftext|>",
] * 20
MARKS = " \n\t'sdlvermtaeZé中國１2٣²½ⅷ\u3000\u00a0\u2028\u0300\u200d👩🏽‍🚀|<>ſK.。,-\r\x00\x85"


def engine(digits=True, **changes):
    made = tokenizers.Tokenizer(models.BPE())
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alone = pre_tokenizers.Digits(individual_digits=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([alone, words]) if digits else words
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(TEXTS, trainer)
    made.encode_special_tokens = True
    return made


@pytest.fixture(scope="module", params=[True, False], ids=["digits alone", "digits together"])
def both(request):
    library = engine(request.param)
    return library, BytePairs(library)


def assert_same(both, texts):
    library, own = both
    ids, bounds = own.encode(texts)
    for i, text in enumerate(texts):
        assert (
            ids[bounds[i] : bounds[i + 1]].tolist() == library.encode(text, add_special_tokens=False).ids
        ), repr(text)


def test_on_every_character_there_is(both):
    every = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    random.Random(0).shuffle(every)
    texts = [
        "a" + " ".join(every[i : i + 500]) + "".join(every[i : i + 500]) for i in range(0, len(every), 500)
    ]
    assert_same(both, texts[::12] + [" ".join(map(chr, range(i, i + 64))) for i in range(0, 0xD7C0, 64)])


def test_on_words_without_end(both):
    assert_same(
        both, ["a" * 5000, "the quick" * 900, " " * 3000, "春眠不覺曉" * 800, "'" * 999, "1" * 400, "", "\n"]
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(st.text(MARKS, max_size=40), max_size=4))
def test_on_hostile_text(both, texts):
    assert_same(both, texts)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_round_trips(both, text):
    library, own = both
    assert library.decode(own.encode([text])[0].tolist(), skip_special_tokens=False) == text


def test_threads_and_what_was_encoded_before_change_nothing(both):
    own = both[1]
    one = own.encode(TEXTS)
    many = [own.encode([text]) for text in TEXTS]
    assert np.array_equal(one[0], np.concatenate([ids for ids, _ in many]))


def test_bytes_without_a_token_are_passed_over_as_the_library_does():
    said = json.loads(engine().to_str())
    del said["model"]["vocab"]["q"], said["model"]["vocab"]["ī"]  # q, and a byte of many Chinese characters
    gone = ("q", "ī")
    said["model"]["merges"] = [
        m for m in said["model"]["merges"] if not any(g in side for side in m for g in gone)
    ]
    for token in [t for t in said["model"]["vocab"] if any(g in t for g in gone)]:
        del said["model"]["vocab"][token]
    library = tokenizers.Tokenizer.from_str(json.dumps(said))
    library.encode_special_tokens = True
    assert_same((library, BytePairs(library)), [*TEXTS[:3], "qqq", "aqb quick", "眉q" * 300, MARKS])


def test_other_kinds_are_not_taken_for_this_one():
    for change in ("normalizer", "prefix", "added", "merges"):
        made = engine()
        if change == "normalizer":
            made.normalizer = normalizers.Lowercase()
        elif change == "prefix":
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
        elif change == "added":
            made.add_tokens([AddedToken("春眠", special=False)])
        else:
            made.model.ignore_merges = True
        with pytest.raises(NotImplementedError):
            BytePairs(made)

"""Tokenizers out of files against plain re-tellings of the two published algorithms, and against broken files."""

from __future__ import annotations

import inspect
import json
import time
from itertools import pairwise

import pytest
import regex
from gguf import GGUFValueType
from gguf_files import byte_level_vocabulary, write_gguf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luoxia.core.errors import MalformedFileError
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights.gguf import GGUFFile
from luoxia.weights.vocabulary import tokenizer_from_folder, tokenizer_from_gguf

TORTURE = [
    "I'm sure they're what we've said; he'd, she'll, it's, can't. I'M SURE THEY'RE",
    "2026-11-23 at 07:05, pi = 3.14159, 1,234,567 items, x2y3, ²½Ⅷ ٣٤ 五",
    "   12 spaces before  34 and    56\n789",
    "落霞与孤鹜齐飞，秋水共长天一色。「引用」——省略……",
    "落霞と孤鶩と斉しく飛ぶ。カタカナ、ﾊﾝｶｸ、々ー",
    "مرحبا بالعالم، كيف حالك؟ السَّلَامُ",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇨🇳 ❤️ \U0001f9d1\u200d\U0001f4bb",
    "e\u0301 a\u0308\u0323 Z\u0351\u036b\u0343 \u1112\u1161\u11ab नमस्ते ไทย",
    "\x00\x01\x07\x1b[31m\x7f\x85\x9f\xa0\u2028\u2029\ufeff\ufffd\U0010ffff",
    "a" + " " * 70 + "b" + "\t" * 9 + "c \t \t d",
    "one\r\ntwo\r\n\r\nthree\n\n\nfour\r\rfive \n six\t\nend \n",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant<|endoftext|>",
    "<|im_start|><|im_start |> <|im_end|<|im_end|>x",
    "def f(x: int) -> str:\n    return f'{x!r}' # ok?!\n\t\tif x==3: pass",
    "  leading and trailing  ",
    " ",
    "",
    "https://example.com/a?b=c&d=%20#e  C++/C# naïve café ﬁ ß İ ǅ",
]


def byte_letters() -> dict[int, str]:
    """The letter that GPT-2 writes for each byte (Radford et al. 2019, encoder.py)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in shown]
    return {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(hidden)}


LETTERS = byte_letters()
GPT2_WORDS = regex.compile(
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", regex.VERSION0
)


class ByteLevelReference:
    """Byte-level BPE as GPT-2 published it, behind single digits as SmolLM2's tokenizer.json states."""

    def __init__(self, metadata) -> None:
        tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
        self.ids = {token: i for i, token in enumerate(tokens)}
        self.ranks = {tuple(m.split(" ")): i for i, m in enumerate(metadata["tokenizer.ggml.merges"])}
        special = [token for token, kind in zip(tokens, types, strict=True) if kind == 3]
        self.special = regex.compile("(" + "|".join(map(regex.escape, sorted(special, key=len)[::-1])) + ")")

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for i, part in enumerate(self.special.split(text)):
            if i % 2:
                ids.append(self.ids[part])
                continue
            for piece in regex.split(r"(\p{N})", part):
                for word in GPT2_WORDS.findall(piece):
                    ids += self.word(word)
        return ids

    def word(self, word: str) -> list[int]:
        parts = [LETTERS[b] for b in word.encode() if LETTERS[b] in self.ids]
        while len(parts) > 1:
            rank = {pair: self.ranks[pair] for pair in pairwise(parts) if pair in self.ranks}
            if not rank:
                break
            best, at, merged = min(rank, key=rank.get), 0, []
            while at < len(parts):
                joined = tuple(parts[at : at + 2]) == best
                merged.append("".join(best) if joined else parts[at])
                at += 1 + joined
            parts = merged
        return [self.ids[part] for part in parts]


@pytest.fixture(scope="module")
def real(model_path) -> tuple[Tokenizer, ByteLevelReference]:
    with GGUFFile(model_path) as file:
        return tokenizer_from_gguf(file), ByteLevelReference(file.metadata)


@pytest.mark.parametrize("text", TORTURE, ids=range(len(TORTURE)))
def test_the_default_model_splits_hard_texts_as_published(real, text):
    ours, published = real
    assert ours.encode(text) == published.encode(text)
    assert ours.decode(ours.encode(text), specials=True) == text


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.text(st.sampled_from("aeT's 19 \n\t\r.,!霞é\u0301😀\u200d<|im_end>") | st.characters(codec="utf-8"))
)
def test_the_default_model_splits_any_text_as_published(real, text):
    ours, published = real
    assert ours.encode(text) == published.encode(text)
    if all(LETTERS[byte] in published.ids for byte in text.encode()):
        assert ours.decode(ours.encode(text), specials=True) == text


def test_the_default_model_lacks_only_bytes_of_characters_that_hardly_anyone_writes(real):
    """Six control characters, and planes 4 to 11 of Unicode; the other bytes are not in UTF-8."""
    assert {byte for byte, letter in LETTERS.items() if letter not in real[1].ids} == {
        0x04,
        0x06,
        0x13,
        0x14,
        0x16,
        0x1D,
        0xC0,
        0xC1,
        0xF1,
        0xF2,
        *range(0xF5, 0x100),
    }


def test_the_default_model_knows_its_special_tokens(real):
    ours, published = real
    assert ours.encode("<|im_end|>") == [published.ids["<|im_end|>"]] == [2]
    assert ours.stop_ids == {2, 0}
    assert (ours.bos, ours.eos, ours.add_bos) == ("<|im_start|>", "<|im_end|>", False)
    assert "<|im_start|>" in ours.template
    assert ours.vocab_size == 49_152


def from_metadata(path, metadata: dict[str, object]) -> Tokenizer:
    kept = {key: value for key, value in metadata.items() if value is not None}
    with GGUFFile(write_gguf(path / "v.gguf", kept, {})) as file:
        return tokenizer_from_gguf(file)


def bytes_only(pre: str) -> dict[str, object]:
    """A vocabulary of the 256 bytes and no merges, in which every text can be written."""
    tokens = [*LETTERS.values(), "<|end|>"]
    return byte_level_vocabulary(3) | {
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [*tokens, "ab"],
        "tokenizer.ggml.token_type": [1] * 256 + [3, 1],
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.eos_token_id": (256, GGUFValueType.UINT32),
    }


def published_pattern(pre: str) -> str:
    if pre == "qwen2":
        from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

        return PRETOKENIZE_REGEX
    from transformers.convert_slow_tokenizer import TikTokenConverter

    return inspect.signature(TikTokenConverter).parameters["pattern"].default


def words_of(tokenizer: Tokenizer, text: str) -> list[str]:
    pieces = tokenizer.engine.pre_tokenizer.pre_tokenize_str(text)
    back = {letter: byte for byte, letter in LETTERS.items()}
    return [bytes(back[c] for c in piece).decode() for piece, _ in pieces]


@pytest.mark.parametrize("pre", ["qwen2", "llama-bpe"])
def test_newer_families_cut_words_by_their_published_patterns(pre, tmp_path):
    tokenizer, pattern = from_metadata(tmp_path, bytes_only(pre)), regex.compile(published_pattern(pre))
    for text in TORTURE:
        words, at = [], 0
        for found in pattern.finditer(text):  # what no alternative takes is a word of its own
            words += [text[at : found.start()]] * (found.start() > at) + [found.group()] * bool(found.group())
            at = found.end()
        words += [text[at:]] * (at < len(text))
        assert words_of(tokenizer, text) == words


def test_smollm_never_joins_digits(tmp_path):
    changes = {
        "tokenizer.ggml.tokens": [*LETTERS.values(), "<|end|>", "12"],
        "tokenizer.ggml.merges": ["1 2"],
    }
    smollm, gpt2 = (from_metadata(tmp_path, bytes_only(pre) | changes) for pre in ("smollm", "gpt-2"))
    assert (len(smollm.encode("12")), len(gpt2.encode("12"))) == (2, 1)


def test_only_qwen_composes_its_letters_first(tmp_path):
    decomposed = "e\u0301"
    qwen, llama, gpt2 = (from_metadata(tmp_path, bytes_only(pre)) for pre in ("qwen2", "llama-bpe", "gpt-2"))
    assert qwen.decode(qwen.encode(decomposed)) == "é"
    assert llama.decode(llama.encode(decomposed)) == gpt2.decode(gpt2.encode(decomposed)) == decomposed


def test_llama_3_takes_a_whole_word_before_any_merge(tmp_path):
    changes = {"tokenizer.ggml.merges": ["a b"]}
    tokens = [*bytes_only("gpt-2")["tokenizer.ggml.tokens"][:-1], "ab", "xyz"]
    changes |= {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [1] * 256 + [3, 1, 1]}
    llama, gpt2 = (from_metadata(tmp_path, bytes_only(pre) | changes) for pre in ("llama-bpe", "gpt-2"))
    assert llama.encode("xyz") == [258]
    assert len(gpt2.encode("xyz")) == 3


WORDS = [
    "▁",
    "l",
    "o",
    "u",
    "x",
    "i",
    "a",
    "lu",
    "ox",
    "uo",
    "luo",
    "xi",
    "xia",
    "▁l",
    "▁luo",
    "▁luoxia",
    "ia",
    "▁▁",
]


def sentence_piece(**changes: object) -> dict[str, object]:
    """A Llama 2 vocabulary: three control tokens, the bytes, and words of falling score."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *WORDS]
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * 259 + [-float(i) for i in range(len(WORDS))][::-1],
        "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [1] * len(WORDS),
        "tokenizer.ggml.bos_token_id": (1, GGUFValueType.UINT32),
        "tokenizer.ggml.eos_token_id": (2, GGUFValueType.UINT32),
    }
    return metadata | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}


def sentence_piece_reference(text: str) -> list[int]:
    """Kudo and Richardson 2018: join the neighbours whose piece has the best score, the leftmost first."""
    ids = {token: i for i, token in enumerate(sentence_piece()["tokenizer.ggml.tokens"])}
    parts = list("▁" + text.replace(" ", "▁")) if text else []
    while True:
        joined = [(ids[a + b], -i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ids]
        if not joined:
            break
        at = -max(joined)[1]  # the words stand in the order of their scores
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return [i for p in parts for i in ([ids[p]] if p in ids else [3 + byte for byte in p.encode()])]


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(st.sampled_from("luoxia  霞😀\n"), max_size=30))
def test_sentence_piece_joins_as_published_and_comes_back_whole(text, tmp_path):
    tokenizer = from_metadata(tmp_path, sentence_piece())
    assert tokenizer.encode(text, bos=False) == sentence_piece_reference(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_letters_that_no_piece_holds_become_bytes(tmp_path):
    tokenizer = from_metadata(tmp_path, sentence_piece())
    assert tokenizer.encode("霞", bos=False) == [259, *(3 + byte for byte in "霞".encode())]


def test_a_space_comes_before_the_text_unless_the_file_says_no(tmp_path):
    spaced = from_metadata(tmp_path, sentence_piece())
    plain = from_metadata(tmp_path, sentence_piece(add_space_prefix=False))
    assert spaced.encode("luo", bos=False) == plain.encode(" luo", bos=False)
    assert spaced.encode("luo", bos=False) != plain.encode("luo", bos=False)
    for tokenizer in (spaced, plain):
        assert [tokenizer.decode(tokenizer.encode(t)) for t in ("luo", " luo", "  x")] == [
            "luo",
            " luo",
            "  x",
        ]


def test_bos_comes_first_where_the_file_wants_it(tmp_path):
    assert from_metadata(tmp_path, sentence_piece()).encode("luo")[0] == 1
    assert from_metadata(tmp_path, sentence_piece(add_bos_token=False)).encode("luo")[0] != 1
    assert from_metadata(tmp_path, sentence_piece()).encode("<s>luo").count(1) == 1


def test_every_ending_that_the_vocabulary_marks_stops_a_text(tmp_path):
    tokens = [*LETTERS.values(), "<|im_end|>", "<|endoftext|>", "</s>"]
    changes = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 256 + [3, 3, 1],
        "tokenizer.ggml.merges": ["a b"],
    }
    changes["tokenizer.ggml.tokens"] = [*tokens, "ab"]
    changes["tokenizer.ggml.token_type"].append(1)
    assert from_metadata(tmp_path, bytes_only("gpt-2") | changes).stop_ids == {256, 257}


REFUSED = {
    "no tokens": ({"tokens": None}, "no list of tokens"),
    "tokens a text": ({"tokens": "abc"}, "no list of tokens"),
    "tokens numbers": ({"tokens": [1, 2, 3]}, "no list of tokens"),
    "types too few": ({"token_type": [1, 1]}, "differ in number"),
    "types a text": ({"token_type": "normal"}, "differ in number"),
    "kind unknown": ({"model": "bert"}, "tokenizer kind 'bert'"),
    "kind a number": ({"model": 7}, "tokenizer kind '7'"),
    "no merges": ({"merges": None}, "no list of merges"),
    "merges numbers": ({"merges": [1, 2]}, "not a pair"),
    "merge of three": ({"merges": ["a b c"]}, "not a pair"),
    "merge of one": ({"merges": ["ab"]}, "not a pair"),
    "merge of unknown pieces": ({"merges": ["qq zz"]}, "qq"),
    "merge into an unknown piece": ({"merges": ["x y"]}, "xy"),
    "tokens twice": ({"tokens": ["a"] * 258}, "repeated"),
    "way of splitting unknown": ({"pre": "falcon"}, "'falcon', is not known"),
    "way of splitting a number": ({"pre": 3}, "'3', is not known"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_byte_level_vocabulary_is_refused(name, tmp_path):
    changes, message = REFUSED[name]
    broken = bytes_only("gpt-2") | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}
    with pytest.raises(MalformedFileError, match=message):
        from_metadata(tmp_path, broken)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (None, "scores and tokens differ"),
        ([0.0], "scores and tokens differ"),
        (["high"] * (259 + len(WORDS)), "a score is not a number"),
        ([float("nan")] * (259 + len(WORDS)), "a score is not a number"),
    ],
)
def test_a_sentence_piece_vocabulary_without_usable_scores_is_refused(scores, message, tmp_path):
    with pytest.raises(MalformedFileError, match=message):
        from_metadata(tmp_path, sentence_piece(scores=scores))


def test_ids_past_the_vocabulary_name_no_token(tmp_path):
    changes = {"bos_token_id": (9999, GGUFValueType.UINT32), "eos_token_id": (-1, GGUFValueType.INT32)}
    tokenizer = from_metadata(tmp_path, sentence_piece(**changes))
    assert (tokenizer.bos, tokenizer.eos) == (None, None)


def test_a_piece_of_endless_length_takes_no_endless_time(tmp_path):
    tokens = [*sentence_piece()["tokenizer.ggml.tokens"], "x" * 400_000]
    changes = {"tokens": tokens, "scores": [0.0] * len(tokens), "token_type": [1] * len(tokens)}
    begun = time.perf_counter()
    assert from_metadata(tmp_path, sentence_piece(**changes)).vocab_size == len(tokens)
    assert time.perf_counter() - begun < 2


def folder_of(tokenizer: Tokenizer, path, **config: object):
    (path / "tokenizer.json").write_text(tokenizer.engine.to_str(), encoding="utf-8")
    (path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def test_a_folder_gives_the_tokenizer_that_was_written_there(tmp_path):
    original = from_metadata(tmp_path, bytes_only("qwen2"))
    config = {"bos_token": None, "eos_token": {"content": "<|end|>"}, "chat_template": "hello"}
    found = tokenizer_from_folder(folder_of(original, tmp_path, **config))
    for text in TORTURE:
        assert found.encode(text) == original.encode(text)
    assert (found.bos, found.eos, found.stop_ids) == (None, "<|end|>", {256})
    assert (found.template, found.add_bos, found.specials) == ("hello", False, ("<|end|>",))


def test_a_chat_template_may_lie_in_a_file_of_its_own(tmp_path):
    folder = folder_of(from_metadata(tmp_path, bytes_only("qwen2")), tmp_path)
    (folder / "chat_template.jinja").write_text("from the file 落霞", encoding="utf-8")
    assert tokenizer_from_folder(folder).template == "from the file 落霞"


def test_odd_settings_in_a_folder_are_left_aside(tmp_path):
    original = from_metadata(tmp_path, bytes_only("qwen2"))
    config = {"bos_token": {"content": 5}, "eos_token": ["x"], "chat_template": [{"name": "a"}]}
    found = tokenizer_from_folder(folder_of(original, tmp_path, **config))
    assert (found.bos, found.eos, found.template) == (None, None, None)


BPE = {"type": "BPE", "vocab": {"a": 0, "é": 1, "aé": 2}, "merges": ["a é"]}
BROKEN_FILES = {
    "no tokenizer": ("tokenizer.json", None, "tokenizer.json is not there"),
    "not JSON": ("tokenizer.json", b"{", "EOF"),
    "not UTF-8": ("tokenizer.json", b"\xff\xfe", "utf-8"),
    "empty object": ("tokenizer.json", b"{}", "Model missing"),
    "a list": ("tokenizer.json", b"[]", "sequence"),
    "a panic in the library": (
        "tokenizer.json",
        json.dumps({"version": "1.0", "model": BPE | {"continuing_subword_prefix": "###"}}).encode(),
        "slice index",
    ),
    "settings not JSON": ("tokenizer_config.json", b"{", "Expecting"),
    "settings a list": ("tokenizer_config.json", b"[]", "not a JSON object"),
    "settings nested deep": ("tokenizer_config.json", b"[" * 100_000, "recursion"),
    "template not UTF-8": ("chat_template.jinja", b"\xff\xfe", "utf-8"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_folder_is_refused(name, tmp_path):
    file, content, message = BROKEN_FILES[name]
    folder = folder_of(from_metadata(tmp_path, bytes_only("qwen2")), tmp_path)
    (folder / file).unlink(missing_ok=True)
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(MalformedFileError, match=message):
        tokenizer_from_folder(folder)

"""From a folder of texts to a corpus of tokens: what is kept, what is held out, and what is told."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import numpy as np
import pytest
from tokenizers import normalizers

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.progress import ProgressEvent
from luoxia.data import corpus_tokens, documents, tokens
from luoxia.data.corpus import Wanted
from luoxia.data.languages import checked
from luoxia.data.prepare_text import examine, prepare
from luoxia.data.vocabulary_training import wanted_size

WORDS = [
    "river",
    "sunset",
    "cloud",
    "wild",
    "goose",
    "autumn",
    "water",
    "sky",
    "lonely",
    "duck",
    "evening",
    "fisher",
    "boat",
    "song",
    "village",
    "night",
]
HAN = "落霞與孤鶩齊飛秋水共長天一色漁舟唱晚響窮彭蠡之濱雁陣驚寒聲斷衡陽浦春花月江山風雨"


def prose(seed, n=60):
    rng = random.Random(seed)
    return " ".join(f"{rng.choice(WORDS)}{rng.randrange(40)}" for _ in range(n)) + "."


def poem(seed, n=28):
    rng = random.Random(seed)
    return "".join(rng.choice(HAN) for _ in range(n)) + "。"


def fill(root, n=300):
    root.mkdir(parents=True)
    rows = [json.dumps({"text": poem(i), "title": f"t{i}"}, ensure_ascii=False) for i in range(n)]
    (root / "poems.jsonl").write_text("\n".join(rows), encoding="utf-8")
    for i in range(n // 10):
        (root / f"{i:03}.txt").write_text(prose(1000 + i))
    return root


def made(root, out, **options):
    return prepare(str(root), out, **{"tokenizer": "train:400", **options})


def documents_of(split, tokenizer):
    starts = [*split.documents[:, 0].tolist(), len(split.tokens)]
    return [tokenizer.decode(split.tokens[a:b].tolist()) for a, b in pairwise(starts)]


def texts(found, kind):
    return " | ".join(f.text.en for f in found.findings() if f.kind == kind)


def test_every_document_comes_back_from_its_tokens(tmp_path):
    corpus, found = made(fill(tmp_path / "c"), tmp_path / "c.tokens", licence="public domain")
    back = documents_of(corpus.train, corpus.tokenizer()) + documents_of(corpus.held_out, corpus.tokenizer())
    assert sorted(back) == sorted([poem(i) for i in range(300)] + [prose(1000 + i) for i in range(30)])
    assert corpus.train.bytes + corpus.held_out.bytes == sum(len(text.encode()) for text in back)
    assert 0 < len(corpus.held_out.documents) < 30
    assert corpus.licence == ("c: public domain",)
    assert corpus.facts["languages"] == {"zh": 300, "latin": 30}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "c.tokens"]
    assert found.facts()["languages"] == "zh 300, latin 30"


def test_the_same_corpus_and_options_give_the_same_bytes(tmp_path, monkeypatch):
    root = fill(tmp_path / "c")
    one, _ = made(root, tmp_path / "1.tokens", threads=1)
    monkeypatch.setattr(corpus_tokens, "PIECE", 1000)
    two, _ = made(root, tmp_path / "2.tokens", threads=4)
    assert one.digest == two.digest
    for name in ("train.bin", "held_out.bin", "train.documents", "tokenizer.json"):
        assert (tmp_path / "1.tokens" / name).read_bytes() == (tmp_path / "2.tokens" / name).read_bytes()


def test_tokens_are_those_of_the_tokenizers_library(tmp_path):
    root = fill(tmp_path / "c", 60)
    (root / "hostile.txt").write_text("a <|endoftext|> b\u200d 12３ \t 'll 👩🏽‍🚀 é" * 9)
    corpus, _ = made(root, tmp_path / "c.tokens")
    tokenizer = corpus.tokenizer()
    tokenizer.engine.encode_special_tokens = True
    for split in (corpus.train, corpus.held_out):
        starts = [*split.documents[:, 0].tolist(), len(split.tokens)]
        for a, b in pairwise(starts):
            ids = split.tokens[a:b].tolist()
            assert ids[-1] == corpus.end
            assert corpus.end not in ids[:-1]
            text = tokenizer.engine.decode(ids[:-1], skip_special_tokens=False)
            assert tokenizer.engine.encode(text, add_special_tokens=False).ids == ids[:-1]


def test_copies_are_left_out_and_near_copies_never_part(tmp_path):
    root = fill(tmp_path / "c")
    rng = random.Random(0)
    rows = []
    for i in range(300):  # one character of 28 differs, or two
        chars = list(poem(i))
        for _ in range(1 if i % 2 else 2):
            chars[rng.randrange(28)] = "龘"
        rows.append(json.dumps({"text": "".join(chars)}))
    (root / "variants.jsonl").write_text("\n".join(rows))
    (root / "z.txt").write_text(prose(1000) + "\n\n")
    corpus, found = made(root, tmp_path / "c.tokens", near=0.75)
    assert len(found.division.exact) == 1
    assert 100 < len(found.division.near) < 200  # those with one, of 26 shingles three: 23 / 29
    sides = [set(documents_of(s, corpus.tokenizer())) for s in (corpus.train, corpus.held_out)]
    grams = [{text[k : k + 6] for text in side for k in range(len(text) - 5)} for side in sides]
    shared = grams[0] & grams[1]
    assert not [g for g in shared if "龘" not in g and g[0] in HAN and g[-1] in HAN]
    assert "1 documents that repeat another word for word" in texts(found, "left out")
    assert corpus.facts["removed"]["copy"] == 1


def test_the_split_keeps_documents_on_their_side_when_others_come(tmp_path):
    root = fill(tmp_path / "c", 1000)
    before, _ = made(root, tmp_path / "1.tokens")
    out = set(documents_of(before.held_out, before.tokenizer()))
    (root / "more.jsonl").write_text("\n".join(json.dumps(poem(i)) for i in range(5000, 5400)))
    after, _ = made(root, tmp_path / "2.tokens")
    still = set(documents_of(after.held_out, after.tokenizer()))
    old = {poem(i) for i in range(1000)} | {prose(1000 + i) for i in range(100)}
    assert still & old == out


def test_declared_parts_are_kept_and_leaks_move_to_the_held_out_side(tmp_path):
    root = tmp_path / "c"
    for part, seeds in (("train", range(20)), ("val", range(20, 24))):
        (root / part).mkdir(parents=True)
        for i in seeds:
            (root / part / f"{i}.txt").write_text(prose(i))
    (root / "val/copy.txt").write_text(prose(3))
    corpus, found = made(root, tmp_path / "c.tokens")
    assert set(documents_of(corpus.held_out, corpus.tokenizer())) == {prose(i) for i in (3, 20, 21, 22, 23)}
    assert "1 training documents are like held-out ones" in texts(found, "look")


def test_one_document_is_cut_at_a_line(tmp_path):
    text = "\n".join(f"{i}: {prose(i, 8)}" for i in range(200))
    (tmp_path / "one.txt").write_text(text)
    corpus, found = made(tmp_path / "one.txt", tmp_path / "one.tokens", share=0.1)
    [a], [b] = (documents_of(s, corpus.tokenizer()) for s in (corpus.train, corpus.held_out))
    assert a + b == text
    assert a.endswith("\n")
    assert 0.05 < len(b) / len(text) < 0.11
    assert "the end of one.txt is held out" in texts(found, "look")


def test_long_documents_are_encoded_in_pieces_as_if_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "PIECE", 1 << 12)
    monkeypatch.setattr(corpus_tokens, "PIECE", 1 << 10)
    root = tmp_path / "c"
    root.mkdir()
    for i in range(30):
        (root / f"{i}.txt").write_text(
            "\n".join(f"{prose(j, 9)}  {poem(j)}" for j in range(60 * i, 60 * i + 50))
        )
    corpus, _ = made(root, tmp_path / "c.tokens")
    tokenizer = corpus.tokenizer()
    back = documents_of(corpus.train, tokenizer)
    assert set(back) <= {(root / f"{i}.txt").read_text() for i in range(30)}
    starts = [*corpus.train.documents[:, 0].tolist(), len(corpus.train.tokens)]
    for text, a, b in zip(back, starts, starts[1:], strict=False):
        assert corpus.train.tokens[a : b - 1].tolist() == tokenizer.encode(text)


def test_language_and_length_filters(tmp_path):
    root = fill(tmp_path / "c", 50)
    (root / "ja.txt").write_text("国境の長いトンネルを抜けると雪国であった。夜の底が白くなった。")
    corpus, found = made(
        root, tmp_path / "c.tokens", wanted=Wanted(languages=("zh",), shortest=20, longest=100)
    )
    assert corpus.facts["languages"] == {"zh": 50}
    assert corpus.facts["removed"] == {"long": 5, "language": 1}
    assert "in ja" in " ".join(e.en for f in found.findings() for e in f.examples)


def test_a_models_tokenizer(tmp_path):
    root = fill(tmp_path / "c", 60)
    first, _ = made(root, tmp_path / "1.tokens")
    again, _ = made(root, tmp_path / "2.tokens", tokenizer=str(tmp_path / "1.tokens"))
    assert again.tokenizer_digest == first.tokenizer_digest
    assert np.array_equal(again.train.tokens, first.train.tokens)
    with pytest.raises(UserError, match="nobody"):
        made(root, tmp_path / "3.tokens", tokenizer="nobody-7b")


def test_a_corpus_whose_tokenizer_was_changed_is_refused(tmp_path):
    root = fill(tmp_path / "c", 60)
    made(root, tmp_path / "1.tokens")
    made(root, tmp_path / "2.tokens", tokenizer="train:500")
    (tmp_path / "1.tokens/tokenizer.json").write_bytes((tmp_path / "2.tokens/tokenizer.json").read_bytes())
    with pytest.raises(MalformedFileError, match="not the one its tokens were made with"):
        tokens.read(tmp_path / "1.tokens").tokenizer()


@pytest.mark.parametrize("text", ["train:", "train:0", "train:12", "train:99999999", "train:-1", "train:a"])
def test_sizes_that_are_none(text):
    with pytest.raises(UserError, match="--tokenizer"):
        wanted_size(text)


def test_empty_and_useless_corpora_are_told(tmp_path):
    (tmp_path / "c").mkdir()
    with pytest.raises(UserError, match="holds no text; known are"):
        made(tmp_path / "c", tmp_path / "c.tokens")
    (tmp_path / "c/a.txt").write_bytes(b"\x89PNG\r\n\0\0\0\1\2\xff\xfe" * 99)
    (tmp_path / "c/b.txt").write_text(" \n\u200b\n")
    with pytest.raises(UserError, match=r"a\.txt, for one: it is binary"):
        made(tmp_path / "c", tmp_path / "c.tokens")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c"]


def test_nothing_but_a_corpus_is_written_over(tmp_path):
    root = fill(tmp_path / "c", 60)
    (tmp_path / "mine.tokens").mkdir()
    (tmp_path / "mine.tokens/work.txt").write_text("mine")
    with pytest.raises(UserError, match="give another -o"):
        made(root, tmp_path / "mine.tokens")
    one, _ = made(root, tmp_path / "c.tokens")
    two, _ = made(root, tmp_path / "c.tokens", tokenizer="train:500")
    assert one.digest != two.digest == tokens.read(tmp_path / "c.tokens").digest


@pytest.mark.parametrize("state", ["reading", "comparing", "learning", "writing"])
def test_an_interruption_leaves_nothing_half_written(tmp_path, state):
    root = fill(tmp_path / "c", 60)

    def interrupt(event: ProgressEvent) -> None:
        if event.state == state:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(root, tmp_path / "c.tokens", progress=interrupt, threads=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c"]


def test_the_report_shows_hostile_text_as_text(tmp_path):
    root = fill(tmp_path / "c", 60)
    (root / "<img src=x>.txt").write_text("<script>alert(1)</script> & more")
    found = examine(str(root), tmp_path)
    page = found.page("zh")
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "&lt;script&gt;" in page
    assert 'lang="zh"' in page


def test_languages_of_one_script_are_told_apart(tmp_path):
    pytest.importorskip("py3langid", reason="py3langid is an extra")
    root = tmp_path / "c"
    root.mkdir()
    said = {
        "en": "All human beings are born free and equal in dignity and rights. They are endowed with reason.",
        "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits, doués de raison.",
        "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft begabt.",
        "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
        "ru": "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    }
    for name, text in said.items():
        (root / f"{name}.txt").write_text(text)
    found = examine(str(root), tmp_path, wanted=Wanted(languages=checked(("en", "ZH", "ru"))), share=0.4)
    assert found.languages() == {"en": 1, "ru": 1, "zh": 1}
    with pytest.raises(UserError, match="--language xx"):
        checked(("xx",))


def test_a_tokenizer_of_another_kind_is_left_to_the_library(tmp_path):
    root = fill(tmp_path / "c", 60)
    (root / "hostile.txt").write_text("a <|endoftext|> b 12３ 'll")
    first, _ = made(root, tmp_path / "1.tokens")
    tokenizer = first.tokenizer()
    tokenizer.engine.normalizer = normalizers.Replace("river", "sea")
    encode = corpus_tokens.encoder(tokenizer)
    assert isinstance(encode, corpus_tokens.Library)
    ids, bounds = encode(["a <|endoftext|> b", "", "river"])
    assert first.end not in ids
    parts = [ids[a:b].tolist() for a, b in pairwise(bounds.tolist())]
    assert [tokenizer.decode(part) for part in parts] == ["a <|endoftext|> b", "", "sea"]

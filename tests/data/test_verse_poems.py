"""The package of poems: what is kept of it, and what is left out and why."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
import tiny_verse

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.data.verse import package, poems, verse_set
from luoxia.models.verse_tokenizer import NONE
from luoxia.weights.catalogue import path_of

pytest.importorskip("opencc")

GOOD = ["白日依（一作：沿）山盡，黃河入海流。", "欲窮千里目，更上一層樓。"]
ROWS = {
    "poet.tang.0.json": [
        {"id": "1", "author": "王之渙", "title": "登鸛雀樓（一作題鸛雀樓）", "paragraphs": GOOD},
        {"id": "2", "author": "李白", "title": "靜夜思", "paragraphs": ["床前看月光，疑是地上霜。", "舉頭望山月，低頭思故鄉。"]},
        {"id": "3", "author": "賀知章", "title": "雜", "paragraphs": ["紅豆生南國，春來發幾枝。", "愿君多采擷，此物最相思。"]},
        {"id": "4", "author": "佚名", "title": "古風", "paragraphs": ["大雅久不作，吾衰竟誰陳。"]},
        {"id": "5", "author": "孟浩然", "title": "春曉", "paragraphs": ["春眠不覺曉，處處聞啼鳥。", "夜來風雨聲，花落知多少。"]},
        {"id": "6", "author": "某", "title": "缺", "paragraphs": ["白日依山□，黃河入海流。", "明月照高樓，一片落江頭。"]},
    ],
    "poet.song.0.json": [{"id": "7", "author": "某", "title": "抄", "paragraphs": GOOD}],
    "error/poet.tang.0.json": [{"id": "3", "author": "賀知章", "title": "雜", "paragraphs": []}],
}  # fmt: skip


def packed(rows: dict[str, object]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, value in rows.items():
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            info = tarfile.TarInfo(f"package/dist/quantangshi/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def published(monkeypatch: pytest.MonkeyPatch, home: Path, rows: dict[str, object]) -> package.Entry:
    monkeypatch.setenv("LUOXIA_HOME", str(home))
    data = packed(rows)
    entry = dataclasses.replace(
        package.PACKAGE, size=len(data), sha256=hashlib.sha256(data).hexdigest(), filename="tiny.tgz"
    )
    path_of(entry).parent.mkdir(parents=True, exist_ok=True)
    path_of(entry).write_bytes(data)
    return entry


def test_what_is_kept_is_simplified_and_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = published(monkeypatch, tmp_path, ROWS)
    found = poems.get(entry)
    assert [(p.author, p.title, p.form.id, p.regular) for p in found.kept] == [
        ("王之涣", "登鹳雀楼", "五绝", True),
        ("李白", "静夜思", "五绝", False),
    ]
    assert found.kept[0].lines == ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
    assert found.left_out == {"flagged": 1, "form": 1, "rhyme": 1, "character": 1, "again": 1}
    assert found.others == ["大雅久不作吾衰竟谁陈"]
    assert {"白日依山尽", "处处闻啼鸟"} <= found.lines


def test_originals_stand_before_those_who_quote_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Song lies first in the package, and one poem of the Tang lies there under two names."""
    quoted = ["白日依山盡，明月照高樓。", "欲窮千里目，一片落江頭。"]
    rows: dict[str, object] = {
        "poet.song.0.json": [
            {"id": "8", "author": "李龏", "title": "集句", "paragraphs": quoted},
            {"id": "9", "author": "李龏", "title": "集句", "paragraphs": ["黃河入海流，更上一層樓。"]},
        ],
        "poet.tang.0.json": [
            {"id": "0", "author": "朱斌", "title": "登樓", "paragraphs": GOOD},
            {"id": "1", "author": "王之渙", "title": "登鸛雀樓", "paragraphs": GOOD},
            {"id": "2", "author": "王之渙", "title": "雜", "paragraphs": ["大雅久不作，吾衰竟誰陳。"]},
            *({"id": f"n{i}", "author": "無名氏", "title": "雜", "paragraphs": GOOD} for i in range(3)),
        ],
    }
    found = poems.get(published(monkeypatch, tmp_path, rows))
    assert [(p.author, p.title) for p in found.kept] == [("王之涣", "登鹳雀楼")]
    assert found.left_out == {"form": 2, "again": 5}


def test_what_was_prepared_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = published(monkeypatch, tmp_path, ROWS)
    first = poems.get(entry)
    path_of(entry).unlink()  # not needed any more
    again = poems.get(entry)
    assert again == first
    assert again.digest == first.digest
    (poems.folder(entry) / "poems.tsv").write_text("五绝\tx\n", encoding="utf-8")
    with pytest.raises(MalformedFileError, match="remove it"):
        poems.get(entry)


def test_without_the_package_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    with pytest.raises(UserError, match="luoxia data get verse"):
        poems.get()


@pytest.mark.parametrize("bad", [b"{", b'{"a": 1}', b"[1]"])
def test_a_package_of_something_else_is_refused(
    bad: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = published(monkeypatch, tmp_path, {"poet.tang.0.json": bad})
    with pytest.raises(MalformedFileError, match="not the package"):
        poems.get(entry)


def test_poems_become_tokens_and_some_are_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    kept = tiny_verse.keep(each=60)
    found = verse_set.arranged(kept, tmp_path, rare=1)
    assert found.tokenizer.authors == ("李白", "杜甫") or found.tokenizer.authors == ("杜甫", "李白")
    for i in (0, 100, 239):
        poem, first = found.poems[i], found.tokenizer.first_character
        text = found.text[i]
        assert "".join(found.tokenizer.characters[t - first] for t in text if t != NONE) == poem.text
        assert found.tokenizer.rhymes[
            found.pingshui[i] - found.tokenizer.rhyme("平水韵/上平一东")
        ].startswith("平水韵")
    assert 0 < len(found.held_out) < 30
    assert not set(found.held_out) & set(found.train)
    near = found.neighbours()
    assert near.shape == (found.tokenizer.vocab_size, verse_set.NEAR)
    assert (
        near[: found.tokenizer.first_character] == [[t] * 8 for t in range(found.tokenizer.first_character)]
    ).all()
    assert (near == verse_set.arranged(kept, tmp_path, rare=1).neighbours()).all()


def test_too_few_poems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too few"):
        verse_set.arranged(tiny_verse.some(each=5), tmp_path, rare=1)
    with pytest.raises(UserError, match="--data verse"):
        verse_set.load("icons")

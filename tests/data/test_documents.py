"""Documents out of files of every kind, and what is told of those that cannot be read."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
import zipfile

import pytest

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.data import archives, documents, rows
from luoxia.data.documents import Log
from luoxia.data.huggingface import rows_of
from luoxia.data.sources import find_files


def read(place, fields=()):
    log = Log()
    found = [
        ("".join(d.pieces), log.files[d.file], d.row, d.part)
        for d in documents.documents(find_files(str(place)), fields, log)
    ]
    return found, log


def texts(place, fields=()):
    return [text for text, *_ in read(place, fields)[0]]


ROWS = [{"title": "静夜思", "text": "床前明月光"}, {"title": "b", "text": 'two\n"lines"; a, b'}]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", "\n".join(json.dumps(row) for row in ROWS)),
        ("a.jsonl", "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n"),
        ("a.json", json.dumps(ROWS, indent=2)),
        ("a.json", json.dumps([row["text"] for row in ROWS])),
        ("a.csv", 'title,text\n静夜思,床前明月光\nb,"two\n""lines""; a, b"\n'),
        ("a.tsv", 'title\ttext\n静夜思\t床前明月光\nb\t"two\n""lines""; a, b"\n'),
    ],
)
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("piece", [7, 1 << 22])
def test_rows_of_every_kind(tmp_path, monkeypatch, name, data, codec, piece):
    monkeypatch.setattr(documents, "PIECE", piece if codec.startswith("utf") else 1 << 22)
    (tmp_path / name).write_bytes(data.encode(codec))
    found, log = read(tmp_path)
    assert [text for text, *_ in found] == ["床前明月光", 'two\n"lines"; a, b'], log.notes
    assert len({row for _, _, row, _ in found}) == 2


def test_fields_are_put_one_under_the_other(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([{"t": "A", "p": ["x", "y"], "n": 3}, {"p": ["z"]}]))
    assert texts(tmp_path, ("t", "p", "n")) == ["A\nx\ny\n3", "z"]


def test_rows_that_cannot_be_read_are_told_by_line(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"text": "one"}\nno json\n{"other": 1}\n{"text": ""}\n3\n{"text": "two"}\n'
    )
    found, log = read(tmp_path)
    assert [(text, row) for text, _, row, _ in found] == [("one", 1), ("two", 6)]
    assert [name for name, _ in log.notes["row"]] == [f"a.jsonl:{n}" for n in (2, 3, 4, 5)]
    assert "but other: give --field" in log.notes["row"][1][1].en


@pytest.mark.parametrize("data", ["[1, 2", '["a", "b"', "[[[[", '{"text": "x"', '["a" "b', "[" * 100_000])
def test_json_that_is_cut_short_is_told(tmp_path, data):
    (tmp_path / "a.json").write_text(data)
    _, log = read(tmp_path)
    assert any("not JSON" in why.en for _, why in log.notes["row"])


def test_a_list_larger_than_a_piece_is_read_in_its_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "PIECE", 50)
    wanted = [f"text {i} " + "x" * i for i in range(120)]
    (tmp_path / "a.json").write_text(json.dumps([{"text": t} for t in wanted]))
    assert texts(tmp_path) == wanted


def test_kinds_encodings_and_what_is_not_read(tmp_path):
    (tmp_path / "a.txt").write_bytes("床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。".encode("big5"))
    (tmp_path / "b.md").write_text("# title")
    (tmp_path / "README").write_text("read me")
    (tmp_path / "bad.txt").write_bytes(b"\x89PNG\0\0\x01\x02" * 50)
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "c.png").write_bytes(b"")
    (tmp_path / "LICENSE").write_text("MIT License\n\nCopyright (c) 2020 Somebody\n")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    _, log = read_lazily(tmp_path)
    assert log.foreign == [("a.txt", "big5")]
    assert log.others == {".png": 1}
    assert log.licences == ["MIT License; Copyright (c) 2020 Somebody"]


def read_lazily(place):
    """As :func:`read`, for files that break."""
    log, found = Log(), []
    for document in documents.documents(find_files(str(place)), (), log):
        try:
            found.append("".join(document.pieces))
        except documents.UndecodableError as error:
            log.leave_out("unreadable", log.files[document.file], error.text)
    return found, log


def test_a_binary_file_is_told_by_name(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"\x89PNG\0\0\x01\x02" * 50)
    (tmp_path / "late.txt").write_bytes(b"text " * 10)
    found, log = read_lazily(tmp_path)
    assert found == ["text " * 10]
    assert [(name, "binary" in why.en) for name, why in log.notes["unreadable"]] == [("bad.txt", True)]


def test_archives_and_packed_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("x/one.txt", "one")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as file:
        for name in ("train/two.txt", "val/three.jsonl"):
            data = b"two" if "two" in name else b'{"text": "three"}'
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"text": "four"}'))
    assert texts(tmp_path / "a.zip") == ["one"]
    assert [(text, part) for text, _, _, part in read(tmp_path / "b.tar.gz")[0]] == [
        ("two", "train"),
        ("three", "held out"),
    ]
    assert texts(tmp_path / "c.jsonl.gz") == ["four"]


def test_packed_files_that_break_or_swell_are_refused(tmp_path, monkeypatch):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"x y z " * 9000)[:-20])
    found, log = read_lazily(tmp_path)
    assert found == []
    assert log.left_out["unreadable"] == 1
    monkeypatch.setattr(archives, "FREE", 1000)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"x" * 1_000_000))
    with pytest.raises(MalformedFileError, match="unpacks to more"):
        read_lazily(tmp_path)


def test_a_document_longer_than_memory_is_never_held(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "PIECE", 1 << 16)
    with (tmp_path / "long.txt").open("w") as file:
        for i in range(200_000):
            file.write(f"line {i} 落霞与孤鹜齐飞\n")
    log, size = Log(), 0
    tracemalloc.start()
    for document in documents.documents(find_files(str(tmp_path)), (), log):
        for piece in document.pieces:
            size += len(piece.encode())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == (tmp_path / "long.txt").stat().st_size > 6_000_000
    assert peak < 2_000_000


def test_parquet_says_what_reads_it(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is an extra")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": ["one", "two"], "n": [1, 2]}), tmp_path / "a.parquet")
    assert texts(tmp_path) == ["one", "two"]
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    assert read(tmp_path)[1].left_out["unreadable"] == 1


def test_known_fields_are_tried_in_turn():
    assert rows.text_of({"content": "c", "body": "b"}, ()) == "c"
    assert rows.text_of({"text": "", "paragraphs": ["p", "q"]}, ()) == "p\nq"


class Column:
    def __init__(self, dtype=None, feature=None):
        self.dtype, self.feature = dtype, feature


class Table:
    """As much of a set of the ``datasets`` library as is asked of it."""

    _fingerprint = "1"

    def __init__(self, features, found):
        self.features, self._rows = features, found

    def select_columns(self, names):
        return Table(self.features, [{name: row[name] for name in names} for row in self._rows])

    def __iter__(self):
        return iter(self._rows)


def test_a_set_of_the_hub_is_read_row_by_row(monkeypatch):
    monkeypatch.setattr(documents, "PIECE", 16)
    features = {
        "text": Column("string"),
        "tags": Column(feature=Column("string")),
        "image": Column("PIL.Image.Image"),
        "n": Column("int64"),
    }
    found = [{"text": f"{i} 落霞\n与孤鹜", "tags": ["a", "b"], "image": object(), "n": i} for i in range(30)]
    log = Log()
    read_ = [
        (d.row, "".join(d.pieces))
        for d in documents.documents(rows_of(Table(features, found), "set"), (), log)
    ]
    assert read_ == [(i + 1, row["text"]) for i, row in enumerate(found)]
    with pytest.raises(UserError, match="no column of text; it has image"):
        rows_of(Table({"image": features["image"]}, []), "set")

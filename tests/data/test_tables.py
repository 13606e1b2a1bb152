"""Captions from tables: beside a folder, in it, naming files, holding pictures, or naming addresses."""

from __future__ import annotations

import functools
import http.server
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.language import Text
from luoxia.data import table_sources
from luoxia.data.images import load
from luoxia.data.prepare import examine, prepare
from luoxia.data.tables import rows

WORDS = [(f"picture {i}", f"图片{i}") for i in range(12)]


def photo(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((32, 32), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def pets(tmp_path):
    root = tmp_path / "pets"
    root.mkdir()
    for i in range(12):
        (root / f"{i:02}.png").write_bytes(photo(i))
    return root


def csv(path, names=None, head="file_name,caption,caption_zh"):
    names = names or [f"{i:02}.png" for i in range(12)]
    lines = [head, *(f'{name},"{en}",{zh}' for name, (en, zh) in zip(names, WORDS, strict=False))]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def said(place, tmp_path, **options):
    images, found = prepare(str(place), tmp_path / "out.data", **options)
    assert load(tmp_path / "out.data").captions == images.captions
    return images.captions, found


def looks(found, kind="look"):
    return [f for f in found.findings() if f.kind == kind]


EXPECTED = tuple(Text(en, zh) for en, zh in WORDS)


def test_a_table_in_the_folder_and_one_beside_it_caption_both_languages(pets, tmp_path):
    inside = csv(pets / "captions.csv")
    assert said(pets, tmp_path)[0] == EXPECTED
    inside.unlink()
    csv(tmp_path / "pets.csv", [f"pets/{i:02}.png" for i in range(12)])
    assert said(pets, tmp_path)[0] == EXPECTED


def test_a_table_is_a_place_of_its_own(pets, tmp_path):
    (pets / "other.png").write_bytes(photo(99))
    assert said(csv(pets / "some.csv"), tmp_path)[0] == EXPECTED


@pytest.mark.parametrize("suffix", ["jsonl", "json", "tsv"])
def test_other_forms_say_the_same(suffix, pets, tmp_path):
    records = [{"file_name": f"{i:02}.png", "text": en, "caption_zh": zh} for i, (en, zh) in enumerate(WORDS)]
    if suffix == "jsonl":
        text = "\n".join(json.dumps(r, ensure_ascii=False) for r in records)
    elif suffix == "json":
        text = json.dumps(records)
    else:
        text = "\n".join(["image\ttext\tcaption_zh", *("\t".join(r.values()) for r in records)])
    (pets / f"metadata.{suffix}").write_text(text, encoding="utf-8-sig" if suffix == "tsv" else "utf-8")
    assert said(pets, tmp_path)[0] == EXPECTED
    assert said(pets / f"metadata.{suffix}", tmp_path)[0] == EXPECTED


def test_what_lies_beside_a_picture_goes_first_in_either_language(pets, tmp_path):
    csv(pets / "captions.csv")
    (pets / "00.txt").write_text("a dog")
    (pets / "01.zh.txt").write_text("一只狗", encoding="utf-8")
    captions, _ = said(pets, tmp_path)
    assert captions[:3] == (Text("a dog", "图片0"), Text("picture 1", "一只狗"), EXPECTED[2])


def test_one_language_stands_for_both(pets, tmp_path):
    for i in range(12):
        (pets / f"{i:02}.txt").write_text(WORDS[i][1], encoding="utf-8")
    assert said(pets, tmp_path)[0] == tuple(Text(zh, zh) for _, zh in WORDS)


def test_missing_captions_are_told_listed_and_left_out_by_choice(pets, tmp_path):
    csv(pets / "captions.csv", [f"{i:02}.png" for i in range(10)])
    captions, found = said(pets, tmp_path)
    assert len(captions) == 12
    assert found.facts()["captions"] == "10 / 12"
    bare = next(f for f in looks(found) if "without a caption" in f.text.en)
    assert bare.text.en.startswith("2 ")
    assert [name for ((_, name),) in bare.groups] == ["10.png", "11.png"]
    captions, found = said(pets, tmp_path, captioned=True)
    assert captions == EXPECTED[:10]
    left = next(f for f in looks(found, "left out"))
    assert left.text.en == "2 without a caption"
    assert "11.png" in found.page("en")
    pictures = load(tmp_path / "out.data").images
    alone = np.asarray(Image.open(io.BytesIO(photo(9)))).transpose(2, 0, 1)
    assert np.array_equal(pictures[9], alone)


def test_captions_of_pictures_that_are_not_there_are_told(pets, tmp_path):
    names = [f"{i:02}.png" for i in range(10)] + ["gone.png", "../outside.png"]
    (tmp_path / "outside.png").write_bytes(photo(50))
    csv(pets / "captions.csv", names)
    found = said(pets, tmp_path)[1]
    assert any(f.text.en.startswith("2 captions for pictures that are not there") for f in looks(found))
    captions, found = said(pets / "captions.csv", tmp_path)
    assert len(captions) == 10  # nothing outside of the folder is read
    assert "the table names it, and it is not there" in found.page("en")


def test_links_out_of_the_folder_are_not_followed(pets, tmp_path):
    (tmp_path / "secret.png").write_bytes(photo(50))
    (pets / "link.png").symlink_to(tmp_path / "secret.png")
    table = csv(pets / "captions.csv", ["link.png", *(f"{i:02}.png" for i in range(11))])
    assert len(said(table, tmp_path)[0]) == 11


def test_a_change_of_words_is_another_set(pets, tmp_path):
    digests = []
    for word in ("cat", "dog"):
        (pets / "00.txt").write_text(word)
        digests.append(prepare(str(pets), tmp_path / f"{word}.data")[0].digest)
    assert digests[0] != digests[1]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'file_name,caption\n1.png,"unclosed'),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.jsonl", b'{"file_name": "1.png"\n'),
        ("a.jsonl", b"[1, 2]\n"),
        ("a.json", b"[" * 100_000),
        ("a.json", b"3"),
    ],
)
def test_what_is_no_table_is_refused_by_name(name, data):
    with pytest.raises(MalformedFileError, match=r"a\.\w+ cannot be read as a table"):
        list(rows(name, data))


def test_a_broken_table_in_a_folder_is_left_out_and_told(pets, tmp_path):
    (pets / "bad.jsonl").write_text("{")
    _, found = prepare(str(pets), tmp_path / "p.data")
    assert any(f.text.en == "1 are tables that cannot be read" for f in looks(found, "left out"))


def test_a_table_that_names_nothing_says_what_it_needs(tmp_path):
    (tmp_path / "t.csv").write_text("caption\na cat\n")
    with pytest.raises(UserError, match="file_name"):
        prepare(str(tmp_path / "t.csv"), tmp_path / "o.data")


# --- addresses


@pytest.fixture
def site(pets):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/moved.png":
                self.send_response(302)
                self.send_header("Location", "http://10.0.0.1/secret.png")
                self.end_headers()
            else:
                super().do_GET()

    handler = functools.partial(Quiet, directory=str(pets))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def addresses(site, tmp_path, names):
    return csv(tmp_path / "web.csv", [f"{site}/{name}" for name in names], "url,caption,caption_zh")


def test_addresses_are_fetched_only_when_the_user_says_so(site, tmp_path, monkeypatch):
    table = addresses(site, tmp_path, [f"{i:02}.png" for i in range(10)] + ["gone.png", "moved.png"])
    with pytest.raises(UserError, match=r"12 pictures at 1 hosts.*--fetch"):
        prepare(str(table), tmp_path / "o.data")
    monkeypatch.setattr(table_sources, "public", lambda number: number == "127.0.0.1")
    captions, found = said(table, tmp_path, fetch=True)
    assert captions == EXPECTED[:10]
    page = found.page("en")
    assert "404" in page
    assert "its address is in a private network" in page  # where the redirect led


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/x", "http://169.254.169.254/x", "http://[::1]/x", "file:///etc/passwd", "ftp://a/b"],
)
def test_addresses_of_this_machine_and_its_network_are_refused(address):
    with pytest.raises(UserError, match=r"private network|not http"):
        table_sources.check_address(address)


# --- Parquet


def test_without_pyarrow_the_way_out_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"pip install \"luoxia\[hub\]\""):
        prepare(str(tmp_path / "t.parquet"), tmp_path / "o.data")


@pytest.mark.parametrize("nested", [True, False])
def test_pictures_in_parquet_come_with_their_captions(nested, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with luoxia[hub]")
    from pyarrow import parquet

    pictures = [{"bytes": photo(i), "path": None} if nested else photo(i) for i in range(11)] + [None]
    columns = {"image" if nested else "jpg": pictures, "caption": [en for en, _ in WORDS]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    captions, found = said(tmp_path / "t.parquet", tmp_path)
    assert captions == tuple(Text(en, en) for en, _ in WORDS[:11])
    assert len(found.survey.left_out) == 1


def test_parquet_of_addresses_is_one_of_addresses(site, tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with luoxia[hub]")
    from pyarrow import parquet

    table = pyarrow.table({"url": [f"{site}/00.png"], "caption": ["x"], "status": ["success"]})
    parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(UserError, match="--fetch"):
        examine(str(tmp_path / "t.parquet"), tmp_path)


def test_broken_parquet_is_refused_by_name():
    pytest.importorskip("pyarrow", reason="pyarrow comes with luoxia[hub]")
    with pytest.raises(MalformedFileError, match=r"t\.parquet"):
        list(rows("t.parquet", b"PAR1 and no more"))

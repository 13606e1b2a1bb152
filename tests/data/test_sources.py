"""Folders, archives and shards give the same pictures; hostile ones are refused by name."""

from __future__ import annotations

import functools
import http.server
import io
import os
import tarfile
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.data import archives, items, sources
from luoxia.data.decoding import UndecodableError
from luoxia.data.survey import Framing, survey


def png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


FILES = {f"{kind}/{i:02}.png": png(10 * k + i) for k, kind in enumerate(("cat", "dog")) for i in range(5)}
FILES |= {"cat/00.txt": b"a small cat", "notes.md": b"no picture"}


def tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def folder(root, files=FILES):
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def zipped(path, files=FILES):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def walked(place, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return survey(sources.find(str(place)), Framing(16), scratch)


@pytest.mark.parametrize(
    "form", ["folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "in a folder", "shards"]
)
def test_every_form_gives_the_same_pictures(form, tmp_path):
    if form == "folder":
        place = folder(tmp_path / "pets")
    elif form == "zip":
        place = zipped(tmp_path / "pets.zip")
    elif form == "in a folder":
        place = tar(tmp_path / "pets.tar", {f"pets/{k}": v for k, v in FILES.items()})
    elif form == "shards":
        halves = [dict(sorted(FILES.items())[:6]), dict(sorted(FILES.items())[6:])]
        for i, half in enumerate(halves):
            tar(tmp_path / f"pets-{i:02}.tar", half)
        place = tmp_path / "pets-{00..01}.tar"
    else:
        place = tar(tmp_path / f"pets.{form}", FILES, "w:" + form[4:] if form != "tar" else "w")
    made = walked(place, tmp_path)
    assert len(made.seen) == 10
    assert [s.label for s in made.seen] == ["cat"] * 5 + ["dog"] * 5
    assert made.seen[0].caption == "a small cat"
    assert made.others == 1
    assert np.array_equal(
        made.pictures[3], np.asarray(Image.open(io.BytesIO(FILES["cat/03.png"]))).transpose(2, 0, 1)
    )


def test_webdataset_texts_give_classes_and_captions(tmp_path):
    files = {}
    for i in range(4):
        files |= {
            f"{i:04}.png": png(i),
            f"{i:04}.cls": str(i % 2).encode(),
            f"{i:04}.json": b'{"caption": "x"}',
        }
    made = walked(tar(tmp_path / "shard.tar", files), tmp_path)
    assert [s.label for s in made.seen] == ["0", "1", "0", "1"]
    assert made.seen[1].caption == "x"


def test_pickled_samples_are_not_touched(tmp_path):
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "hacked").encode() + b"'\ntR."
    files = {"0.png": png(0), "0.pyd": evil, "0.pkl": evil, "0.pth": evil}
    made = walked(tar(tmp_path / "shard.tar", files), tmp_path)
    assert len(made.seen) == 1
    assert made.others == 3
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "name", ["../../escape.png", "/etc/escape.png", "a/../../b.png", "C:\\x.png", "..\\x.png"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_points_outside_is_refused(kind, name, tmp_path):
    files = {"good.png": png(0), name: png(1)}
    place = zipped(tmp_path / "a.zip", files) if kind == "zip" else tar(tmp_path / "a.tar", files)
    with pytest.raises(MalformedFileError, match="outside of itself"):
        walked(place, tmp_path)


def test_links_are_not_followed(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(1))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (
            ("soft.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        good = tarfile.TarInfo("good.png")
        good.size = len(png(0))
        archive.addfile(good, io.BytesIO(png(0)))
    made = walked(tmp_path / "a.tar", tmp_path)
    assert [s.name for s in made.seen] == ["good.png"]
    assert {x.name for x in made.left_out} == {"soft.png", "hard.png", "pipe.png"}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("soft.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, str(secret))
        archive.writestr("good.png", png(0))
    made = walked(tmp_path / "a.zip", tmp_path)
    assert [s.name for s in made.seen] == ["good.png"]


def test_bombs_are_refused_before_they_unpack(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FREE", 1_000_000)
    zeros = bytes(20_000_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", zeros)
    tar(tmp_path / "a.tar.gz", {"a.png": zeros}, "w:gz")
    tar(tmp_path / "a.tar.xz", {"a.png": zeros}, "w:xz")
    for name in ("a.zip", "a.tar.gz", "a.tar.xz"):
        with pytest.raises(MalformedFileError, match="times its size"):
            walked(tmp_path / name, tmp_path)


def test_a_header_that_understates_its_member_is_broken(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", png(0))
        archive.writestr("b.png", png(1))
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = (5).to_bytes(4, "little")
    path.write_bytes(data)
    made = walked(path, tmp_path)
    assert [x.kind for x in made.left_out] == ["broken"]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2"])
def test_a_cut_archive_is_told_not_taken_for_whole(name, tmp_path):
    mode = "w" if name == "a.tar" else f"w:{name[6:]}"
    noise = {f"{i}.png": png(i) for i in range(10)}
    path = tar(tmp_path / name, noise, mode)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 300])
    with pytest.raises(MalformedFileError, match="cannot be read"):
        walked(path, tmp_path)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.bin"])
def test_what_is_no_archive_is_told(name, tmp_path):
    (tmp_path / name).write_bytes(b"this is no archive at all" * 40)
    with pytest.raises(UserError, match="archive"):
        walked(tmp_path / name, tmp_path)


@pytest.mark.parametrize(
    "place", ["pipe:touch hacked", "file:///etc/passwd", "s3://bucket/a.tar", "ftp://x/a.tar"]
)
def test_other_schemes_are_refused_and_run_nothing(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is no place"):
        sources.find(place)
    assert not (tmp_path / "hacked").exists()


def test_folders_links_and_unreadable_files(tmp_path):
    root = folder(tmp_path / "pets", {"a.png": png(0), "b.png": b"", "c.png": b"text", ".hidden.png": png(1)})
    (root / "loop").symlink_to(root, target_is_directory=True)
    os.mkfifo(root / "pipe.png")
    made = walked(root, tmp_path)
    assert [s.name for s in made.seen] == ["a.png"]
    assert {x.name for x in made.left_out} == {"b.png", "c.png", "pipe.png"}


def test_a_source_whose_first_file_is_large_is_left_out_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(items, "MEMBER", 100)
    made_of = {"a.png": png(0)}
    for place in (
        folder(tmp_path / "f", made_of),
        zipped(tmp_path / "a.zip", made_of),
        tar(tmp_path / "a.tar", made_of),
    ):
        item = next(sources.find(str(place)).items())
        with pytest.raises(UndecodableError, match="larger than"):
            item.read()


@pytest.fixture
def served(tmp_path):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path.startswith("/away"):
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_):
            pass

    root = tmp_path / "www"
    root.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(root))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_shards_come_over_http(served, tmp_path):
    root, address = served
    names = sorted(FILES)
    tar(root / "pets-0.tar", {n: FILES[n] for n in names[:6]})
    tar(root / "pets-1.tar", {n: FILES[n] for n in names[6:]})
    made = walked(f"{address}/pets-{{0..1}}.tar", tmp_path)
    assert len(made.seen) == 10
    assert [s.label for s in made.seen] == ["cat"] * 5 + ["dog"] * 5
    with pytest.raises(UserError, match="could not be fetched"):
        walked(f"{address}/missing.tar", tmp_path)
    with pytest.raises(UserError, match="not allowed"):
        walked(f"{address}/away.tar", tmp_path)


def test_patterns():
    assert sources.expand("a-{008..010}.tar") == ["a-008.tar", "a-009.tar", "a-010.tar"]
    assert len(sources.expand("{0..1}/{0..2}")) == 6
    for wrong in ("{5..1}.tar", "{0..999999999}.tar"):
        with pytest.raises(UserError, match="small to large"):
            sources.expand(wrong)


def test_hugging_face_sets_need_their_library_and_give_their_columns(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the hub's own library is an extra")
    from luoxia.data.huggingface import of_dataset

    pictures = [Image.open(io.BytesIO(png(i))) for i in range(4)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "text": datasets.Value("string"),
        }
    )
    rows = {"image": pictures, "label": [0, 1, 0, 1], "text": list("abcd")}
    made = survey(of_dataset(datasets.Dataset.from_dict(rows, features), "pets"), Framing(16), tmp_path)
    assert [s.label for s in made.seen] == ["cat", "dog", "cat", "dog"]
    assert [s.caption for s in made.seen] == list("abcd")

"""Each kind of source through the real tool, and packages made to do harm."""

import gzip
import importlib.util
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from luoxia.core.language import Text
from luoxia.weights import catalogue, sources
from luoxia.weights.sources import Source, SourceError, bring

pytestmark = pytest.mark.usefixtures("home")
MODEL = b"GGUF" + bytes(range(256))
EVIL = b"evil"


def ignore(count: int) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "download"
    folder.mkdir()
    return folder


def collect(line: str, folder: Path, size: int = len(MODEL), watch: Callable[[int], None] = ignore) -> bytes:
    return b"".join(bring(Source.parse(line), folder, size, watch))


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("pypi:a-b.c_d==1.0.post1/a/b c.gguf", Source("pypi", "a/b c.gguf", "a-b.c_d", "1.0.post1")),
        ("npm:@scope/name@1.2.3-rc.1/d/f.json", Source("npm", "d/f.json", "@scope/name", "1.2.3-rc.1")),
        ("npm:name@1.2.3/f", Source("npm", "f", "name", "1.2.3")),
        ("hf:owner/repo.x@0a1b/dir/m.gguf", Source("hf", "dir/m.gguf", "owner/repo.x", "0a1b")),
        ("file:/a/b:c", Source("file", "/a/b:c")),
        ("bundled:tiny/m", Source("bundled", "tiny/m")),
    ],
)
def test_source_is_read(line: str, source: Source) -> None:
    assert Source.parse(line) == source


@pytest.mark.parametrize(
    "line",
    [
        "",
        "pypi:",
        "pypi:name/path",
        "pypi:name==1.0",
        "pypi:--index-url=x==1.0/path",
        "pypi:--pre==1.0/path",
        "pypi:==1.0/path",
        "pypi:name>=1.0/path",
        "pypi:name==1.0 --pre/path",
        "pypi:git+ssh://host/x==1.0/path",
        "npm:--script@1.0/path",
        "npm:name@-x/path",
        "npm:name/path",
        "hf:repo@main/path",
        "hf:../../x@main/path",
        "https://example.org/x",
        "file:",
    ],
)
def test_anything_else_is_no_source(line: str) -> None:
    with pytest.raises(ValueError, match="is not a source"):
        Source.parse(line)


@pytest.mark.parametrize(
    ("line", "en", "zh"),
    [
        ("pypi:a==1.0/m", "package a 1.0 through pip", "软件包 a 1.0（经由 pip）"),
        ("npm:@a/b@1.0/m", "package @a/b 1.0 through npm", "软件包 @a/b 1.0（经由 npm）"),
        ("bundled:tiny/m", "tiny/m, which comes with Luoxia", "随 Luoxia 附带的 tiny/m"),
        ("file:/a/m", "/a/m", "/a/m"),
    ],
)
def test_source_in_words(line: str, en: str, zh: str) -> None:
    assert Source.parse(line).words == Text(en, zh)


# Wheels


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_only_the_named_member_leaves_a_zip(tmp_path: Path) -> None:
    package = zipped(
        tmp_path / "p", {"../m": EVIL, "/m": EVIL, "a/../m": EVIL, "m": MODEL, "M": EVIL, "m/": b""}
    )
    before = set(tmp_path.rglob("*"))
    assert b"".join(sources._out_of_zip(package, "m", len(MODEL))) == MODEL
    assert set(tmp_path.rglob("*")) == before


def test_member_of_another_size_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = zipped(tmp_path / "p", {"m": bytes(50_000_000)})
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(SourceError, match="50000000 bytes, the catalogue says 260"):
        list(sources._out_of_zip(package, "m", len(MODEL)))


def test_member_that_is_larger_than_its_header_says_is_cut(tmp_path: Path) -> None:
    package = zipped(tmp_path / "p", {"m": bytes(5_000_000)})
    lie = package.read_bytes().replace((5_000_000).to_bytes(4, "little"), (260).to_bytes(4, "little"))
    package.write_bytes(lie)
    chunks: list[bytes] = []
    with pytest.raises(SourceError, match="damaged"):
        chunks.extend(sources._out_of_zip(package, "m", 260))
    assert sum(map(len, chunks)) <= 260


@pytest.mark.parametrize(
    "content", [b"", b"not a zip", b"PK\x05\x06" + 18 * b"\xff", b"PK\x03\x04" + 100 * b"\0"]
)
def test_what_is_no_zip_is_damaged(tmp_path: Path, content: bytes) -> None:
    package = tmp_path / "p"
    package.write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        list(sources._out_of_zip(package, "m", 1))


@pytest.mark.parametrize("byte", range(30, 60, 3))
def test_flipped_byte_in_a_zip_is_noticed(tmp_path: Path, byte: int) -> None:
    package = zipped(tmp_path / "p", {"m": os.urandom(1000)})
    content = bytearray(package.read_bytes())
    content[byte] ^= 0xFF
    package.write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        list(sources._out_of_zip(package, "m", 1000))


def test_absent_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file m in it"):
        list(sources._out_of_zip(zipped(tmp_path / "p", {"x": b""}), "m", 1))


# npm packages


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def regular(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_only_the_named_member_leaves_a_tar(tmp_path: Path) -> None:
    package = tarred(
        tmp_path / "p",
        (regular("../m"), EVIL),
        (regular("/m"), EVIL),
        (regular("x/m"), EVIL),
        (regular("m"), MODEL),
    )
    before = set(tmp_path.rglob("*"))
    assert b"".join(sources._out_of_tar(package, "m", len(MODEL))) == MODEL
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_only_a_regular_file_leaves_a_tar(tmp_path: Path, kind: bytes) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(MODEL)
    package = tarred(tmp_path / "p", (regular("secret"), MODEL), (link("m", str(secret), kind), b""))
    with pytest.raises(SourceError, match="no file m in it"):
        list(sources._out_of_tar(package, "m", len(MODEL)))


def test_tar_member_of_another_size_is_not_unpacked(tmp_path: Path) -> None:
    package = tarred(tmp_path / "p", (regular("m"), bytes(1_000_000)))
    with pytest.raises(SourceError, match="1000000 bytes, the catalogue says 260"):
        list(sources._out_of_tar(package, "m", len(MODEL)))


@pytest.mark.parametrize("bomb", ["member", "header"])
def test_tar_that_unpacks_without_end_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    monkeypatch.setattr(sources, "OVERHEAD", 1_000_000)
    big = regular("big")
    if bomb == "header":  # one that tarfile would read into memory whole
        big.pax_headers = {"comment": 20_000_000 * "x"}
    package = tarred(
        tmp_path / "p", (big, b"" if bomb == "header" else bytes(20_000_000)), (regular("m"), MODEL)
    )
    assert package.stat().st_size < 100_000
    with pytest.raises(SourceError, match="goes on past 1000260 bytes"):
        list(sources._out_of_tar(package, "m", len(MODEL)))


@pytest.mark.parametrize("damage", ["truncated", "empty", "not gzip", "not tar"])
def test_damaged_tar_is_damaged(tmp_path: Path, damage: str) -> None:
    package = tarred(tmp_path / "p", (regular("m"), os.urandom(100_000)))
    content = {
        "truncated": package.read_bytes()[:50_000],
        "empty": b"",
        "not gzip": b"hello",
        "not tar": gzip.compress(5000 * b"x"),
    }[damage]
    package.write_bytes(content)
    with pytest.raises(SourceError, match="damaged"):
        list(sources._out_of_tar(package, "m", 100_000))


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on this machine")
def test_file_comes_through_npm(
    tmp_path: Path, folder: Path, registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = {"prepare": "touch ran", "preinstall": "touch ran", "prepack": "touch ran"}
    manifest = {"name": "tiny", "version": "1.0.0", "scripts": scripts}
    package = tarred(
        tmp_path / "tiny-1.0.0.tgz",
        (regular("package/package.json"), json.dumps(manifest).encode()),
        (regular("package/m.gguf"), MODEL),
    )
    registry.pages["/tiny-1.0.0.tgz"] = package.read_bytes()
    version = {**manifest, "dist": {"tarball": f"{registry.url}/tiny-1.0.0.tgz"}}
    registry.pages["/tiny"] = json.dumps(
        {"name": "tiny", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    ).encode()
    monkeypatch.setenv("npm_config_registry", registry.url)
    monkeypatch.setenv("npm_config_userconfig", os.devnull)
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    assert collect("npm:tiny@1.0.0/package/m.gguf", folder) == MODEL
    (folder / "tiny-1.0.0.tgz").unlink()
    whole = package.read_bytes()
    assert collect("npm:tiny@1.0.0/*", folder, len(whole)) == whole
    assert not list(tmp_path.rglob("ran"))
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(SourceError, match=r"2\.0\.0"):
        collect("npm:tiny@2.0.0/package/m.gguf", folder)


def test_missing_npm_says_where_it_comes_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    with pytest.raises(SourceError, match=r"Node\.js"):
        collect("npm:tiny@1.0.0/m", folder)


# Hugging Face


def test_file_comes_through_huggingface_hub(folder: Path, registry, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_ENDPOINT", registry.url)
    monkeypatch.setenv("HF_HOME", str(folder / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    registry.headers = {"ETag": '"1234"', "X-Repo-Commit": 40 * "a"}
    registry.pages[f"/nobody/tiny/resolve/{40 * 'a'}/q4/m.gguf"] = MODEL
    assert collect(f"hf:nobody/tiny@{40 * 'a'}/q4/m.gguf", folder) == MODEL


def test_missing_huggingface_hub_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"pip install 'luoxia\[hub\]'"):
        collect("hf:nobody/tiny@main/m", folder)


def test_downloader_that_leaves_nothing_is_no_success(folder: Path) -> None:
    with pytest.raises(SourceError, match="left no package"):
        sources._only(folder, "*.whl")


# Files


def test_file_on_disk_is_read(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "m").write_bytes(MODEL)
    assert collect(f"file:{tmp_path}/m", folder) == MODEL


@pytest.mark.parametrize("path", ["absent", ".", "pipe"])
def test_what_is_no_file_is_not_read(tmp_path: Path, folder: Path, path: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="no such file"):
        collect(f"file:{tmp_path}/{path}", folder)


def test_bundled_file_is_read_and_nothing_beside(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "tiny").mkdir(parents=True)
    (bundle / "tiny" / "m").write_bytes(MODEL)
    (tmp_path / "secret").write_bytes(MODEL)
    (bundle / "tiny" / "link").symlink_to(tmp_path / "secret")
    monkeypatch.setattr(sources, "bundled", lambda: bundle)
    assert collect("bundled:tiny/m", folder) == MODEL
    for escape in ("../secret", "tiny/../../secret", f"{tmp_path}/secret", "tiny/link"):
        with pytest.raises(SourceError, match="leads out"):
            collect(f"bundled:{escape}", folder)


def test_bundle_of_a_checkout_holds_the_cards() -> None:
    assert (catalogue.bundled() / "smollm2-135m-instruct" / "card.md").is_file()


# What a downloader says


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("ERROR: No matching distribution\nhint: none\n", "ERROR: No matching distribution"),
        ("first\nlast.\n", "last"),
        ("", "it gave no reason"),
        ("ERROR: Failed https://me:secret@host/simple", "ERROR: Failed https://***@host/simple"),
        ("ERROR: \x1b[31mred\x1b[0m", "ERROR: [31mred[0m"),
        ("ERROR: one\nbetween\nERROR: two\nafter", "ERROR: one ERROR: two"),
        (
            "WARNING: NewConnectionError('x')\nERROR: none",
            "there is no connection to the place it comes from",
        ),
        ("npm error code ENOTFOUND\nnpm error x", "there is no connection to the place it comes from"),
        ("ERROR " + 9999 * "x", "ERROR " + 294 * "x"),
    ],
)
def test_last_words_of_a_downloader(words: str, reason: str) -> None:
    found = sources._reason(io.BytesIO(words.encode()))
    assert isinstance(found, SourceError)
    assert found.text.en == reason


@pytest.mark.parametrize("words", [b"OSError: [Errno 28] No space left on device", b"npm error code ENOSPC"])
def test_downloader_that_met_a_full_disk(words: bytes) -> None:
    assert isinstance(sources._reason(io.BytesIO(words)), OSError)


def test_log_without_end_is_read_from_its_end() -> None:
    log = io.BytesIO(b"ERROR: old\n" + 200_000 * b"x\n" + b"ERROR: new\n\xff\xfe")
    assert str(sources._reason(log)) == "ERROR: new"

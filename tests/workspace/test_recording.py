"""A record and its file's last rename: together, or neither, whenever the process dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from workspace_made import creation

from luoxia.core.errors import UserError
from luoxia.core.folder import put_in_place
from luoxia.workspace import database
from luoxia.workspace.creation import canonical
from luoxia.workspace.history import Workspace

PUBLISHER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from workspace_made import creation
from luoxia.core.folder import put_in_place
from luoxia.workspace.history import Workspace
moment, path, unfinished = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
unfinished.write_bytes(b"whole")
def die():
    os.kill(os.getpid(), signal.SIGKILL)
with Workspace() as workspace:
    told = creation("heron", id={id!r}, path=str(path), file_sha256="f" * 64)
    with workspace.recording(told, unfinished):
        if moment == "before": die()
        put_in_place(unfinished, path)
        if moment == "after": die()
        if moment == "wait":
            print("ready", flush=True); sys.stdin.read()
"""
ID = "L01ARYZ6S41" + "0" * 16


def _program(home: Path) -> list[str]:
    script = home.parent / "publisher.py"
    script.write_text(PUBLISHER.format(tests=str(Path(__file__).parents[1]), id=ID))
    return [sys.executable, "-W", "error", str(script)]


def _pending(workspace: Workspace) -> int:
    with database.reading(workspace.engine) as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM pending")) or 0


@pytest.mark.parametrize(("moment", "recorded"), [("before", False), ("after", True), ("none", True)])
def test_a_killed_publisher_is_mended_at_the_next_opening(home: Path, moment: str, recorded: bool) -> None:
    path, unfinished = home.parent / "heron.png", home.parent / "heron.png.part"
    done = subprocess.run([*_program(home), moment, str(path), str(unfinished)], check=False)
    assert done.returncode == (0 if moment == "none" else -signal.SIGKILL)
    with Workspace() as workspace:
        assert workspace.mended == ([ID] if moment == "after" else [])
        assert workspace.is_recorded(ID) is recorded
        assert path.exists() is recorded
        assert not unfinished.exists()
        assert _pending(workspace) == 0
        checked = workspace.check()
        assert (checked.count, checked.fault) == (int(recorded), None)
        if recorded:
            assert workspace.by_file("f" * 64) is not None
            with pytest.raises(UserError, match="already"):
                workspace.record(creation("again", id=ID))
    with Workspace() as workspace:
        assert workspace.mended == []
    assert list((home / "publishing").iterdir()) == []


def test_a_publisher_that_lives_is_left_alone(home: Path) -> None:
    path, unfinished = home.parent / "heron.png", home.parent / "heron.png.part"
    command = [*_program(home), "wait", str(path), str(unfinished)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as publisher:
        assert publisher.stdout is not None
        assert publisher.stdout.readline() == b"ready\n"
        with Workspace() as workspace:
            assert workspace.mended == []
            assert _pending(workspace) == 1
        publisher.communicate()
    assert publisher.returncode == 0
    with Workspace() as workspace:
        assert workspace.is_recorded(ID)
        assert workspace.check().count == 1


def test_a_failure_while_publishing_leaves_no_record_and_the_file_to_its_writer(
    workspace: Workspace, home: Path
) -> None:
    unfinished, path = home / "a.part", home / "a.png"
    unfinished.write_bytes(b"whole")
    told = creation("x", path=str(path), file_sha256="f" * 64)
    with pytest.raises(RuntimeError, match="no room"), workspace.recording(told, unfinished):
        raise RuntimeError("no room")
    assert unfinished.exists()
    assert _pending(workspace) == 0
    assert workspace.check().count == 0
    with workspace.recording(told, unfinished):
        put_in_place(unfinished, path)
        with pytest.raises(UserError, match="already"):
            workspace._note(told, path, unfinished, "{}")
    assert workspace.is_recorded(told.id)
    with pytest.raises(UserError, match="already"), workspace.recording(told, unfinished):
        pytest.fail("a second publishing of one id began")


def test_another_machines_publishing_is_not_ours_to_mend(workspace: Workspace, home: Path) -> None:
    told = creation("x", path=str(home / "a.png"), file_sha256="f" * 64)
    workspace._note(told, home / "a.png", home / "a.part", "{}")
    with database.writing(workspace.engine) as connection:
        connection.execute(sa.text("UPDATE pending SET machine = 'another'"))
    with Workspace() as other:
        assert other.mended == []
        assert _pending(other) == 1


def test_a_publishing_is_mended_while_others_record(either: Workspace, home: Path) -> None:
    """Mending reads before it writes, and must see what was recorded meanwhile."""
    import threading

    for i in range(3):
        told = creation(str(i), at=i, path=str(home / f"{i}.png"), file_sha256="f" * 64)
        either._note(told, home / f"{i}.png", home / f"{i}.part", canonical(told.to_json()))
    begin = threading.Barrier(2)

    def record() -> None:
        begin.wait()
        for i in range(10):
            either.record(creation(f"other {i}", at=100 + i))

    thread = threading.Thread(target=record)
    thread.start()
    begin.wait()
    with Workspace(either.engine.url) as other:
        thread.join()
        mended = [*other.mended, *other.mend()]
    assert len(mended) == 3
    checked = either.check()
    assert (checked.count, checked.fault) == (13, None)

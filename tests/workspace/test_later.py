"""What is asked for now and made by a worker: the same as at once, and by a process that comes and goes by itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
import tiny_drawing
import tiny_faces
import tiny_verse

from luoxia.core.errors import UserError
from luoxia.provenance.verify import HOLDS, verify
from luoxia.weights import catalogue
from luoxia.workspace import later, makers, worker
from luoxia.workspace.asked import Drawn, Faces, Filmed, Mixed, Morphed, Poems, Redrawn, given
from luoxia.workspace.encoding import Content, Film
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import Job, Jobs
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.replay import replay

pytestmark = pytest.mark.usefixtures("one_thread")


def job(id: str) -> Job:
    with Workspace() as workspace, Jobs(workspace) as jobs:
        return jobs.find(id)


def test_a_worker_comes_makes_it_and_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "IDLE_SECONDS", 1)
    tiny_faces.keep("tiny")
    asked = Morphed("tiny", (1, 2), seconds=0.5, fps=10, threads=1)
    out = home / "out" / "film.gif"
    id = later.later(makers.told("film", "face morph", "tiny", asked), out)
    deadline = time.monotonic() + 120
    while (found := job(id)).state != "done":
        assert time.monotonic() < deadline, (found, (home / "workers" / "log").read_text())
        assert found.state in ("waiting", "running"), found.error
        time.sleep(0.2)
    assert (found.done, found.total) == (1, 1)
    assert verify(out).outcome == HOLDS
    with Workspace() as workspace:
        told = workspace.find(id)
    assert told.path == str(out)
    assert replay(told).outcome == "identical"
    for process in later._begun:
        assert process.wait(60) == 0, (home / "workers" / "log").read_text()
    assert not worker.at_work()


def test_a_seed_is_drawn_when_it_is_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "attend", lambda: None)
    tiny_verse.model(catalogue.place("verse"))
    made_from = makers.told("text", "poem", "verse", Poems("verse"), prompt="秋")
    first, second = (job(later.later(made_from, home / "poem.txt")).asked["made_from"]["seed"] for _ in "12")
    assert first != second
    with pytest.raises(UserError, match="cannot be made again"):
        later.later(MadeFrom("picture", "sculpt"), home / "statue.png")


def test_the_record_tells_the_weights_that_made_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "attend", lambda: None)
    (home / "runs").mkdir(parents=True)
    tiny_faces.keep("tiny").rename(home / "runs" / "tiny")
    monkeypatch.chdir(home)
    asked = later.later(makers.told("picture", "face", "runs/tiny", Faces("runs/tiny", (1, 2), threads=1)),
                        home / "face.png")  # fmt: skip
    shutil.rmtree(home / "runs" / "tiny")
    tiny_faces.keep("tiny", made=tiny_faces.third()).rename(home / "runs" / "tiny")  # trained anew meanwhile
    monkeypatch.chdir("/")  # where the worker is
    with Workspace() as workspace:
        later.make(workspace, asked, job(asked).asked, makers.nothing)
        made = workspace.find(asked)
    assert made.made_from.models == makers.told("picture", "face", str(home / "runs/tiny"), {}).models
    assert made.made_from.models[0].sha256 != job(asked).asked["made_from"]["models"][0]["sha256"]
    assert replay(made).outcome == "identical"


def test_a_worker_that_is_leaving_does_not_keep_one_from_coming(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_: object) -> None:
            begun.append(command)

        def poll(self) -> None:
            return None

    monkeypatch.setattr(later.subprocess, "Popen", Process)
    monkeypatch.setattr(later, "_begun", {})
    later.attend()
    later.attend()
    assert len(begun) == 1  # it is coming
    monkeypatch.setattr(later, "COMES_SECONDS", 0)
    later.attend()
    assert len(begun) == 2


def test_there_is_no_worker(home: Path) -> None:
    assert not worker.at_work()


def _digest(content: Content) -> str:
    from luoxia.workspace.content import digest

    return content.digest() if isinstance(content, Film) else digest(content)


def test_every_maker_makes_the_same_twice_and_counts(home: Path) -> None:
    import torch
    from PIL import Image

    from luoxia.core.runtime import resolve
    from luoxia.generate import morph
    from luoxia.generate.portraits import Portraits

    tiny_faces.keep("tiny")
    tiny_drawing.keep(catalogue.place("icons"), clip=tiny_drawing.clip())
    tiny_verse.model(catalogue.place("verse"))
    Image.new("RGB", (40, 30), "red").save(home / "red.png")
    mask = Image.new("L", (40, 30), 255)
    mask.paste(0, (0, 0, 40, 20))
    mask.save(home / "mask.png")
    red, white = given(home / "red.png"), given(home / "mask.png")
    ws = Portraits.open("tiny", resolve(threads=1)).styles([1, 2, 3])
    asked = {
        "face": Faces("tiny", (1, 2), threads=1),
        "face mix": Mixed("tiny", (1,), (2, 3), (0, 1), threads=1),
        "face morph": Morphed("tiny", (1, 2, 1), 0.5, 10, "slerp", "z", threads=1),
        "face film": Filmed("tiny", morph.told_styles(ws), (), 0.5, 10, threads=1),
        "draw": Drawn("icons", n=2, threads=1),
        "draw sheet": Drawn("icons", n=2, columns=2, threads=1),
        "draw complete": Redrawn("icons", picture=red, mask=white, threads=1),
        "draw vary": Redrawn("icons", picture=red, threads=1),
        "poem": Poems("verse", form="五绝", candidates=2, threads=1),
    }
    assert {*asked, "write"} == set(makers.MAKERS)
    for command, what in asked.items():
        prompt = {"poem": "秋", "draw sheet": "a red square 1\na red square 2"}.get(command, "a red square 1")
        made_from = makers.told("picture", command, what.model, what, prompt=prompt, seed=3)
        heard: list[tuple[int, int]] = []
        make = makers.maker_of(made_from)
        with torch.inference_mode():
            made = _digest(make(made_from, lambda done, total: heard.append((done, total))))  # noqa: B023
        assert heard, command
        assert heard[-1][0] == heard[-1][1], command
        assert _digest(make(MadeFrom.from_json(made_from.to_json()))) == made, command


def test_a_picture_that_is_another_by_now_is_not_varied(home: Path) -> None:
    from PIL import Image

    tiny_drawing.keep(catalogue.place("icons"))
    Image.new("RGB", (8, 8), "red").save(home / "red.png")
    asked = Redrawn("icons", picture=given(home / "red.png"), threads=1)
    made_from = makers.told("picture", "draw vary", "icons", asked, seed=3)
    Image.new("RGB", (8, 8), "blue").save(home / "red.png")
    with pytest.raises(UserError, match="is not the file that it was"):
        makers.draw(made_from)

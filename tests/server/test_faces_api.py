"""Faces over plain HTTP: models, sheets, and long work: learned, found, filmed, given up, refused."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tiny_faces
from PIL import Image
from plain_distance import Plain
from websockets.sync.client import connect

from luoxia.core.runtime import resolve
from luoxia.generate import directions as learned
from luoxia.generate import inversion
from luoxia.generate.portraits import Portraits
from luoxia.provenance import policy
from luoxia.provenance.policy import Policy
from luoxia.provenance.verify import HOLDS, verify
from luoxia.server import pictures
from luoxia.server.app import create_app
from luoxia.server.faces import films, jobs
from luoxia.server.faces.room import Faces
from luoxia.workspace import durable, later
from luoxia.workspace import worker as working
from luoxia.workspace.history import Workspace
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.publish import publish
from luoxia.workspace.replay import replay

PHOTO = Path(__file__).parents[1] / "data" / "portrait.jpg"
KEYS = [{"seed": 1}, {"seed": 2}]


@pytest.fixture
def faces() -> Iterator[Faces]:
    faces = Faces(threads=2)
    yield faces
    faces.close()
    faces.join(10)


@pytest.fixture
def url(stage, runner, faces: Faces, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(inversion, "Perceptual", Plain)
    tiny_faces.keep()
    standing, address = stage
    standing["app"] = create_app(models=runner, faces=faces)
    return address


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that does what the server asks for, in a thread."""
    monkeypatch.setattr(durable, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(working, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(later, "attend", lambda: None)
    with Workspace() as workspace:
        one = working.Worker(later.WORKS, workspace)
        thread = threading.Thread(target=one.run)
        thread.start()
        yield
        one.stop()
        thread.join(60)
        assert not thread.is_alive()


def begun(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    answer = client.post(f"/api/faces/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def followed(client: httpx.Client, id: str) -> list[dict[str, Any]]:
    with client.stream("GET", f"/api/faces/jobs/{id}") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def photo(data: bytes, **more: Any) -> dict[str, Any]:
    return {"model": "tiny", "picture": base64.b64encode(data).decode(), "steps": 20, **more}


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_models_that_draw_with_what_they_can_be_told(client: httpx.Client, home: Path, faces: Faces) -> None:
    tiny_faces.keep("kinds", classes=2)
    (home / "models" / "broken").mkdir()
    (home / "models" / "broken" / "model.json").write_text("{}")
    found = {model["id"]: model for model in client.get("/api/faces/models").json()}
    assert list(found) == ["faces-64", "avatars-64", "kinds", "tiny"]
    assert (found["faces-64"]["size"], found["faces-64"]["licence"]) == (64, "Apache-2.0")
    assert (found["tiny"]["size"], found["tiny"]["layers"], found["tiny"]["classes"]) == (16, 6, [])
    assert found["kinds"]["classes"] == ["style 0", "style 1"]
    assert found["tiny"]["directions"] is None
    assert not faces.atelier._shelf.names()  # no weights are read for a list


def test_directions_are_learned_once_and_kept(client: httpx.Client, monkeypatch, until) -> None:
    calls, gate = [], threading.Event()

    def learn(portraits: Portraits, *, watch: Callable[[int, int], None]) -> list[learned.Direction]:
        calls.append(portraits.told.name)
        watch(30, 100)
        assert gate.wait(5)
        watch(100, 100)
        return learned.sefa(portraits)

    monkeypatch.setattr(learned, "learn", learn)
    first = begun(client, "directions", {"model": "tiny"})
    until(lambda: calls)
    assert begun(client, "directions", {"model": "tiny"}) == first  # joined
    threading.Timer(0.3, gate.set).start()
    events = followed(client, first)
    assert {"state": "working", "done": 30, "total": 100}.items() <= events[0].items()
    assert events[-1]["state"] == "done"
    told = {model["id"]: model for model in client.get("/api/faces/models").json()}["tiny"]["directions"]
    assert told[0] == {"name": "sefa-1", "how": "sefa", "own": None, "others": None}
    assert followed(client, begun(client, "directions", {"model": "tiny"}))[-1]["state"] == "done"
    assert calls == ["tiny"]


def test_a_photograph_becomes_a_style_that_faces_can_name(
    client: httpx.Client, url: str, tmp_path: Path
) -> None:
    portraits = Portraits.open("tiny", resolve(threads=2))
    target = portraits.pictures(portraits.styles([4], psi=0.7))[0]
    learned.write(learned.sefa(portraits), portraits.told.kept_directions())
    events = followed(
        client, begun(client, "photos", photo(png(target.transpose(1, 2, 0)), steps=80, as_is=True))
    )
    last = events[-1]
    assert (last["state"], last["done"], last["total"]) == ("done", 80, 80)
    assert last["psnr"] > 15
    assert last["poor"] == (last["psnr"] < inversion.LIKENESS)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(last["target"]))).convert("RGB"))
    assert (shown == target.transpose(1, 2, 0)).all()

    # The same picture over the WebSocket, with the noise that was found; and the style moves along directions.
    found = base64.b64decode(last["picture"])
    pictures = []
    for edits in ({}, {"sefa-1": 3}):
        face = {"style": last["result"], "psi": 1, "edits": edits}
        with connect(url.replace("http", "ws") + "/api/faces/live") as live:
            ask = {"n": 1, "slot": "portrait", "model": "tiny", "what": {"kind": "faces", "faces": [face]}}
            live.send(json.dumps(ask))
            message = live.recv(20)
            assert isinstance(message, bytes), message
            (length,) = struct.unpack(">I", message[:4])
            pictures.append(np.asarray(Image.open(io.BytesIO(message[4 + length :]))).astype(float))
    wanted = np.asarray(Image.open(io.BytesIO(found))).astype(float)
    assert np.abs(pictures[0] - wanted).mean() < 3
    assert np.abs(pictures[1] - wanted).mean() > 2 * np.abs(pictures[0] - wanted).mean()

    # The file is the one that the command line reads.
    file = client.get(f"/api/faces/styles/{last['result']}")
    assert "photo.w" in file.headers["content-disposition"]
    (tmp_path / "photo.w").write_bytes(file.content)
    name, tensors = inversion.open_style(tmp_path / "photo.w")
    assert (name, tensors["ws"].shape) == ("tiny", (6, 8))


def test_work_that_is_given_up_stops(client: httpx.Client, monkeypatch, until) -> None:
    steps = []
    plain = jobs.Job._report

    def slow(self, event):
        steps.append(event.done)
        threading.Event().wait(0.01)
        plain(self, event)

    monkeypatch.setattr(jobs.Job, "_report", slow)
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    id = begun(client, "photos", photo(png(noise), steps=2000, as_is=True))
    until(lambda: len(steps) > 10)
    assert client.delete(f"/api/faces/jobs/{id}").status_code == 204
    assert followed(client, id)[-1]["state"] == "cancelled"
    assert max(steps) < 1900


def bomb() -> bytes:
    """A PNG of a few bytes that claims a hundred thousand pixels on each side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no picture at all", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (PHOTO.read_bytes()[:2000], "broken"),
        (bomb(), "80 million pixels"),
        (png(np.zeros((1, 1, 3), np.uint8)), "no face found"),
        (png(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)), "no face found"),
    ],
    ids=["text", "svg", "cut off", "bomb", "one pixel", "noise"],
)
def test_pictures_that_are_no_portrait_are_refused_in_words(
    client: httpx.Client, data: bytes, reason: str
) -> None:
    last = followed(client, begun(client, "photos", photo(data)))[-1]
    assert last["state"] == "failed"
    assert reason in last["message"]
    assert "\n" not in last["message"]


def test_one_pixel_will_do_where_the_middle_is_taken(client: httpx.Client) -> None:
    one = photo(png(np.full((1, 1, 3), 200, np.uint8)), as_is=True)
    assert followed(client, begun(client, "photos", one))[-1]["state"] == "done"


def test_a_face_is_found_in_a_photograph(client: httpx.Client) -> None:
    last = followed(client, begun(client, "photos", photo(PHOTO.read_bytes())))[-1]
    assert (last["state"], last["others"]) == ("done", 0)
    assert last["poor"]  # the tiny model has no faces to offer
    with Image.open(PHOTO) as one:
        two = Image.new("RGB", (one.width + one.width // 2, one.height))
        two.paste(one)
        two.paste(one.resize((one.width // 2, one.height // 2)), (one.width, 0))
    file = io.BytesIO()
    two.save(file, "PNG")
    assert followed(client, begun(client, "photos", photo(file.getvalue())))[-1]["others"] == 1


def test_a_failure_is_told_in_the_readers_language(client: httpx.Client) -> None:
    id = begun(client, "photos", photo(b"no picture"))
    followed(client, id)
    with client.stream("GET", f"/api/faces/jobs/{id}", headers={"Accept-Language": "zh-CN"}) as answer:
        assert "无法使用此图片" in answer.read().decode()


@pytest.mark.parametrize("format", ["mp4", "gif", "webp"])
def test_a_film_has_its_frames(client: httpx.Client, worker: None, tmp_path: Path, format: str) -> None:
    if format == "mp4":
        pytest.importorskip("av")
    ask = {"model": "tiny", "keys": KEYS, "seconds": 1, "fps": 10, "format": format}
    events = followed(client, begun(client, "films", ask))
    assert events[-1]["state"] == "done"
    film = client.get(f"/api/faces/films/{events[-1]['result']}")
    assert f'filename="faces.{format}"' in film.headers["content-disposition"]
    (tmp_path / f"film.{format}").write_bytes(film.content)
    assert verify(tmp_path / f"film.{format}").outcome == HOLDS
    if format == "mp4":
        import av

        with av.open(io.BytesIO(film.content)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert (len(frames), frames[0].shape) == (10, (256, 256, 3))
    else:
        image = Image.open(io.BytesIO(film.content))
        assert (getattr(image, "n_frames", 1), image.size) == (10, (256, 256))


def test_a_film_is_kept_when_the_server_ends(
    client: httpx.Client, faces: Faces, worker: None, home: Path
) -> None:
    ask = {"model": "tiny", "keys": KEYS, "seconds": 0.5, "fps": 10, "format": "gif"}
    id = followed(client, begun(client, "films", ask))[-1]["result"]
    path = faces.films.find(id)
    assert path.parent == home / "films"
    faces.films.close()
    assert path.is_file()
    with Workspace() as workspace:
        found = workspace.find(id)
    assert (found.path, found.made_from.command) == (str(path), "face film")
    assert replay(found).outcome == "identical"


def test_a_film_that_waits_can_be_given_up(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "attend", lambda: None)
    id = begun(client, "films", {"model": "tiny", "keys": KEYS, "seconds": 1})
    assert client.delete(f"/api/faces/jobs/{id}").status_code == 204
    assert [event["state"] for event in followed(client, id)] == ["cancelled"]
    assert client.delete(f"/api/faces/jobs/{id}").status_code == 204, "once more changes nothing"
    assert client.get(f"/api/faces/films/{id}").status_code == 404


def test_only_films_are_handed_out(client: httpx.Client, home: Path) -> None:
    with Workspace() as workspace:
        private = publish(
            "not a film", MadeFrom("text", "test"), home / "private.txt", workspace=workspace
        ).creation
    assert client.get(f"/api/faces/films/{private.id}").status_code == 404


def test_a_film_that_would_not_fit_is_refused(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(films, "LARGEST_FILM", 1 << 20)
    answer = client.post("/api/faces/films", json={"model": "tiny", "keys": KEYS, "seconds": 30})
    assert answer.status_code == 400
    assert "make it shorter" in answer.json()["error"]["message"]


def test_a_sheet_leaves_labelled(client: httpx.Client, tmp_path: Path) -> None:
    what = {"kind": "faces", "faces": KEYS}
    answer = client.post("/api/faces/sheet", json={"model": "tiny", "what": what})
    assert answer.status_code == 200, answer.text
    (tmp_path / "sheet.png").write_bytes(answer.content)
    found = verify(tmp_path / "sheet.png")
    assert (found.outcome, found.creation) == (HOLDS, answer.headers["x-luoxia-creation"])


def test_a_sheet_is_the_grid_with_its_edges(client: httpx.Client) -> None:
    policy.save(Policy("off", reason="looked at to the pixel"))
    what = {"kind": "grid", "rows": KEYS, "columns": [*KEYS, {"seed": 7}], "layers": {"first": 0, "last": 1}}
    answer = client.post("/api/faces/sheet", json={"model": "tiny", "what": what, "enlarge": 2})
    assert answer.headers["content-type"] == "image/png"
    sheet = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert sheet.shape == (3 * 34 - 2, 4 * 34 - 2, 3)
    assert (sheet[:32, :32] == 255).all()  # the corner is empty
    # Seed 1 with layers of seed 1 is seed 1: the first mixture, its row's head and its column's head are one picture.
    same = [sheet[34:66, 34:66], sheet[34:66, :32], sheet[:32, 34:66]]
    assert max(np.abs(a.astype(int) - same[0]).mean() for a in same) < 1
    assert np.abs(sheet[34:66, 68:100].astype(int) - same[0]).mean() > 1


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("films", {"keys": KEYS[:1]}, "keys"),
        ("films", {"keys": KEYS, "seconds": 31}, "seconds"),
        ("films", {"keys": KEYS, "seconds": 0}, "seconds"),
        ("films", {"keys": KEYS, "fps": 61}, "fps"),
        ("films", {"keys": KEYS, "format": "exe"}, "format"),
        ("films", {"keys": KEYS * 13}, "keys"),
        ("photos", {"picture": ""}, "picture"),
        ("photos", {"picture": "eA==", "steps": 1}, "steps"),
        ("photos", {"picture": "eA==", "steps": 100_000}, "steps"),
        ("photos", {"picture": "eA==", "space": "z"}, "space"),
        ("photos", {"picture": 5}, "picture"),
        ("sheet", {"what": {"kind": "faces", "faces": [{}]}, "enlarge": 17}, "enlarge"),
        ("sheet", {"what": {"kind": "journey", "keys": KEYS, "frames": 9}}, "what"),
        ("directions", {"model": ""}, "model"),
    ],
)
def test_what_is_out_of_range_is_refused(
    client: httpx.Client, path: str, body: dict[str, Any], param: str
) -> None:
    answer = client.post(f"/api/faces/{path}", json={"model": "tiny", **body})
    assert answer.status_code == 400
    assert param in answer.json()["error"]["param"]


@pytest.mark.parametrize("path", ["directions", "photos", "films", "sheet"])
@pytest.mark.parametrize("name", ["nothing", "../tiny", "smollm2-135m-instruct"])
def test_a_model_is_found_by_its_name_alone(client: httpx.Client, path: str, name: str) -> None:
    body = {"picture": "eA==", "keys": KEYS, "what": {"kind": "faces", "faces": [{}]}}
    answer = client.post(f"/api/faces/{path}", json={**body, "model": name})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def test_what_is_not_base64_or_too_large_is_refused(client: httpx.Client, monkeypatch) -> None:
    assert (
        "base64"
        in followed(client, begun(client, "photos", {"model": "tiny", "picture": "%%%"}))[-1]["message"]
    )
    monkeypatch.setattr(pictures, "PICTURE", 1 << 20)
    large = photo(b"x" * ((1 << 20) + 1))
    assert "larger than 1 MiB" in followed(client, begun(client, "photos", large))[-1]["message"]


@pytest.mark.parametrize(
    "path", ["jobs/gone", f"jobs/L{'0' * 26}", "films/gone", "styles/gone", "films/..%2f..%2fetc%2fpasswd"]
)
def test_what_is_not_there_is_said(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/api/faces/{path}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]
    assert client.delete("/api/faces/jobs/gone").status_code == 404


def test_work_is_bounded_in_number(client: httpx.Client, faces: Faces, until) -> None:
    gate = threading.Event()

    def wait(report):
        assert gate.wait(5)
        return jobs.JobEvent(state="done")

    faces.jobs.start(wait)
    until(lambda: faces.jobs._running)
    for _ in range(jobs.PLACES):
        faces.jobs.start(wait)
    answer = client.post("/api/faces/directions", json={"model": "tiny"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
    gate.set()


def test_the_server_starts_without_pytorch() -> None:
    code = (
        "import sys; from luoxia.server.app import create_app; create_app(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_text_is_written_while_a_picture_is_drawn(client: httpx.Client, faces: Faces, monkeypatch) -> None:
    gate, begun_ = threading.Event(), threading.Event()

    def slow(*given):
        begun_.set()
        assert gate.wait(10)
        raise RuntimeError

    monkeypatch.setattr(faces.atelier, "draw", slow)
    faces.easel.ask("somebody", "portrait", lambda s: slow(), lambda _: None)
    assert begun_.wait(5)
    chat = {"messages": [{"role": "user", "content": "hello"}]}
    assert "glow" in client.post("/v1/chat/completions", json=chat).json()["choices"][0]["message"]["content"]
    gate.set()

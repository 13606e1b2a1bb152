"""``/api/faces/live`` as a page uses it: pictures, the latest alone, and refusals in words."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny_faces
import torch
from server_frames import heard, refused
from websockets.sync.client import ClientConnection, connect

from luoxia.core.runtime import resolve
from luoxia.generate import directions as learned
from luoxia.generate.portraits import Portraits
from luoxia.server.app import create_app
from luoxia.server.faces.room import Faces


@pytest.fixture
def faces() -> Iterator[Faces]:
    faces = Faces(threads=2)
    yield faces
    faces.close()
    faces.join(5)


@pytest.fixture
def url(stage, runner, faces: Faces) -> str:
    tiny_faces.keep()
    standing, address = stage
    standing["app"] = create_app(models=runner, faces=faces)
    return address


@pytest.fixture
def live(url: str) -> Iterator[ClientConnection]:
    with connect(url.replace("http", "ws") + "/api/faces/live?language=en") as socket:
        yield socket


def ask(live: ClientConnection, n: int, what: dict[str, Any], **more: Any) -> None:
    live.send(json.dumps({"n": n, "slot": "portrait", "model": "tiny", "what": what, **more}))


def one(**face: Any) -> dict[str, Any]:
    return {"kind": "faces", "faces": [{"seed": 3, **face}]}


@pytest.fixture
def portraits(url: str) -> Portraits:
    return Portraits.open("tiny", resolve(threads=2))


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """The same but for rounding, which differs with the number of pictures drawn together."""
    return float(np.abs(a.astype(float) - b).mean()) < 1


def test_a_picture_is_the_one_that_the_command_line_draws(live, portraits: Portraits) -> None:
    ask(live, 7, one(psi=0.5))
    head, pictures = heard(live)
    assert (head["n"], head["slot"], len(pictures)) == (7, "portrait", 1)
    wanted = portraits.pictures(portraits.styles([3], psi=0.5))[0]
    assert close(pictures[0], wanted)
    ask(live, 8, one(psi=1))
    assert not close(heard(live)[1][0], wanted)


def test_edits_move_along_directions_that_were_learned(live, portraits: Portraits) -> None:
    ask(live, 1, one(edits={"sefa-1": 2}))
    assert "not learned yet" in refused(live)["error"]["message"]
    known = learned.sefa(portraits)
    learned.write(known, portraits.told.kept_directions())
    ask(live, 2, one(edits={"sefa-1": 2}))
    moved = portraits.styles([3], psi=0.7) + 2 * known[0].vector
    assert close(heard(live)[1][0], portraits.pictures(moved)[0])
    ask(live, 3, one(edits={"sefa-99": 1}))
    assert "no direction 'sefa-99'" in refused(live)["error"]["message"]


def test_layers_of_another_face(live, portraits: Portraits) -> None:
    ask(live, 1, one(mix={"first": 2, "last": 3, "origin": {"seed": 9}}))
    ws = portraits.styles([3], psi=0.7).clone()
    ws[:, 2:4] = portraits.styles([9], psi=0.7)[:, 2:4]
    assert close(heard(live)[1][0], portraits.pictures(ws)[0])


def test_a_grid_has_its_rows_its_columns_and_all_mixtures(live, portraits: Portraits) -> None:
    rows, columns = [{"seed": 1}, {"seed": 2}], [{"seed": 3}, {"seed": 4}, {"seed": 5}]
    ask(live, 1, {"kind": "grid", "rows": rows, "columns": columns, "layers": {"first": 0, "last": 3}})
    _, pictures = heard(live)
    assert len(pictures) == 2 + 3 + 6
    ws = [portraits.styles([seed], psi=0.7) for seed in range(6)]
    mixed = portraits.mixed(ws[2], ws[4], range(4))[0]
    assert close(pictures[1], portraits.pictures(ws[2])[0])
    assert close(pictures[3], portraits.pictures(ws[4])[0])
    assert close(pictures[5 + 3 + 1], portraits.pictures(mixed)[0])


def test_a_journey_begins_at_its_first_face_and_a_loop_ends_before_it(live, portraits: Portraits) -> None:
    keys = [{"seed": 1}, {"seed": 2}, {"seed": 5}]
    first, last = (portraits.pictures(portraits.styles([seed], psi=0.7))[0] for seed in (1, 5))
    ask(live, 1, {"kind": "journey", "keys": keys, "frames": 9, "loop": False})
    _, straight = heard(live)
    assert len(straight) == 9
    assert close(straight[0], first)
    assert close(straight[-1], last)
    ask(live, 2, {"kind": "journey", "keys": keys, "frames": 9, "loop": True})
    _, loop = heard(live)
    assert close(loop[0], first)
    assert close(loop[6], last)
    assert not close(loop[-1], first)


def test_a_class_is_taken_by_its_name(live) -> None:
    tiny_faces.keep("kinds", classes=3)
    pictures = []
    for n, name in enumerate(["style 0", "style 2", None]):
        ask(live, n, one(**{"class": name}), model="kinds")
        pictures.append(heard(live)[1][0])
    assert not close(pictures[0], pictures[1])
    ask(live, 9, one(**{"class": "style 7"}), model="kinds")
    assert "no class 'style 7'" in refused(live)["error"]["message"]


def test_of_many_values_the_latest_is_drawn_and_few_between(live, faces: Faces, monkeypatch) -> None:
    begun, gate, drawn = threading.Event(), threading.Event(), []
    plain = faces.atelier.draw

    def slow(model, what, superseded):
        drawn.append(what.faces[0].psi)
        begun.set()
        assert gate.wait(5)
        return plain(model, what, superseded)

    monkeypatch.setattr(faces.atelier, "draw", slow)
    ask(live, 0, one(psi=0.0))
    assert begun.wait(5)
    for n in range(1, 50):
        ask(live, n, one(psi=n / 100))
    live.send("{")  # its refusal says that all before it were heard
    refused(live)
    gate.set()
    while heard(live)[0]["n"] != 49:  # the first may be sent before, or be replaced by this one on its way
        pass
    assert drawn == [0.0, 0.49]


def test_who_disconnects_in_the_middle_of_a_drawing_leaves_nothing_behind(
    url: str, live, faces: Faces, monkeypatch, until
) -> None:
    begun, gate = threading.Event(), threading.Event()
    plain = faces.atelier.draw

    def slow(*given):
        begun.set()
        assert gate.wait(30)
        return plain(*given)

    monkeypatch.setattr(faces.atelier, "draw", slow)
    with connect(url.replace("http", "ws") + "/api/faces/live") as gone:
        ask(gone, 1, one())
        assert begun.wait(5)
        ask(gone, 2, one(), slot="grid")
        until(lambda: len(faces.easel._waiting) == 1)
    until(lambda: not faces.easel._waiting)
    gate.set()
    ask(live, 3, one())  # the easel goes on for the others
    assert heard(live)[0]["n"] == 3


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": -1}, "n"),
        ({"n": "1"}, "n"),
        ({"n": 2**53}, "n"),
        ({"slot": "../x"}, "slot"),
        ({"model": ""}, "model"),
        ({"model": "x" * 101}, "model"),
        ({"what": one(psi=2.1)}, "psi"),
        ({"what": one(psi=-3)}, "psi"),
        ({"what": one(psi="1")}, "psi"),
        ({"what": one(seed=-1)}, "seed"),
        ({"what": one(seed=2**32)}, "seed"),
        ({"what": one(seed=1.5)}, "seed"),
        ({"what": one(edits={"smile": 11})}, "smile"),
        ({"what": one(edits={str(i): 1 for i in range(65)})}, "edits"),
        ({"what": one(edits=[1])}, "edits"),
        ({"what": one(mix={"first": 3, "last": 1, "origin": {}})}, "mix"),
        ({"what": {"kind": "faces", "faces": []}}, "faces"),
        ({"what": {"kind": "faces", "faces": [{}] * 37}}, "faces"),
        ({"what": {"kind": "film"}}, "what"),
        ({"what": {}}, "what"),
        (
            {"what": {"kind": "grid", "rows": [{}] * 7, "columns": [{}], "layers": {"first": 0, "last": 1}}},
            "rows",
        ),
        ({"what": {"kind": "journey", "keys": [{}], "frames": 9}}, "keys"),
        ({"what": {"kind": "journey", "keys": [{}] * 2, "frames": 121}}, "frames"),
        ({"what": {"kind": "journey", "keys": [{}] * 2, "frames": 9, "way": "teleport"}}, "way"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(live, change: dict[str, Any], param: str) -> None:
    live.send(json.dumps({"n": 1, "slot": "portrait", "model": "tiny", "what": one(), **change}))
    error = refused(live)["error"]
    assert param in error["param"]
    assert error["message"].startswith(error["param"])


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "3", "[]", '"x"', "[" * 20_000, '{"n": NaN}', '{"n": 1e999}', '{"model": "\\ud800"}'],
    ids=lambda text: text[:12],
)
def test_what_is_no_request_is_refused_and_the_next_one_is_answered(live, text: str) -> None:
    live.send(text)
    assert refused(live)["n"] is None
    ask(live, 2, one())
    assert heard(live)[0]["n"] == 2


def test_bytes_are_not_taken(live) -> None:
    live.send(b"\x00\x01")
    with pytest.raises(Exception, match="1003"):
        live.recv(5)


@pytest.mark.parametrize(
    "name", ["nothing", "../tiny", "/etc/passwd", "smollm2-135m-instruct", ".", "tiny/../tiny"]
)
def test_a_model_is_found_by_its_name_alone(live, name: str) -> None:
    ask(live, 4, one(), model=name)
    answer = refused(live)
    assert (answer["n"], answer["error"]["code"]) == (4, "model_not_found")


def test_layers_and_photographs_that_are_not_there(live) -> None:
    ask(live, 1, one(mix={"first": 0, "last": 60, "origin": {}}))
    assert "layers 0 to 5" in refused(live)["error"]["message"]
    ask(live, 2, one(style="gone"))
    assert refused(live)["error"]["code"] == "not_found"


def test_refusals_are_in_the_pages_language(url: str) -> None:
    with connect(url.replace("http", "ws") + "/api/faces/live?language=zh") as live:
        ask(live, 1, one(), model="nothing")
        assert "没有生成图片的模型" in refused(live)["error"]["message"]


def test_a_bug_is_told_without_its_message(live, faces: Faces, monkeypatch, caplog) -> None:
    def broken(*given):
        raise RuntimeError(quoted)

    quoted = "".join(["sec", "ret"])  # in the message alone, not in the line that raises it
    monkeypatch.setattr(faces.atelier, "draw", broken)
    ask(live, 5, one())
    answer = refused(live)
    assert (answer["n"], answer["error"]["code"]) == (5, "internal")
    assert "secret" not in json.dumps(answer) + caplog.text


def test_another_models_weights_under_the_same_name_are_drawn(live) -> None:
    ask(live, 1, one())
    before = heard(live)[1][0]
    tiny_faces.keep("tiny", classes=2)
    ask(live, 2, one(**{"class": "style 1"}))
    assert not close(heard(live)[1][0], before)


def test_a_server_that_warms_has_its_first_model_in_memory(faces: Faces, until) -> None:
    faces.warm()
    until(lambda: faces.atelier._shelf.names() == ["faces-64"], 20)


def test_drawing_small_pictures_on_one_thread_takes_none_from_other_threads(live) -> None:
    torch.set_num_threads(2)  # another test may have said otherwise
    ask(live, 1, one())
    heard(live)
    found: list[int] = []
    later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert found == [torch.get_num_threads()] == [2]

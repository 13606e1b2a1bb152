"""``/api/draw/live`` as a page uses it: pictures that fill in, the latest alone, what is stopped, refusals in words."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny_drawing
from server_frames import heard, refused
from websockets.sync.client import ClientConnection, connect

from luoxia.core.runtime import resolve
from luoxia.generate.codes import FREE
from luoxia.generate.drawing import Drawing
from luoxia.generate.drawing_order import Knobs
from luoxia.server.draw import atelier
from luoxia.server.draw.room import Drawings
from luoxia.weights import catalogue


@pytest.fixture
def live(url: str) -> Iterator[ClientConnection]:
    with connect(url.replace("http", "ws") + "/api/draw/live?language=en") as socket:
        yield socket


def ask(live: ClientConnection, n: int, what: dict[str, Any] | None, **more: Any) -> None:
    live.send(json.dumps({"n": n, "slot": "work", "model": "tiny", "what": what, **more}))


def draw(**wish: Any) -> dict[str, Any]:
    return {"kind": "draw", "prompt": "a red square", "count": 2, "seed": 3, **wish}


def finished(live: ClientConnection, n: int) -> tuple[dict[str, Any], list[np.ndarray]]:
    while True:
        head, pictures = heard(live)
        if head["n"] == n and head["done"] == head["total"]:
            return head, pictures


def test_pictures_are_the_ones_that_the_command_line_draws(live, drawing: Drawing) -> None:
    ask(live, 7, draw(guidance=2, temperature=0.9, top_p=0.8))
    head, pictures = finished(live, 7)
    wanted = drawing.draw("a red square", 2, seed=3, knobs=Knobs(guidance=2, temperature=0.9, top_p=0.8))
    assert (np.stack(pictures) == wanted.pixels).all()
    assert head["codes"] == wanted.codes.tolist()
    assert (head["scores"], head["prompt"], head["warnings"]) == (None, "a red square", [])


def test_pictures_fill_in_on_the_way(live, drawing: Drawing, monkeypatch) -> None:
    monkeypatch.setattr(atelier, "PREVIEW_EVERY", 0)
    monkeypatch.setattr(atelier, "PREVIEW_SHARE", 0)
    answers = []
    ask(live, 1, draw())
    while not answers or answers[-1][0]["done"] < answers[-1][0]["total"]:
        answers.append(heard(live))
    done = [head["done"] for head, _ in answers]
    assert done == sorted(set(done))
    assert len(done) > 2
    head, pictures = answers[1]  # a reader who is slow misses some
    drawn = head["done"] // 2
    assert (len(pictures), head["codes"], head["total"]) == (2, [], 32)
    codes = np.array(answers[-1][0]["codes"])
    codes[:, drawn:] = FREE
    assert (np.stack(pictures) == drawing.pixels(codes)).all()


def test_the_best_of_several_are_kept_where_a_clip_is_there(live, url: str) -> None:
    tiny_drawing.keep(catalogue.place("ranked"), clip=tiny_drawing.clip())
    ask(live, 1, draw(choice=4), model="ranked")
    head, pictures = finished(live, 1)
    wanted = Drawing.open("ranked", resolve(threads=1)).draw("a red square", 2, seed=3, candidates=8)
    assert head["codes"] == wanted.codes.tolist()
    assert head["scores"] == pytest.approx(wanted.scores.tolist(), abs=1e-3)
    assert head["scores"][0] >= head["scores"][1]
    assert len(pictures) == 2


def test_what_is_given_is_kept_and_the_rest_is_drawn(live, drawing: Drawing) -> None:
    codes = drawing.draw("a blue square", seed=9).codes[0]
    given = np.where(np.arange(16) < 8, codes, -1)
    ask(live, 1, draw(given=given.tolist(), choice=2))
    head, _ = finished(live, 1)
    made = np.array(head["codes"])
    assert (made[:, :8] == codes[:8]).all()
    assert (made[:, 8:] != codes[8:]).any()
    ask(live, 2, draw(given=given.tolist(), prompt=""))  # no words are needed to go on
    assert (np.array(finished(live, 2)[0]["codes"])[:, :8] == codes[:8]).all()


def test_variations_are_those_of_the_model(live, drawing: Drawing) -> None:
    codes = drawing.draw("a blue square", seed=9).codes[0]
    what = {"kind": "vary", "codes": codes.tolist(), "strength": 0.3, "count": 3, "seed": 5}
    ask(live, 1, what)
    head, _ = finished(live, 1)
    assert head["codes"] == drawing.vary_codes(codes, 3, strength=0.3, seed=5).codes.tolist()
    ask(live, 2, {**what, "prompt": "a red square"})
    told = drawing.vary_codes(codes, 3, strength=0.3, seed=5, text="a red square")
    assert finished(live, 2)[0]["codes"] == told.codes.tolist()


def test_codes_are_shown_again(live, drawing: Drawing) -> None:
    made = drawing.draw("a blue square", 3, seed=9)
    ask(live, 1, {"kind": "show", "pictures": made.codes.tolist()}, slot="past")
    head, pictures = finished(live, 1)
    assert head["slot"] == "past"
    assert (np.stack(pictures) == made.pixels).all()


def test_an_upscaler_enlarges_what_is_done_and_what_is_shown_large(live, monkeypatch) -> None:
    monkeypatch.setattr(atelier, "PREVIEW_EVERY", 0)
    monkeypatch.setattr(atelier, "PREVIEW_SHARE", 0)
    tiny_drawing.keep(catalogue.place("large"), upscaler=tiny_drawing.upscaler())
    ask(live, 1, draw(), model="large")
    heads, sides = [], []
    while not heads or heads[-1]["done"] < heads[-1]["total"]:
        head, pictures = heard(live)
        heads.append(head)
        sides.append(pictures[0].shape[-1])
    assert set(sides[:-1]) == {16}  # on the way
    large = Drawing.open("large", resolve(threads=1))
    wanted = large.enlarged(large.pixels(np.array(heads[-1]["codes"])), 64)
    assert (np.stack(pictures) == wanted).all()
    for n, (more, side) in enumerate([({"large": True}, 64), ({}, 16)], 2):
        ask(live, n, {"kind": "show", "pictures": heads[-1]["codes"], **more}, model="large")
        assert finished(live, n)[1][0].shape[-1] == side


def test_a_style_is_said_in_the_prompts_language(live, drawing: Drawing) -> None:
    tiny_drawing.keep(catalogue.place("styled"), facts={"styles": ["flat"]})
    for n, (prompt, told) in enumerate(
        [("a red square", "a red square, flat style"), ("红色方块", "红色方块，扁平风格")]
    ):
        ask(live, n, draw(prompt=prompt, style="flat"), model="styled")
        head, _ = finished(live, n)
        assert head["prompt"] == told
        assert head["codes"] == drawing.draw(told, 2, seed=3).codes.tolist()
    ask(live, 9, draw(style="baroque"), model="styled")
    assert "knows no style 'baroque'; it knows flat" in refused(live)["error"]["message"]


def test_warnings_come_with_the_pictures(live) -> None:
    ask(live, 1, draw(prompt="красный квадрат"))
    warnings = finished(live, 1)[0]["warnings"]
    assert any("other languages" in warning["en"] and "其他语言" in warning["zh"] for warning in warnings)


@pytest.fixture
def slow(drawings: Drawings, monkeypatch) -> dict[str, Any]:
    """Drawings that wait before each step for one release; which prompts were begun, and whether one ended."""
    told: dict[str, Any] = {"begun": [], "gate": threading.Semaphore(0), "ended": []}
    plain = drawings.atelier.draw

    def slow(model, what, superseded, preview):
        told["begun"].append(what.prompt)

        def watched():
            assert told["gate"].acquire(timeout=10)
            return superseded()

        made = plain(model, what, watched, preview)
        told["ended"].append(what.prompt)
        return made

    monkeypatch.setattr(drawings.atelier, "draw", slow)
    return told


def test_what_is_stopped_ends_at_once_and_the_next_is_drawn(live, slow, until, drawings) -> None:
    ask(live, 1, draw(prompt="red"))
    until(lambda: slow["begun"] == ["red"])
    ask(live, 2, None)
    until(lambda: drawings.easel._unwanted)
    slow["gate"].release(100)
    ask(live, 3, draw(prompt="green"))
    assert finished(live, 3)[0]["prompt"] == "green"
    assert slow["ended"] == ["green"]


def test_of_several_asks_the_latest_is_drawn(live, slow, until, drawings, monkeypatch) -> None:
    monkeypatch.setattr("luoxia.server.easel.FINISH_WITHIN", 0.0)
    ask(live, 1, draw(prompt="red"))
    until(lambda: slow["begun"] == ["red"])
    ask(live, 2, draw(prompt="green"))
    ask(live, 3, draw(prompt="blue"))
    live.send("{")  # its refusal says that all before it were heard
    refused(live)
    slow["gate"].release(100)
    assert finished(live, 3)[0]["prompt"] == "blue"
    assert slow["ended"] == ["blue"]


def test_who_leaves_takes_the_drawing_along(url: str, slow, until, drawings) -> None:
    with connect(url.replace("http", "ws") + "/api/draw/live") as gone:
        ask(gone, 1, draw(prompt="red"))
        until(lambda: slow["begun"] == ["red"])
    until(lambda: drawings.easel._unwanted)
    slow["gate"].release(100)
    until(lambda: drawings.easel._drawing is None or drawings.easel._unwanted)
    assert slow["ended"] == []


@pytest.mark.parametrize(
    ("what", "param"),
    [
        (draw(prompt=""), "what"),
        (draw(prompt=3), "prompt"),
        (draw(prompt="x" * 20_001), "prompt"),
        (draw(count=0), "count"),
        (draw(count=17), "count"),
        (draw(choice=0), "choice"),
        (draw(choice=17), "choice"),
        (draw(seed=-1), "seed"),
        (draw(seed=2**53), "seed"),
        (draw(seed=1.5), "seed"),
        (draw(guidance=-1), "guidance"),
        (draw(guidance=21), "guidance"),
        (draw(temperature=3), "temperature"),
        (draw(top_p=0), "top_p"),
        (draw(given=[]), "given"),
        (draw(given=[-2]), "given"),
        (draw(given=[0] * 4097), "given"),
        ({"kind": "vary", "codes": [-1] * 16}, "codes"),
        ({"kind": "vary", "codes": [0] * 16, "strength": 0}, "strength"),
        ({"kind": "show", "pictures": []}, "pictures"),
        ({"kind": "show", "pictures": [[0]] * 17}, "pictures"),
        ({"kind": "paint"}, "what"),
        ({}, "what"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(live, what: dict[str, Any], param: str) -> None:
    ask(live, 1, what)
    error = refused(live)["error"]
    assert param in error["param"]
    assert error["message"].startswith(error["param"])


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (draw(prompt="x" * 1_001), "1,001 characters"),
        (draw(prompt="…"), "says nothing"),
        (draw(given=[0] * 15 + [-1, -1]), "16 codes below 16"),
        (draw(given=[16] + [-1] * 15), "16 codes below 16"),
        (draw(given=[0] * 16), "nothing is to be drawn"),
        (draw(given=[-1] * 16), "nothing of the picture is kept"),
        ({"kind": "vary", "codes": [0] * 17}, "16 codes below 16"),
        ({"kind": "show", "pictures": [[0] * 16, [16] * 16]}, "16 codes below 16"),
        (draw(style="flat"), "knows no style"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(live, what: dict[str, Any], reason: str) -> None:
    ask(live, 5, what)
    answer = refused(live)
    assert answer["n"] == 5
    assert reason in answer["error"]["message"]


@pytest.mark.parametrize("name", ["nothing", "../tiny", "/etc", "faces-64", ".", "tiny/../tiny"])
def test_a_model_is_found_by_its_name_alone(live, name: str) -> None:
    ask(live, 4, draw(), model=name)
    answer = refused(live)
    assert (answer["n"], answer["error"]["code"]) == (4, "model_not_found")


def test_another_models_weights_under_the_same_name_are_drawn(live) -> None:
    ask(live, 1, draw())
    before = finished(live, 1)[0]["codes"]
    tiny_drawing.keep(catalogue.place("tiny"), dalle=tiny_drawing.dalle(seed=8))
    ask(live, 2, draw())
    assert finished(live, 2)[0]["codes"] != before


def test_refusals_are_in_the_pages_language(url: str) -> None:
    with connect(url.replace("http", "ws") + "/api/draw/live?language=zh") as live:
        ask(live, 1, draw(), model="nothing")
        assert "没有按文字作画的模型" in refused(live)["error"]["message"]

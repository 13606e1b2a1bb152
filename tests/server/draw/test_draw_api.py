"""Drawing over plain HTTP: models, pictures of the user's own, files."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tiny_drawing
from PIL import Image

from luoxia.data.decoding import decode, fit
from luoxia.generate.canvas import canvas
from luoxia.generate.drawing import Drawing
from luoxia.server import pictures
from luoxia.server.app import create_app
from luoxia.server.draw.room import Drawings
from luoxia.weights import catalogue

PHOTO = Path(__file__).parents[2] / "data" / "portrait.jpg"
HALF = np.arange(16) >= 8


def png(pixels: np.ndarray, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels, mode=mode).save(file, "PNG")
    return file.getvalue()


def sent(data: bytes) -> dict[str, Any]:
    return {"model": "tiny", "picture": base64.b64encode(data).decode()}


def test_models_that_draw_with_what_they_can_be_told(client: httpx.Client, home: Path, drawings) -> None:
    tiny_drawing.keep(
        catalogue.place("whole"), clip=tiny_drawing.clip(), facts={"styles": ["flat", "3d", "unheard"]}
    )
    (home / "models" / "broken").mkdir()
    (home / "models" / "broken" / "model.json").write_text('{"family": "drawing"}')
    (home / "models" / "other").mkdir()
    (home / "models" / "other" / "model.json").write_text('{"family": "stylegan"}')
    found = {model["id"]: model for model in client.get("/api/draw/models").json()}
    assert list(found) == ["tiny", "whole"]
    assert {"size": 16, "side": 4, "ranks": False, "styles": [], "licence": ["made here"]}.items() <= found[
        "tiny"
    ].items()
    assert found["whole"]["ranks"]
    assert found["whole"]["styles"] == [
        {"id": "flat", "en": "flat", "zh": "扁平"},
        {"id": "3d", "en": "3d", "zh": "立体"},
    ]
    assert found["tiny"]["book"] == found["whole"]["book"] != ""
    assert drawings.atelier._shelf.names() == []  # no weights are opened for a list


def test_without_a_model_it_says_what_to_do(client: httpx.Client) -> None:
    catalogue.place("tiny").rename(catalogue.place("tiny").with_name("gone"))
    (catalogue.place("gone") / "model.json").unlink()
    assert client.get("/api/draw/models").json() == []
    answer = client.post("/api/draw/file", json={"model": "tiny", "codes": [0] * 16})
    assert answer.status_code == 404
    assert "luoxia train dalle" in answer.json()["error"]["message"]


def test_a_picture_is_read_as_the_model_sees_it(client: httpx.Client, drawing: Drawing) -> None:
    data = PHOTO.read_bytes()
    image = decode(data).image
    square = png(np.asarray(image.crop((0, 0, 60, 60)).convert("RGB")))
    answer = client.post("/api/draw/pictures", json=sent(square)).json()
    wanted = drawing.codes_of_picture(fit(decode(square).image, 16))
    assert answer == {"codes": wanted.tolist(), "free": [False] * 16}


def test_what_is_transparent_or_missing_to_a_square_is_offered_to_be_drawn(
    client: httpx.Client, drawing: Drawing
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (32, 32, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[16:, :, 3] = 0
    clear = png(pixels, "RGBA")
    answer = client.post("/api/draw/pictures", json=sent(clear)).json()
    assert answer["free"] == HALF.tolist()
    assert answer["codes"] == drawing.codes_of_picture(canvas(clear, 16).pixels).tolist()
    wide = png(rng.integers(0, 255, (16, 32, 3), np.uint8))
    assert client.post("/api/draw/pictures", json=sent(wide)).json()["free"] == HALF.tolist()


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (b"no picture at all", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (PHOTO.read_bytes()[:2000], "broken"),
        ("?", "not base64"),
    ],
    ids=["text", "svg", "cut off", "no base64"],
)
def test_what_is_no_picture_is_refused_in_words(client: httpx.Client, picture, reason: str) -> None:
    body = sent(picture) if isinstance(picture, bytes) else {"model": "tiny", "picture": picture}
    answer = client.post("/api/draw/pictures", json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_a_large_picture_has_room_and_a_larger_one_is_refused(client: httpx.Client, monkeypatch) -> None:
    noise = png(np.random.default_rng(0).integers(0, 255, (800, 800, 3), np.uint8))
    assert len(noise) > 1 << 20  # more than other requests may bring
    assert client.post("/api/draw/pictures", json=sent(noise)).status_code == 200
    monkeypatch.setattr(pictures, "PICTURE", 1 << 20)
    assert (
        "larger than 1 MiB" in client.post("/api/draw/pictures", json=sent(noise)).json()["error"]["message"]
    )


@pytest.mark.parametrize(("form", "name"), [("png", "PNG"), ("webp", "WEBP")])
def test_a_file_has_the_size_that_was_asked_for(
    client: httpx.Client, drawing: Drawing, form: str, name: str
) -> None:
    codes = drawing.draw("a red square", seed=1).codes[0]
    ask = {"model": "tiny", "codes": codes.tolist(), "format": form}
    answer = client.post("/api/draw/file", json={**ask, "size": 300})
    with Image.open(io.BytesIO(answer.content)) as large:
        assert (large.format, large.size) == (name, (300, 300))
    exact = client.post("/api/draw/file", json={**ask, "size": 16})
    shown = np.asarray(Image.open(io.BytesIO(exact.content)).convert("RGB")).transpose(2, 0, 1)[:, :16]
    off = np.abs(shown.astype(int) - drawing.pixels(codes[None])[0])
    assert off.mean() <= (
        0 if form == "png" else 40
    )  # WebP halves the colours' resolution, and this is noise


def test_a_traced_file_is_paths_alone(client: httpx.Client, drawing: Drawing) -> None:
    codes = drawing.draw("a red square", seed=1).codes[0]
    ask = {"model": "tiny", "codes": codes.tolist(), "format": "svg", "size": 300}
    answer = client.post("/api/draw/file", json=ask)
    assert answer.headers["content-type"].startswith("image/svg+xml")
    root = ET.fromstring(answer.text)
    assert root.get("width") == "256"
    assert {child.tag.rpartition("}")[2] for child in root} == {"metadata", "path", "g"}  # "g" is the mark
    assert len(root) > 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"codes": [0] * 15}, "16 codes below 16"),
        ({"codes": [16] * 16}, "16 codes below 16"),
        ({"codes": []}, "codes"),
        ({"codes": [-1] * 16}, "codes"),
        ({"size": 15}, "size must be at least 16"),
        ({"size": 2049}, "size must be at most 2048"),
        ({"format": "gif"}, "format must be"),
        ({"model": "../tiny"}, "no model '../tiny'"),
    ],
)
def test_what_cannot_be_a_file_is_refused(client: httpx.Client, change: dict[str, Any], reason: str) -> None:
    answer = client.post("/api/draw/file", json={"model": "tiny", "codes": [0] * 16, **change})
    assert answer.status_code in (400, 404)
    assert reason in answer.json()["error"]["message"]


def test_a_server_that_warms_has_its_first_model_in_memory(url: str, drawings: Drawings, until) -> None:
    drawings.warm()
    until(lambda: drawings.atelier._shelf.names() == ["tiny"], 20)


def test_a_folder_that_the_server_was_started_with_is_known_by_its_name(
    stage, runner, tmp_path: Path, client: httpx.Client
) -> None:
    folder = tiny_drawing.keep(tmp_path / "mine")
    drawings = Drawings([folder], threads=1)
    stage[0]["app"] = create_app(models=runner, drawings=drawings)
    assert [model["id"] for model in client.get("/api/draw/models").json()] == ["mine", "tiny"]
    codes = drawings.atelier.drawing("mine").draw("a red square", seed=1).codes
    tiny_drawing.keep(folder, dalle=tiny_drawing.dalle(seed=8))
    assert (drawings.atelier.drawing("mine").draw("a red square", seed=1).codes != codes).any()
    answer = client.post("/api/draw/file", json={"model": str(folder), "codes": [0] * 16})
    assert answer.status_code in (400, 404)
    drawings.close()

"""Pictures by OpenAI's own client against a real server."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import tiny_drawing
from PIL import Image

from luoxia.core.runtime import resolve
from luoxia.generate.drawing import Drawing
from luoxia.provenance.verify import HOLDS, verify
from luoxia.server.draw import atelier
from luoxia.weights import catalogue
from luoxia.workspace.history import Workspace
from luoxia.workspace.replay import replay


@pytest.fixture
def ai(url: str):
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20, max_retries=0) as client:
        yield client


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def pixels(text: str) -> np.ndarray:
    """Without the strip that says what a small picture is."""
    whole = np.asarray(opened(text).convert("RGB")).transpose(2, 0, 1)
    return whole[:, : whole.shape[2]]


def png(array: np.ndarray, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array, mode=mode).save(file, "PNG")
    return file.getvalue()


def test_pictures_of_a_prompt(ai, drawing: Drawing) -> None:
    answer = ai.images.generate(prompt="a red square", n=3, size="16x16", extra_body={"seed": 7})
    wanted = drawing.draw("a red square", 3, seed=7)
    assert [
        (pixels(image.b64_json) == picture).all()
        for image, picture in zip(answer.data, wanted.pixels, strict=True)
    ] == [True] * 3
    assert (answer.output_format, answer.size, answer.background) == (
        "png",
        f"16x{opened(answer.data[0].b64_json).height}",
        "opaque",
    )
    assert answer.usage.output_tokens == 3 * 16
    assert answer.usage.input_tokens == answer.usage.input_tokens_details.text_tokens > 2
    assert answer.luoxia["seed"] == 7
    assert answer.luoxia["numbers"] == [0, 1, 2]
    assert all(image.url is None for image in answer.data)


def test_the_same_seed_draws_the_same_and_none_a_new_one(ai) -> None:
    def once(**more):
        made = ai.images.generate(prompt="a red square", size="16x16", extra_body=more)
        return pixels(made.data[0].b64_json).tobytes()

    assert once(seed=3) == once(seed=3)
    assert len({once() for _ in range(4)}) > 1


def test_more_quality_is_more_to_choose_from(ai) -> None:
    tiny_drawing.keep(catalogue.place("ranked"), clip=tiny_drawing.clip())
    ranked = Drawing.open("ranked", resolve(threads=1))
    for quality, candidates in {"low": 2, "hd": 16}.items():
        answer = ai.images.generate(
            model="ranked", prompt="a red square", n=2, quality=quality, size="16x16", extra_body={"seed": 5}
        )
        wanted = ranked.draw("a red square", 2, seed=5, candidates=candidates)
        assert answer.luoxia["numbers"] == wanted.numbers.tolist()
        assert answer.luoxia["scores"] == pytest.approx(wanted.scores.tolist(), abs=1e-3)


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_formats_and_sizes(ai, form: str) -> None:
    answer = ai.images.generate(prompt="a red square", size="256x256", output_format=form)
    image = opened(answer.data[0].b64_json)
    assert (image.format, image.size) == (form.upper(), (256, 256))
    plain = ai.images.generate(prompt="a red square")
    assert opened(plain.data[0].b64_json).size == (512, 512)


def test_vector_graphics(ai) -> None:
    answer = ai.images.generate(prompt="a red square", output_format="svg")
    file = base64.b64decode(answer.data[0].b64_json)
    assert file.startswith(b"<svg ")
    assert b"AIGC" in file


def test_pictures_are_published_each_with_its_record(ai, tmp_path: Path) -> None:
    for form in ("png", "webp", "jpeg", "svg"):
        asked = {"prompt": "a red square", "n": 2, "output_format": form, "size": "256x256"}
        told = ai.images.with_raw_response.generate(**asked, extra_body={"seed": 7})
        answer = told.parse()
        assert told.headers["X-Luoxia-Creation"] == ", ".join(answer.luoxia["creations"])
        for image, id in zip(answer.data, answer.luoxia["creations"], strict=True):
            path = tmp_path / f"a.{form}"
            path.write_bytes(base64.b64decode(image.b64_json))
            found = verify(path)
            assert (found.outcome, found.creation) == (HOLDS, id)
            assert found.credential.holds
            with Workspace() as workspace:
                made = workspace.find(id)
            assert (made.made_from.prompt, made.made_from.seed) == ("a red square", 7)
            assert form == "svg" or replay(made).outcome == "identical"


def test_a_picture_made_from_another_names_it(ai, tmp_path: Path) -> None:
    given = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    answer = ai.images.edit(image=png(given), prompt="a red square", size="256x256")
    path = tmp_path / "a.png"
    path.write_bytes(base64.b64decode(answer.data[0].b64_json))
    found = verify(path).credential
    assert (found.parents, found.holds) == (("picture.png",), True)


def test_an_address_of_this_server(ai, url: str) -> None:
    answer = ai.images.generate(prompt="a red square", response_format="url", size="256x256")
    assert answer.data[0].url.startswith(f"{url}/v1/images/files/")
    file = httpx.get(answer.data[0].url, trust_env=False)
    assert file.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(file.content)).size == (256, 256)
    gone = httpx.get(f"{url}/v1/images/files/x.png", trust_env=False)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "not_found")


def test_a_stream_shows_pictures_on_the_way(ai, drawing: Drawing, monkeypatch) -> None:
    monkeypatch.setattr(atelier, "PREVIEW_EVERY", 0)
    monkeypatch.setattr(atelier, "PREVIEW_SHARE", 0)
    events = list(
        ai.images.generate(
            prompt="a red square", size="16x16", stream=True, partial_images=3, extra_body={"seed": 7}
        )
    )
    assert [event.type for event in events] == ["image_generation.partial_image"] * 3 + [
        "image_generation.completed"
    ]
    assert [event.partial_image_index for event in events[:3]] == [0, 1, 2]
    wanted = drawing.draw("a red square", seed=7)
    assert (pixels(events[-1].b64_json) == wanted.pixels[0]).all()
    assert events[-1].usage.output_tokens == 16
    differs = [(pixels(event.b64_json) != wanted.pixels[0]).mean() for event in events]
    assert differs == sorted(differs, reverse=True)
    assert differs[0] > differs[2] > 0


def test_a_stream_that_cannot_begin_has_a_status(ai) -> None:
    with pytest.raises(openai.BadRequestError, match="says nothing"):
        ai.images.generate(prompt="…", stream=True)
    with pytest.raises(openai.BadRequestError, match="streams one picture"):
        ai.images.generate(prompt="a red square", stream=True, n=2)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"prompt": ""}, "asks for nothing"),
        ({"prompt": "x" * 1_001}, "1,001 characters"),
        ({"n": 0}, "n must be at least 1"),
        ({"n": 11}, "n must be at most 10"),
        ({"size": "1024x1536"}, "size must be auto or a square"),
        ({"size": "8x8"}, "square of 16 to 2048"),
        ({"size": "4096x4096"}, "square of 16 to 2048"),
        ({"background": "transparent"}, "background"),
        ({"output_compression": 50}, "output_compression is not supported"),
        ({"style": "vivid"}, "knows no style 'vivid'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(ai, wish, reason: str) -> None:
    with pytest.raises(openai.BadRequestError, match=reason):
        ai.images.generate(**{"prompt": "a red square", **wish})


def test_unknown_models_are_refused_by_name(ai) -> None:
    for name in ("dall-e-3", "../tiny", "faces-64"):
        with pytest.raises(openai.NotFoundError, match="there is tiny"):
            ai.images.generate(model=name, prompt="a red square")


def test_an_edit_keeps_what_the_mask_does_not_clear(ai, drawing: Drawing) -> None:
    image = drawing.draw("a blue square", seed=2).pixels[0]
    mask = np.zeros((16, 16, 4), np.uint8)
    mask[:8, :, 3] = 255  # the lower half is clear
    answer = ai.images.edit(
        image=("cat.png", png(image.transpose(1, 2, 0))),
        mask=("mask.png", png(mask, "RGBA")),
        prompt="a red square",
        n=2,
        size="16x16",
        extra_body={"seed": 4},
    )
    white = image.copy()
    white[:, 8:] = 255
    codes = drawing.codes_of_picture(white)
    given = np.where(np.arange(16) < 8, codes, -1)
    wanted = drawing.draw("a red square", 2, seed=4, given=given)
    assert [
        (pixels(made.b64_json) == p).all() for made, p in zip(answer.data, wanted.pixels, strict=True)
    ] == [True, True]


def test_an_edit_without_a_mask_varies_towards_the_prompt(ai, drawing: Drawing) -> None:
    image = drawing.draw("a blue square", seed=2).pixels[0]
    answer = ai.images.edit(
        image=png(image.transpose(1, 2, 0)), prompt="a red square", size="16x16", extra_body={"seed": 4}
    )
    wanted = drawing.vary(image, seed=4, text="a red square")
    assert (pixels(answer.data[0].b64_json) == wanted.pixels[0]).all()


def test_variations(url: str, drawing: Drawing) -> None:
    image = drawing.draw("a blue square", seed=2).pixels[0]
    form = {"n": "2", "size": "16x16", "seed": "4", "strength": "0.3"}
    files = {"image": ("cat.png", png(image.transpose(1, 2, 0)))}
    answer = httpx.post(f"{url}/v1/images/variations", data=form, files=files, trust_env=False, timeout=20)
    wanted = drawing.vary(image, 2, strength=0.3, seed=4)
    made = [pixels(image["b64_json"]) for image in answer.json()["data"]]
    assert (np.stack(made) == wanted.pixels).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # OpenAI has ended its own
def test_the_clients_own_variation(ai) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    answer = ai.images.create_variation(image=png(noise), n=1, size="256x256", response_format="b64_json")
    assert opened(answer.data[0].b64_json).size == (256, 256)


@pytest.mark.parametrize(
    ("files", "data", "reason"),
    [
        ({}, {"prompt": "x"}, "image is missing"),
        ({"image": b"text"}, {"prompt": "x"}, "not a picture"),
        ({"image": png(np.zeros((8, 8, 3), np.uint8))}, {}, "prompt is missing"),
        ({"image": png(np.zeros((8, 8, 3), np.uint8))}, {"prompt": "x", "n": "many"}, "n "),
        (
            {"image": png(np.zeros((8, 8, 3), np.uint8)), "mask": png(np.zeros((8, 8, 3), np.uint8))},
            {"prompt": "x"},
            "no transparent part",
        ),
        (
            {"image": png(np.zeros((8, 8, 3), np.uint8)), "mask": png(np.zeros((9, 9, 4), np.uint8), "RGBA")},
            {"prompt": "x"},
            "give a mask of the picture's size",
        ),
        (
            {"image": png(np.zeros((8, 8, 3), np.uint8)), "mask": png(np.zeros((8, 8, 4), np.uint8), "RGBA")},
            {"prompt": "x"},
            "nothing of the picture is kept",
        ),
    ],
)
def test_edits_that_cannot_be(url: str, files, data, reason: str) -> None:
    parts = [(name, (f"{name}.png", content)) for name, content in files.items()]
    if not parts:
        parts = [("other", ("x", b"x"))]
    answer = httpx.post(f"{url}/v1/images/edits", data=data, files=parts, trust_env=False)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]["message"]


def test_forms_are_taken_where_the_client_sends_them_and_from_no_other_site(url: str) -> None:
    files = {"image": ("cat.png", png(np.zeros((8, 8, 3), np.uint8)))}
    foreign = httpx.post(
        f"{url}/v1/images/variations",
        files=files,
        headers={"Origin": "https://evil.example"},
        trust_env=False,
    )
    assert (foreign.status_code, foreign.json()["error"]["code"]) == (403, "foreign_request")
    for path in ("/v1/images/generations", "/api/draw/pictures", "/v1/chat/completions"):
        answer = httpx.post(f"{url}{path}", files=files, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "not_json")
    plain = httpx.post(f"{url}/v1/images/variations", json={"image": "x"}, trust_env=False)
    assert plain.status_code == 415


def test_a_broken_form_is_refused(url: str) -> None:
    answer = httpx.post(
        f"{url}/v1/images/variations",
        content=b"--x\r\nbroken",
        headers={"Content-Type": "multipart/form-data; boundary=y"},
        trust_env=False,
    )
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]["message"]

"""What is looked at of a StyleGAN: truncation, path length, and a model without a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import tiny_pictures
import torch
from PIL import Image

from luoxia.cli.main import main
from luoxia.core.runtime import resolve
from luoxia.data import prepared
from luoxia.recipes import evaluation, kernel_score, stylegan
from luoxia.recipes.stylegan_study import PSIS, SHOWN, StyleGANStudy
from luoxia.train.engine import Study


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(kernel_score, "PICTURES", 64)  # at each truncation: quicker
    monkeypatch.chdir(tmp_path)
    prepared.write(Path("squares.data"), tiny_pictures.pictures(96, size=16))
    tiny_faces.keep("tiny")


def sheet(image: Image.Image, rows: int, columns: int) -> np.ndarray:
    """(rows, columns, side, side, 3)."""
    pixels, side = np.asarray(image), (image.width + 2) // columns - 2
    return np.stack(
        [
            [
                pixels[r * (side + 2) :, c * (side + 2) :][:side, :side]
                for c in range(columns)
            ]
            for r in range(rows)
        ]
    )  # fmt: skip


def test_at_no_truncation_it_is_the_score_and_at_full_there_is_one_face() -> None:
    sides = stylegan.sides(tiny_faces.config(), prepared.read(Path("squares.data")), 3)
    modules = {"generator": tiny_faces.network()}
    study = sides.study(modules, lambda *_: None)
    rows = study.tables["truncation"]
    assert [row["psi"] for row in rows] == list(PSIS)
    assert {k: v for k, v in rows[-1].items() if k != "psi"} == pytest.approx(sides.scores(modules), abs=1e-6)
    assert rows[0]["recall"] == 0.0
    faces = sheet(study.pictures["truncation"], len(PSIS), SHOWN).astype(float)
    spread = faces.std(1).mean((1, 2, 3))
    assert spread[0] == 0
    assert (np.diff(spread) > 0).all()  # each step away from the mean face adds variety
    mean = (faces - faces[0]).__abs__().mean((1, 2, 3, 4))
    assert mean.argmax() == len(PSIS) - 1


def test_path_length_pairs_latents_of_one_class_and_depends_on_the_seed_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With pixels in the network's place: the mean of |x(e) - x(0)|^2 / e^2 over pairs, which autograd gives too."""
    images = prepared.read(Path("squares.data"))
    network = tiny_faces.network(classes=3)

    class Pixels:
        maps = staticmethod(lambda x: [x])
        distance = staticmethod(lambda x, maps: (x - maps[0]).double().flatten(1).square().sum(1))

    study = StyleGANStudy(images, 4, 8, 3)
    monkeypatch.setattr(study, "_see", lambda _: Pixels)
    asked = []
    mapping = network.mapping.forward
    monkeypatch.setattr(network.mapping, "forward", lambda z, c: asked.append((z, c)) or mapping(z, c))
    found = study.path_length(network, 20)
    (first, c), (second, same) = asked
    assert torch.equal(c, same)
    assert not torch.equal(first, second)
    a, b = mapping(first, c)[:, 0], mapping(second, same)[:, 0]
    picture = lambda w: network.synthesis(w[:, None].repeat(1, network.num_ws, 1), "const")  # noqa: E731
    _, slope = torch.autograd.functional.jvp(picture, a, b - a)
    assert found == pytest.approx(float(slope.flatten(1).square().sum(1).mean()), rel=0.02)
    assert study.path_length(network, 20) == found
    assert study.path_length(network, 20, ends=False) != found


def test_a_model_is_measured_on_data(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", "tiny", "--data", "squares.data", "--samples", "100"]
    assert main([*asked, "-o", "out", "--device", "cpu"]) == 0
    report = json.loads(Path("out/evaluation.json").read_text())
    assert report["samples"] == 100
    assert report["learned_from_these"] is False
    assert report["memorisation"]["nearer"] == 0  # noise is near to nothing
    assert "0 of 100" in capsys.readouterr().out
    html = Path("out/report.html").read_text()
    assert "<script" not in html
    assert "truncation ψ" in html
    assert html.count("data:image/png") == 5  # best, worst, nearest, interpolations, truncations
    assert not Path("tiny-evaluation").exists()


def test_what_a_model_lacks_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in [
        (["tiny"], "give --data"),
        (["nowhere", "--data", "squares.data"], "holds no run"),
        (["tiny", "--data", "digits"], "8 pixels, not 16"),
    ]:
        capsys.readouterr()
        assert main(["evaluate", *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert words in line


def test_pictures_of_the_model_itself_are_realistic_and_counted_as_copies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Data that are the model's own pictures: every sample that is among them is nearer than they are to each other."""
    monkeypatch.setattr(StyleGANStudy, "study", lambda *_: Study({}, {}))
    sides = stylegan.sides(tiny_faces.config(), prepared.read(Path("squares.data")), 0)
    runtime = resolve("cpu", "float32", 1)
    modules = {"generator": tiny_faces.network()}
    with torch.no_grad():
        own = evaluation.drawn(
            lambda have: sides.pictures(modules, evaluation.generator(runtime.device, 7, 0xE7, have)), 96
        )
    squares = prepared.read(Path("squares.data"))
    prepared.write(Path("own.data"), type(squares)(**{**squares.__dict__, "images": own, "digest": "own"}))
    _, report = evaluation.evaluate("tiny", runtime, data="own.data", samples=100, seed=7, out=Path("own"))
    assert report["memorisation"]["nearer"] >= 84  # 96 less the 12 held out; the rest may come near by chance
    _, report = evaluation.evaluate("tiny", runtime, data="own.data", samples=100, seed=8, out=Path("own"))
    assert report["memorisation"]["nearer"] < 20
    tables = json.loads(Path("own/evaluation.json").read_text())["tables"]
    rows = {row["compared"]: row for row in tables["comparisons"]}
    assert rows["samples_with_training"]["precision"] > 0.7

"""The page of a run: it holds what happened, and nothing in it can run or call out."""

from __future__ import annotations

import json
import re

import pytest
from PIL import Image

from luoxia.recipes.evaluation_page import section
from luoxia.recipes.report import SHOWN, page, write_report
from luoxia.train.run import Metrics, Run

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def run(tmp_path):
    recipe = {
        "recipe": "vae",
        "seed": 7,
        "settings": {"batch_size": 16, "likelihood": HOSTILE},
        "data": {"name": HOSTILE, "licence": [f"CC0 {HOSTILE}"]},
    }
    run = Run.begin(tmp_path / "run", recipe)
    metrics = Metrics(run.folder / "metrics.jsonl")
    for step in range(1, 21):
        metrics.add({"step": step, "bits_per_dim": 3 - step / 10, "kl": float("nan") if step == 5 else 1.0})
    metrics.add({"step": 20, "held_out_bits_per_dim": 1.5})
    (run.folder / "samples").mkdir()
    for step in range(1, 21):
        Image.new("L", (8, 8), step).save(run.folder / "samples" / f"step-{step:08d}.png")
    return run


@pytest.mark.parametrize(("lang", "word"), [("en", "licences"), ("zh", "许可")])
def test_it_shows_curves_samples_settings_and_licences(run, lang, word):
    html = page(run, lang)
    assert word in html
    assert html.count("<svg") == 2  # bits per dimension of both kinds in one, and the KL
    assert html.count("<img") == SHOWN
    assert "step 20" in html or "第 20 步" in html
    assert "<th>batch_size</th><td>16</td>" in html
    assert "CC0" in html


def test_nothing_in_it_runs_or_leaves(run):
    html = page(run, "en")
    assert "<script" not in html
    assert "default-src 'none'" in html
    references = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert references
    assert all(reference.startswith("data:image/png;base64,") for reference in references)


def test_a_run_without_anything_yet_has_a_page_too(tmp_path):
    empty = Run.begin(tmp_path / "run", {"recipe": "gan"})
    write_report(empty)
    assert "gan" in (empty.folder / "report.html").read_text()


def test_metrics_forget_what_a_resumed_run_does_again_and_a_line_cut_short(run):
    metrics = Metrics(run.folder / "metrics.jsonl")
    with metrics.path.open("a") as file:
        file.write('{"step": 21, "bits_')
    assert len(metrics.read()) == 21
    metrics.rewind(7)
    assert [row["step"] for row in metrics.read()] == list(range(1, 8))
    assert json.loads((run.folder / "recipe.json").read_text())["format"] == 1


def test_quality_at_checkpoints_has_names_and_says_what_it_depends_on(tmp_path):
    facts = {"scores": {"extractor": "pixels", "against": "training", "real": 90, "samples": 256}}
    run = Run.begin(tmp_path / "run", {"recipe": "stylegan", "facts": facts})
    for step in (1, 2, 3):
        row = {
            "kid": 0.5 / step,
            "frechet_distance": 9.0 / step,
            "precision": 0.1,
            "recall": 0.2,
            "ppl": 70.0,
        }
        Metrics(run.folder / "metrics.jsonl").add(
            {"step": step, **{f"held_out_{k}": v for k, v in row.items()}}
        )
    html = page(run, "en")
    assert "256 samples with 90 training pictures, on features of pixels" in html
    titles = re.findall(r"<title>([^<]*)</title><text", html)
    assert titles == [
        "Fréchet distance (FID)",
        "kernel distance (KID)",
        "precision and recall",
        "perceptual path length in W, at ends",
    ]
    assert "EfficientNet-Lite0 in the form of LPIPS" in html
    assert "核距离（KID）" in page(run, "zh")


def test_an_evaluation_has_its_tables_and_sheets_in_order(run):
    found = {
        "extractor": HOSTILE,
        "precision": 0.12345,
        "learned_from_these": False,
        "memorisation": {"share": 0.1, "z": 2.0, "nearer": 3, "samples": 100, "bound": 1.5},
        "tables": {
            "truncation": [
                {"psi": 0.0, "kid": 0.5, "precision": 1.0},
                {"psi": 1.0, "kid": -0.1, "precision": 0.5},
            ],
            "inversions": [{"picture": 1, "w_plus_psnr": 20.123}, {"picture": "mean", "w_plus_psnr": 20.123}],
        },
    }
    (run.folder / "evaluation.json").write_text(json.dumps(found))
    (run.folder / "evaluation").mkdir()
    for sheet in ("worst", "best", "truncation", "unheard"):
        Image.new("RGB", (4, 4)).save(run.folder / "evaluation" / f"{sheet}.png")
    html = section(run.folder, "en")
    assert "<script" not in html
    assert "<td>0.1235</td>" in html
    assert "3 of 100" in html
    assert "<th>truncation ψ</th><th>kernel distance (KID)</th><th>precision</th>" in html
    assert "<th>W+, dB</th>" in html
    assert "<td>mean</td><td>20.12</td>" in html
    order = re.findall(r'alt="([^"]*)"', html)
    assert [text.split()[0] for text in order] == ["The", "The", "The", "unheard"]
    assert ["truncation" in order[0], "likeliest" in order[1], "unlikeliest" in order[2]] == [True] * 3
    assert html.count("<svg") == 2  # the kernel distance and precision over truncation
    assert "平均" in section(run.folder, "zh")

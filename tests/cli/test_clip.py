"""`luoxia clip`, and CLIPs that come and go through `luoxia models`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_clip
import tiny_drawing
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_pictures import pictures

from luoxia.data import prepared
from luoxia.weights import clip_folder

RED, CHINESE = tiny_clip.CAPTIONS["red"]


@pytest.fixture(autouse=True)
def squares(home: Path) -> Path:
    tiny_clip.keep()
    return tiny_clip.folder_of_squares(home / "squares")


@pytest.mark.parametrize("text", [RED, CHINESE])
def test_a_search_lists_the_nearest_and_lays_them_out(run, text) -> None:
    outcome = run("clip", "search", text, "squares", "-n", "4", "--model", "tiny", "--sheet", "found.png")
    assert outcome.code == 0, outcome.err
    rows = [line.split() for line in outcome.out.splitlines()]
    assert rows[0] == ["rank", "cosine", "picture"]
    assert {row[2].split("-")[0] for row in rows[1:]} == {"red"}
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4"]
    with Image.open("found.png") as sheet:
        assert sheet.size == (4 * 128 + 3 * 4, 128)
        first = np.asarray(sheet)[:128, :128][::8, ::8]
    with Image.open(Path("squares") / rows[1][2]) as best:
        assert np.array_equal(first, np.asarray(best))


def test_texts_are_ranked_by_how_they_fit(run) -> None:
    outcome = run(
        *("clip", "score", "squares/green-1.png", RED, tiny_clip.CAPTIONS["green"][0], "--model", "tiny")
    )
    assert outcome.code == 0, outcome.err
    rows = outcome.out.splitlines()
    assert "green" in rows[1]
    shares = [float(row.split("%")[0]) for row in rows[1:]]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert shares[0] > 60
    alone = run("clip", "score", "squares/green-1.png", RED, "--model", "tiny").out.splitlines()
    assert alone[0].split() == ["cosine", "text"]


def test_pictures_are_put_into_classes(run) -> None:
    words = [captions[0] for captions in tiny_clip.CAPTIONS.values()]
    outcome = run("clip", "classify", "squares", *words, "--model", "tiny", "--template", "{}")
    assert outcome.code == 0, outcome.err
    for row in outcome.out.splitlines()[1:]:
        assert row.split()[-1].split("-")[0] in row.split("square")[0]


def test_what_cannot_be_done_is_said_in_one_line(refused, home) -> None:
    (home / "empty").mkdir()
    (home / "note.png").write_text("no picture")
    (home / "drawer").mkdir()
    tiny_drawing.keep(home / "drawer")
    tiny = ("--model", "tiny")
    for arguments, words in (
        (("search", "", "squares", *tiny), "empty"),
        (("search", "a" * 10_000, "squares", *tiny), "10,000 characters"),
        (("search", RED, "empty", *tiny), "no picture"),
        (("search", RED, "nowhere/", *tiny), "there is no nowhere/"),
        (("search", RED, "squares", "--sheet", "a.gif", *tiny), ".png"),
        (("search", RED, "squares", "--model", "drawer"), "drawer has no CLIP; name one"),
        (("search", RED, "squares", "--model", "none"), "there is no CLIP"),
        (("score", "note.png", RED, *tiny), "not a picture"),
        (("score", "missing.png", RED, *tiny), "cannot be read"),
        (("score", "squares/red-0.png", " ", *tiny), "empty"),
        (("classify", "squares", "one", *tiny), "two different"),
        (("classify", "squares", "one", "two", "--template", "a thing", *tiny), "{}"),
    ):
        assert words in refused("clip", *arguments), arguments


def test_a_long_text_is_read_as_far_as_it_goes(run) -> None:
    outcome = run("clip", "search", f"{RED} {'and more ' * 60}", "squares", "--model", "tiny")
    assert outcome.code == 0
    assert "only the beginning" in outcome.err


def test_a_published_clip_comes_in_and_goes_out_again(run, refused) -> None:
    out = run("models", "export", "tiny", "-o", "theirs")
    assert out.code == 0, out.err
    assert {path.name for path in Path("theirs").iterdir()} >= {"config.json", "model.safetensors"}
    kept = run("models", "import", "theirs", "--as", "again")
    assert kept.code == 0, kept.err
    assert "16 x 16 pixels" in kept.err
    a, b = (clip_folder.find(name) for name in ("tiny", "again"))
    text = [torch.from_numpy(of.tokenizer.encode([CHINESE], 24)) for of in (a, b)]
    vectors = [of.network().encode_text(ids) for of, ids in zip((a, b), text, strict=True)]
    torch.testing.assert_close(vectors[0], vectors[1], atol=1e-5, rtol=1e-5)
    assert run("clip", "search", RED, "squares", "--model", "theirs", "-n", "1").code == 0
    assert "already" in refused("models", "import", "theirs", "--as", "again")
    assert "already" in refused("models", "export", "tiny", "-o", "theirs")


def test_folders_that_hold_no_clip_are_refused(refused, home) -> None:
    folder = clip_folder.find("tiny").weights.parent
    told = json.loads((folder / "model.json").read_text())
    for name, change in (
        ("other", {"family": "stylegan"}),
        ("width", {"network": told["network"] | {"n_embd": 64}}),
        ("begin", {"begin": "x"}),
    ):
        broken = home / name
        broken.mkdir()
        (broken / "model.json").write_text(json.dumps(told | change))
        for part in ("model.safetensors", "tokenizer.json"):
            (broken / part).write_bytes((folder / part).read_bytes())
        assert name in refused("clip", "search", RED, "squares", "--model", name)
    (home / "torn").mkdir()
    for part in ("model.json", "tokenizer.json"):
        (home / "torn" / part).write_bytes((folder / part).read_bytes())
    held = load_file(folder / "model.safetensors")
    held.pop("text.wpe")
    save_file(held, home / "torn" / "model.safetensors")
    assert "text.wpe" in refused("clip", "search", RED, "squares", "--model", "torn")


def test_a_run_is_trained_evaluated_and_searched_with(run, refused, home) -> None:
    prepared.write(home / "pairs.data", pictures(96, size=16))
    small = [f"{name}={value}" for name, value in tiny_clip.SMALL.items()]
    sets = [part for setting in [*small, "checkpoint_every=4"] for part in ("--set", setting)]
    outcome = run("train", "clip", "--data", "pairs.data", "--steps", "4", "--seed", "1", *sets, "-o", "run")
    assert outcome.code == 0, outcome.err
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    scored = next(row for row in rows if "held_out_mean_recall" in row)
    assert {f"held_out_image_to_text_r{k}_{of}" for k in (1, 5) for of in ("en", "zh")} <= scored.keys()
    assert Path("run/samples/step-00000004.png").is_file()
    outcome = run("evaluate", "run")
    assert outcome.code == 0, outcome.err
    assert "captions that find their picture in the nearest 1, Chinese" in outcome.out
    report = json.loads(Path("run/evaluation.json").read_text())
    assert report["mean_recall"] == pytest.approx(scored["held_out_mean_recall"])
    assert {row["recall"] for row in report["tables"]["recall"]} >= {"text_to_image_r5"}
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "Captions, and what each finds" in page
    assert "a red square of class 0" in page
    assert run("clip", "search", RED, "squares", "--model", "run", "-n", "3").code == 0
    assert run("models", "import", "run", "--as", "mine").code == 0
    a, b = (clip_folder.find(name) for name in ("run", "mine"))
    assert a.config == b.config
    assert a.tokenizer.to_json() == b.tokenizer.to_json()
    weights = [of.network().state_dict() for of in (a, b)]
    assert all(
        torch.allclose(weights[0][k], weights[1][k], atol=2e-3) for k in weights[0]
    )  # in half precision
    listed = {line.split()[0]: line.split()[1] for line in run("models").out.splitlines()}
    assert listed["mine"] == listed["tiny"] == "clip"
    assert "no captions" in refused("train", "clip", "--data", "digits")

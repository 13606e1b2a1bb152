"""Whole runs through the command line: killed, resumed, on two processes, with damaged folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from luoxia.cli.main import main
from luoxia.train import checkpoint

TRAIN = ["--data", "digits", "--seed", "3", "--threads", "1"]
SMALL = ["width=8", "latent=4", "log_every=5", "checkpoint_every=5", "sample_every=50", "batch_size=16"]
SETS = [part for setting in SMALL for part in ("--set", setting)]


def command(*arguments: str, processes: int = 1) -> list[str]:
    start = [sys.executable, "-m"]
    if processes > 1:
        port = 20_000 + os.getpid() % 20_000
        start += [
            "torch.distributed.run",
            "--nproc-per-node",
            str(processes),
            "--master-port",
            str(port),
            "-m",
        ]
    return [*start, "luoxia", "train", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "LUOXIA_LANG": "en"}


def run(*arguments: str, processes: int = 1, timeout: float = 120) -> str:
    done = subprocess.run(
        command(*arguments, processes=processes),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def weights(folder: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.steps_in(folder / "train_state")[0]
    return load_file(checkpoint.folder_of(folder / "train_state", newest) / "state.safetensors")


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[k], b[k]) for k in a)


def killed_after(folder: Path, step: int, *arguments: str, processes: int = 1) -> None:
    """Start a run and end it by force once a checkpoint of ``step`` or later is there."""
    job = subprocess.Popen(
        command(*arguments, processes=processes),
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and job.poll() is None:
        if (checkpoint.steps_in(folder / "train_state") or [0])[0] >= step:
            break
        time.sleep(0.005)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    left = checkpoint.steps_in(folder / "train_state")
    assert left
    assert left[0] < 60, "the run ended before it was killed"


@pytest.mark.parametrize(("recipe", "extra"), [("vae", []), ("wgan-gp", ["--set", "precision=bf16"])])
def test_a_killed_run_goes_on_as_if_nothing_had_been(recipe, extra, tmp_path):
    common = [recipe, *TRAIN, "--steps", "60", *SETS, *extra]
    run(*common, "-o", str(tmp_path / "straight"))
    killed_after(tmp_path / "killed", 20, *common, "-o", str(tmp_path / "killed"))
    run("--resume", str(tmp_path / "killed"), "--threads", "1")
    assert equal(weights(tmp_path / "straight"), weights(tmp_path / "killed"))
    rows = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("straight", "killed")
    ]
    timeless = [[{k: v for k, v in row.items() if k != "images_per_second"} for row in part] for part in rows]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize("extra", [[], ["--set", "shard=true"]], ids=["replicated", "split"])
def test_two_processes_resume_exactly_and_both_take_part(extra, tmp_path):
    common = ["vae", *TRAIN, "--steps", "60", *SETS, *extra]
    run(*common, "-o", str(tmp_path / "straight"), processes=2)
    killed_after(tmp_path / "killed", 20, *common, "-o", str(tmp_path / "killed"), processes=2)
    run("--resume", str(tmp_path / "killed"), "--threads", "1", processes=2)
    two = weights(tmp_path / "straight")
    assert equal(two, weights(tmp_path / "killed"))
    assert json.loads((tmp_path / "straight" / "recipe.json").read_text())["world"] == 2
    run(*common, "-o", str(tmp_path / "alone"))
    assert not equal(two, weights(tmp_path / "alone"))


def test_split_weights_learn_the_same_and_are_written_whole(tmp_path):
    common = ["vae", *TRAIN, "--steps", "10", *SETS]
    run(*common, "-o", str(tmp_path / "replicated"), processes=2)
    said = run(*common, "--set", "shard=true", "-o", str(tmp_path / "split"), processes=2)
    assert "Done" in said
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in ("replicated", "split"))
    assert {k: v.shape for k, v in a.items()} == {k: v.shape for k, v in b.items()}
    assert max(float((a[k] - b[k]).abs().max()) for k in a) < 1e-3
    recipe = tmp_path / "split/recipe.json"
    recipe.write_text(recipe.read_text().replace('"steps": 10', '"steps": 20'))
    assert "begun with 2 processes" in run("--resume", str(tmp_path / "split"), "--threads", "1")


def test_adversaries_are_not_split(tmp_path):
    arguments = command(
        "wgan-gp", *TRAIN, *SETS, "--set", "shard=true", "-o", str(tmp_path / "r"), processes=2
    )
    done = subprocess.run(arguments, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "cannot be split: leave shard out" in done.stderr


def test_a_stop_saves_and_says_how_to_go_on(tmp_path):
    folder = tmp_path / "run"
    job = subprocess.Popen(
        command("vae", *TRAIN, "--steps", "100000", *SETS, "-o", str(folder)),
        env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not checkpoint.steps_in(folder / "train_state"):
        time.sleep(0.02)
    job.send_signal(signal.SIGINT)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 130
    assert f"luoxia train --resume {folder}" in said
    stopped = checkpoint.load(
        checkpoint.folder_of(folder / "train_state", checkpoint.steps_in(folder / "train_state")[0])
    )
    assert f"after step {stopped.step};" in said


@pytest.fixture
def finished(tmp_path) -> Path:
    folder = tmp_path / "run"
    assert main(["train", "vae", *TRAIN, "--steps", "10", *SETS, "-o", str(folder)]) == 0
    return folder


def test_a_run_folder_holds_what_it_promises(finished):
    recipe = json.loads((finished / "recipe.json").read_text())
    assert recipe["recipe"] == "vae"
    assert recipe["seed"] == 3
    assert recipe["settings"]["batch_size"] == 16
    assert recipe["data"]["licence"]
    assert checkpoint.steps_in(finished / "train_state") == [10, 5]
    assert (finished / "samples" / "step-00000010.png").stat().st_size > 100
    assert load_file(finished / "model.safetensors").keys()
    assert not list(finished.rglob("*.part")) + list(finished.rglob("*.tmp"))


def test_a_checkpoint_cut_short_is_told_and_the_one_before_is_taken(finished, capsys):
    newest = finished / "train_state" / "step-00000010" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    recipe = json.loads((finished / "recipe.json").read_text())
    assert main(["train", "--resume", str(finished), "--threads", "1"]) == 0
    said = capsys.readouterr().err
    assert "cut short" in said
    assert "steps 5 to 10" in said
    assert recipe["settings"]["steps"] == 10


def test_a_full_disk_leaves_the_checkpoint_before(finished, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    state = checkpoint.load(finished / "train_state" / "step-00000010")
    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(finished / "train_state", checkpoint.State(11, state.tensors, state.rest))
    assert checkpoint.steps_in(finished / "train_state") == [10, 5]
    assert not list((finished / "train_state").glob("*.tmp"))


def one_line(capsys, arguments: list[str]) -> str:
    assert main(["train", *arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1, said
    return said


def test_bad_requests_get_one_line(finished, capsys, tmp_path):
    capsys.readouterr()
    new = ["-o", str(tmp_path / "new")]
    assert "wgan-gp" in one_line(capsys, ["wgan-pg", "--data", "digits", *new])
    assert "digits" in one_line(capsys, ["vae", "--data", "digit", *new])
    assert "batch_size" in one_line(capsys, ["vae", "--data", "digits", "--set", "batch_sise=3", *new])
    assert "NAME=VALUE" in one_line(capsys, ["vae", "--data", "digits", "--set", "batch_size", *new])
    assert "--data digits" in one_line(capsys, ["vae"])
    assert "leave the other options" in one_line(capsys, ["vae", "--resume", str(finished)])
    assert "recipe.json" in one_line(capsys, ["--resume", str(tmp_path)])
    assert "--resume" in one_line(capsys, ["vae", "--data", "digits", "-o", str(finished)])
    assert not (tmp_path / "new").exists()
    recipe = json.loads((finished / "recipe.json").read_text())
    (finished / "recipe.json").write_text(json.dumps(recipe | {"format": 99}))
    assert "another version" in one_line(capsys, ["--resume", str(finished)])
    (finished / "recipe.json").write_text(json.dumps(recipe)[:-40])
    assert "recipe.json" in one_line(capsys, ["--resume", str(finished)])
    (finished / "recipe.json").write_text(json.dumps(recipe | {"data": recipe["data"] | {"digest": "0"}}))
    assert "content has changed" in one_line(capsys, ["--resume", str(finished)])


def test_runs_are_listed_side_by_side(finished, capsys):
    capsys.readouterr()
    assert main(["runs", str(finished.parent)]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert "best score" in heading
    assert row.startswith("run")
    assert "10/10" in row
    assert "bits_per_dim" in row
    with (finished / "metrics.jsonl").open("a") as file:  # of a game: scored by several, ranked by one
        file.write('{"step": 7, "held_out_kid": 0.3, "held_out_precision": 0.0, "held_out_coverage": 0.1}\n')
    assert main(["runs", str(finished.parent)]) == 0
    assert "kid 0.3" in capsys.readouterr().out
    assert main(["runs", str(finished / "samples")]) == 2
    assert main(["runs", str(finished / "nowhere")]) == 2


def test_a_run_is_measured(finished, capsys):
    capsys.readouterr()
    assert main(["evaluate", str(finished), "--samples", "100"]) == 0
    printed = capsys.readouterr()
    report = json.loads((finished / "evaluation.json").read_text())
    assert report["extractor"] == "pixels"
    assert report["samples"] == 100
    assert report["held_out"] == 179
    assert 2 < report["bits_per_dim_of_independent_pixels"] < 3
    assert report["bits_per_dim_of_gaussian_mixture"] > 2
    assert report["bits_per_dim"] > 3  # ten steps are not enough
    assert 0 <= report["precision"] <= 1
    assert "Fréchet distance" in printed.out
    assert report["bits_per_dim_of_64_samples"] < report["bits_per_dim"]  # more draws, a tighter bound
    assert report["classifier_accuracy"] > 0.9
    assert report["classes_in_held_out"] > 9
    assert report["classes_in_samples"] < 5  # ten steps: one grey shape
    sheets = {path.stem for path in (finished / "evaluation").iterdir()}
    assert sheets == {"best", "worst", "nearest", "reconstructions", "traversals", "interpolations"}
    page = (finished / "report.html").read_text()
    assert page.count("data:image/png") == 6 + len(list((finished / "samples").iterdir()))
    assert "Fréchet distance" in page
    real = {row["compared"]: row["frechet_distance"] for row in report["tables"]["comparisons"]}
    assert real["samples_with_held_out"] == report["frechet_distance"] > 3 * real["training_with_held_out"]
    (finished / "evaluation.json").unlink()
    assert main(["evaluate", str(finished), "--samples", "100"]) == 0
    assert json.loads((finished / "evaluation.json").read_text()) == report


def test_what_cannot_be_measured_is_said_in_one_line(finished, capsys):
    for damage, words in [
        (lambda: None, "100 to 50,000"),
        (lambda: (finished / "model.safetensors").write_bytes(b"x" * 40), "does not fit"),
        (lambda: (finished / "model.safetensors").unlink(), "no weights yet"),
        (lambda: (finished / "recipe.json").unlink(), "recipe.json"),
    ]:
        damage()
        capsys.readouterr()
        assert main(["evaluate", str(finished), "--samples", "5" if words.startswith("100 ") else "100"]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert words in said[-1]
        assert len(said) == 1

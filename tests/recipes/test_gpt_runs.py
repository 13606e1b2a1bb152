"""Whole runs of GPT through the command line: on two processes, split between them, killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_corpus
import torch
from safetensors.torch import load_file

from luoxia.train import checkpoint

SETS = {"depth": 2, "width": 32, "heads": 2, "block_size": 32, "learning_rate": 1e-3, "precision": "float32"}
SETS |= {"log_every": 1, "sample_every": 1000, "checkpoint_every": 4, "accumulate": 1, "warmup": 2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_corpus.keep(tmp_path_factory.mktemp("text") / "a.tokens", 200).folder)


def command(*arguments: str, processes: int = 1, **sets: object) -> list[str]:
    start = [sys.executable, "-m"]
    if processes > 1:
        port = 40_000 + os.getpid() % 20_000
        start += [
            "torch.distributed.run",
            "--nproc-per-node",
            str(processes),
            "--master-port",
            str(port),
            "-m",
        ]
    told = [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    return [*start, "luoxia", "train", *arguments, *told, "--threads", "1"]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "LUOXIA_LANG": "en"}


def run(*arguments: str, processes: int = 1, **sets: object) -> str:
    told = command(*arguments, processes=processes, **sets)
    done = subprocess.run(told, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


def losses(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["nats_per_token"] for row in rows if "nats_per_token" in row]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.steps_in(folder / "train_state")[0]
    return load_file(checkpoint.folder_of(folder / "train_state", newest) / "state.safetensors")


def test_two_processes_learn_what_one_does_from_the_same_batches_and_go_on_as_one(corpus, tmp_path) -> None:
    common = ("gpt", "--data", corpus, "--seed", "3", "--steps", "8")
    said = run(*common, "-o", str(tmp_path / "one"), batch_size=8, **SETS)
    assert "Measured here, the steps will take about" in said
    run(*common, "-o", str(tmp_path / "two"), processes=2, batch_size=4, **SETS)
    muon = SETS | {"optimizer": "muon", "batch_size": 4}
    run(*common, "-o", str(tmp_path / "split"), processes=2, **(muon | {"shard": True}))
    run(*common, "-o", str(tmp_path / "whole"), **(muon | {"batch_size": 8}))
    for a, b in (("one", "two"), ("whole", "split")):
        assert losses(tmp_path / a) == pytest.approx(losses(tmp_path / b), rel=2e-4), (a, b)
        found, wanted = weights(tmp_path / b), weights(tmp_path / a)
        assert found.keys() == wanted.keys()
        assert max(float((found[k].float() - wanted[k].float()).abs().max()) for k in wanted) < 2e-3
    recipe = tmp_path / "split/recipe.json"
    recipe.write_text(recipe.read_text().replace('"steps": 8', '"steps": 10'))
    assert "begun with 2 processes" in run("--resume", str(tmp_path / "split"))
    assert len(losses(tmp_path / "split")) == 10


def test_a_killed_run_goes_on_as_if_nothing_had_been(corpus, tmp_path) -> None:
    common = ("gpt", "--data", corpus, "--seed", "3", "--steps", "40")
    sets = SETS | {"batch_size": 8, "precision": "bf16", "optimizer": "muon"}
    run(*common, "-o", str(tmp_path / "straight"), **sets)
    folder = tmp_path / "killed"
    told = command(*common, "-o", str(folder), **sets)
    job = subprocess.Popen(told, env=environment(), stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and job.poll() is None:
        if (checkpoint.steps_in(folder / "train_state") or [0])[0] >= 8:
            break
        time.sleep(0.005)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    assert 0 < checkpoint.steps_in(folder / "train_state")[0] < 40
    run("--resume", str(folder))
    assert losses(folder) == losses(tmp_path / "straight")
    found, wanted = weights(folder), weights(tmp_path / "straight")
    assert all(torch.equal(found[k], wanted[k]) for k in wanted)

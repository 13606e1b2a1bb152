"""Whole runs of GPT through the command line: on two processes, split between them, killed and resumed."""

from __future__ import annotations

import json
import os
import socket
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


def command(*arguments: str, **sets: object) -> list[str]:
    told = [part for name, value in sets.items() for part in ("--set", f"{name}={value}")]
    return [sys.executable, "-m", "luoxia", "train", *arguments, *told, "--threads", "1"]


def started(told: list[str], rank: int = 0, world: int = 1, port: int = 0) -> subprocess.Popen[str]:
    """One process of a run, told what torchrun would tell it."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LUOXIA_LANG": "en"}
    environment |= {k: str(v) for k, v in place.items()} if world > 1 else {}
    return subprocess.Popen(told, env=environment, stderr=subprocess.PIPE, text=True)


def run(*arguments: str, processes: int = 1, **sets: object) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    jobs = [started(command(*arguments, **sets), rank, processes, port) for rank in range(processes)]
    said = [job.communicate(timeout=300)[1] for job in jobs]
    assert all(job.returncode == 0 for job in jobs), "\n".join(said)
    return said[0]


def losses(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["nats_per_token"] for row in rows if "nats_per_token" in row]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.steps_in(folder / "train_state")[0]
    return load_file(checkpoint.folder_of(folder / "train_state", newest) / "state.safetensors")


def test_two_processes_learn_what_one_does_from_the_same_batches_and_go_on_as_one(corpus, tmp_path) -> None:
    """Muon's case, whose every matrix must be made whole: Adam's is PyTorch's own."""
    common, sets = ("gpt", "--data", corpus, "--seed", "3", "--steps", "8"), SETS | {"optimizer": "muon"}
    said = run(*common, "-o", str(tmp_path / "one"), batch_size=8, **sets)
    assert "Measured here, the steps will take about" in said
    run(*common, "-o", str(tmp_path / "two"), processes=2, batch_size=4, **sets)
    run(*common, "-o", str(tmp_path / "split"), processes=2, batch_size=4, shard=True, **sets)
    wanted = weights(tmp_path / "one")
    for name in ("two", "split"):
        assert losses(tmp_path / name) == pytest.approx(losses(tmp_path / "one"), rel=2e-4), name
        found = weights(tmp_path / name)
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
    job = started(command(*common, "-o", str(folder), **sets))
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and job.poll() is None:
        if (checkpoint.steps_in(folder / "train_state") or [0])[0] >= 8:
            break
        time.sleep(0.005)
    job.kill()
    job.communicate()
    assert 0 < checkpoint.steps_in(folder / "train_state")[0] < 40
    run("--resume", str(folder))
    assert losses(folder) == losses(tmp_path / "straight")
    found, wanted = weights(folder), weights(tmp_path / "straight")
    assert all(torch.equal(found[k], wanted[k]) for k in wanted)

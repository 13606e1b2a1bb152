"""A plan says what a run then takes, and proposes what fits."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from luoxia.cli.main import main
from luoxia.core.runtime import Runtime
from luoxia.data.examples import IMAGES
from luoxia.data.images import load
from luoxia.recipes import plan, session
from luoxia.recipes.plan import Cost
from luoxia.train import checkpoint

TINY = {"width": 8, "latent": 4, "batch_size": 16}
COST = Cost(32, "bf16", IMAGES, 64, 1000, 0.5, 1.0, 10.0, 10**9, 10**6)


def test_weights_disk_and_steps_are_those_of_the_run(tmp_path):
    cost = plan.measure("vae", "digits", None, TINY, "cpu", 1)
    cpu = Runtime(torch.device("cpu"), torch.float32, 1, "test")
    work = session.begin("vae", "digits", tmp_path / "run", cpu, seed=1, changes=TINY | {"steps": 2})
    work.train()
    assert cost.weights == sum(p.numel() for p in work.training.modules["vae"].parameters())
    folder = checkpoint.folder_of(work.run.checkpoints, 2)
    on_disk = sum(p.stat().st_size for p in folder.iterdir())
    assert cost.checkpoint == pytest.approx(on_disk, rel=0.1)
    assert 0 < cost.step < 10
    assert cost.per_second == pytest.approx(16 / cost.step)
    assert 10**8 < cost.memory < plan.free_memory(cpu.device) * 10


def test_a_phase_counts_by_its_rhythm():
    """One of three critic steps moves the generator: an average step costs less than one that moves both."""
    often = plan.measure("wgan-gp", "digits", None, TINY | {"critic_steps": 1}, "cpu", 1, scored=False)
    seldom = plan.measure("wgan-gp", "digits", None, TINY | {"critic_steps": 50}, "cpu", 1, scored=False)
    assert seldom.step < often.step


def test_the_whole_run_is_steps_sheets_and_scores():
    settings = dataclasses.replace(
        session.catalogue.find("vae").settings, steps=100, sample_every=50, checkpoint_every=25
    )
    assert COST.seconds(settings) == pytest.approx(100 * 0.5 + 2 * 1.0 + 4 * 10.0)


def test_another_setting_is_proposed_where_it_is_well_faster_and_fits():
    faster = dataclasses.replace(COST, batch_size=64, step=0.6)
    hardly = dataclasses.replace(COST, batch_size=64, step=0.95)
    large = dataclasses.replace(faster, memory=10**11)
    assert plan.recommended([COST, hardly], 10**10) is COST
    assert plan.recommended([COST, faster], 10**10) is faster
    assert plan.recommended([COST, large], 10**10) is COST
    assert plan.recommended([large], 10**10) is None


def test_neighbours_stay_within_the_data():
    settings = session.catalogue.find("vae").settings
    images = load("digits")
    batches = [n.get("batch_size") for n in plan.neighbours(settings, images, {})]
    assert batches == [None, 32, 128]
    most = dataclasses.replace(settings, batch_size=1024)
    assert 2048 not in [n.get("batch_size") for n in plan.neighbours(most, images, {})]


def test_the_command_prints_costs_and_the_command_to_run_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = [f"--set={k}={v}" for k, v in TINY.items()]
    assert main(["plan", "vae", "--data", "digits", "--steps", "50", "--threads", "1", *settings]) == 0
    out, err = capsys.readouterr()
    assert "memory at its peak" in out
    assert out.splitlines()[-1].startswith("luoxia train vae --data digits --steps 50 --set width=8")
    assert "Measuring" in err
    assert list(tmp_path.iterdir()) == []
    assert main(["plan", "vea", "--data", "digits"]) == 2
    assert "vae" in capsys.readouterr().err

"""Numbers and samples reach TensorBoard where it is installed, each step once."""

from __future__ import annotations

import pytest
import torch
from tiny_pictures import pictures

from luoxia.core.runtime import Runtime
from luoxia.data import prepared
from luoxia.recipes import session
from luoxia.train import board
from luoxia.train.loop import Stop


def test_a_resumed_run_shows_each_step_once(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is optional")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    prepared.write(tmp_path / "set.data", pictures())
    cpu = Runtime(torch.device("cpu"), torch.float32, 1, "test")
    changes = {"steps": 8, "batch_size": 8, "width": 8, "latent": 4, "log_every": 1, "sample_every": 4}
    work = session.begin("vae", str(tmp_path / "set.data"), tmp_path / "run", cpu, seed=1, changes=changes)
    stop = Stop()

    def at_five(report):
        stop.asked = report.step == 5

    work.train(show=at_five, stop=stop)
    session.resume(tmp_path / "run", cpu).train()
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    steps = [event.step for event in events.Scalars("bits_per_dim")]
    assert steps == list(range(1, 9))
    assert [event.step for event in events.Images("samples")] == [4, 8]


def test_every_board_is_closed_when_a_run_goes_back_or_ends(tmp_path, monkeypatch):
    opened, closed = [], []

    class Watched(board.Board):
        def close(self):
            closed.append(self)

    monkeypatch.setattr(board, "open_board", lambda *_: opened.append(Watched()) or opened[-1])
    prepared.write(tmp_path / "set.data", pictures())
    cpu = Runtime(torch.device("cpu"), torch.float32, 1, "test")
    changes = {"steps": 6, "batch_size": 8, "width": 8, "latent": 4, "checkpoint_every": 2, "auto": True}
    work = session.begin("vae", str(tmp_path / "set.data"), tmp_path / "run", cpu, seed=1, changes=changes)
    step = work.engine.step

    def breaking(batch):
        step(batch)
        if work.engine.done == 5 and len(opened) == 1:
            next(work.training.modules["vae"].parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(work.engine, "step", breaking)
    work.train()
    assert work.engine.done == 6
    assert len(opened) == 2
    assert [id(b) for b in closed] == [id(b) for b in opened]

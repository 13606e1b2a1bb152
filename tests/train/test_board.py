"""Numbers and samples reach TensorBoard where it is installed, each step once."""

from __future__ import annotations

import pytest
import torch
from tiny_pictures import pictures

from luoxia.core.runtime import Runtime
from luoxia.data import prepared
from luoxia.recipes import session
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

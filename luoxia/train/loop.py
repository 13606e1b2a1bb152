"""From a run's folder to a trained model: steps, reports, samples, checkpoints; stops when asked, goes on when called.

A stop (Ctrl-C, SIGTERM) ends the step at hand, writes a checkpoint and returns. A second one ends at once; the last
checkpoint stays whole.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from PIL.Image import Image

from luoxia.core.folder import write_atomically
from luoxia.core.images import grid
from luoxia.data.batches import Batches
from luoxia.train import checkpoint
from luoxia.train.engine import Engine, to_bytes
from luoxia.train.randomness import generator
from luoxia.train.run import Metrics, Run

COLUMNS = 8  # of a sample grid


@dataclass(frozen=True)
class Report:
    """What a line of progress shows: ``seconds`` since this process began to train, images a second since the last."""

    step: int
    steps: int
    seconds: float
    seconds_left: float
    images_per_second: float
    values: dict[str, float]


class Stop:
    """Whether someone asked the training to end."""

    def __init__(self) -> None:
        self.asked = False

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[Stop]:
        """Ctrl-C and SIGTERM ask once; the second time they interrupt as usual."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.getsignal(kind) for kind in kinds}

        def ask(*_: object) -> None:
            self.asked = True
            for kind in kinds:
                signal.signal(kind, before[kind] or signal.SIG_DFL)

        for kind in kinds:
            signal.signal(kind, ask)
        try:
            yield self
        finally:
            for kind in kinds:
                signal.signal(kind, before[kind] or signal.SIG_DFL)


def train(
    run: Run,
    engine: Engine,
    batches: Batches,
    *,
    show: Callable[[Report], None] = lambda _: None,
    kept: Callable[[], None] = lambda: None,
    stop: Stop | None = None,
) -> bool:
    """Train until the last step or a stop; returns whether the last step was reached. ``engine`` is fresh or restored.

    The first process calls ``show`` at each report and ``kept`` behind each checkpoint.
    """
    keeper = _Keeper(run, engine)
    if engine.processes.first:
        keeper.metrics.rewind(engine.done)
    stop, steps = stop or Stop(), engine.settings.steps
    began = reported = time.perf_counter()
    first = reported_at = engine.done
    stream = batches.stream(engine.done)
    with contextlib.closing(stream), stop.on_signals():
        while engine.done < steps:
            engine.step(next(stream))
            done, at_end = engine.done, engine.done == steps
            stopped = engine.processes.any(stop.asked)
            if done % engine.settings.log_every == 0 or at_end:
                values, now = engine.take_notes(), time.perf_counter()
                images = (done - reported_at) * engine.settings.batch_size * engine.processes.world
                rate = images / (now - reported)
                left = (now - began) / (done - first) * (steps - done)
                report = Report(done, steps, now - began, left, rate, values)
                reported, reported_at = now, done
                if engine.processes.first:
                    keeper.metrics.add({"step": done, "images_per_second": round(rate, 1), **values})
                    show(report)
            if done % engine.settings.sample_every == 0 or at_end:
                keeper.draw()
            if done % engine.settings.checkpoint_every == 0 or at_end or stopped:
                keeper.save(score=done % engine.settings.checkpoint_every == 0 or at_end)
                if engine.processes.first:
                    kept()
            if stopped:
                break
    return engine.done >= steps


class _Keeper:
    """Writes what a run keeps; only the first process does."""

    def __init__(self, run: Run, engine: Engine) -> None:
        self.run, self.engine = run, engine
        self.metrics = Metrics(run.folder / "metrics.jsonl")

    def draw(self) -> None:
        """The sample grid, from noise that is the same at every report."""
        if not self.engine.processes.first:
            return
        with torch.no_grad():
            noise = generator(self.engine.runtime.device, self.engine.seed, 0x5A)
            pictures = self.engine.training.pictures(self.engine.sampled, noise)
        path = self.run.folder / "samples" / f"step-{self.engine.done:08d}.png"
        with write_atomically(path) as file:
            sheet(pictures).save(file, "PNG")

    def save(self, *, score: bool) -> None:
        """A checkpoint and the model, with the held-out scores where the rhythm asks for them."""
        if self.engine.processes.first:
            name, less_is_better = self.engine.training.best
            if score:
                scores = self.engine.training.scores(self.engine.sampled)
                self.metrics.add(
                    {"step": self.engine.done, **{f"held_out_{k}": v for k, v in scores.items()}}
                )
            checkpoint.save(self.run.checkpoints, self.engine.state())
            scored = [r for r in self.metrics.read() if f"held_out_{name}" in r]
            sign = 1 if less_is_better else -1
            best = min(scored, key=lambda row: sign * row[f"held_out_{name}"])["step"] if scored else None
            checkpoint.keep(self.run.checkpoints, last=2, best=best, every=self.engine.settings.keep_every)
            if best in (None, self.engine.done):
                self.run.write_model(self.engine.sampled)
        self.engine.processes.wait()


def sheet(pictures: torch.Tensor) -> Image:
    """Pictures (N, C, H, W) float in [-1, 1] in rows of ``COLUMNS``, small ones enlarged."""
    data = to_bytes(pictures)
    return grid(data, COLUMNS, enlarge=max(1, 64 // data.shape[-1]))

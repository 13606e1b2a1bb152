"""From a run's folder to a trained model: steps, reports, samples, checkpoints; stops when asked, goes on when called.

A stop (Ctrl-C, SIGTERM) ends the step at hand, writes a checkpoint and returns. A second one ends at once; the last
checkpoint stays whole.
"""

from __future__ import annotations

import contextlib
import json
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from PIL.Image import Image

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.images import enlargement, grid
from luoxia.core.pixels import to_bytes
from luoxia.data.batches import Batches
from luoxia.data.examples import Unit
from luoxia.train import board, checkpoint
from luoxia.train.doctor import Doctor, Finding
from luoxia.train.engine import Engine
from luoxia.train.randomness import generator
from luoxia.train.run import Run

COLUMNS = 8  # of a sample grid
ROLLBACKS = 4  # of one run


@dataclass(frozen=True)
class Report:
    """What a line of progress shows: ``seconds`` since this process began to train, ``per_second`` of ``unit`` since
    the last."""

    step: int
    steps: int
    seconds: float
    seconds_left: float
    per_second: float
    unit: Unit
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
    tell: Callable[[Finding], None] = lambda _: None,
    kept: Callable[[], None] = lambda: None,
    stop: Stop | None = None,
) -> bool:
    """Train until the last step, until patience is at its end, or a stop; returns whether it was not a stop. ``engine``
    is fresh or restored.

    The first process calls ``show`` at each report, ``tell`` for each finding of the training doctor and ``kept``
    behind each checkpoint. A run that breaks goes back as ``settings.auto`` says, or raises :class:`UserError`.
    """
    stop, keeper = stop or Stop(), _Keeper(run, engine, tell, kept)
    if engine.settings.auto and not engine.done and not checkpoint.steps_in(run.checkpoints):
        keeper.save(score=False)  # something to go back to
    with stop.on_signals(), contextlib.closing(keeper):
        while not _stretch(engine, batches, keeper, show, stop):
            _go_back(run, engine, keeper)
    return engine.done >= engine.settings.steps or engine.processes.any(keeper.over)


def _stretch(
    engine: Engine, batches: Batches, keeper: _Keeper, show: Callable[[Report], None], stop: Stop
) -> bool:
    """Steps until the last one, a stop, or a break; whether it was not a break."""
    keeper.open()
    steps, unit, began = engine.settings.steps, batches.images.unit, time.perf_counter()
    reported, reported_at = began, engine.done
    # Seconds a step of the last reports: a pause does not count for long.
    pace: deque[float] = deque(maxlen=20)
    with contextlib.closing(batches.stream(engine.done)) as stream:
        while engine.done < steps and not engine.processes.any(keeper.over):
            engine.step(next(stream))
            done, at_end = engine.done, engine.done == steps
            stopped = engine.processes.any(stop.asked)
            if done % engine.settings.log_every == 0 or at_end:
                values, now = engine.take_notes(), time.perf_counter()
                seen = (done - reported_at) * engine.settings.batch_size * engine.processes.world
                rate = seen * unit.each / (now - reported)
                pace.append((now - reported) / max(1, done - reported_at))
                left = median(pace) * (steps - done)
                reported, reported_at = now, done
                if engine.processes.first:
                    show(Report(done, steps, now - began, left, rate, unit, values))
                keeper.note({"step": done, f"{unit.name}_per_second": round(rate, 1), **values})
            if done % engine.settings.sample_every == 0 or at_end:
                keeper.draw()
            if done % engine.settings.checkpoint_every == 0 or at_end or stopped:
                if not engine.finite():  # no broken weights over sound ones
                    keeper.note({"step": done, "weights": math.nan})
                else:
                    keeper.save(score=done % engine.settings.checkpoint_every == 0 or at_end)
            if engine.processes.any(keeper.broken):
                return False
            if stopped:
                break
    return True


def _go_back(run: Run, engine: Engine, keeper: _Keeper) -> None:
    """To the newest sound checkpoint, with half the learning rates, where the settings say so; else raise."""
    rollbacks, state = run.recipe.get("rollbacks", []), run.newest()[0]
    broken_at = engine.done
    if not engine.settings.auto or len(rollbacks) >= ROLLBACKS or state is None:
        if rollbacks:
            raise UserError(
                f"the run broke at step {broken_at}, after {len(rollbacks)} rollbacks: begin again with a lower "
                "learning_rate",
                f"训练在第 {broken_at} 步失效，已回退 {len(rollbacks)} 次：请降低 learning_rate 重新开始",
            )
        sound = state.step if state else 0
        raise UserError(
            f"the run broke at step {broken_at}; it was sound at step {sound}. Begin again with a lower learning_rate, "
            f"or let it go back by itself: luoxia train --resume {run.folder} --auto",
            f"训练在第 {broken_at} 步失效；第 {sound} 步时完好。请降低 learning_rate 重新开始，或让它自动回退："
            f"luoxia train --resume {run.folder} --auto",
        )
    engine.processes.wait()  # all have read the checkpoint before the first one writes
    if engine.processes.first:
        run.amend(rollbacks=[*rollbacks, {"at": broken_at, "to": state.step}])
    else:
        run.recipe["rollbacks"] = [*rollbacks, {"at": broken_at, "to": state.step}]
    engine.take_notes()
    engine.restore(state)
    engine.slower = slower(run)
    keeper.broken = False


def slower(run: Run) -> float:
    """The factor of the learning rates that the run's rollbacks have left."""
    return 0.5 ** len(run.recipe.get("rollbacks", []))


class _Keeper:
    """Writes what a run keeps; only the first process does. ``broken`` once the doctor has found that it is over, ``over``
    once it has got no better for as long as the settings bear."""

    def __init__(
        self, run: Run, engine: Engine, tell: Callable[[Finding], None], kept: Callable[[], None]
    ) -> None:
        self.run, self.engine, self.tell, self.kept = run, engine, tell, kept
        self.broken = self.over = False
        self.metrics, self.board = run.metrics, board.Board()

    def open(self) -> None:
        """Forget what was noted after the step that the engine stands at."""
        if self.engine.processes.first:
            self.board.close()
            self.board = board.open_board(self.run.folder / "tensorboard", self.engine.done)
            self.metrics.rewind(self.engine.done)
            self.run.findings.rewind(self.engine.done)
            best = self.engine.training.best
            self.doctor = Doctor(best, self.metrics.read(), self.run.findings.read())
            self.over = self._spent(self._scored())

    def close(self) -> None:
        self.board.close()

    def note(self, row: dict[str, Any]) -> None:
        """A row of metrics, and what the doctor says to it."""
        if not self.engine.processes.first:
            return
        self.metrics.add(row)
        self.board.scalars(row)
        for finding in self.doctor.hear(row):
            self.run.findings.add(finding.row(row["step"]))
            self.tell(finding)
            grave = finding.level == "grave" and self.engine.settings.auto
            self.broken = self.broken or grave or finding.level == "fatal"

    def draw(self) -> None:
        """The sample grid, or texts, from noise that is the same at every report."""
        modules = self.engine.sampled
        if not self.engine.processes.first:
            return
        with torch.no_grad():
            noise = generator(self.engine.runtime.device, self.engine.seed, 0x5A)
            sample = self.engine.training.sample(modules, noise)
        path = self.run.folder / "samples" / f"step-{self.engine.done:08d}"
        if isinstance(sample, tuple):
            with write_atomically(path.with_suffix(".json")) as file:
                file.write(json.dumps(sample, ensure_ascii=False, indent=1).encode())
            return
        with write_atomically(path.with_suffix(".png")) as file:
            drawn = sheet(sample)
            drawn.save(file, "PNG")
        self.board.picture(drawn, self.engine.done)

    def save(self, *, score: bool) -> None:
        """A checkpoint and the model, with the held-out scores where the rhythm asks for them."""
        modules, state = self.engine.sampled, self.engine.state()
        if self.engine.processes.first:
            training = self.engine.training
            if score:
                scores = {f"held_out_{k}": v for k, v in training.scores(modules).items()}
                vitals = {f"vital_{k}": v for k, v in training.vitals(modules).items()}
                self.note({"step": self.engine.done, **scores, **vitals})
            checkpoint.save(self.run.checkpoints, state)
            scored = self._scored()
            best = scored[0]["step"] if scored else None
            self.over = self._spent(scored)
            checkpoint.keep(self.run.checkpoints, last=2, best=best, every=self.engine.settings.keep_every)
            if best in (None, self.engine.done):
                self.run.write_model(modules)
            self.kept()
        self.engine.processes.wait()

    def _scored(self) -> list[dict[str, Any]]:
        """The rows of scored checkpoints, the best first."""
        name, less_is_better = self.engine.training.best
        rows = [row for row in self.metrics.read() if f"held_out_{name}" in row]
        sign = 1 if less_is_better else -1
        return sorted(rows, key=lambda row: sign * row[f"held_out_{name}"])

    def _spent(self, scored: list[dict[str, Any]]) -> bool:
        """Whether so many checkpoints have followed the best one as the settings bear."""
        later = [row for row in scored if row["step"] > scored[0]["step"]]
        return 0 < self.engine.settings.patience <= len(later)


def sheet(pictures: torch.Tensor) -> Image:
    """Pictures (N, C, H, W) float in [-1, 1] in rows of ``COLUMNS``, small ones enlarged."""
    data = to_bytes(pictures)
    return grid(data, COLUMNS, enlarge=enlargement(data.shape[-1]))

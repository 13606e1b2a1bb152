"""What a training will cost here, measured: seconds, memory and disk, and which neighbours of it fit better.

Each plan runs a few real steps in a process of its own, so that its peak of memory is its own too. Nothing is kept.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from luoxia.core.runtime import resolve
from luoxia.data.batches import Batches
from luoxia.data.examples import Examples, Unit
from luoxia.objectives.phase import Phase
from luoxia.recipes import catalogue
from luoxia.train.engine import Engine, Seen
from luoxia.train.processes import Processes
from luoxia.train.randomness import generator
from luoxia.train.settings import Settings, changed

ENOUGH = 5.0  # seconds of steps that one plan is measured for ...
LEAST, MOST = 3, 60  # ... but so many steps at least and at most, the first not counted
FASTER = 1.15  # times as many pictures a second, from which another setting is worth it
SPARE = 0.8  # of the free memory that a plan may fill
CHECKPOINTS = 3  # that lie on disk at once: the two newest and the best


@dataclass(frozen=True)
class Cost:
    """``step`` seconds of a step, averaged over the rhythm of its phases; ``draw`` and ``score`` those of a sample
    sheet and of a checkpoint's scores; ``memory`` the peak in bytes; ``checkpoint`` bytes on disk. ``size`` is that of
    pictures, 0 of other examples; ``unit`` is what they are counted in."""

    batch_size: int
    precision: str
    unit: Unit
    size: int
    weights: int
    step: float
    draw: float
    score: float
    memory: int
    checkpoint: int

    @property
    def per_second(self) -> float:
        return self.batch_size * self.unit.each / self.step

    def seconds(self, settings: Settings) -> float:
        """Of a whole run of ``settings``."""
        sheets, scored = settings.steps / settings.sample_every, settings.steps / settings.checkpoint_every
        return settings.steps * self.step + sheets * self.draw + scored * self.score

    def disk(self) -> int:
        """Bytes that a run folder grows to, its samples aside."""
        return CHECKPOINTS * self.checkpoint + 4 * self.weights


class _Timed(Engine):
    """An engine that notes the seconds of each phase."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seconds: dict[int, list[float]] = {}

    def _take(self, number: int, phase: Phase, seen: Seen) -> None:
        began = time.perf_counter()
        super()._take(number, phase, seen)
        self.seconds.setdefault(number, []).append(time.perf_counter() - began)


def measure(
    name: str,
    data: str,
    size: int | None,
    changes: dict[str, Any],
    device: str | None,
    threads: int | None,
    *,
    scored: bool = True,
) -> Cost:
    """The cost of recipe ``name`` with ``changes``, in this process, which should be fresh."""
    runtime = resolve(device=device, threads=threads)
    torch.set_num_threads(runtime.threads)
    settings = changed(catalogue.find(name).settings, changes)
    recipe = catalogue.find(name)
    settings, images = recipe.open(settings, data, recipe.size_of(data, size))
    training = recipe.build(settings, images, 0)
    engine = _Timed(training, settings, 0, runtime, Processes())
    batches, whole = Batches(images, settings.batch_size, seed=0, mirror=settings.mirror), []
    began = time.perf_counter()
    for i in range(MOST + 1):
        engine.done = 0  # where every phase has its turn
        batch, start = batches.at(i), time.perf_counter()
        engine.step(batch)
        whole.append(time.perf_counter() - start)
        if i >= LEAST and time.perf_counter() - began > ENOUGH:
            break
    phases = [statistics.median(times[1:]) for times in engine.seconds.values()]
    rest = max(0.0, statistics.median(whole[1:]) - sum(phases))  # averages, and the batch to the device
    step = rest + sum(t / p.interval for t, p in zip(phases, training.phases, strict=True))
    start = time.perf_counter()
    with torch.no_grad():
        training.sample(engine.sampled, generator(runtime.device, 0))
    drawn = time.perf_counter() - start
    if scored:
        training.scores(engine.sampled)  # features of the real pictures are computed once
        start = time.perf_counter()
        training.scores(engine.sampled)
        training.vitals(engine.sampled)
    score = time.perf_counter() - start if scored else 0.0
    tensors = engine.state().tensors.values()
    return Cost(
        settings.batch_size,
        settings.precision,
        images.unit,
        images.images.shape[-1],
        sum(p.numel() for m in training.modules.values() for p in m.parameters()),
        step,
        drawn,
        score,
        _peak(runtime.device),
        sum(t.numel() * t.element_size() for t in tensors),
    )


def plans(
    name: str,
    data: str,
    *,
    size: int | None,
    changes: dict[str, Any],
    device: str | None = None,
    threads: int | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Cost]:
    """What was asked for, then its neighbours: the other precision, half and twice the batch."""
    settings = changed(catalogue.find(name).settings, changes)
    recipe = catalogue.find(name)
    settings, images = recipe.open(settings, data, recipe.size_of(data, size))
    recipe.build(settings, images, 0)  # whatever is wrong with it is said here
    for variant in [changes, *neighbours(settings, images, changes)]:
        asked = changed(settings, variant)
        note(f"{asked.precision}, batch {asked.batch_size}")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            task = pool.submit(measure, name, data, size, variant, device, threads, scored=variant is changes)
            yield task.result()


def neighbours(settings: Settings, images: Examples, changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Changes that keep what is learned and alter what it costs."""
    other = "float32" if settings.precision == "bf16" else "bf16"
    batch = settings.batch_size
    found: list[dict[str, Any]] = [{"precision": other}]
    if batch % (2 * settings.accumulate) == 0 and batch >= 8:
        found.append({"batch_size": batch // 2})
    if 2 * batch <= len(images.train):
        found.append({"batch_size": 2 * batch})
    return [changes | change for change in found]


def recommended(costs: list[Cost], free: int) -> Cost | None:
    """Of those that fit into memory the first, which was asked for, unless another is well faster; None: none fits."""
    fitting = [cost for cost in costs if cost.memory <= SPARE * free]
    if not fitting:
        return None
    fastest = max(fitting, key=lambda cost: cost.per_second)
    return fastest if fastest.per_second > FASTER * fitting[0].per_second else fitting[0]


def free_memory(device: torch.device) -> int:
    """Bytes that a run could take."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        facts = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return facts["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):  # not on Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def free_disk(folder: Path) -> int:
    """Bytes free where runs are kept."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""What the training engine costs: its steps beside the plainest PyTorch loop over the same networks and data.

    python benchmarks/train_step.py [--blocks 9] [--json out.json]

``overhead``: both sides in one process, in turn, blocks of some steps each, medians over blocks. The plain loop has
the same networks, losses, optimizers, clipping, precision and averaged weights, and nothing else. ``memory`` is the peak
resident size of a process that runs one side alone. ``processes``: two processes of one thread beside one of two,
each seeing as many images a step. ``data``: batches alone, beside what the 64 px convolutional VAE consumes.
Needs: pip install "luoxia[train]".
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from luoxia.core.runtime import resolve
from luoxia.data.batches import Batch, Batches
from luoxia.data.images import load
from luoxia.objectives.phase import Draw
from luoxia.recipes import catalogue
from luoxia.train.average import Average
from luoxia.train.engine import Engine, Training, to_tensor
from luoxia.train.processes import Processes
from luoxia.train.settings import Settings

CASES = {  # recipe, data, pixels, steps a block
    "vae digits": ("vae", "digits", None, 40),
    "vae avatars 64": ("vae", "avatars", 64, 4),
    "dcgan avatars 64": ("dcgan", "avatars", 64, 3),
    "wgan-gp avatars 32": ("wgan-gp", "avatars", 32, 6),
}
Step = Callable[[], None]


def built(case: str) -> tuple[Training, Settings, Iterator[Batch]]:
    """What both sides begin with."""
    name, data, size, _ = CASES[case]
    recipe, images = catalogue.find(name), load(data, size=size)
    batches = Batches(images, recipe.settings.batch_size, seed=0, workers=recipe.settings.workers)
    return recipe.build(recipe.settings, images, 0), recipe.settings, batches.stream(0)


def engine_side(case: str) -> tuple[Step, int]:
    training, settings, stream = built(case)
    engine = Engine(training, settings, 0, resolve(device="cpu"), Processes())

    def step() -> None:
        engine.step(next(stream))
        if engine.done % settings.log_every == 0:
            engine.take_notes()

    return step, settings.batch_size


def plain_side(case: str) -> tuple[Step, int]:
    training, settings, stream = built(case)
    for module in training.modules.values():
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averages = [Average(training.modules[name], settings.half_life) for name in training.averaged]
    noise, done = torch.Generator().manual_seed(0), 0

    def step() -> None:
        nonlocal done
        x, labels = to_tensor(next(stream), torch.device("cpu"))
        for phase in training.phases:
            if done % phase.interval:
                continue
            for module in training.modules.values():
                module.requires_grad_(module is phase.module)
            phase.optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16"):
                loss = phase.loss(Draw(x, labels, noise)).value
            loss.backward()
            if settings.clip:
                torch.nn.utils.clip_grad_norm_(phase.module.parameters(), settings.clip)
            phase.optimizer.step()
            if phase.after is not None:
                phase.after()
        for average in averages:
            average.update(done, settings.batch_size)
        done += 1

    return step, settings.batch_size


SIDES = {"engine": engine_side, "plain": plain_side}


def overhead(case: str, blocks: int) -> dict[str, float]:
    steps = CASES[case][3]
    sides = {name: side(case) for name, side in SIDES.items()}
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    for block in range(blocks + 1):
        for name in sorted(SIDES, reverse=bool(block % 2)):
            began = time.perf_counter()
            for _ in range(steps):
                sides[name][0]()
            if block:  # the first warms up
                seconds[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(found) for name, found in seconds.items()}
    ratios = [a / b for a, b in zip(seconds["engine"], seconds["plain"], strict=True)]
    found = {f"{name}_images_per_second": steps * sides[name][1] / middle[name] for name in SIDES}
    return found | {"overhead": statistics.median(ratios) - 1}


def memory(case: str, side: str) -> float:
    """Peak resident MB of a process that takes some steps of one side."""
    command = [sys.executable, __file__, "--alone", side, case]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def alone(side: str, case: str) -> None:
    step, _ = SIDES[side](case)
    for _ in range(8):
        step()
    # Not ru_maxrss: a child that was forked begins with its parent's.
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)


def processes(rounds: int) -> dict[str, float]:
    """Images a second of one process of two threads, and of two of one, on the 64 px VAE."""
    common = ["train", "vae", "--data", "avatars", "--seed", "0", "--steps", "40"]
    common += ["--set", "log_every=10", "--set", "checkpoint_every=1000", "--set", "sample_every=1000"]
    one = [sys.executable, "-m", "luoxia", *common, "--threads", "2", "--set", "batch_size=64"]
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "luoxia", *common]
    two += ["--threads", "1", "--set", "batch_size=32"]
    found: dict[str, list[float]] = {"one of two threads": [], "two of one thread": []}
    for _ in range(rounds):
        for name, command in zip(found, (one, two), strict=True):
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run([*command, "-o", f"{folder}/run"], check=True, capture_output=True)
                lines = (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()
            rates = [row["images_per_second"] for row in map(json.loads, lines) if "images_per_second" in row]
            found[name].append(statistics.median(rates[1:]))
    one_rate, two_rate = (statistics.median(rates) for rates in found.values())
    return {
        "one_of_two_threads": one_rate,
        "two_of_one_thread": two_rate,
        "ratio": statistics.median(b / a for a, b in zip(*found.values(), strict=True)),
    }


def data(augment: float) -> float:
    """Images a second that batches give when nobody trains."""
    settings = catalogue.find("vae").settings
    images = load("avatars", size=64)
    batches = Batches(
        images, settings.batch_size, seed=0, mirror=True, augment=augment, workers=settings.workers
    )
    stream, steps = batches.stream(0), math.ceil(12_000 / settings.batch_size)
    for _ in range(10):
        next(stream)
    began = time.perf_counter()
    for _ in range(steps):
        next(stream)
    return steps * settings.batch_size / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=list(CASES), action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--alone", nargs=2)
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.alone:
        alone(*options.alone)
        return
    report: dict = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
    for case in options.only or CASES:
        report[case] = overhead(case, options.blocks)
        report[case] |= {f"{side}_peak_mb": memory(case, side) for side in SIDES}
        print(case, {k: round(v, 3) for k, v in report[case].items()}, flush=True)
    report["data"] = {"mirrored": data(0.0), "augmented": data(0.5)}
    print("data, images a second", {k: round(v) for k, v in report["data"].items()}, flush=True)
    if options.rounds:
        report["processes"] = processes(options.rounds)
        print("processes", {k: round(v, 3) for k, v in report["processes"].items()}, flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

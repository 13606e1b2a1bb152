"""What leaving through the one door costs: a picture, a film beside its encoding alone, and verifying a folder.

    python benchmarks/publish.py [--files 1000] [--seconds 10]

Everything is on: visible mark, unseen mark, label, credential, reading back, record. Times are medians by the clock and of
the processor; JSON goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image


def timed(work: Callable[[int], object], rounds: int) -> dict[str, float]:
    """Medians in milliseconds, the first of all left out."""
    found = []
    for i in range(rounds + 1):
        clock, processor = time.perf_counter(), time.process_time()
        work(i)
        found.append((time.perf_counter() - clock, time.process_time() - processor))
    by_clock, of_processor = (statistics.median(part) * 1e3 for part in zip(*found[1:], strict=True))
    return {"ms": round(by_clock, 1), "processor_ms": round(of_processor, 1)}


def picture(seed: int, width: int, height: int) -> np.ndarray:
    random = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), np.uint8)
    soft = np.asarray(Image.fromarray(random).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    grain = np.random.default_rng(seed + 1).normal(0, 3, (height, width, 1))
    return np.clip(soft + grain, 0, 255).astype(np.uint8)


def frames(seconds: float, rate: int = 30) -> Iterator[np.ndarray]:
    """A window of 1080p that moves over a larger picture."""
    wide = picture(0, 2200, 1200)
    for i in range(round(seconds * rate)):
        left = i % 280
        yield wide[left // 3 : left // 3 + 1080, left : left + 1920]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LUOXIA_HOME"] = str(Path(folder) / "home")
        print(json.dumps(measured(Path(folder), asked.files, asked.seconds), indent=1))


def measured(folder: Path, files: int, seconds: float) -> dict[str, object]:
    from luoxia.provenance.verify import verify
    from luoxia.workspace import encoding
    from luoxia.workspace.encoding import Film
    from luoxia.workspace.history import Workspace
    from luoxia.workspace.made_from import MadeFrom
    from luoxia.workspace.publish import publish

    made = MadeFrom("picture", "benchmark")
    pixels = picture(7, 1024, 1024)
    found: dict[str, object] = {"machine": platform.processor() or platform.machine()}
    with Workspace() as workspace:
        for suffix in (".png", ".jpg", ".webp"):
            found[f"publish 1024{suffix}"] = timed(
                lambda i, s=suffix: publish(pixels, made, folder / f"{i}{s}", workspace=workspace), 9
            )
            found[f"encode 1024{suffix}"] = timed(
                lambda i, s=suffix: encoding.write(pixels, folder / f"bare{s}"), 9
            )
        of_film = MadeFrom("film", "benchmark")
        alone = timed(lambda _: encoding.write(Film(frames(seconds), 30), folder / "bare.mp4"), 1)
        whole = timed(
            lambda _: publish(Film(frames(seconds), 30), of_film, folder / "a.mp4", workspace=workspace), 1
        )
        found[f"film of {seconds:g} s, 1080p"] = {"encode": alone, "publish": whole}
        mixed = folder / "mixed"
        for i in range(files):
            suffix = (".png", ".jpg", ".webp", ".txt", ".md")[i % 5]
            content = "a heron\n" if suffix in (".txt", ".md") else picture(i, 512 + i % 3 * 256, 512)
            publish(content, made, mixed / f"{i}{suffix}", workspace=workspace)
    clock, processor = time.perf_counter(), time.process_time()
    outcomes = [verify(path).outcome for path in sorted(mixed.iterdir())]
    found[f"verify {files} files"] = {
        "s": round(time.perf_counter() - clock, 2),
        "processor_s": round(time.process_time() - processor, 2),
        "hold": outcomes.count(0),
    }
    return found


if __name__ == "__main__":
    main()

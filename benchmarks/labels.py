"""What marks and labels cost beside the encoding of the content itself, and how fast labels are found.

    python benchmarks/labels.py [--rounds 5] [--seconds 10] [--height 1080] [--files 1000] [--json out.json]

``picture`` is 1024 pixels square: the visible mark drawn, the file encoded, the label put into it and read back. ``film``
is H.264 of so many ``--seconds`` at 25 frames a second, with FFmpeg's own preset: its frames encoded as they are, the same
with the mark on the first two seconds, and the label put into the finished file. ``read`` is the labels of so many
``--files``, mixed of eight formats. Milliseconds of processor time, medians over rounds, the first discarded.
Needs: pip install "luoxia[test]".
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

from luoxia.provenance import carriers, visible
from luoxia.provenance.label import Label

LABEL = Label.first("001191440300708461136T1XGW3", "L01ARZ3NDEKTSV4RRFFQ69G5FAV")
MIXED = (".png", ".jpg", ".webp", ".gif", ".mp4", ".svg", ".md", ".json")
RATE = 25


def scene(height: int, width: int, moment: float = 0.0) -> np.ndarray:
    """A smooth picture with some grain, as photographs have it, (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width] / height
    waves = [np.sin(9 * x + 3 * moment), np.cos(7 * y - moment), np.sin(5 * (x + y) + 2 * moment)]
    grain = np.random.default_rng(int(moment * RATE)).normal(0, 3, (height, width, 1))
    return np.clip(127 + 90 * np.dstack(waves) + grain, 0, 255).astype(np.uint8)


def measured(act: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        start = time.process_time()
        act()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times[1:])


def pictures(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    pixels, results = scene(1024, 1024), {}
    for suffix in (".png", ".jpg", ".webp"):
        path = folder / f"picture{suffix}"
        image = Image.fromarray(pixels)
        results[suffix] = {
            "mark": measured(lambda: visible.mark(pixels, "AI生成"), rounds),
            "encode": measured(lambda path=path, image=image: image.save(path), rounds),
            "label": measured(lambda path=path: carriers.write(path, LABEL), rounds),
            "read": measured(lambda path=path: carriers.read(path), rounds),
        }
    return results


def encoded(path: Path, frames: Iterable[np.ndarray]) -> None:
    with av.open(path, "w", options={"movflags": "faststart"}) as file:
        stream = None
        for pixels in frames:
            if stream is None:
                stream = file.add_stream("libx264", rate=RATE)
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.thread_count = 1
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        if stream is not None:
            file.mux(stream.encode())


def film(folder: Path, seconds: float, height: int, rounds: int) -> dict[str, float]:
    shown = [scene(height, height * 16 // 9, i / RATE) for i in range(RATE)]  # one second, again and again

    def frames() -> Iterator[np.ndarray]:
        return (shown[i % RATE] for i in range(round(seconds * RATE)))

    path = folder / "film.mp4"
    results = {
        "encode": measured(lambda: encoded(path, frames()), 1),
        "encode with the mark": measured(
            lambda: encoded(path, visible.mark_film(frames(), RATE, "AI生成")), 1
        ),
        "label": measured(lambda: carriers.write(path, LABEL), rounds),
        "read": measured(lambda: carriers.read(path), rounds),
    }
    results["megabytes"] = path.stat().st_size / 1e6
    return results


def reading(folder: Path, count: int) -> float:
    small = Image.fromarray(scene(256, 256))
    for suffix in MIXED:
        path = folder / f"first{suffix}"
        match suffix:
            case ".mp4":
                encoded(path, [scene(128, 128, i / RATE) for i in range(10)])
            case ".svg":
                path.write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>')
            case ".md":
                path.write_text("# Title\n\ntext\n")
            case ".json":
                path.write_text('{"a": 1}')
            case _:
                small.save(path)
        carriers.write(path, LABEL)
    paths = []
    for i in range(count):
        suffix = MIXED[i % len(MIXED)]
        paths.append(folder / f"{i}{suffix}")
        shutil.copyfile(folder / f"first{suffix}", paths[-1])
    start = time.process_time()
    assert all([found.label for found in carriers.read(path)] == [LABEL] for path in paths)
    return 1000 * (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = {
            "picture": pictures(folder, given.rounds),
            "film": film(folder, given.seconds, given.height, given.rounds),
            "read": {"files": given.files, "milliseconds": reading(folder, given.files)},
            "machine": {
                "processor": platform.processor() or platform.machine(),
                "python": platform.python_version(),
            },
            "versions": {"av": av.__version__},
        }
    text = json.dumps(result, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()

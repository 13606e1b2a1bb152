"""What StyleGAN3's filtered nonlinearity costs compiled, beside the same as depthwise convolutions of PyTorch.

    python benchmarks/filtered.py [--rounds 7] [--json out.json]

Layers of 64 channels at 276 pixels, as config-t has at 256 pixels, with both kinds of the second filter; then whole
pictures of config-t and config-r at 256 pixels, random weights. Both sides in turn on one thread, medians of the
processor time that the thread used, which busy neighbours do not change much. The first turn is discarded.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import torch

from luoxia.models.stylegan3 import StyleGAN3, StyleGAN3Config
from luoxia.nn import filtered_kernel
from luoxia.nn.filtered import filtered_leaky_relu
from luoxia.nn.lowpass import lowpass

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CONFIGS = {
    "config-t": StyleGAN3Config(size=256, channel_base=16_384),
    "config-r": StyleGAN3Config(size=256, channel_base=32_768, channel_max=1024, kernel=1, radial=True),
}


def layer(radial: bool, dtype: torch.dtype) -> Callable[[], object]:
    x = torch.randn(1, 64, 278, 278).to(dtype, memory_format=torch.channels_last)
    first, second = lowpass(12, 4.0, 4.0, 32), lowpass(12, 4.0, 4.0, 32, radial=radial)
    options = {"up": 2, "down": 2, "size": 276, "slope": 0.2, "gain": 2**0.5, "clamp": 256.0}
    return lambda: filtered_leaky_relu(x, torch.zeros(64), first, second, **options)


def picture(name: str, dtype: torch.dtype) -> Callable[[], object]:
    model = StyleGAN3(CONFIGS[name]).eval().requires_grad_(False)
    ws = model.mapping(torch.randn(1, 512))

    def draw() -> object:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return model.synthesis(ws)

    return draw


def seconds(run: Callable[[], object]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def compared(run: Callable[[], object], rounds: int) -> dict[str, float]:
    compiled, plain = [], []
    for _ in range(rounds + 1):
        compiled.append(seconds(run))
        with patch.object(filtered_kernel, "fits", lambda *_: False):
            plain.append(seconds(run))
    a, b = statistics.median(compiled[1:]), statistics.median(plain[1:])
    return {"compiled_ms": 1e3 * a, "convolutions_ms": 1e3 * b, "times": b / a}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = {}
    with torch.inference_mode():
        for kind, dtype in DTYPES.items():
            cases = {"layer": layer(False, dtype), "radial layer": layer(True, dtype)}
            cases |= {name: picture(name, dtype) for name in CONFIGS}
            for name, run in cases.items():
                found[f"{name} {kind}"] = compared(run, asked.rounds)
                print(
                    f"{name} {kind}", {k: round(v, 1) for k, v in found[f"{name} {kind}"].items()}, flush=True
                )
    if asked.json:
        told = {"torch": torch.__version__, "machine": platform.processor(), "found": found}
        asked.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()

"""How the loss of a GPT falls with its size: several depths on equal tokens, and the line through them.

    luoxia data prepare corpus/ -o corpus.tokens --tokenizer train:4096
    python benchmarks/gpt_scaling.py corpus.tokens [--depths 2 3 4] [--tokens 2000000] [--optimizer adamw muon]
        [--json out.json] [--svg out.svg]

Every depth is a run of the recipe gpt as its dial sets it, but for rows of one length. N counts weights without the table
of tokens (Kaplan et al. 2020, arXiv:2001.08361, section 2.1). The line is that of least squares through the logarithms,

    log L = log A - a log N,

of nats per held-out token; with four depths or more L = E + A / N^a is fitted too (Hoffmann et al. 2022,
arXiv:2203.15556, equation 2, at equal tokens).
Runs that the file of --json holds already are not made again. Needs: pip install "luoxia[test]" (SciPy).
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from luoxia.core.runtime import resolve
from luoxia.evaluate.pictures import curves
from luoxia.recipes import session


def trained(data: str, depth: int, optimizer: str, rate: float, asked: argparse.Namespace) -> dict[str, Any]:
    """One run, and what it came to."""
    block_size = asked.block_size
    changes = {"depth": depth, "optimizer": optimizer, "tokens": asked.tokens, "block_size": block_size}
    changes |= {"learning_rate": rate} if rate else {}
    quiet = {"sample_every": 10**6, "checkpoint_every": 10**6}
    with tempfile.TemporaryDirectory() as folder:
        work = session.begin(
            "gpt", data, Path(folder) / "run", resolve(device="cpu"), seed=asked.seed, changes=changes | quiet
        )
        gpt, began = work.training.modules["gpt"], (time.perf_counter(), time.process_time())
        work.train()
        took = time.perf_counter() - began[0], time.process_time() - began[1]
        score = [row for row in work.run.metrics.read() if "held_out_bits_per_byte" in row][-1]
    settings = work.engine.settings
    return {
        "depth": depth,
        "optimizer": optimizer,
        "tokens": settings.steps * settings.batch_size * block_size,
        "steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "weights": sum(p.numel() for p in gpt.parameters()),
        "weights_without_table": sum(p.numel() for name, p in gpt.named_parameters() if name != "wte.weight"),
        "nats_per_token": score["held_out_nats_per_token"],
        "bits_per_byte": score["held_out_bits_per_byte"],
        "seconds": took[0],
        "processor_seconds": took[1],
    }


def line(n: NDArray[np.float64], loss: NDArray[np.float64]) -> dict[str, float]:
    """a and A of L = A / N^a."""
    slope, level = np.polyfit(np.log(n), np.log(loss), 1)
    return {"a": float(-slope), "A": float(np.exp(level))}


def bent(n: NDArray[np.float64], loss: NDArray[np.float64]) -> dict[str, float] | None:
    """E, A and a of L = E + A / N^a, of four points at least."""
    if len(n) < 4:
        return None
    from scipy.optimize import curve_fit

    start = line(n, loss)
    (e, a, power), _ = curve_fit(
        lambda x, e, a, power: e + a * x**-power, n, loss, [0.0, start["A"], start["a"]], maxfev=20_000
    )
    return {"E": float(e), "A": float(a), "a": float(power)}


def drawing(fits: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Points and lines as SVG, N by its decimal logarithm."""
    series = {}
    for optimizer, fit in fits.items():
        own = [row for row in rows if row["optimizer"] == optimizer]
        points = [(float(np.log10(r["weights_without_table"])), r["nats_per_token"]) for r in own]
        series[optimizer] = points
        at = np.linspace(points[0][0] - 0.1, points[-1][0] + 0.1, 20)
        straight, bent = fit["line"], fit["bent"]
        name = f"{straight['A']:.2f} / N^{straight['a']:.3f}"
        series[name] = [(float(x), straight["A"] * 10 ** (-straight["a"] * x)) for x in at]
        if bent:
            name = f"{bent['E']:.2f} + {bent['A']:.1f} / N^{bent['a']:.2f}"
            series[name] = [(float(x), bent["E"] + bent["A"] * 10 ** (-bent["a"] * x)) for x in at]
    return curves(
        series,
        title="nats per held-out token",
        x_label="log10 of weights without the table",
        y_label="",
        log_y=True,
        width=560,
        height=360,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--depths", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--block-size", type=int, default=256)
    parser.add_argument("--optimizer", nargs="+", default=["adamw"])
    parser.add_argument("--rate", type=float, default=0.0, help="learning rate; 0: the dial's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows: list[dict[str, Any]] = []
    if asked.json and asked.json.exists():
        rows = json.loads(asked.json.read_text())["runs"]
    facts = {"data": Path(asked.data).name, "machine": platform.machine(), "torch": torch.__version__}
    for optimizer in asked.optimizer:
        for depth in asked.depths:
            if any((row["depth"], row["optimizer"]) == (depth, optimizer) for row in rows):
                continue
            rows.append(trained(asked.data, depth, optimizer, asked.rate, asked))
            print(json.dumps(rows[-1]), flush=True)
            if asked.json:
                asked.json.write_text(json.dumps(facts | {"runs": rows}, indent=1))
    rows.sort(key=lambda row: (row["optimizer"], row["depth"]))
    fits = {}
    for optimizer in asked.optimizer:
        own = [row for row in rows if row["optimizer"] == optimizer]
        n, loss = (
            np.array([row[key] for row in own], float) for key in ("weights_without_table", "nats_per_token")
        )
        fits[optimizer] = {"line": line(n, loss), "bent": bent(n, loss)} if len(own) > 1 else {}
        print(optimizer, fits[optimizer])
    if asked.json:
        asked.json.write_text(json.dumps(facts | {"runs": rows, "fits": fits}, indent=1))
    if asked.svg:
        asked.svg.write_text(drawing({k: v for k, v in fits.items() if v}, rows))


if __name__ == "__main__":
    main()

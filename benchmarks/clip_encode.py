"""CLIP's encoding of pictures and texts: Luoxia beside transformers, with the same weights, in one run.

    python benchmarks/clip_encode.py [--rounds 9] [--batch 8] [--threads 2] [--json out.json]

A network of the shape of ViT-B/32 with random weights is written as a Hugging Face folder and read by both; that their
vectors are equal is checked first. The sides take turns, round after round; the first is discarded. ``pictures`` are of 224
pixels; ``texts`` fill all 77 tokens; ``short texts`` have 8 of 77, the rest is padding; ``one picture`` and ``one text`` come
alone. Milliseconds, medians over rounds, float32. ``processor`` is the time that all threads worked, which neighbours on the
machine disturb least.
Needs: pip install "luoxia[bench]".
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from luoxia.models.clip import CLIP
from luoxia.weights import clip_huggingface
from luoxia.weights.state_dict import fill, read_state_dict

SIDES = ("luoxia", "transformers")
TOLERANCE = 1e-4


def networks() -> tuple[CLIP, transformers.CLIPModel]:
    """Both sides, out of one folder."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        transformers.CLIPModel(transformers.CLIPConfig()).save_pretrained(folder)
        theirs = transformers.CLIPModel.from_pretrained(folder).eval()
        place = Path(folder)
        with torch.device("meta"):
            network = CLIP(clip_huggingface.read_config(place))
        path = place / "model.safetensors"
        ours = fill(network, clip_huggingface.from_huggingface(read_state_dict(path)), path)
    return ours, theirs


def tasks(
    ours: CLIP, theirs: transformers.CLIPModel, batch: int
) -> dict[str, dict[str, Callable[[], torch.Tensor]]]:
    c = ours.config
    x = torch.rand(batch, 3, c.size, c.size) * 2 - 1
    mean, std = (torch.tensor(values)[:, None, None] for values in (c.mean, c.std))
    normalised = ((x + 1) / 2 - mean) / std  # which transformers expects of its processor
    full = torch.randint(0, c.end - 1, (batch, c.block_size))
    full[:, 0], full[:, -1] = c.end - 1, c.end
    short = full.clone()
    short[:, 7:] = c.end

    def pictures(n: int) -> dict[str, Callable[[], torch.Tensor]]:
        return {
            "luoxia": lambda: ours.encode_image(x[:n]),
            "transformers": lambda: unit(theirs.get_image_features(normalised[:n])),
        }

    def texts(ids: torch.Tensor) -> dict[str, Callable[[], torch.Tensor]]:
        return {
            "luoxia": lambda: ours.encode_text(ids),
            "transformers": lambda: unit(theirs.get_text_features(ids)),
        }

    return {
        f"{batch} pictures": pictures(batch),
        "one picture": pictures(1),
        f"{batch} texts": texts(full),
        f"{batch} short texts": texts(short),
        "one text": texts(full[:1]),
    }


def unit(found) -> torch.Tensor:
    vectors = getattr(found, "pooler_output", found)
    return torch.nn.functional.normalize(vectors, dim=-1)


@torch.inference_mode()
def measure(rounds: int, batch: int) -> dict[str, dict[str, dict[str, list[float]]]]:
    figures: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, sides in tasks(*networks(), batch).items():
        difference = float((sides["luoxia"]() - sides["transformers"]()).abs().max())
        assert difference < TOLERANCE, f"{name}: vectors differ by {difference}"
        figures[name] = {side: {"elapsed": [], "processor": []} for side in SIDES}
        for number in range(rounds + 1):
            for side in SIDES if number % 2 else SIDES[::-1]:
                began, worked = time.perf_counter(), time.process_time()
                sides[side]()
                if number:
                    figures[name][side]["elapsed"].append(1000 * (time.perf_counter() - began))
                    figures[name][side]["processor"].append(1000 * (time.process_time() - worked))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = measure(options.rounds, options.batch)
    print("| ms | luoxia | transformers | times as fast | processor: luoxia | transformers | times as fast |")
    print("|---|---|---|---|---|---|---|")
    for name, sides in figures.items():
        cells = [name]
        for kind in ("elapsed", "processor"):
            mine, other = (statistics.median(sides[side][kind]) for side in SIDES)
            cells += [f"{mine:.1f}", f"{other:.1f}", f"{other / mine:.2f}"]
        print("| " + " | ".join(cells) + " |")
    if options.json:
        about = {
            "machine": platform.processor() or platform.machine(),
            "threads": options.threads,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
        options.json.write_text(json.dumps({"about": about, "rounds": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()

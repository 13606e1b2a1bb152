"""What pictures from words cost: sampling beside the plainest loop and beside dalle-pytorch, and the whole way to pictures.

    python benchmarks/draw_speed.py [--rounds 5] [--threads 1] [--model icons-64] [--peer FOLDER] [--json out.json]

1. Sampling 64 and 1,024 codes of 4 pictures with guidance 3, random weights of equal number on every side: our cached
   sampling, in bf16 where the processor multiplies it and in float32; the same model without a cache, the whole sequence
   anew for every code (of 1,024 codes one pass in 32, times 32: all of them take ten minutes); and ``dalle-pytorch``'s own cached sampling, where it is installed, in FOLDER or beside us:

       pip install --target FOLDER --no-deps dalle-pytorch axial-positional-embedding rotary-embedding-torch g-mlp-pytorch

   It imports networks that it does not need here (VQGAN's), whose packages do not go with this PyTorch: empty modules
   stand in for them. Its six layers have as many weights as our eight (their MLPs are gated), which is fewer calls for it.
   Without guidance it leaves its cache unused, so guidance is on for all.

2. Four pictures of 256 pixels, the best of 16 by CLIP: from the prompt to the pixels, and to the first preview, in a
   process that has the model open. ``--model`` names one; left out, the parts have random weights of the box's sizes.

The sides take turns; the first turn is discarded; medians of the processor time of this process, which busy neighbours
change least, with the time on the clock beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from luoxia.core.runtime import keep_freed_memory, resolve
from luoxia.generate.codes import choose, draw_codes, untold_ids
from luoxia.generate.drawing import Drawing
from luoxia.generate.drawing_order import Knobs
from luoxia.models.captions import END, CaptionTokenizer
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.models.dalle import Dalle, DalleConfig
from luoxia.models.dvae import DiscreteVAE, DVAEConfig
from luoxia.models.upscaler import Upscaler
from luoxia.weights import drawing_folder

STRIDE = 32
VOCABULARY, CODES, LENGTH, PICTURES = 4_096, 1_024, 16, 4
KNOBS = Knobs(guidance=3.0, top_k=512, top_p=1.0)  # what dalle-pytorch does by default: the likelier half


def ours(side: int) -> Dalle:
    config = DalleConfig(VOCABULARY, CODES, LENGTH, side)
    return Dalle(config, torch.Generator().manual_seed(0)).eval().requires_grad_(False)


def caption() -> torch.Tensor:
    ids = torch.zeros(PICTURES, LENGTH, dtype=torch.long)
    ids[:, :6] = torch.tensor([1, 50, 60, 70, 80, 2])
    return ids


@torch.inference_mode()
def uncached(model: Dalle, ids: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """Every code from a pass over everything before it, with the caption and without."""
    both = torch.cat([ids, untold_ids(LENGTH).expand_as(ids)])
    codes = torch.zeros(len(ids), 0, dtype=torch.long)
    for i in range(model.config.places):
        x = torch.cat([model.embed_text(both), model.embed_codes(codes.repeat(2, 1), 0)], 1)
        told, untold = model.head(model.run(x)[:, -1]).chunk(2)
        codes = torch.cat(
            [codes, choose(torch.lerp(untold, told, KNOBS.guidance), uniforms[:, i], KNOBS)[:, None]], 1
        )
    return codes


@torch.inference_mode()
def some_passes(model: Dalle, ids: torch.Tensor) -> None:
    """One in ``STRIDE`` of the passes that sampling without a cache makes, at even lengths."""
    both = torch.cat([ids, untold_ids(LENGTH).expand_as(ids)])
    for i in range(STRIDE // 2, model.config.places, STRIDE):
        codes = torch.zeros(len(both), i, dtype=torch.long)
        hidden = model.run(torch.cat([model.embed_text(both), model.embed_codes(codes, 0)], 1))
        model.head(hidden[:, -1])


def peer(folder: Path | None, side: int) -> tuple[Callable[[], object], int] | str:
    """dalle-pytorch's sampling and its number of weights, or why it does not run."""
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    if importlib.util.find_spec("dalle_pytorch") is None:
        return "dalle-pytorch is not installed"
    for name in ("omegaconf", "taming", "taming.models", "taming.models.vqgan", "pkg_resources"):
        sys.modules[name] = _Empty(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from dalle_pytorch import DALLE
            from dalle_pytorch import DiscreteVAE as PeerVAE

            vae = PeerVAE(image_size=8 * side, num_tokens=CODES, num_layers=3, hidden_dim=8, codebook_dim=8)
            vae.decode = lambda codes: codes  # pixels are not what is compared
            model = DALLE(
                dim=256,
                vae=vae,
                num_text_tokens=VOCABULARY,
                text_seq_len=LENGTH,
                depth=6,
                heads=4,
                dim_head=64,
            ).eval()
    except Exception as error:
        return f"dalle-pytorch does not run beside this PyTorch: {type(error).__name__}: {error}"
    count = sum(p.numel() for p in model.transformer.parameters())
    ids = caption()
    return lambda: model.generate_images(ids.clone(), cond_scale=KNOBS.guidance, use_cache=True), count


class _Empty(types.ModuleType):
    """A module of which every name can be imported, and none is anything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def in_turn(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Medians of each side's seconds of processor and clock."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, run in sides.items():
            begin = time.process_time(), time.perf_counter()
            run()
            taken[name].append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
    medians = {
        name: [statistics.median(t[k] for t in times[1:]) for k in (0, 1)] for name, times in taken.items()
    }
    return {name: {"processor": cpu, "clock": clock} for name, (cpu, clock) in medians.items()}


def sampling(side: int, rounds: int, folder: Path | None) -> dict[str, Any]:
    model, ids = ours(side), caption()
    uniforms = torch.rand(PICTURES, side**2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sides: dict[str, Callable[[], object]] = {
        "cached, bf16": lambda: draw_codes(model, ids, uniforms, KNOBS, dtype=torch.bfloat16),
        "cached, float32": lambda: draw_codes(model, ids, uniforms, KNOBS),
        "without a cache": lambda: some_passes(model, ids),
    }
    if side == 8:
        same = torch.equal(draw_codes(model, ids, uniforms, KNOBS).codes, uncached(model, ids, uniforms))
        assert same, "with a cache and without are not the same"
        sides["without a cache"] = lambda: uncached(model, ids, uniforms)
    weights = {"ours": sum(p.numel() for p in model.blocks.parameters())}
    other = peer(folder, side)
    found: dict[str, Any] = {"codes": side**2}
    if isinstance(other, str):
        found["peer"] = other
    else:
        sides["dalle-pytorch, cached"], weights["dalle-pytorch"] = other
    found |= {"block_weights": weights, "seconds": in_turn(sides, rounds)}
    if side != 8:
        found["seconds"]["without a cache"] = {
            k: STRIDE * v for k, v in found["seconds"]["without a cache"].items()
        }
    best = min(found["seconds"][name]["processor"] for name in ("cached, bf16", "cached, float32"))
    found["times"] = {name: t["processor"] / best for name, t in found["seconds"].items()}
    return found


def random_box(folder: Path) -> None:
    """Parts of the box's sizes."""
    torch.manual_seed(0)
    tokenizer = CaptionTokenizer.learned(["a red heart with an arrow", "红色的心"], VOCABULARY)
    clip = CLIPConfig(
        vocab_size=tokenizer.vocab_size,
        block_size=32,
        end=END,
        size=64,
        patch=8,
        n_embd=192,
        n_layer=6,
        n_head=3,
        text_n_embd=192,
        text_n_layer=4,
        text_n_head=3,
        n_out=192,
    )
    dvae = DiscreteVAE(DVAEConfig(quantiser="vq", codebook=CODES))
    dalle = Dalle(DalleConfig(tokenizer.vocab_size, CODES, LENGTH), torch.Generator().manual_seed(0))
    parts = {"dvae": dvae, "dalle": dalle, "clip": CLIP(clip), "upscaler": Upscaler()}
    drawing_folder.write(folder, parts, tokenizer)


def whole_way(model: str | None, rounds: int, threads: int) -> dict[str, Any]:
    runtime = resolve("cpu", threads=threads)
    with tempfile.TemporaryDirectory() as scratch:
        if model is None:
            random_box(Path(scratch) / "box")
        drawing = Drawing.open(model or str(Path(scratch) / "box"), runtime)
    previews: list[float] = []

    def draw() -> None:
        begin, seen = time.perf_counter(), []

        def watch(codes: np.ndarray, done: int, total: int) -> None:
            if not seen and done >= 16 * 8:  # a row of each picture
                drawing.pixels(codes[:PICTURES])
                seen.append(time.perf_counter() - begin)

        made = drawing.draw("a red heart with an arrow", PICTURES, seed=1, candidates=16, watch=watch)
        drawing.enlarged(made.pixels, 256)
        previews.extend(seen)

    found = in_turn({"four pictures": draw}, rounds)["four pictures"]
    return {
        "model": model or "random weights",
        **found,
        "first_preview_clock": statistics.median(previews[1:]),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sides", default="8,32", help="of the squares of codes")
    parser.add_argument("--model")
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    keep_freed_memory()
    told: dict[str, Any] = {
        "torch": torch.__version__,
        "machine": platform.processor(),
        "threads": asked.threads,
    }
    told["sampling"] = []
    for side in map(int, filter(None, asked.sides.split(","))):
        told["sampling"].append(
            sampling(side, asked.rounds if side < 20 else min(3, asked.rounds), asked.peer)
        )
        print(json.dumps(told["sampling"][-1], indent=1), flush=True)
    told["whole_way"] = whole_way(asked.model, asked.rounds, asked.threads)
    print(json.dumps(told["whole_way"], indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()

"""StyleGAN2's speed: training with every phase, and sampling, beside the package stylegan2-pytorch on the same machine.

    python benchmarks/stylegan_speed.py [--rounds 5] [--json out.json]

Both sides have 64 px networks of min(8192 / r, 256) channels at r pixels, and 256 px ones of min(16384 / r, 512); both
train with batches of 8 through the same phases: G, D, path length on half a batch every 4 steps, R1 every 16. The
package's networks differ in detail: one convolution less in the first block, bilinear enlargement, no skip filter in
its discriminator, which goes down to 2 px. Its module asks for CUDA, torchvision, aim and fire while it is imported,
for its command line and data: the script answers for them, and leaves its networks as they are. They run in float32, as
they come; Luoxia's in bf16 as it trains and samples here. ``share`` is what of this machine's bf16 rate is reached,
measured by a product of 4096 x 4096 matrices in the same run, counting multiplications and additions of convolutions
and matrices.
Needs: pip install --no-deps stylegan2-pytorch kornia kornia-rs einops vector-quantize-pytorch==0.1.0
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from luoxia.core.runtime import keep_freed_memory, resolve
from luoxia.data.batches import Batch
from luoxia.data.images import ImageSet
from luoxia.models.stylegan import StyleGAN, StyleGANConfig
from luoxia.recipes import stylegan
from luoxia.train.engine import Engine, to_tensor
from luoxia.train.processes import Processes

BATCH, PATH_EVERY, R1_EVERY = 8, 4, 16
NETWORKS = {64: (8_192, 256), 256: (16_384, 512)}  # pixels: channel base, most channels
LATENT = 512
Work = Callable[[], object]


@dataclass(frozen=True)
class Phase:
    """A part of a training step that is taken every ``interval`` steps."""

    name: str
    take: Work
    interval: int


def bf16_rate() -> float:
    """GFLOP/s of a large product, the best of ten."""
    a = torch.randn(4096, 4096).bfloat16()
    return max(2 * 4096**3 / seconds(lambda: a @ a) for _ in range(10)) / 1e9


def seconds(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Operations(TorchDispatchMode):
    """Adds up the multiplications and additions of convolutions and matrix products, derivatives' too."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def operations(work: Work) -> float:
    """GFLOP of ``work``."""
    with Operations() as counted:
        work()
    return counted.total / 1e9


def our_training(size: int, p: float) -> list[Phase]:
    base, most = NETWORKS[size]
    settings = replace(
        stylegan.StyleGANSettings(), batch_size=BATCH, latent=LATENT, mapping_layers=8, channel_base=base, channel_max=most
    )  # fmt: skip
    noise = np.random.Generator(np.random.PCG64(0))
    pictures = noise.integers(0, 256, (64, 3, size, size), np.uint8)
    images = ImageSet("noise", pictures, None, (), None, np.arange(48, 64), (), "")
    training = stylegan.build(settings, images, 0)
    training.modules["augment"].p.fill_(p)
    engine = Engine(training, settings, 0, resolve(device="cpu"), Processes())
    batch, _ = to_tensor(Batch.of(images, np.arange(BATCH)), engine.runtime.device)
    return [
        Phase(phase.name, partial(engine._take, i, phase, batch, None), phase.interval)
        for i, phase in enumerate(training.phases)
    ]


def peer() -> types.ModuleType:
    """stylegan2_pytorch.stylegan2_pytorch, whose imports of what its networks do not use are answered with nothing."""
    absent = {name: types.ModuleType(name) for name in ("torchvision", "aim", "fire")}
    absent["torchvision"].transforms = types.ModuleType("transforms")  # type: ignore[attr-defined]
    package = types.ModuleType("stylegan2_pytorch")  # its own __init__ imports the command line
    found = importlib.util.find_spec("stylegan2_pytorch")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("stylegan2-pytorch is not here: see the head of this script")
    package.__path__ = list(found.submodule_search_locations)
    with mock.patch.dict(sys.modules, absent | {"stylegan2_pytorch": package}), mock.patch("torch.cuda.is_available", return_value=True):  # fmt: skip
        import stylegan2_pytorch.stylegan2_pytorch as module

    return module


class PeerSampler(nn.Module):
    """Its mapping and synthesis as its trainer calls them: one style a block, one plane of noise."""

    def __init__(self, module: types.ModuleType, size: int) -> None:
        super().__init__()
        base, most = NETWORKS[size]
        self.size = size
        self.mapping = module.StyleVectorizer(LATENT, 8)
        self.synthesis = module.Generator(size, LATENT, base // size // 2, fmap_max=most)

    def styles(self, count: int) -> Tensor:
        return self.mapping(torch.randn(count, LATENT))[:, None].repeat(1, self.synthesis.num_layers, 1)

    def forward(self, styles: Tensor) -> Tensor:
        return self.synthesis(styles, torch.rand(len(styles), self.size, self.size, 1))


def peer_training(module: types.ModuleType, size: int) -> list[Phase]:
    base, most = NETWORKS[size]
    generator = PeerSampler(module, size)
    discriminator = module.Discriminator(size, base // size // 4, fmap_max=most)
    of_g = torch.optim.Adam(generator.parameters(), 2.5e-3, (0.0, 0.99))
    of_d = torch.optim.Adam(discriminator.parameters(), 2.5e-3, (0.0, 0.99))
    real, length = torch.randn(BATCH, 3, size, size), torch.zeros(())

    def step(moving: nn.Module, optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Work:
        def take() -> None:
            generator.requires_grad_(moving is generator)
            discriminator.requires_grad_(moving is discriminator)
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()

        return take

    def g_loss() -> Tensor:
        return F.softplus(-discriminator(generator(generator.styles(BATCH)))[0]).mean()

    def d_loss() -> Tensor:
        with torch.no_grad():
            fake = generator(generator.styles(BATCH))
        return F.softplus(-discriminator(real)[0]).mean() + F.softplus(discriminator(fake)[0]).mean()

    def path() -> Tensor:
        styles = generator.styles(BATCH // 2)
        pictures = generator(styles)
        noise = torch.randn_like(pictures) / size
        (slopes,) = torch.autograd.grad((pictures * noise).sum(), styles, create_graph=True)
        return (slopes.square().sum(2).mean(1).sqrt() - length).square().mean()

    def r1() -> Tensor:
        seen = real.clone().requires_grad_()
        (slopes,) = torch.autograd.grad(discriminator(seen)[0].sum(), seen, create_graph=True)
        return slopes.square().sum((1, 2, 3)).mean()

    return [
        Phase("g", step(generator, of_g, g_loss), 1),
        Phase("path", step(generator, of_g, path), PATH_EVERY),
        Phase("d", step(discriminator, of_d, d_loss), 1),
        Phase("r1", step(discriminator, of_d, r1), R1_EVERY),
    ]


def training(sides: dict[str, list[Phase]], rounds: int, rate: float) -> dict[str, Any]:
    """Images a second of each side: a median over rounds for each phase, weighted by how often it is taken."""
    times: dict[str, list[list[float]]] = {name: [[] for _ in phases] for name, phases in sides.items()}
    for turn in range(rounds + 1):
        for name in sorted(sides, reverse=bool(turn % 2)):
            for i, phase in enumerate(sides[name]):
                spent = seconds(phase.take)
                if turn:
                    times[name][i].append(spent)
    found: dict[str, Any] = {}
    for name, phases in sides.items():
        middle = [statistics.median(spent) for spent in times[name]]
        step = sum(m / phase.interval for m, phase in zip(middle, phases, strict=True))
        work = sum(operations(phase.take) / phase.interval for phase in phases)
        found[name] = {
            "images_per_second": BATCH / step,
            "gflop_per_image": work / BATCH,
            "share_of_bf16_rate": work / step / rate,
            "milliseconds": {p.name: m * 1000 for p, m in zip(phases, middle, strict=True)},
        }
    return found


def our_sampling(size: int, dtype: torch.dtype) -> Callable[[int], Work]:
    base, most = NETWORKS[size]
    model = StyleGAN(StyleGANConfig(size=size, channel_base=base, channel_max=most)).eval()
    model.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def of(count: int) -> Work:
        z = torch.randn(count, LATENT)

        def draw() -> None:
            with torch.no_grad(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                model(z, noise_mode="const")

        return draw

    return of


def peer_sampling(module: types.ModuleType, size: int) -> Callable[[int], Work]:
    model = PeerSampler(module, size).eval().requires_grad_(False)

    def of(count: int) -> Work:
        def draw() -> None:
            with torch.no_grad():
                model(model.styles(count))

        return draw

    return of


def sampling(sides: dict[str, Work], count: int, rounds: int, rate: float) -> dict[str, Any]:
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name in sorted(sides, reverse=bool(turn % 2)):
            took = seconds(sides[name])
            if turn:
                spent[name].append(took)
    found: dict[str, Any] = {}
    for name, work in sides.items():
        middle = statistics.median(spent[name])
        share = operations(work) / middle / rate
        found[name] = {"milliseconds_per_image": middle * 1000 / count, "share_of_bf16_rate": share}
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--p", type=float, default=0.3, help="strength of Luoxia's augmentation")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    keep_freed_memory()
    module, rate = peer(), bf16_rate()
    report: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "bf16_gflops": rate,
    }
    print(f"bf16: {rate:.0f} GFLOP/s")
    both = {"luoxia": our_training(64, options.p), "stylegan2-pytorch": peer_training(module, 64)}
    report["training 64"] = training(both, options.rounds, rate)
    for name, row in report["training 64"].items():
        print(f"training 64 px, {name}: {row['images_per_second']:.2f} images/s, {row['gflop_per_image']:.1f} GFLOP an image, "
              f"{row['share_of_bf16_rate']:.2f} of bf16, {({k: round(v) for k, v in row['milliseconds'].items()})} ms")  # fmt: skip
    del both
    for size in NETWORKS:
        makers = {
            "luoxia bf16": our_sampling(size, torch.bfloat16),
            "luoxia float32": our_sampling(size, torch.float32),
            "stylegan2-pytorch": peer_sampling(module, size),
        }
        for count in (1, BATCH):
            found = sampling(
                {name: make(count) for name, make in makers.items()}, count, options.rounds, rate
            )
            report[f"sampling {size}, batch {count}"] = found
            told = ", ".join(
                f"{k} {v['milliseconds_per_image']:.1f} ms ({v['share_of_bf16_rate']:.2f})"
                for k, v in found.items()
            )
            print(f"sampling {size} px, batch {count}, an image: {told}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

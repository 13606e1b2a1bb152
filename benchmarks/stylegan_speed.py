"""StyleGAN2's speed: training with every phase, and sampling, beside NVIDIA's own networks in the same run.

    python benchmarks/stylegan_speed.py [--rounds 5] [--json out.json]

Both sides have the same networks, of min(8192 / r, 256) channels at r of 64 pixels, and min(16384 / r, 512) of 256; both
train with batches of 8 through the same phases: G, D, path length on half a batch every 4 steps, R1 every 16. Ours
train and sample in bf16, as they do here by themselves, the published ones in float32, all that they do on a processor.
Augmentation is both's own. They are StyleGAN2-ADA's, as the package slideflow-noncommercial carries them (its licence allows
that to be measured, and not to be built on). ``share`` is what of this machine's bf16 rate is reached, measured by a
product of 4096 x 4096 matrices in the same run, counting multiplications and additions of convolutions and matrices.
Needs: pip install --no-deps slideflow-noncommercial
"""

from __future__ import annotations

import argparse
import importlib
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

import numpy as np
import torch
import torch.nn.functional as F
from packaging.version import Version
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


def published() -> types.ModuleType:
    """NVIDIA's StyleGAN2-ADA networks, imported without the programs around them."""
    name = "slideflow_noncommercial"
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"{name} is not here: see the head of this script")
    folder = Path(next(iter(found.submodule_search_locations)))
    for part in ("", ".stylegan2", ".stylegan2.stylegan2"):  # whose own imports want what the networks do not
        package = types.ModuleType(name + part)
        package.__path__ = [str(folder / part.replace(".", "/").lstrip("/"))]
        sys.modules[name + part] = package
    tools = types.ModuleType("dnnlib")  # the package's own imports in a circle; the networks want this of it
    keyed = {"__getattr__": dict.__getitem__, "__setattr__": dict.__setitem__}
    tools.EasyDict = type("EasyDict", (dict,), keyed)  # type: ignore[attr-defined]
    sys.modules[f"{name}.stylegan2.stylegan2.dnnlib"] = package.dnnlib = tools  # type: ignore[attr-defined]
    if importlib.util.find_spec("pkg_resources") is None:  # asked for PyTorch's version alone
        sys.modules["pkg_resources"] = types.ModuleType("pkg_resources")
        sys.modules["pkg_resources"].parse_version = Version  # type: ignore[attr-defined]
    module = importlib.import_module(f"{name}.stylegan2.stylegan2.training.networks")
    module.augment = importlib.import_module(f"{name}.stylegan2.stylegan2.training.augment")  # type: ignore[attr-defined]
    return module


def their_generator(module: types.ModuleType, size: int) -> nn.Module:
    base, most = NETWORKS[size]
    synthesis = {"channel_base": base, "channel_max": most}
    return module.Generator(LATENT, 0, LATENT, size, 3, synthesis_kwargs=synthesis)


def their_training(module: types.ModuleType, size: int, p: float) -> list[Phase]:
    """Its networks through the phases of its published loss, augmented with probability ``p``."""
    kinds = "xflip rotate90 xint scale rotate aniso xfrac brightness contrast lumaflip hue saturation".split()  # noqa: SIM905
    augment = module.augment.AugmentPipe(**dict.fromkeys(kinds, 1))
    augment.p.fill_(p)
    base, most = NETWORKS[size]
    generator = their_generator(module, size)
    discriminator = module.Discriminator(0, size, 3, channel_base=base, channel_max=most)
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

    def drawn(count: int) -> tuple[Tensor, Tensor]:
        ws = generator.mapping(torch.randn(count, LATENT), None)
        mixed = generator.mapping(torch.randn(count, LATENT), None)
        cut = int(torch.randint(1, ws.shape[1], ()))
        ws = torch.cat([ws[:, :cut], mixed[:, cut:]], 1)
        return generator.synthesis(ws), ws

    def g_loss() -> Tensor:
        return F.softplus(-discriminator(augment(drawn(BATCH)[0]), None)).mean()

    def d_loss() -> Tensor:
        with torch.no_grad():
            fake, seen = augment(drawn(BATCH)[0]), augment(real)
        return F.softplus(-discriminator(seen, None)).mean() + F.softplus(discriminator(fake, None)).mean()

    def path() -> Tensor:
        pictures, ws = drawn(BATCH // 2)
        noise = torch.randn_like(pictures) / size
        (slopes,) = torch.autograd.grad((pictures * noise).sum(), ws, create_graph=True)
        return (slopes.square().sum(2).mean(1).sqrt() - length).square().mean()

    def r1() -> Tensor:
        seen = real.clone().requires_grad_()
        (slopes,) = torch.autograd.grad(discriminator(augment(seen), None).sum(), seen, create_graph=True)
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


def their_sampling(module: types.ModuleType, size: int) -> Callable[[int], Work]:
    model = their_generator(module, size).eval().requires_grad_(False)

    def of(count: int) -> Work:
        z = torch.randn(count, LATENT)

        def draw() -> None:
            with torch.no_grad():
                model(z, None, noise_mode="const")

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
    parser.add_argument("--p", type=float, default=0.3, help="probability of augmentation, of both")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(0)
    keep_freed_memory()
    module, rate = published(), bf16_rate()
    report: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "bf16_gflops": rate,
    }
    print(f"bf16: {rate:.0f} GFLOP/s")
    both = {"luoxia": our_training(64, options.p), "published": their_training(module, 64, options.p)}
    report["training 64"] = training(both, options.rounds, rate)
    for name, row in report["training 64"].items():
        print(f"training 64 px, {name}: {row['images_per_second']:.2f} images/s, {row['gflop_per_image']:.1f} GFLOP an image, "
              f"{row['share_of_bf16_rate']:.2f} of bf16, {({k: round(v) for k, v in row['milliseconds'].items()})} ms")  # fmt: skip
    del both
    for size in NETWORKS:
        makers = {
            "luoxia bf16": our_sampling(size, torch.bfloat16),
            "luoxia float32": our_sampling(size, torch.float32),
            "published": their_sampling(module, size),
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

"""The style that makes a given picture: projection into W and W+, and a generator tuned to it.

W by the projector of Karras et al. 2020 (arXiv:1912.04958, appendix D): from the mean style, with noise on w that fades,
noise maps that are optimised too and kept white, and a rate that rises and falls. W+ goes on with one style a layer
(Abdal, Qin and Wonka, *Image2StyleGAN*, arXiv:1904.03189), drawn towards W. Pivotal tuning then moves the generator
while the style stays (Roich et al., arXiv:2106.05744).
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.folder import write_atomically
from luoxia.evaluate.perceptual import Perceptual
from luoxia.generate.portraits import Portraits, to_bytes
from luoxia.models.stylegan import StyledConv, StyleGAN
from luoxia.models.stylegan3 import StyleGAN3
from luoxia.train.randomness import generator

SPACES = ("w", "w+")
RATE, NOISE, WHITE = (
    0.1,
    0.05,
    1e5,
)  # of Adam; of w in standard deviations of W; weight of the noise's whiteness
PIXELS = 0.4  # weight of the squared difference of pixels beside the perceptual distance
NEAR = 0.002  # weight of the distance between W+'s styles and their mean, in variances of W
TUNING = 3e-4  # Adam's rate for the generator
PLACE = 0x1A  # of the latents among all that is drawn from a seed: weights are drawn from the seed itself
SHOWN, LOOKS = 8, 50  # pictures of the way that are kept, and at least so many that are shown meanwhile
LIKENESS = 17.0  # dB: below, a photograph is not what the model draws, or the search was too short
FORMAT = "1"
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Inversion:
    """``ws`` (num_ws, w_dim) and noise maps by layer; ``way`` (N, C, H, W) uint8 are pictures on the way, the last one
    the outcome. ``distance`` is perceptual, ``psnr`` in dB. ``tuned`` holds a generator's own weights, or nothing."""

    model: str
    space: str
    ws: Tensor
    noise: dict[str, Tensor]
    distance: float
    psnr: float
    way: np.ndarray
    tuned: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How near a search has come: ``picture`` uint8 (C, H, W), its perceptual ``distance``, and ``psnr`` in dB."""

    picture: np.ndarray
    distance: float
    psnr: float


def stages(
    portraits: Portraits,
    target: np.ndarray,
    *,
    steps: tuple[int, int, int] = (300, 200, 200),
    seed: int = 0,
    watch: Watch = lambda *_: None,
) -> tuple[Outcome, Outcome, Outcome]:
    """What one search after ``target`` has found in W, then in W+, then with a tuned generator, in so many ``steps``."""
    search = _search(portraits, target, seed)
    (in_w, in_wide, tuning), total = steps, sum(steps)
    search.run(in_w, lambda i: watch(i + 1, total))
    of_w = search.outcome()
    search.widen()
    search.run(in_wide, lambda i: watch(in_w + i + 1, total))
    of_wide = search.outcome()
    search.tune(tuning, lambda i: watch(in_w + in_wide + i + 1, total))
    return of_w, of_wide, search.outcome()


def invert(
    portraits: Portraits,
    target: np.ndarray,
    *,
    space: str = "w+",
    steps: int = 400,
    tune: int = 0,
    seed: int = 0,
    watch: Watch = lambda *_: None,
    show: Callable[[np.ndarray], None] | None = None,
) -> Inversion:
    """Find ``target`` uint8 (C, H, W) of the model's size, in ``steps``, then tune the generator for ``tune`` more.

    ``show`` hears pictures on the way; what it or ``watch`` raises ends the search."""
    if space not in SPACES:
        raise UserError(f"there is no space {space!r}; give w or w+", f"没有空间 {space!r}；请给 w 或 w+")
    if not 10 <= steps <= 10_000 or not 0 <= tune <= 10_000:
        raise UserError(
            f"{steps} steps and {tune} of tuning: give 10 to 10,000, and 0 to 10,000",
            f"{steps} 步与 {tune} 步微调：请给 10 到 10,000 与 0 到 10,000",
        )
    search = _search(portraits, target, seed)
    network = search.network
    in_w = steps if space == "w" else steps // 2
    way, total = [], steps + tune
    kept = set(np.linspace(0, total, SHOWN).round().astype(int).tolist())

    def note(done: int) -> None:
        if done in kept:
            way.append(to_bytes(search.picture())[0])
        if show and done % max(1, total // LOOKS) == 0:
            show(to_bytes(search.picture())[0])
        watch(done, total)

    note(0)
    search.run(in_w, lambda i: note(i + 1))
    if space == "w+":
        search.widen()
        search.run(steps - in_w, lambda i: note(in_w + i + 1))
    before = {k: v.clone() for k, v in network.state_dict().items()} if tune else {}
    search.tune(tune, lambda i: note(steps + i + 1))
    outcome = search.outcome()
    noise = {name: layer.noise_const.detach().cpu() for name, layer in _layers(network).items()}
    tuned = {
        k: v.detach().cpu()
        for k, v in network.state_dict().items()
        if tune
        and k.startswith("synthesis.")
        and not k.endswith("noise_const")
        and not torch.equal(v, before[k])
    }
    ws = search.ws().detach()[0].cpu()
    return Inversion(
        portraits.told.name, space, ws, noise, outcome.distance, outcome.psnr, np.stack(way), tuned
    )


def _search(portraits: Portraits, target: np.ndarray, seed: int) -> _Search:
    device = portraits.runtime.device
    wanted = torch.from_numpy(target)[None].to(device).float() / 127.5 - 1
    network = copy.deepcopy(portraits.network)  # its noise maps move
    return _Search(network, Perceptual(device), wanted, portraits.config.classes, seed)


class _Search:
    """What moves while a picture is looked for."""

    def __init__(
        self, network: StyleGAN | StyleGAN3, see: Perceptual, wanted: Tensor, classes: int, seed: int
    ) -> None:
        self.network, self.see, self.wanted, self.maps = network, see, wanted, see.maps(wanted)
        device, count = wanted.device, network.config.num_ws
        self.random = generator(device, seed, PLACE)
        with torch.no_grad():
            z = torch.randn(2_000, network.config.z_dim, generator=self.random, device=device)
            c = torch.arange(len(z), device=device) % classes if classes else None
            some = network.mapping(z, c)[:, 0]
            self.mean, self.spread = some.mean(0), (some - some.mean(0)).square().sum(1).mean().sqrt()
            start = self.mean
            if classes:  # the class whose mean comes nearest
                means = torch.stack([some[c == k].mean(0) for k in range(classes)])
                pictures = network.synthesis(means[:, None].repeat(1, count, 1), "const")
                start = means[
                    see.distance(pictures, [m.expand(classes, -1, -1, -1) for m in self.maps]).argmin()
                ]
        self.w = start[None].clone().requires_grad_()
        self.wide = False
        self.noises = [layer.noise_const for layer in _layers(network).values()]
        for noise in self.noises:
            noise.copy_(torch.randn(noise.shape, generator=self.random, device=device)).requires_grad_()

    def ws(self) -> Tensor:
        """(1, num_ws, w_dim)."""
        return self.w if self.wide else self.w[:, None].repeat(1, self.network.config.num_ws, 1)

    def widen(self) -> None:
        """From here on each layer has a style of its own."""
        self.w, self.wide = self.ws().detach().clone().requires_grad_(), True

    @torch.no_grad()
    def picture(self) -> Tensor:
        return self.network.synthesis(self.ws(), "const")

    @torch.no_grad()
    def outcome(self) -> Outcome:
        found = self.picture()
        error = float((found.clamp(-1, 1) - self.wanted).square().mean()) / 4
        distance = float(self.see.distance(found, self.maps))
        return Outcome(to_bytes(found)[0], distance, 10 * math.log10(1 / max(error, 1e-10)))

    def run(self, steps: int, note: Callable[[int], None]) -> None:
        optimizer = torch.optim.Adam([self.w, *self.noises], lr=RATE, betas=(0.9, 0.999))
        for i in range(steps):
            t = i / steps
            ramp = min(1.0, (1 - t) / 0.25, t / 0.05 + 0.05)
            for group in optimizer.param_groups:
                group["lr"] = RATE * (0.5 - 0.5 * math.cos(math.pi * ramp)) * (0.3 if self.wide else 1.0)
            strength = 0.0 if self.wide else NOISE * float(self.spread) * max(0.0, 1 - t / 0.75) ** 2
            jitter = torch.randn(self.w.shape, generator=self.random, device=self.w.device) * strength
            ws = self.ws() + (jitter if self.wide else jitter[:, None])
            loss = self._loss(self.network.synthesis(ws, "const"))
            if self.noises:  # StyleGAN3 has none
                loss = loss + WHITE * torch.stack([_whiteness(n) for n in self.noises]).sum()
            if self.wide:
                away = (self.w - self.w.mean(1, keepdim=True)).square().sum(2).mean()
                loss = loss + NEAR * away / self.spread**2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for noise in self.noises:
                    noise.sub_(noise.mean()).mul_(noise.square().mean().rsqrt())
            note(i)

    def tune(self, steps: int, note: Callable[[int], None]) -> None:
        weights = list(self.network.synthesis.parameters())
        for noise in self.noises:
            noise.requires_grad_(False)
        pivot = self.ws().detach()
        for weight in weights:
            weight.requires_grad_(True)
        optimizer = torch.optim.Adam(weights, lr=TUNING)
        for i in range(steps):
            loss = self._loss(self.network.synthesis(pivot, "const"))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            note(i)

    def _loss(self, picture: Tensor) -> Tensor:
        return self.see.distance(picture, self.maps).sum() + PIXELS * (picture - self.wanted).square().mean()


def _whiteness(noise: Tensor) -> Tensor:
    """Squared correlation of a map with itself moved by a pixel, summed over scales down to 8 pixels (appendix D)."""
    total, x = noise.new_zeros(()), noise[None, None]
    while True:
        total = total + (x * x.roll(1, 3)).mean().square() + (x * x.roll(1, 2)).mean().square()
        if x.shape[-1] <= 8:
            return total
        x = F.avg_pool2d(x, 2) * 2


def _layers(network: StyleGAN | StyleGAN3) -> dict[str, StyledConv]:
    return {
        name: cast(StyledConv, module)
        for name, module in network.synthesis.named_modules()
        if isinstance(module, StyledConv)
    }


def encoded(inversion: Inversion) -> bytes:
    """Everything but the way, as safetensors with its facts."""
    tensors = {"ws": inversion.ws}
    tensors |= {f"noise.{k}": v for k, v in inversion.noise.items()}
    tensors |= {f"tuned.{k}": v.half() for k, v in inversion.tuned.items()}
    facts = {"model": inversion.model, "space": inversion.space}
    facts |= {"distance": inversion.distance, "psnr": inversion.psnr}
    return save(tensors, {"luoxia.style": FORMAT, "facts": json.dumps(facts)})


def write(inversion: Inversion, to: Path) -> None:
    """:func:`encoded`, in a file."""
    with write_atomically(to) as file:
        file.write(encoded(inversion))


def open_style(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The model's name and the tensors of a style that :func:`write` wrote."""
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            if told.get("luoxia.style") != FORMAT:
                raise ValueError("it holds no style")
            facts = json.loads(told["facts"])
            return str(facts["model"]), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}", f"没有 {path}") from error
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise MalformedFileError(
            f"{path} was not written by `luoxia face invert`: {error}",
            f"{path} 不是 `luoxia face invert` 写成的：{error}",
        ) from error


def ready(portraits: Portraits, tensors: dict[str, Tensor], path: Path) -> Tensor:
    """Set the model's noise and weights to those of a style, and return ws (1, num_ws, w_dim)."""
    config, device = portraits.config, portraits.runtime.device
    ws = tensors.get("ws")
    if ws is None or ws.shape != (config.num_ws, config.w_dim):
        raise MalformedFileError(
            f"the style in {path} is not one of {portraits.told.name}",
            f"{path} 中的样式不属于 {portraits.told.name}",
        )
    own = portraits.network.state_dict()
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        key = {"noise": f"synthesis.{rest}.noise_const", "tuned": rest}.get(kind)
        if key is None:
            continue
        if key not in own or own[key].shape != tensor.shape:
            raise MalformedFileError(
                f"{name} in {path} does not fit the model", f"{path} 中的 {name} 与模型不符"
            )
        own[key].copy_(tensor)
    return ws[None].to(device)

"""The step that trains every model: it walks an objective's phases, and it alone calls ``backward``.

What a step does follows from the weights, the seed, the step and the batch, so that a state restored after step n goes
on as the uninterrupted run did, bit for bit.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.core.runtime import Runtime, keep_freed_memory
from luoxia.data.batches import Batch
from luoxia.objectives.phase import Draw, Phase
from luoxia.train import checkpoint, shard
from luoxia.train.average import Average
from luoxia.train.checkpoint import State
from luoxia.train.processes import Processes
from luoxia.train.randomness import fixed, generator
from luoxia.train.schedule import Schedule
from luoxia.train.settings import Settings

Modules = Mapping[str, nn.Module]
Note = Callable[
    [str, int, int], None
]  # hears what is being looked at, how much of it is done, and of how much


@dataclass(frozen=True)
class Study:
    """What is looked at when a model is evaluated: more ``scores``, sheets of ``pictures`` and ``tables`` by name.

    A table is a list of rows, each with the same names."""

    scores: dict[str, float]
    pictures: dict[str, Image]
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """What a recipe hands to the engine.

    ``averaged`` names the modules that are sampled from; ``pictures`` draws (N, C, H, W) float in [-1, 1] from them
    for the sample grid, which ``shown`` may make otherwise, and for evaluation; ``scores`` measures them on held-out images. ``best`` is the score that ranks checkpoints,
    and whether less of it is better. ``warnings`` are for the user, before the first step; ``study`` is for
    ``luoxia evaluate``, ``vitals`` for the training doctor; ``labels`` are the classes that ``pictures`` were asked for, where the model is told them.
    ``entrances`` are the methods that losses enter the moving module by. ``draws``: whether ``pictures`` are samples of
    a model that makes pictures, which are compared with real ones, and not a look at real ones. A model that writes has
    ``texts`` in their place. ``files`` are kept in the run's folder, by name, for whoever opens the model. ``steady``:
    whether the losses change nothing but gradients, so that a step can be timed before the first one is taken.
    """

    modules: dict[str, nn.Module]
    phases: Sequence[Phase]
    averaged: tuple[str, ...]
    pictures: Callable[[Modules, torch.Generator], Tensor]
    scores: Callable[[Modules], dict[str, float]]
    best: tuple[str, bool]
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[Text, ...] = ()
    study: Callable[[Modules, Note], Study] | None = None
    labels: NDArray[np.int64] | None = None
    vitals: Callable[[Modules], dict[str, float]] = lambda _: {}
    entrances: tuple[str, ...] = ("forward",)
    draws: bool = True
    shown: Callable[[Modules, torch.Generator], Tensor] | None = None
    texts: Callable[[Modules, torch.Generator], tuple[str, ...]] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    steady: bool = False

    def sample(self, modules: Modules, generator: torch.Generator) -> Tensor | tuple[str, ...]:
        """What a run shows of the model as it stands: pictures for a grid, or texts."""
        return (self.texts or self.shown or self.pictures)(modules, generator)


def to_tensor(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Images (B, C, H, W) uint8 to float32 in [-1, 1], channels last; labels as they are. No images stay none."""
    images = torch.from_numpy(batch.images).to(device).float().div_(127.5).sub_(1)
    labels = None if batch.labels is None else torch.from_numpy(batch.labels).to(device)
    return images.contiguous(memory_format=torch.channels_last), labels


@dataclass(frozen=True)
class Seen:
    """A batch on the device: pictures (B, C, H, W) in [-1, 1], labels (B,) or None, places in their set (B,). Pictures
    are (B, 0, 0, 0) where the examples are none."""

    images: Tensor
    labels: Tensor | None
    index: Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> Seen:
        images, labels = to_tensor(batch, device)
        return cls(images, labels, torch.from_numpy(batch.index).to(device))

    def part(self, part: int, parts: int, generator: torch.Generator) -> Draw:
        """Number ``part`` of ``parts`` equal ones, with the randomness that its loss may use."""
        of = slice(part * len(self.index) // parts, (part + 1) * len(self.index) // parts)
        labels = None if self.labels is None else self.labels[of]
        return Draw(self.images[of], labels, generator, self.index[of])


class _PhaseLoss(nn.Module):
    """A phase as one module, whose forward is its loss: what DistributedDataParallel can wrap."""

    def __init__(self, modules: Modules, phase: Phase) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(modules)
        self.loss = phase.loss

    def forward(self, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.loss(draw)
        return loss.value, loss.notes


class Engine:
    """Steps, averages and state of one run on one process; ``done`` steps lie behind it."""

    def __init__(
        self, training: Training, settings: Settings, seed: int, runtime: Runtime, processes: Processes
    ) -> None:
        self.training, self.settings, self.seed = training, settings, seed
        self.runtime, self.processes, self.done = runtime, processes, 0
        keep_freed_memory()
        for module in training.modules.values():
            module.to(runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averages = {
            name: Average(training.modules[name], settings.half_life) for name in training.averaged
        }
        self.optimizers = list(dict.fromkeys(phase.optimizer for phase in training.phases))
        self._whole: dict[str, nn.Module] = {}
        if settings.shard and processes.world > 1:
            self._split()
        self._rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self._schedule = Schedule(settings.steps, settings.warmup, settings.cosine)
        self._losses = [self._wrapped(phase) for phase in training.phases]
        self._notes: dict[str, tuple[Tensor, int]] = {}
        self.slower = 1.0  # factor of all learning rates, below 1 after a rollback

    @property
    def sampled(self) -> dict[str, nn.Module]:
        """The modules with averaged weights where there are averages; all processes ask for them together."""
        modules = {
            name: self.averages[name].shadow if name in self.averages else m
            for name, m in self.training.modules.items()
        }
        for name, copied in self._whole.items():
            copied.load_state_dict({k: shard.whole(v) for k, v in modules[name].state_dict().items()})
        return {**modules, **self._whole}

    def _split(self) -> None:
        """Split the moving module over processes. A network that others train against keeps its weights whole."""
        moving = {id(phase.module): phase.module for phase in self.training.phases}
        if len(moving) > 1:
            raise UserError(
                "networks that train against each other cannot be split: leave shard out, and each process holds all",
                "相互对抗训练的网络无法拆分：请去掉 shard，每个进程将各持有全部权重",
            )
        device, world = self.runtime.device, self.processes.world
        for name, module in self.training.modules.items():
            if id(module) not in moving:
                continue
            names = {id(p): n for n, p in module.named_parameters()}
            self._whole[name] = copy.deepcopy(module).requires_grad_(False).eval()
            shard.split(module, self.training.entrances, device, world)
            shard.follow(self.optimizers, names, module)
            if name in self.averages:
                shard.split(self.averages[name].shadow, (), device, world)

    def _wrapped(self, phase: Phase) -> nn.Module:
        loss = _PhaseLoss(self.training.modules, phase)
        if self.processes.world == 1 or self._whole:
            return loss
        self._only(phase)
        return DistributedDataParallel(loss, find_unused_parameters=phase.partial)

    def _only(self, phase: Phase) -> None:
        """Let gradients reach what the phase moves alone: those weights of its module that its optimizer holds."""
        held = {id(p) for group in phase.optimizer.param_groups for p in group["params"]}
        moving = held & {id(p) for p in phase.module.parameters()}
        for module in self.training.modules.values():
            for weight in module.parameters():
                weight.requires_grad_(id(weight) in moving)

    def forecast(self, batch: Batch, count: int) -> float | None:
        """Seconds that a step will take here, by the time of ``count`` examples of ``batch`` forth and back, after which
        nothing is changed; None where that cannot be told."""
        if not self.training.steady or self._whole:
            return None
        seen, seconds = Seen.of(batch, self.runtime.device), 0.0
        parts = max(self.settings.accumulate, len(batch.index) // count)  # no more at once than a step takes
        draw = seen.part(0, parts, generator(self.runtime.device, self.seed))
        for _ in range(2):  # the first one warms up
            began = time.perf_counter()
            for phase in self.training.phases:
                weights = [p for p in phase.module.parameters() if p.requires_grad]
                with self._lower():
                    value = phase.loss(draw).value
                torch.autograd.grad(value, weights, allow_unused=True)
                value.item()  # waits for an accelerator
            seconds = time.perf_counter() - began
        return seconds * parts

    def _lower(self) -> torch.autocast:
        return torch.autocast(
            self.runtime.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"
        )

    def step(self, batch: Batch) -> None:
        """One step on this process's ``batch``: every phase whose turn it is, then the averages."""
        seen = Seen.of(batch, self.runtime.device)
        factor = self._schedule(self.done) * self.slower
        for optimizer, rates in zip(self.optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        for number, phase in enumerate(self.training.phases):
            if phase.due(self.done):
                self._take(number, phase, seen)
        for average in self.averages.values():
            average.update(self.done, len(batch.index) * self.processes.world)
        self.done += 1

    def _take(self, number: int, phase: Phase, seen: Seen) -> None:
        parts, loss = self.settings.accumulate, self._losses[number]
        self._only(phase)
        phase.optimizer.zero_grad(set_to_none=True)
        for part in range(parts):
            place = (self.done, self.processes.rank, number, part)
            draw = seen.part(part, parts, generator(self.runtime.device, self.seed, *place))
            alone = isinstance(loss, DistributedDataParallel) and part + 1 < parts
            with loss.no_sync() if alone else contextlib.nullcontext(), fixed(self.seed, *place):  # type: ignore[operator]
                with self._lower():
                    value, notes = loss(draw)
                (value / parts).backward()
            for name, note in notes.items():
                self._note(name, note)
        norm = nn.utils.clip_grad_norm_(phase.module.parameters(), self.settings.clip or math.inf)
        self._note(f"grad_{phase.name}", shard.whole(norm))
        phase.optimizer.step()
        if phase.after is not None:
            phase.after()

    def _note(self, name: str, value: Tensor) -> None:
        total, count = self._notes.get(name, (torch.zeros((), device=value.device), 0))
        self._notes[name] = total + value.detach(), count + 1

    def take_notes(self) -> dict[str, float]:
        """Means since the last call, over processes too."""
        means = {name: total / count for name, (total, count) in sorted(self._notes.items())}
        self._notes = {}
        if not means:
            return {}
        values = self.processes.mean(torch.stack(list(means.values())).double())
        return dict(zip(means, values.tolist(), strict=True))

    def finite(self) -> bool:
        """Whether all weights are numbers, in all processes."""
        weights = [shard.own(p.detach()) for m in self.training.modules.values() for p in m.parameters()]
        norms = torch.stack(torch._foreach_norm(weights))  # type: ignore[attr-defined]
        return not self.processes.any(not bool(norms.isfinite().all()))

    def state(self) -> State:
        """Everything that the next step depends on, whole; all processes ask for it together."""
        tensors = {}
        for name, module in self.training.modules.items():
            tensors |= {f"live.{name}/{k}": v for k, v in module.state_dict().items()}
        for name, average in self.averages.items():
            tensors |= {f"average.{name}/{k}": v for k, v in average.shadow.state_dict().items()}
        moments, groups = checkpoint.flatten_optimizers(self.optimizers)
        tensors = {name: shard.whole(tensor) for name, tensor in (tensors | moments).items()}
        return State(self.done, tensors, {"optimizers": groups})

    def begin_with(self, live: dict[str, Tensor], averages: dict[str, dict[str, Tensor]]) -> None:
        """Take another run's weights for those drawn from the seed: ``live`` under "<module>.<name>", and averages.

        Counters begin anew. Raises ``RuntimeError`` naming the weights that do not fit.
        """
        for name, module in self.training.modules.items():
            part = {k[len(name) + 1 :]: v for k, v in live.items() if k.startswith(f"{name}.")}
            if part and module.state_dict():
                counters = {k: v for k, v in module.state_dict().items() if not v.is_floating_point()}
                module.load_state_dict(counters | part)
                if name in self.averages:
                    self.averages[name].shadow.load_state_dict(part)
        for name, weights in averages.items():
            self.averages[name].shadow.load_state_dict(weights)

    def restore(self, state: State) -> None:
        """Go on from where ``state`` was taken."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k[len(prefix) :]: v for k, v in state.tensors.items() if k.startswith(prefix)}

        def load(module: nn.Module, tensors: dict[str, Tensor]) -> None:
            mine = module.state_dict()
            module.load_state_dict(
                {k: shard.like(v, mine[k]) if k in mine else v for k, v in tensors.items()}
            )

        for name, module in self.training.modules.items():
            load(module, part(f"live.{name}/"))
        for name, average in self.averages.items():
            load(average.shadow, part(f"average.{name}/"))
        checkpoint.restore_optimizers(self.optimizers, state.tensors, state.rest["optimizers"])
        self.done = state.step

"""A recipe, data and a folder become a run, and a run goes on: what the command line and Python share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

import luoxia
from luoxia.core import seeds
from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.language import Text
from luoxia.core.runtime import Runtime
from luoxia.data.batches import Batches
from luoxia.data.examples import Examples
from luoxia.recipes import catalogue, originals
from luoxia.recipes.report import write_report
from luoxia.train.doctor import Finding
from luoxia.train.engine import Engine, Training
from luoxia.train.loop import Report, Stop, slower, train
from luoxia.train.processes import Processes
from luoxia.train.run import Run
from luoxia.train.settings import Settings, changed
from luoxia.weights import stylegan_folder
from luoxia.weights.stylegan_folder import StyleGANFolder

TIMED = 2_048  # units that a forecast is made by


@dataclass(frozen=True)
class Session:
    """A run with its data, its networks and the engine that moves them."""

    run: Run
    examples: Examples
    training: Training
    engine: Engine
    warnings: tuple[Text, ...] = ()

    def train(
        self,
        show: Callable[[Report], None] = lambda _: None,
        tell: Callable[[Finding], None] = lambda _: None,
        stop: Stop | None = None,
    ) -> bool:
        """Train to the last step or a stop; whether the last step was reached."""
        recipe, engine = catalogue.find(self.run.recipe["recipe"]), self.engine

        def kept() -> None:
            originals.keep(self.run.folder, self.run.recipe, self.examples)
            if recipe.keeps is not None:
                recipe.keeps(self.run)
            write_report(self.run)

        finished = train(self.run, engine, self._batches(), show=show, tell=tell, kept=kept, stop=stop)
        if finished and recipe.closes is not None and engine.processes.first:
            recipe.closes(self.run, self.training)
            write_report(self.run)
        return finished

    def forecast(self) -> float | None:
        """Seconds that the steps still to come will take, where that can be measured before they are taken."""
        engine, unit = self.engine, self.examples.unit
        if not engine.training.steady or engine.done >= engine.settings.steps:
            return None
        step = engine.forecast(self._batches().at(engine.done), max(1, TIMED // unit.each))
        return None if step is None else step * (engine.settings.steps - engine.done)

    def _batches(self) -> Batches:
        settings = self.engine.settings
        return Batches(
            self.examples,
            settings.batch_size,
            seed=self.engine.seed,
            rank=self.engine.processes.rank,
            world=self.engine.processes.world,
            mirror=settings.mirror,
            augment=settings.augment,
            workers=settings.workers,
        )


def begin(
    name: str,
    data: str,
    folder: Path,
    runtime: Runtime,
    *,
    size: int | None = None,
    seed: int | None = None,
    changes: dict[str, Any] | None = None,
    origin: str | None = None,
    processes: Processes = Processes(),
) -> Session:
    """A new run of recipe ``name`` on ``data`` in ``folder``, with the weights of the model ``origin`` to begin with.

    Everything is checked before the folder is made.
    """
    recipe_of = catalogue.find(name)
    before = stylegan_folder.find(origin) if origin else None
    if before is not None:
        if recipe_of.settings_of is None:
            raise UserError(
                f"{name} does not begin with another model's weights; stylegan does",
                f"{name} 不能从其他模型的权重开始；stylegan 可以",
            )
        size = size or before.network.size
        changes = recipe_of.settings_of(before.network) | (changes or {})
    settings = changed(recipe_of.settings, changes or {})
    size = recipe_of.size_of(data, size)
    settings, examples = recipe_of.open(settings, data, size, processes.world)
    seed = seeds.checked(seed)
    training = _built(name, settings, examples, seed)
    recipe = {
        "recipe": name,
        "settings": dataclasses.asdict(settings),
        "data": {
            "name": data,
            "size": size,
            "digest": examples.digest,
            "licence": list(examples.licence),
            **examples.facts,
        },
        "seed": seed,
        "world": processes.world,
        "facts": training.facts,
        "versions": {"luoxia": luoxia.__version__, "torch": torch.__version__},
        **({"origin": origin} if origin else {}),
    }
    engine = Engine(training, settings, seed, runtime, processes)
    if before is not None:
        _begin_with(engine, before, examples.digest)
    if processes.first:
        Run.begin(folder, recipe, training.files)
    processes.wait()
    return Session(Run.open(folder), examples, training, engine, training.warnings)


def resume(
    folder: Path, runtime: Runtime, processes: Processes = Processes(), *, auto: bool = False
) -> Session:
    """The run in ``folder``, at its newest whole checkpoint; ``auto`` from here on, where it was not before."""
    run = Run.open(folder)
    try:
        recipe = run.recipe
        asked = recipe["settings"] | ({"auto": True} if auto else {})
        of = catalogue.find(recipe["recipe"])
        data, seed, world = recipe["data"], recipe["seed"], recipe["world"]
        settings, examples = of.open(changed(of.settings, asked), data["name"], data["size"])
        digest = data["digest"]
    except (KeyError, TypeError) as error:
        raise MalformedFileError(
            f"{folder}/recipe.json is not whole: {error}", f"{folder}/recipe.json 不完整：{error}"
        ) from error
    if examples.digest != digest:
        raise UserError(
            f"{data['name']} is not the data that {folder} was trained on: its content has changed",
            f"{data['name']} 不是 {folder} 训练所用的数据：内容已改变",
        )
    if auto and processes.first:
        run.amend(settings=asked)
    training = _built(recipe["recipe"], settings, examples, seed, recipe.get("facts"))
    engine = Engine(training, settings, seed, runtime, processes)
    engine.slower = slower(run)
    state, complaints = run.newest()
    warnings = [
        Text(f"{c}; going on from an earlier checkpoint", f"{c}；从较早的检查点继续") for c in complaints
    ]
    if state is not None:
        try:
            engine.restore(state)
        except (RuntimeError, KeyError, ValueError) as error:
            raise MalformedFileError(
                f"the checkpoint in {folder} does not fit its recipe: {error}",
                f"{folder} 中的检查点与配方不符：{error}",
            ) from error
    elif recipe.get("origin"):
        _begin_with(engine, stylegan_folder.find(recipe["origin"]), examples.digest)
    if world != processes.world:
        warnings.append(
            Text(
                f"begun with {world} processes, going on with {processes.world}: from here the run differs",
                f"开始时为 {world} 个进程，现为 {processes.world} 个：此后结果将有所不同",
            )
        )
    return Session(run, examples, training, engine, (*training.warnings, *warnings))


def open_model(
    folder: Path, runtime: Runtime, data: str | None = None
) -> tuple[Run, Examples, Training, dict[str, torch.nn.Module]]:
    """The trained model of the run in ``folder`` (its averaged weights), with its own data or ``data``."""
    run = Run.open(folder)
    try:
        recipe = run.recipe
        of = catalogue.find(recipe["recipe"])
        settings = changed(of.settings, recipe["settings"])
        name, size = (data, None) if data else (recipe["data"]["name"], recipe["data"]["size"])
        settings, examples = of.open(settings, name, size)
        training = _built(recipe["recipe"], settings, examples, recipe["seed"], recipe.get("facts"))
    except (KeyError, TypeError) as error:
        raise MalformedFileError(
            f"{folder}/recipe.json is not whole: {error}", f"{folder}/recipe.json 不完整：{error}"
        ) from error
    path = folder / "model.safetensors"
    try:
        tensors = load_file(path)
        for name, module in training.modules.items():
            part = {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{name}.")}
            module.load_state_dict(part)
            module.requires_grad_(False).eval().to(runtime.device)
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} has no weights yet: its first checkpoint is still to come",
            f"{folder} 还没有权重：尚未到第一个检查点",
        ) from error
    except (OSError, RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0]
        raise MalformedFileError(
            f"{path} does not fit the run's recipe: {first}", f"{path} 与训练配方不符：{first}"
        ) from error
    return run, examples, training, training.modules


def _begin_with(engine: Engine, model: StyleGANFolder, digest: str) -> None:
    """The weights of ``model``: live ones of both networks where it keeps them, else its averaged generator.

    It knows its classes; on other data than it learned from, told by ``digest``, augmentation finds its strength anew.
    """
    averaged = model.generator().state_dict()
    live = model.training() or {f"generator.{k}": v for k, v in averaged.items()}
    live = {k: v for k, v in live.items() if not k.startswith("transition.")}
    if model.facts.get("digest") != digest:
        live = {k: v for k, v in live.items() if not k.startswith("augment.")}
    try:
        engine.begin_with(live, {"generator": averaged})
    except RuntimeError as error:
        first = " ".join(str(error).split("\n\t")[1].split())
        raise UserError(
            f"the weights of {model.name} do not fit this training: {first}",
            f"{model.name} 的权重与此训练不符：{first}",
        ) from error


def _built(
    name: str, settings: Settings, examples: Examples, seed: int, facts: dict[str, Any] | None = None
) -> Training:
    """``facts`` are those of the run that is opened again."""
    recipe = catalogue.find(name)
    try:
        return recipe.build(settings, examples, seed, *([facts] if recipe.remembers else []))
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(str(error), str(error)) from error

"""What is evaluated: a run with its own data, or a StyleGAN of the catalogue or the user's with data to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime
from luoxia.data.images import ImageSet, load
from luoxia.recipes import session, stylegan
from luoxia.train.engine import Training
from luoxia.train.run import Run
from luoxia.weights import stylegan_folder


@dataclass(frozen=True)
class Subject:
    """``source`` is a run's folder or a model's name or folder; ``folder`` is where results go. ``run`` is the run whose
    own page shows them, or None where a page of their own does. ``learned_from_these``: whether the training part of
    ``images`` is what the model learned from, without which nothing follows about copies."""

    source: str
    folder: Path
    run: Run | None
    training: Training
    modules: dict[str, nn.Module]
    images: ImageSet
    learned_from_these: bool
    facts: dict[str, Any]


def find(source: str, runtime: Runtime, data: str | None = None, out: Path | None = None) -> Subject:
    """Open ``source`` with its own data or ``data``. Raises :class:`UserError` where data is needed, or does not fit."""
    if (Path(source) / "recipe.json").exists() or not stylegan_folder.is_known(source):
        run, images, training, modules = session.open_model(Path(source), runtime, data)
        told = run.recipe
        if not isinstance(images, ImageSet):
            raise UserError(
                f"{source} is a model of text, and this evaluation is of pictures",
                f"{source} 是文本模型，而此评估针对图片",
            )
        return Subject(
            source,
            out or run.folder,
            run if out is None else None,
            training,
            modules,
            images,
            images.digest == told["data"].get("digest"),
            {"run": run.folder.name, "recipe": told["recipe"], "seed": told["seed"], **told["data"]},
        )
    model = stylegan_folder.find(source)
    if data is None:
        raise UserError(
            f"{source} is a model without data: give --data, what it learned from where you have it",
            f"{source} 是不带数据的模型：请用 --data 给出数据，最好是它训练所用的数据",
        )
    network = model.network
    images = load(data, size=network.size)
    if images.channels != network.channels or (network.classes and network.classes != len(images.classes)):
        raise UserError(
            f"{source} makes pictures of {network.channels} channels and {network.classes} classes; {data} has "
            f"{images.channels} and {len(images.classes)}",
            f"{source} 生成 {network.channels} 通道、{network.classes} 类的图片；{data} 为 {images.channels} 通道、"
            f"{len(images.classes)} 类",
        )
    modules: dict[str, nn.Module] = {"generator": model.generator().to(runtime.device)}
    training = stylegan.sides(network, images, 0).training(modules, [], {})
    facts = {"model": model.name, "source": model.source, **network.to_json()}
    return Subject(
        source,
        out or Path(f"{model.name}-evaluation"),
        None,
        training,
        modules,
        images,
        images.digest == model.facts.get("digest"),
        facts | {"data": images.name, "digest": images.digest, "licence": list(model.licence)},
    )

"""A StyleGAN, of the second kind or the third, in a folder: ``model.json`` says what it is, ``model.safetensors`` holds the averaged generator.

``training.safetensors``, where it is there, holds what training elsewhere begins with: the live networks, in half
precision, under "generator.", "discriminator.", "augment." and "path_length.".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from luoxia.core.errors import MalformedFileError, UnknownModelError
from luoxia.core.folder import home, write_atomically
from luoxia.models.stylegan import StyleGAN, StyleGANConfig
from luoxia.models.stylegan3 import StyleGAN3, StyleGAN3Config
from luoxia.weights import catalogue
from luoxia.weights.catalogue import FACTS, own
from luoxia.weights.state_dict import fill, read_state_dict

FORMAT = 1
WEIGHTS, TRAINING, DIRECTIONS = (
    "model.safetensors",
    "training.safetensors",
    "directions.safetensors",
)
FAMILIES = {"stylegan": StyleGANConfig, "stylegan3": StyleGAN3Config}


@dataclass(frozen=True)
class StyleGANFolder:
    """``classes`` are their names, ``licence`` lines on the data it learned from, ``source`` where it came from."""

    name: str
    folder: Path
    network: StyleGANConfig | StyleGAN3Config
    classes: tuple[str, ...] = ()
    licence: tuple[str, ...] = ()
    source: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def generator(self) -> StyleGAN | StyleGAN3:
        """The averaged generator in float32; :class:`MalformedFileError` names the first layer that does not fit."""
        with torch.device("meta"):
            if isinstance(self.network, StyleGAN3Config):
                network = StyleGAN3(self.network)
            else:
                network = StyleGAN(self.network)
        path = self.folder / WEIGHTS
        prefix = "generator." if self.facts.get("run") else ""  # a run keeps every network in one file
        return fill(network, read_state_dict(path, prefix=prefix), path)

    def kept_directions(self) -> Path:
        """Where directions that were learned lie: with the model, or under a name of these very weights."""
        beside = self.folder / DIRECTIONS
        if beside.is_file():
            return beside
        with (self.folder / WEIGHTS).open("rb") as file:
            return home() / "directions" / f"{self.name}-{catalogue.digest(file)[:12]}.safetensors"

    def training(self) -> dict[str, Tensor]:
        """What training elsewhere begins with, in float32; empty where the folder has none."""
        path = self.folder / TRAINING
        return {k: v.float() for k, v in read_state_dict(path).items()} if path.is_file() else {}


def is_one(name_or_path: str) -> bool:
    """Whether a folder, or a model of the user's own under that name, holds a StyleGAN."""
    try:
        return any(
            (f / FACTS).is_file() or (f / "recipe.json").is_file() for f in catalogue.folders(name_or_path)
        )
    except OSError:  # too long for a path
        return False


def is_known(name_or_path: str) -> bool:
    """Whether :func:`find` has something to find: a StyleGAN of the catalogue, or one that :func:`is_one` sees."""
    entry = catalogue.CATALOGUE.get(name_or_path)
    return entry.kind == "pictures" if entry is not None else is_one(name_or_path)


def find(name_or_path: str | Path) -> StyleGANFolder:
    """The model of that catalogue id, of the user's own under that name, or in that folder, be it a run's."""
    name = str(name_or_path)
    known = catalogue.CATALOGUE.get(name)
    if known is not None:
        return read(catalogue.verified(catalogue.find(name, "pictures")).parent, name)
    for folder in catalogue.folders(name):
        if (folder / FACTS).is_file():
            return read(folder, folder.name)
        if (folder / "recipe.json").is_file():
            return _of_run(folder)
    ids = [entry.id for entry in catalogue.CATALOGUE.values() if entry.kind == "pictures"]
    there = ", ".join([*ids, *own()])
    raise UnknownModelError(
        f"there is no model {name[:100]!r} that makes pictures; there is {there}, and a run's folder will do",
        f"没有生成图片的模型 {name[:100]!r}；现有 {there}，也可给训练文件夹",
    )


def read(folder: Path, name: str) -> StyleGANFolder:
    """What ``model.json`` in ``folder`` says."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        form, family = facts.pop("format"), facts.pop("family")
        if form != FORMAT or family not in FAMILIES:
            raise ValueError("another format or family")
        network = FAMILIES[family](**facts.pop("network"))
        classes, licence = tuple(facts.pop("classes", ())), tuple(facts.pop("licence", ()))
        return StyleGANFolder(name, folder, network, classes, licence, str(facts.pop("source", "")), facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedFileError(
            f"{path} does not describe a StyleGAN: {error}", f"{path} 未描述 StyleGAN：{error}"
        ) from error


def write(
    folder: Path,
    generator: StyleGAN | StyleGAN3,
    *,
    training: Mapping[str, Tensor] | None = None,
    classes: tuple[str, ...] = (),
    licence: tuple[str, ...] = (),
    source: str = "",
    half: bool = True,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Lay a model down in ``folder``; ``half`` keeps it in half precision. ``model.json`` comes last: with it the
    folder is a model."""
    kind = torch.float16 if half else torch.float32
    parts = {WEIGHTS: generator.state_dict()} | ({TRAINING: dict(training)} if training else {})
    for name, tensors in parts.items():
        with write_atomically(folder / name) as file:
            file.write(save({k: v.detach().cpu().to(kind).contiguous() for k, v in tensors.items()}))
    told = {
        "format": FORMAT,
        "family": "stylegan3" if isinstance(generator, StyleGAN3) else "stylegan",
        "network": generator.config.to_json(),
        "classes": list(classes),
        "licence": list(licence),
        "source": source,
        **facts,
    }
    with write_atomically(folder / FACTS) as file:
        file.write(json.dumps(told, ensure_ascii=False, indent=1).encode())


def _of_run(folder: Path) -> StyleGANFolder:
    path = folder / "recipe.json"
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        if recipe["recipe"] != "stylegan":
            raise ValueError(f"it was trained by the recipe {recipe['recipe']}")
        network = StyleGANConfig(**recipe["facts"]["network"])
        data = recipe["data"]
        return StyleGANFolder(
            folder.resolve().name,
            folder,
            network,
            tuple(data.get("classes", ())),
            tuple(data["licence"]),
            f"trained on {Path(data['name']).name}",
            {"run": True, "digest": data["digest"], "seed": recipe["seed"], "settings": recipe["settings"]},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedFileError(
            f"{folder} holds no StyleGAN: {error}", f"{folder} 中没有 StyleGAN：{error}"
        ) from error

"""A model of verse on disk: its weights, its network's shape and its tokenizer.

    model.json           format, family "verse", network, tokenizer, licence, SHA-256 of the weights
    model.safetensors    the weights: matrices in 8 bits with a scale for each row, all else in half precision
    lines.bin            which lines there were before: see luoxia.data.verse.line_index

A run's folder serves too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from luoxia.core.errors import MalformedFileError, UnknownModelError, UserError
from luoxia.core.folder import write_atomically
from luoxia.models.gpt import GPT, GPTConfig
from luoxia.models.verse_tokenizer import VerseTokenizer
from luoxia.weights import catalogue
from luoxia.weights.catalogue import FACTS
from luoxia.weights.eight_bits import pack, unpack
from luoxia.weights.state_dict import fill, read_state_dict

FORMAT, FAMILY, RECIPE, WEIGHTS, LINES = 1, "verse", "recipe.json", "model.safetensors", "lines.bin"
PREFIX, SCALE = "verse.", ".scale"  # before a run's weights, behind the names of matrices in 8 bits
LARGEST = 1 << 30  # bytes of weights


@dataclass(frozen=True)
class VerseFolder:
    """``lines`` is the index of lines that there were before, where the folder has one."""

    name: str
    path: Path
    config: GPTConfig
    tokenizer: VerseTokenizer
    prefix: str = ""
    lines: Path | None = None
    licence: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def network(self) -> GPT:
        """In float32 on the CPU, not moving. Raises :class:`MalformedFileError` for what does not fit."""
        with torch.device("meta"):
            network = GPT(self.config)
        told = read_state_dict(self.path, LARGEST, self.prefix)
        try:
            whole = {
                name: unpack(value, told[name + SCALE], over=1) if name + SCALE in told else value
                for name, value in told.items()
                if not name.endswith(SCALE)
            }
        except ValueError as error:
            raise MalformedFileError(f"{self.path}: {error}", f"{self.path}：{error}") from error
        return fill(network, whole, self.path)

    @property
    def sha256(self) -> str:
        """Of the file of weights."""
        with self.path.open("rb") as file:
            return catalogue.digest(file)


def is_one(name_or_path: str | Path) -> bool:
    """Whether a model of verse has that name or lies there."""
    name = str(name_or_path)
    if name in catalogue.CATALOGUE:
        return catalogue.CATALOGUE[name].kind == "verse"
    for folder in catalogue.folders(name):
        for file, told in ((FACTS, lambda facts: facts), (RECIPE, lambda facts: facts["facts"])):
            try:
                if told(json.loads((folder / file).read_text(encoding="utf-8")))["family"] == FAMILY:
                    return True
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return False


def find(name_or_path: str | Path) -> VerseFolder:
    """The model of that catalogue id, of the user's own under that name, or in that folder, be it a run's."""
    name = str(name_or_path)
    if name in catalogue.CATALOGUE:
        return read(catalogue.verified(catalogue.find(name, "verse")).parent, name)
    for folder in catalogue.folders(name):
        try:
            if (folder / FACTS).is_file():
                return read(folder, folder.resolve().name)
            if (folder / RECIPE).is_file():
                return of_run(folder)
        except OSError:  # too long for a path
            break
    known = [entry.id for entry in catalogue.CATALOGUE.values() if entry.kind == "verse"]
    there = ", ".join([*known, *catalogue.own([FAMILY])])
    if not there:
        raise UnknownModelError(
            f"there is no model of verse {name[:100]!r}, nor another one: train one with `luoxia train verse`, and give "
            "the folder of that run",
            f"没有诗歌模型 {name[:100]!r}，本机也没有其他的：请用 `luoxia train verse` 训练，"
            "再给出训练文件夹",
        )
    raise UnknownModelError(
        f"there is no model of verse {name[:100]!r}; there is {there}, and the folder of a run of "
        "`luoxia train verse` will do",
        f"没有诗歌模型 {name[:100]!r}；现有 {there}，也可给 `luoxia train verse` 的训练文件夹",
    )


def read(folder: Path, name: str) -> VerseFolder:
    """What model.json in ``folder`` says; the weights must be those that it names."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts.pop("format") != FORMAT or facts.pop("family") != FAMILY:
            raise ValueError("another format or family")
        found = VerseFolder(
            name,
            folder / WEIGHTS,
            GPTConfig(**facts.pop("network")),
            VerseTokenizer.from_json(facts.pop("tokenizer")),
            lines=folder / LINES if (folder / LINES).is_file() else None,
            licence=tuple(map(str, facts.pop("licence", ()))),
            facts=facts,
        )
        wanted, same = str(facts["sha256"]), found.sha256
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, MalformedFileError):
            raise
        raise MalformedFileError(
            f"{path} does not describe a model of verse: {error}", f"{path} 未描述诗歌模型：{error}"
        ) from error
    if wanted != same:
        raise MalformedFileError(
            f"{found.path} is cut short or altered: its SHA-256 is not the one in {FACTS}",
            f"{found.path} 不完整或被改动：SHA-256 与 {FACTS} 中的不符",
        )
    return found


def of_run(folder: Path) -> VerseFolder:
    """The model that the run in ``folder`` trained."""
    path = folder / RECIPE
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        facts = recipe["facts"]
        if facts.get("family") != FAMILY:
            raise ValueError(f"it was trained by the recipe {recipe['recipe']}")
        config, tokenizer = GPTConfig(**facts["network"]), VerseTokenizer.from_json(facts["tokenizer"])
        licence = tuple(map(str, recipe["data"]["licence"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedFileError(
            f"{path} does not describe a model of verse: {error}", f"{path} 未描述诗歌模型：{error}"
        ) from error
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{folder} has no weights yet: its first checkpoint is still to come",
            f"{folder} 还没有权重：尚未到第一个检查点",
        )
    return VerseFolder(
        folder.resolve().name,
        folder / WEIGHTS,
        config,
        tokenizer,
        PREFIX,
        licence=licence,
        facts=recipe["data"],
    )


def write(
    folder: Path,
    network: GPT,
    tokenizer: VerseTokenizer,
    *,
    lines: bytes = b"",
    licence: tuple[str, ...] = (),
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Lay a model down in ``folder``. model.json comes last: with it the folder is a model."""
    tensors: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        if value.ndim == 2:
            tensors[name], tensors[name + SCALE] = pack(value.detach().cpu(), over=1)
        else:
            tensors[name] = value.detach().cpu().half().contiguous()
    data = save(tensors)
    with write_atomically(folder / WEIGHTS) as file:
        file.write(data)
    if lines:
        with write_atomically(folder / LINES) as file:
            file.write(lines)
    whole = {
        "format": FORMAT,
        "family": FAMILY,
        "sha256": hashlib.sha256(data).hexdigest(),
        "network": network.config.to_json(),
        "tokenizer": tokenizer.to_json(),
        "licence": list(licence),
        **facts,
    }
    with write_atomically(folder / FACTS) as file:
        file.write(json.dumps(whole, ensure_ascii=False, indent=1).encode())

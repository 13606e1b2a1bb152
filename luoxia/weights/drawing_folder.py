"""Models that draw from words, in a folder: ``model.json`` says what they are, and each part has a file of its own.

    dvae.safetensors        pictures to codes and back
    dalle.safetensors       captions to codes
    clip.safetensors        captions beside pictures, where it is there
    upscaler.safetensors    small pictures to large ones, where it is there
    tokenizer.json          captions to tokens

A run's folder serves too: a run of ``dalle`` with the dVAE that it names, a run of another recipe for its one part. What
the transformer writes means nothing but to the dVAE it learned from; both are known by fingerprints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from luoxia.core.errors import MalformedFileError, UnknownModelError, UserError
from luoxia.core.folder import write_atomically
from luoxia.models.captions import CaptionTokenizer
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.models.dalle import Dalle, DalleConfig
from luoxia.models.dvae import DiscreteVAE, DVAEConfig
from luoxia.models.openai_dvae import OpenAIDVAE, OpenAIDVAEConfig
from luoxia.models.upscaler import Upscaler, UpscalerConfig
from luoxia.weights import catalogue
from luoxia.weights.catalogue import FACTS
from luoxia.weights.state_dict import fill, read_state_dict

FORMAT, FAMILY, TOKENIZER, RECIPE = 1, "drawing", "tokenizer.json", "recipe.json"
CODES = "codes"  # the family of folders that hold a dVAE alone


def _dvae_of(config: Mapping[str, Any]) -> tuple[Any, Callable[..., nn.Module]]:
    """The config and the class of a dVAE: ours, or OpenAI's, which tells the codes by another name."""
    if "vocab_size" in config:
        return OpenAIDVAEConfig(**config), OpenAIDVAE
    return DVAEConfig(**config), DiscreteVAE


KINDS: dict[str, tuple[Callable[..., Any], Callable[..., nn.Module]]] = {
    "dvae": (lambda **config: _dvae_of(config)[0], lambda config: _dvae_of(config.to_json())[1](config)),
    "dalle": (DalleConfig, Dalle),
    "clip": (CLIPConfig, CLIP),
    "upscaler": (UpscalerConfig, Upscaler),
}


@dataclass(frozen=True)
class Part:
    """One network of a drawing model: ``config`` as its class takes it, ``weights`` under ``prefix`` in ``path``.
    ``tokenizer`` is the captions' where it reads any; ``needs`` are fingerprints of the parts it was made for."""

    kind: str
    name: str
    path: Path
    config: Mapping[str, Any]
    prefix: str = ""
    tokenizer: Mapping[str, Any] | None = None
    needs: Mapping[str, str] = field(default_factory=dict)

    def network(self) -> Any:
        """The network in float32 on the CPU, not moving. Raises :class:`MalformedFileError` for what does not fit."""
        configured, made = KINDS[self.kind]
        try:
            with torch.random.fork_rng():  # on the meta device, tables that are no weights would stay empty
                network = made(configured(**self.config))
        except (TypeError, ValueError) as error:
            raise MalformedFileError(
                f"{self.path.parent} does not describe a {self.kind}: {error}",
                f"{self.path.parent} 未描述 {self.kind}：{error}",
            ) from error
        # A run keeps every network in one file.
        return fill(network, read_state_dict(self.path, prefix=self.prefix), self.path)

    def reader(self) -> CaptionTokenizer:
        """What makes tokens of captions for it."""
        if self.tokenizer is None:
            raise MalformedFileError(
                f"{self.path.parent} has no tokenizer of captions", f"{self.path.parent} 缺少描述文字的分词器"
            )
        return CaptionTokenizer.from_json(dict(self.tokenizer))


@dataclass(frozen=True)
class DrawingFolder:
    """``parts`` by kind; ``data`` are the sets that they learned from, each with name, digest and lines on its licence."""

    name: str
    folder: Path
    parts: dict[str, Part]
    licence: tuple[str, ...] = ()
    data: tuple[dict[str, Any], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def part(self, kind: str) -> Part:
        """Raises :class:`UserError` where it is not there."""
        if kind not in self.parts:
            raise UserError(
                f"{self.name} has no {kind}; it has {', '.join(self.parts)}",
                f"{self.name} 没有 {kind}；有 {'、'.join(self.parts)}",
            )
        return self.parts[kind]


def fingerprint(network: nn.Module) -> str:
    """SHA-256 of what gives a dVAE's codes their meaning: all weights but those of its decoder, which may go on learning.
    They are taken in half precision, so that a run's and those that are shipped of it have the same."""
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if name.startswith("decoder."):
            continue
        kind = torch.float16 if tensor.is_floating_point() else tensor.dtype
        found.update(f"{name} {tuple(tensor.shape)} ".encode())
        found.update(tensor.detach().cpu().to(kind).contiguous().numpy().tobytes())
    return found.hexdigest()


def check(part: Part, other: Part, found: str) -> None:
    """Refuse ``other``, whose fingerprint is ``found``, where ``part`` was made for another one."""
    wanted = part.needs.get(other.kind)
    if wanted != found:
        raise UserError(
            f"{part.name} and {other.name} do not belong together: the {part.kind} was made for the {other.kind} "
            f"{(wanted or 'of no name')[:12]}, and this one is {found[:12]}",
            f"{part.name} 与 {other.name} 不配套：该 {part.kind} 对应的 {other.kind} 为 {(wanted or '未知')[:12]}，"
            f"而这一个为 {found[:12]}",
        )


def find(name_or_path: str | Path) -> DrawingFolder:
    """The model of that catalogue id, of the user's own under that name, or in that folder, be it a run's."""
    name = str(name_or_path)
    known = catalogue.CATALOGUE.get(name)
    if known is not None:
        return read(catalogue.verified(catalogue.find(name, "drawings")).parent, name)
    for folder in catalogue.folders(name):
        try:
            if (folder / FACTS).is_file():
                return read(folder, folder.resolve().name)
            if (folder / RECIPE).is_file():
                return of_run(folder)
        except OSError:  # too long for a path
            break
    ids = [entry.id for entry in catalogue.CATALOGUE.values() if entry.kind == "drawings"]
    there = ", ".join([*ids, *catalogue.own([FAMILY])])
    if not there:
        raise UnknownModelError(
            f"there is no model {name[:100]!r} that draws from words, nor another one: train one with `luoxia train dalle`, "
            "and give the folder of that run",
            f"没有按文字作画的模型 {name[:100]!r}，本机也没有其他的：请用 `luoxia train dalle` 训练，"
            "再给出训练文件夹",
        )
    raise UnknownModelError(
        f"there is no model {name[:100]!r} that draws from words; there is {there}, and a run's folder will do",
        f"没有按文字作画的模型 {name[:100]!r}；现有 {there}，也可给训练文件夹",
    )


def read(folder: Path, name: str) -> DrawingFolder:
    """What ``model.json`` in ``folder`` says; each part's file must be the one that it names."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        needed = {FAMILY: ("dvae", "dalle"), CODES: ("dvae",)}.get(facts.pop("family"))
        if facts.pop("format") != FORMAT or needed is None:
            raise ValueError("another format or family")
        told, licence = facts.pop("parts"), tuple(facts.pop("licence", ()))
        data = tuple(map(dict, facts.pop("data", ())))
        reads = "dalle" in needed
        tokenizer = json.loads((folder / TOKENIZER).read_text(encoding="utf-8")) if reads else None
        parts = {
            kind: Part(
                kind,
                f"{name}/{kind}",
                folder / f"{kind}.safetensors",
                dict(of["network"]),
                tokenizer=tokenizer if kind in ("dalle", "clip") else None,
                needs=dict(of.get("needs", {})),
            )
            for kind, of in told.items()
            if kind in KINDS
        }
        hashes = {kind: str(told[kind]["sha256"]) for kind in parts}
        for kind in needed:
            if kind not in parts:
                raise ValueError(f"it has no {kind}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedFileError(
            f"{path} does not describe a model that draws from words: {error}",
            f"{path} 未描述按文字作画的模型：{error}",
        ) from error
    for kind, part in parts.items():
        _check_file(part.path, hashes[kind])
    return DrawingFolder(name, folder, parts, licence, data, facts)


def _check_file(path: Path, wanted: str) -> None:
    try:
        with path.open("rb") as file:
            found = catalogue.digest(file)
    except OSError as error:
        raise MalformedFileError(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}") from error
    if found != wanted:
        raise MalformedFileError(
            f"{path} is cut short or altered: its SHA-256 is not the one in {FACTS}",
            f"{path} 不完整或被改动：SHA-256 与 {FACTS} 中的不符",
        )


def write(
    folder: Path,
    parts: Mapping[str, nn.Module],
    tokenizer: CaptionTokenizer,
    *,
    licence: tuple[str, ...] = (),
    data: Sequence[Mapping[str, Any]] = (),
    half: bool = True,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Lay a model down in ``folder``; ``half`` keeps it in half precision. ``model.json`` comes last: with it the folder
    is a model. ``parts`` by kind, a dVAE and a DALL·E among them that belong together."""
    assert parts.keys() >= {"dvae", "dalle"}
    told: dict[str, Any] = {}
    for kind, network in parts.items():
        packed = save({k: _shipped(v, half) for k, v in network.state_dict().items()})
        with write_atomically(folder / f"{kind}.safetensors") as file:
            file.write(packed)
        config: Any = network.config
        told[kind] = {"sha256": hashlib.sha256(packed).hexdigest(), "network": config.to_json()}
    told["dalle"]["needs"] = {"dvae": fingerprint(parts["dvae"])}
    with write_atomically(folder / TOKENIZER) as file:
        file.write(json.dumps(tokenizer.to_json(), ensure_ascii=False).encode())
    whole = {
        "format": FORMAT,
        "family": FAMILY,
        "parts": told,
        "licence": list(licence),
        "data": list(data),
        **facts,
    }
    with write_atomically(folder / FACTS) as file:
        file.write(json.dumps(whole, ensure_ascii=False, indent=1).encode())


def _shipped(tensor: Tensor, half: bool) -> Tensor:
    kind = torch.float16 if half and tensor.is_floating_point() else tensor.dtype
    return tensor.detach().cpu().to(kind).contiguous()


def of_run(folder: Path) -> DrawingFolder:
    """The parts that the run in ``folder`` trained, and those it names that it was trained with."""
    path = folder / RECIPE
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        kind, facts, data = recipe["recipe"], recipe["facts"], recipe["data"]
        if kind not in KINDS:
            raise ValueError(f"it was trained by the recipe {kind}")
        name = folder.resolve().name
        mine = Part(
            kind,
            name,
            folder / "model.safetensors",
            dict(facts["network"]),
            f"{kind}.",
            facts.get("tokenizer"),
            dict(facts.get("needs", {})),
        )
        parts, beside = {kind: mine}, ()
        if kind == "dalle":
            codes = find(recipe["settings"]["dvae"])
            parts["dvae"], beside = codes.part("dvae"), codes.data
        used = {
            "name": Path(data["name"]).name,
            "digest": data.get("digest", ""),
            "licence": list(data["licence"]),
        }
        return DrawingFolder(name, folder, parts, tuple(data["licence"]), (used, *beside))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise MalformedFileError(
            f"{folder} holds nothing that draws from words: {error}",
            f"{folder} 中没有按文字作画的模型：{error}",
        ) from error

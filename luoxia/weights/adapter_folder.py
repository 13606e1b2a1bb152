"""Adapters of the user's own, as folders and as names: small folders that change how a text model answers.

    NAME/adapter.json          base and its hash, tokenizer, rank, scale, layers, data and licences, scores
    NAME/adapter.safetensors   read and written by ``luoxia.weights.adapters``

An adapter is its base's alone: on weights of another hash it would add noise, and is refused. Several may be stacked,
``my-writer+my-tone@0.5``, where the number is a weight; a base may be named in front, ``BASE+my-writer``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from luoxia.core.errors import MalformedFileError, UnknownModelError, UserError
from luoxia.core.folder import home
from luoxia.weights import catalogue

FORMAT = 1
FACTS = catalogue.ADAPTER_FACTS


@dataclass(frozen=True)
class AdapterFolder:
    """An adapter on disk and what its ``adapter.json`` says."""

    folder: Path
    base: str  # catalogue id, or the path of the model it was made for
    base_sha256: str
    tokenizer: str  # its digest
    scale: float
    rank: int
    layers: tuple[str, ...]
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name


@dataclass(frozen=True)
class Stack:
    """``parts`` with their weights on ``base``, which is what they were made for where nobody named another."""

    base: str
    parts: tuple[tuple[AdapterFolder, float], ...]

    def check(self, base_sha256: str, tokenizer: str) -> None:
        """Refuse adapters that were made for other weights or another tokenizer."""
        for part, _ in self.parts:
            if part.base_sha256 != base_sha256:
                raise UserError(
                    f"{part.name} was made for {part.base} with the hash {part.base_sha256[:12]}; "
                    f"{self.base} has {base_sha256[:12]}, and what it learned means nothing there",
                    f"{part.name} 是为 {part.base}（哈希 {part.base_sha256[:12]}）训练的；"
                    f"{self.base} 的哈希为 {base_sha256[:12]}，不能套用",
                )
            if part.tokenizer != tokenizer:
                raise UserError(
                    f"{part.name} was made with another tokenizer than {self.base} has now",
                    f"{part.name} 训练时所用的分词器与 {self.base} 现在的不同",
                )


def read(folder: str | Path) -> AdapterFolder:
    """The adapter in ``folder``. Raises :class:`MalformedFileError` for what is none."""
    folder = Path(folder)
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            refuse(path, f"it is of format {facts['format']}", f"格式为 {facts['format']}")
        scale = float(facts["scale"])
        if not math.isfinite(scale):
            refuse(path, f"its scale is {scale}", f"scale 为 {scale}")
        base = facts["base"]
        return AdapterFolder(
            folder,
            str(base["name"]),
            str(base["sha256"]),
            str(facts["tokenizer"]),
            scale,
            int(facts["rank"]),
            tuple(map(str, facts["layers"])),
            facts,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, MalformedFileError):
            raise
        refuse(path, f"{type(error).__name__}: {error}", f"{type(error).__name__}：{error}")


def own() -> list[AdapterFolder]:
    """The user's adapters by name; a folder that cannot be read is left out."""
    found = []
    for path in sorted((home() / "models").glob(f"*/{FACTS}")):
        try:
            found.append(read(path.parent))
        except MalformedFileError:
            continue
    return found


def find(name: str, *, own_only: bool = False) -> Stack | None:
    """The adapters that ``name`` names, as one, several, or with a base in front; None where it names none.

    ``own_only``: by the names of the user's own adapters and of the catalogue alone, never by a path.
    """
    words = name.split("+")
    if len(words) == 1 and _folder(_weighed(name)[0], own_only) is None:
        return None
    first = _weighed(words[0])[0]
    named = _folder(first, own_only) is None
    if named and not (first in catalogue.CATALOGUE or (not own_only and Path(first).exists())):
        if own_only or any(_folder(_weighed(word)[0]) for word in words):
            raise _unknown(first)
        return None
    parts = []
    for word in words[named:]:
        part, weight = _weighed(word)
        folder = _folder(part, own_only)
        if folder is None:
            raise _unknown(part)
        parts.append((read(folder), weight))
    bases = {part.base_sha256: part for part, _ in parts}
    if len(bases) > 1:
        told = " and ".join(f"{part.name} ({part.base})" for part in bases.values())
        raise UserError(
            f"{told} were made for different models and cannot be stacked", f"{told} 基于不同的模型，不能叠加"
        )
    return Stack(words[0] if named else parts[0][0].base, tuple(parts))


def hash_of(path: Path) -> str:
    """SHA-256 of a model's weights: of its file, or of the weights in its folder; read once for a file as it lies there."""
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        if not files:
            refuse(path, "there are no weights in it", "其中没有权重")
        inside = [_digest(file, _seen(file)) for file in files]
        return inside[0] if len(inside) == 1 else hashlib.sha256("".join(inside).encode()).hexdigest()
    return _digest(path, _seen(path))


def _seen(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


@functools.lru_cache(32)
def _digest(path: Path, seen: tuple[int, int, int]) -> str:  # noqa: ARG001 (others of these are another file)
    with path.open("rb") as file:
        return catalogue.digest(file)


def _weighed(word: str) -> tuple[str, float]:
    """ "name@0.5" as (name, 0.5)."""
    name, found, number = word.rpartition("@")
    if not found or not re.fullmatch(r"-?\d{1,3}(\.\d{1,6})?", number):
        return word, 1.0
    return name, float(number)


def _folder(name: str, own_only: bool = False) -> Path | None:
    if catalogue.is_name(name) and (catalogue.place(name) / FACTS).is_file():
        return catalogue.place(name)
    try:
        return Path(name) if not own_only and (Path(name) / FACTS).is_file() else None
    except (OSError, ValueError):
        return None


def _unknown(name: str) -> UnknownModelError:
    names = [adapter.name for adapter in own()]
    en, zh = (", ".join(names), "、".join(names)) if names else ("none yet", "暂无")
    return UnknownModelError(
        f"there is no adapter {name[:70]!r}; yours are: {en}", f"没有适配器 {name[:70]!r}；现有：{zh}"
    )


def refuse(path: Path, en: str, zh: str) -> NoReturn:
    """Raise :class:`MalformedFileError`: what is at ``path`` is no adapter."""
    raise MalformedFileError(f"{path} is no adapter: {en}", f"{path} 不是适配器：{zh}")

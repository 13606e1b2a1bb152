"""A CLIP in a folder: a run's, one of the user's own, or that of a model that draws from words.

A folder of the user's own has ``model.json``, which says what it is, ``model.safetensors`` and ``tokenizer.json``; of a
drawing model the parts are ``model.json``, ``clip.safetensors`` and ``tokenizer.json``; a Hugging Face folder is read too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from luoxia.core.errors import MalformedFileError, ModelNotHereError, UnknownModelError, UserError
from luoxia.core.folder import write_atomically
from luoxia.models import tokenizer_json
from luoxia.models.captions import BEGIN, END, CaptionTokenizer
from luoxia.models.clip import CLIP, CLIPConfig
from luoxia.models.clip_tokenizer import CLIPTokenizer, ReadsTexts
from luoxia.weights import catalogue, clip_huggingface
from luoxia.weights.catalogue import CATALOGUE, FACTS, new_place, own
from luoxia.weights.state_dict import fill, read_state_dict

FORMAT, FAMILY, DRAWING = 1, "clip", "drawing"
WEIGHTS, TOKENIZER, RECIPE, CONFIG = "model.safetensors", "tokenizer.json", "recipe.json", "config.json"


@dataclass(frozen=True)
class CLIPFolder:
    """``weights`` lie under ``prefix`` in their file; ``licence`` lines on the data they learned from."""

    name: str
    weights: Path
    config: CLIPConfig
    tokenizer: ReadsTexts
    prefix: str = ""
    licence: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def network(self) -> CLIP:
        """In float32 on the CPU, for looking alone; :class:`MalformedFileError` names the first layer that does not fit."""
        with torch.device("meta"):
            network = CLIP(self.config)
        tensors = read_state_dict(self.weights, clip_huggingface.LARGEST, self.prefix)
        if self.facts.get("published"):
            tensors = clip_huggingface.from_huggingface(tensors)
        return fill(network, tensors, self.weights)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file of the weights: what is computed with them is kept under it."""
        try:
            with self.weights.open("rb") as file:
                return catalogue.digest(file)
        except OSError as error:
            raise ModelNotHereError(
                f"{self.name} has no weights yet: {self.weights} is not there",
                f"{self.name} 还没有权重：缺少 {self.weights}",
            ) from error


def find(name_or_path: str | Path) -> CLIPFolder:
    """The CLIP of that catalogue id, of the user's own under that name, or in that folder."""
    name = str(name_or_path)
    known = CATALOGUE.get(name)
    if known is not None and known.kind in ("drawings", "pairs"):
        return read(catalogue.verified(known).parent, name)
    for folder in catalogue.folders(name):
        try:
            if (folder / FACTS).is_file():
                return read(folder, folder.resolve().name)
            if (folder / RECIPE).is_file():
                return _of_run(folder)
            if (folder / CONFIG).is_file():
                return _published(folder)
        except OSError:  # too long for a path
            break
    there = ", ".join([*(entry.id for entry in CATALOGUE.values() if entry.kind == "drawings"), *own()])
    raise UnknownModelError(
        f"there is no CLIP {name[:100]!r}; there is {there or 'none yet'}, and a run's folder will do",
        f"没有 CLIP 模型 {name[:100]!r}；现有 {there or '（尚无）'}，也可给训练文件夹",
    )


def read(folder: Path, name: str) -> CLIPFolder:
    """What ``model.json`` in ``folder`` says, be it a CLIP alone or one beside what draws."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        form, family = facts.pop("format"), facts.pop("family")
        if form != FORMAT or family not in (FAMILY, DRAWING):
            raise ValueError(f"it is of the family {str(family)[:40]!r}")
        told = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
        licence = tuple(facts.pop("licence", ()))
        if family == DRAWING:
            if "clip" not in facts["parts"]:
                raise UserError(
                    f"{name} has no CLIP; name one that you imported, or a run's folder: `luoxia train clip --data icons` makes one",
                    f"{name} 没有 CLIP；请指定已收入的模型或训练文件夹：`luoxia train clip --data icons` 即可训练",
                )
            config = CLIPConfig(**facts["parts"]["clip"]["network"])
            return CLIPFolder(name, folder / "clip.safetensors", config, _reader(told, None), licence=licence)
        config, begin = CLIPConfig(**facts.pop("network")), int(facts.pop("begin"))
        tokenizer = _reader(told, (begin, config.end))
        return CLIPFolder(name, folder / WEIGHTS, config, tokenizer, licence=licence, facts=facts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise MalformedFileError(
            f"{path} does not describe a CLIP: {error}", f"{path} 未描述 CLIP：{error}"
        ) from error


def write(
    folder: Path,
    model: CLIP,
    tokenizer: ReadsTexts,
    *,
    licence: tuple[str, ...] = (),
    half: bool = True,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Lay a model down in ``folder``; ``half`` keeps it in half precision. ``model.json`` comes last: with it the folder
    is a model."""
    kind = torch.float16 if half else torch.float32
    begin = tokenizer.begin if isinstance(tokenizer, CLIPTokenizer) else BEGIN
    told = {
        "format": FORMAT,
        "family": FAMILY,
        "network": model.config.to_json(),
        "begin": begin,
        "licence": list(licence),
        **(facts or {}),
    }
    parts = {
        WEIGHTS: save({k: v.detach().cpu().to(kind).contiguous() for k, v in model.state_dict().items()}),
        TOKENIZER: json.dumps(tokenizer.to_json(), ensure_ascii=False).encode(),
        FACTS: json.dumps(told, ensure_ascii=False, indent=1).encode(),
    }
    for name, data in parts.items():
        with write_atomically(folder / name) as file:
            file.write(data)


def is_one(source: Path) -> bool:
    """Whether there is a CLIP to keep in ``source``: a Hugging Face folder or a run of its recipe."""
    for name, key in ((CONFIG, "model_type"), (RECIPE, "recipe")):
        try:
            if json.loads((source / name).read_text(encoding="utf-8"))[key] == FAMILY:
                return True
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return False


def keep(source: Path, name: str) -> CLIPFolder:
    """Lay the CLIP in ``source`` down under ``name``. Raises :class:`UserError` for a name that is taken or no name."""
    folder = new_place(name)
    given = find(source)
    published = bool(given.facts.get("published"))
    told = {"source": f"imported from {source.resolve().name}"} if published else {"source": "trained here"}
    write(folder, given.network(), given.tokenizer, licence=given.licence, half=not published, facts=told)
    return read(folder, name)


def _published(folder: Path) -> CLIPFolder:
    config, tokenizer = clip_huggingface.read_described(folder)
    return CLIPFolder(folder.resolve().name, folder / WEIGHTS, config, tokenizer, facts={"published": True})


def _of_run(folder: Path) -> CLIPFolder:
    path = folder / RECIPE
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        if recipe["recipe"] != FAMILY:
            raise ValueError(f"it was trained by the recipe {recipe['recipe']}")
        facts, data = recipe["facts"], recipe["data"]
        return CLIPFolder(
            folder.resolve().name,
            folder / WEIGHTS,
            CLIPConfig(**facts["network"]),
            CaptionTokenizer.from_json(facts["tokenizer"]),
            "clip.",
            tuple(data["licence"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, MalformedFileError):
            raise
        raise MalformedFileError(
            f"{folder} holds no CLIP: {error}", f"{folder} 中没有 CLIP：{error}"
        ) from error


def _reader(told: dict[str, Any], ends: tuple[int, int] | None) -> ReadsTexts:
    """Our captions' tokenizer, or one that was published, whose begin and end are ``ends``."""
    if ends in (None, (BEGIN, END)):
        return CaptionTokenizer.from_json(told)
    assert ends is not None
    return CLIPTokenizer(tokenizer_json.opened(json.dumps(told), "model.json"), *ends)

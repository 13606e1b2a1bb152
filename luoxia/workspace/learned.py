"""What a model learned from, as its folder tells it: a run's recipe.json, a model's model.json, an adapter's adapter.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from luoxia.data.attribution import summed
from luoxia.weights import catalogue
from luoxia.workspace.made_from import DatasetUsed, ModelUsed

RECIPE = "recipe.json"
LARGEST = 1 << 26  # bytes of a file of facts; those of texts hold a tokenizer
DEEPEST = 8  # models that one began with, one after the other


def learned(folder: Path) -> tuple[str, tuple[DatasetUsed, ...]]:
    """The run that lies in ``folder`` or that its model came from, "" for none, and the data sets, those first that it
    learned from last. A folder that tells nothing, or nothing that can be understood, gives none."""
    run, found = "", dict[DatasetUsed, None]()
    place: Path | None = folder
    for _ in range(DEEPEST):
        facts = _facts(place)
        run = run or (str(place.absolute()) if "recipe" in facts else str(facts.get("trained_in", ""))[:4096])
        found |= dict.fromkeys(_datasets(facts))
        place = (
            folder_of(str(facts["origin"])) if facts.get("origin") else None
        )  # the model that it began with
        if place is None:
            break
    return run, tuple(found)


def folder_of(model: str) -> Path | None:
    """Where the model lies that ``model`` opens, a part of one included ("icons-64/dalle"); None where it is not here."""
    entry = catalogue.CATALOGUE.get(model) or catalogue.CATALOGUE.get(model.rpartition("/")[0])
    if entry is not None:
        return catalogue.path_of(entry).parent
    for name in (model, model.rpartition("/")[0]):
        for folder in catalogue.folders(name) if name else ():
            try:
                if any(
                    (folder / told).is_file() for told in (RECIPE, catalogue.FACTS, catalogue.ADAPTER_FACTS)
                ):
                    return folder
            except (OSError, ValueError):  # no path at all
                break
    return None


def folder_of_used(model: ModelUsed) -> Path | None:
    """Where a model lies that took part in something: its run's folder, or what its id names."""
    run = Path(model.run)
    if (
        run.is_absolute() and (run / RECIPE).is_file()
    ):  # one known by name alone is not the folder of that name here
        return run
    return folder_of(model.id)


def _facts(folder: Path | None) -> dict[str, Any]:
    for name in (RECIPE, catalogue.FACTS, catalogue.ADAPTER_FACTS):
        path = (folder or Path()) / name
        try:
            if path.is_file() and path.stat().st_size <= LARGEST:
                facts = json.loads(path.read_bytes())
                return facts if isinstance(facts, dict) else {}
        except (OSError, ValueError, RecursionError):
            continue
    return {}


def _datasets(facts: Mapping[str, Any]) -> list[DatasetUsed]:
    data = facts.get("data")
    if isinstance(data, dict):
        return _dataset(data)
    if isinstance(data, list) and data:  # parts that learned from one each
        return [used for one in data if isinstance(one, dict) for used in _dataset(one)]
    source = str(facts.get("source", ""))  # a model's own folder says it at the top
    name = source.removeprefix("trained on ") if source.startswith("trained on ") else ""
    return _dataset({"name": name, "digest": facts.get("digest", ""), "licence": facts.get("licence", ())})


def _dataset(data: Mapping[str, Any]) -> list[DatasetUsed]:
    """One, or none where nothing is told."""
    lines = data.get("licence") or ()
    lines = [str(line) for line in lines] if isinstance(lines, list | tuple) else [str(lines)]
    name, digest = Path(str(data.get("name", ""))).name, str(data.get("digest", ""))
    if not name and not digest and not lines:
        return []
    licence, author = summed(lines)
    return [DatasetUsed(name[:300] or "?", licence, author, digest[:64])]

"""What a creation was made from, said by whoever made it: enough to tell its origin, and to make it again."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from luoxia.core.licences import each_once

PACKAGES = ("torch", "numpy")  # what decides the numbers


@dataclass(frozen=True)
class DatasetUsed:
    """A data set that a model learned from. ``sha256`` is of its list of items, "" where none was kept."""

    name: str
    licence: str = ""
    author: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class ModelUsed:
    """A model that took part. ``id`` is what opens it: a name of the catalogue or the user's own, or a path; ``sha256``
    of its weights; ``role`` as in "writes", "draws", "ranks"; ``run`` the folder of the training that made it."""

    id: str
    sha256: str
    licence: str = ""
    role: str = ""
    run: str = ""
    datasets: tuple[DatasetUsed, ...] = ()


@dataclass(frozen=True)
class Parent:
    """A creation that this one was made from; ``role`` as in "picture", "mask", "style"."""

    id: str
    role: str = ""


def here() -> dict[str, str]:
    """Versions of what decides the outcome on this machine."""
    import luoxia

    found = {"luoxia": luoxia.__version__, "python": platform.python_version(), "machine": platform.machine()}
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}


@dataclass(frozen=True)
class MadeFrom:
    """``kind`` is of content ("text", "picture", "film", "sound", "drawing", "document"); ``command`` names what made it,
    as in "write", and ``parameters``, JSON, are all that :mod:`luoxia.workspace.makers` needs besides prompt and seed."""

    kind: str
    command: str
    models: tuple[ModelUsed, ...] = ()
    recipe: str = ""
    prompt: str = ""
    seed: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()
    versions: Mapping[str, str] = field(default_factory=here)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"parameters": dict(self.parameters), "versions": dict(self.versions)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> MadeFrom:
        """What :meth:`to_json` told; ``KeyError`` or ``TypeError`` for anything else."""
        models = tuple(
            ModelUsed(**model | {"datasets": tuple(DatasetUsed(**d) for d in model["datasets"])})
            for model in told["models"]
        )
        whole: dict[str, Any] = {
            **told,
            "models": models,
            "parents": tuple(Parent(**p) for p in told["parents"]),
        }
        return cls(**whole)

    @property
    def prompts(self) -> list[str]:
        """Those that something was made of, each for itself: a sheet has one a line."""
        return self.prompt.splitlines() if self.command == "draw sheet" else [self.prompt]

    @property
    def datasets(self) -> tuple[DatasetUsed, ...]:
        """What the models learned from, each once."""
        return tuple(dict.fromkeys(d for m in self.models for d in m.datasets))

    @property
    def licences(self) -> tuple[str, ...]:
        """Of the models and of what they learned from, each once."""
        return each_once([*(m.licence for m in self.models), *(d.licence for d in self.datasets)])

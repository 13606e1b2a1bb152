"""The folder of one training: what was asked, what came of it, and all that is needed to go on.

recipe.json          recipe, configuration, data and its licences, seed, versions
model.safetensors    the averaged weights of the best-scored checkpoint, or of the newest where none is scored
train_state/         checkpoints
metrics.jsonl        one line a report
doctor.jsonl         one line a finding of the training doctor
samples/             one picture a report of samples, always from the same noise; of a model that writes, texts
report.html          curves and pictures
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.folder import write_atomically
from luoxia.train import checkpoint
from luoxia.train.checkpoint import State

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A run's folder and what its ``recipe.json`` says."""

    folder: Path
    recipe: dict[str, Any]

    @classmethod
    def begin(cls, folder: Path, recipe: dict[str, Any], files: Mapping[str, bytes] | None = None) -> Run:
        """A new run in ``folder``, which must be new or empty: no run is written over another. ``files`` are kept
        beside the recipe."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(
                f"{folder} is there already; go on with `luoxia train --resume {folder}` or give another -o",
                f"{folder} 已存在；用 `luoxia train --resume {folder}` 继续，或用 -o 另指定",
            )
        run = cls(folder, {"format": FORMAT})
        for name, content in (files or {}).items():
            with write_atomically(folder / name) as file:
                file.write(content)
        run.amend(**recipe)
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run that lies in ``folder``."""
        path = folder / "recipe.json"
        try:
            recipe = json.loads(path.read_text(encoding="utf-8"))
            version = recipe["format"]
        except OSError as error:
            raise UserError(
                f"{folder} holds no run: there is no recipe.json in it",
                f"{folder} 中没有训练：缺少 recipe.json",
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedFileError(
                f"{path} is not a run's recipe: {error}", f"{path} 不是训练配方：{error}"
            ) from error
        if version != FORMAT:
            raise MalformedFileError(
                f"{folder} was made by another version of Luoxia (format {version}, this one reads {FORMAT})",
                f"{folder} 由另一版本的落霞生成（格式 {version}，本版本读取 {FORMAT}）",
            )
        return cls(folder, recipe)

    @property
    def metrics(self) -> Metrics:
        return Metrics(self.folder / "metrics.jsonl")

    @property
    def findings(self) -> Metrics:
        return Metrics(self.folder / "doctor.jsonl")

    def amend(self, **facts: Any) -> None:
        """Change what ``recipe.json`` says."""
        self.recipe.update(facts)
        with write_atomically(self.folder / "recipe.json") as file:
            file.write(json.dumps(self.recipe, ensure_ascii=False, indent=1).encode())

    @property
    def checkpoints(self) -> Path:
        return self.folder / "train_state"

    def newest(self) -> tuple[State | None, list[str]]:
        """The newest checkpoint that is whole, and a line for each newer one that is not."""
        complaints = []
        for step in checkpoint.steps_in(self.checkpoints):
            try:
                return checkpoint.load(checkpoint.folder_of(self.checkpoints, step)), complaints
            except MalformedFileError as error:
                complaints.append(str(error))
        return None, complaints

    def write_model(self, modules: dict[str, torch.nn.Module]) -> None:
        """The weights that samples are drawn from, under "<module>.<name>"."""
        tensors = {
            f"{name}.{k}": v.detach().cpu().contiguous()
            for name, module in modules.items()
            for k, v in module.state_dict().items()
        }
        with write_atomically(self.folder / "model.safetensors") as file:
            file.write(save(tensors))


class Metrics:
    """``metrics.jsonl``: lines up to a step, and new ones behind them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Every whole line; a last line that a crash cut short is left out."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def rewind(self, step: int) -> None:
        """Forget what was noted after ``step``: a resumed run notes it again."""
        rows = [row for row in self.read() if row["step"] <= step]
        with write_atomically(self.path) as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows).encode())

    def add(self, row: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

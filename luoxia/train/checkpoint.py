"""A run's whole state on disk: weights, averages, optimizers, step. Written so that none is ever half there.

    train_state/step-00000500/   state.safetensors   every tensor, under "<part>/<name>"
                                 state.json          the rest, and the SHA-256 of the tensors

A folder is written as ``step-*.tmp``, settled, and renamed. Tensors and JSON only: nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from luoxia.core.errors import MalformedFileError
from luoxia.core.folder import put_in_place, settle
from luoxia.train import shard

FORMAT = 1
TENSORS, REST = "state.safetensors", "state.json"


@dataclass(frozen=True)
class State:
    """``tensors`` by name and what JSON can hold, after ``step`` steps."""

    step: int
    tensors: dict[str, torch.Tensor]
    rest: dict[str, Any]


def folder_of(parent: Path, step: int) -> Path:
    return parent / f"step-{step:08d}"


def steps_in(parent: Path) -> list[int]:
    """Steps of the checkpoints there, newest first; unfinished ones are no checkpoints."""
    names = [p.name[5:] for p in parent.glob("step-*") if p.is_dir()]
    return sorted((int(n) for n in names if n.isdigit()), reverse=True)


def save(parent: Path, state: State) -> Path:
    """Write ``state`` as a folder of its own beside the earlier ones."""
    folder = folder_of(parent, state.step)
    unfinished = folder.with_suffix(".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        path = unfinished / TENSORS
        save_file({k: v.detach().cpu().contiguous() for k, v in state.tensors.items()}, path)
        with path.open("rb+") as file:
            settle(file)
        rest = {"format": FORMAT, "step": state.step, "sha256": _digest(path), **state.rest}
        with (unfinished / REST).open("xb") as file:
            file.write(json.dumps(rest, ensure_ascii=False, indent=1).encode())
            settle(file)
        if folder.exists():  # the same step again, after a resume from an earlier one
            shutil.rmtree(folder)
        put_in_place(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


def load(folder: Path) -> State:
    """Read one checkpoint. Raises :class:`MalformedFileError` when it is cut short, altered or of another format."""
    try:
        rest = json.loads((folder / REST).read_text())
        if rest.pop("format") != FORMAT:
            raise MalformedFileError(
                f"{folder} was written by another version of Luoxia", f"{folder} 由另一版本的落霞写成"
            )
        path = folder / TENSORS
        if _digest(path) != rest.pop("sha256"):
            raise MalformedFileError(
                f"{path} is cut short or altered: its SHA-256 is not the one noted",
                f"{path} 不完整或被改动：SHA-256 与记录不符",
            )
        return State(rest.pop("step"), load_file(path), rest)
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as error:
        if isinstance(error, MalformedFileError):
            raise
        raise MalformedFileError(
            f"{folder} is not a whole checkpoint: {error}", f"{folder} 不是完整的检查点：{error}"
        ) from error


def keep(parent: Path, *, last: int, best: int | None, every: int) -> None:
    """Remove what the rule does not name: the ``last`` newest, the ``best``, and multiples of ``every``."""
    steps = steps_in(parent)
    wanted = {*steps[:last], best}
    for step in steps:
        if step not in wanted and not (every and step % every == 0):
            shutil.rmtree(folder_of(parent, step), ignore_errors=True)
    for leftover in parent.glob("step-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def flatten_optimizers(optimizers: Sequence[torch.optim.Optimizer]) -> tuple[dict[str, torch.Tensor], list]:
    """Tensors and JSON of the optimizers' states."""
    tensors, groups = {}, []
    for i, optimizer in enumerate(optimizers):
        state = optimizer.state_dict()
        groups.append(state["param_groups"])
        for index, values in state["state"].items():
            for name, value in values.items():
                tensors[f"optimizer.{i}/{index}/{name}"] = torch.as_tensor(value)
    return tensors, groups


def restore_optimizers(
    optimizers: Sequence[torch.optim.Optimizer], tensors: dict[str, torch.Tensor], groups: list
) -> None:
    """Put back what :func:`flatten_optimizers` took."""
    for i, (optimizer, param_groups) in enumerate(zip(optimizers, groups, strict=True)):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, torch.Tensor]] = {}
        prefix = f"optimizer.{i}/"
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, name = key[len(prefix) :].split("/")
                like = parameters[int(index)]
                if value.shape == like.shape:  # in the order of memory it had, or sums would round otherwise
                    value = torch.empty_like(like, dtype=value.dtype).copy_(shard.like(value, like))
                state.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": param_groups})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()

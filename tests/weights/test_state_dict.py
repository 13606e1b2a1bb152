"""Files of tensors from strangers: what is read, and what is refused in one clear line."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from luoxia.core.errors import MalformedFileError
from luoxia.weights.state_dict import fill, read_state_dict


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)


@pytest.fixture
def good() -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in Network().state_dict().items()}


def empty() -> Network:
    with torch.device("meta"):
        return Network()


@pytest.mark.parametrize("kind", ["pth", "safetensors", "old pth"])
def test_reads_and_fills(good: dict[str, torch.Tensor], tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"model.{kind.split()[-1]}"
    if kind == "safetensors":
        save_file(good, path)
    else:
        torch.save(good, path, _use_new_zipfile_serialization=kind == "pth")
    network = fill(empty(), read_state_dict(path), path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, good[name]), name
    assert not network.training
    assert not network.linear.weight.requires_grad


def test_half_precision_and_missing_counters_are_taken(good: dict[str, torch.Tensor], tmp_path: Path) -> None:
    del good["norm.num_batches_tracked"]
    network = fill(empty(), {name: tensor.half() for name, tensor in good.items()}, tmp_path)
    assert network.linear.weight.dtype == torch.float32
    assert torch.equal(network.linear.weight, good["linear.weight"].half().float())
    assert network.norm.num_batches_tracked.item() == 0


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["LUOXIA_TEST_TRAP"],)


def test_code_in_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = tmp_path / "trap"
    monkeypatch.setenv("LUOXIA_TEST_TRAP", str(trap))
    for path in (tmp_path / "zip.pth", tmp_path / "plain.pth"):
        if path.stem == "zip":
            torch.save({"linear.weight": Evil()}, path)
        else:
            path.write_bytes(pickle.dumps({"linear.weight": Evil()}))
        with pytest.raises(MalformedFileError) as caught:
            read_state_dict(path)
        assert str(path) in caught.value.text.en
        assert str(path) in caught.value.text.zh
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.zeros(1)], "no dictionary"),
        ({}, "no dictionary"),
        ({"model": {"a": torch.zeros(1)}}, "'model' is a dict"),
        ({"epoch": 3}, "'epoch' is a int"),
        ({7: torch.zeros(1)}, "'7' is a Tensor"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "'a' is not a plain tensor"),
    ],
)
def test_only_a_flat_dictionary_of_plain_tensors(content: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(content, path)
    with pytest.raises(MalformedFileError, match=words):
        read_state_dict(path)


def test_damage_is_one_clear_error(good: dict[str, torch.Tensor], tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.pth", tmp_path / "model.pth"
    torch.save(good, whole)
    content = whole.read_bytes()
    for length in (0, 1, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(MalformedFileError):
            read_state_dict(path)
    path.write_bytes(b"\x80\x02" + bytes(range(256)))
    with pytest.raises(MalformedFileError):
        read_state_dict(path)
    with pytest.raises(MalformedFileError, match="no such file"):
        read_state_dict(tmp_path / "absent.pth")
    damaged = tmp_path / "model.safetensors"
    damaged.write_bytes(content)
    with pytest.raises(MalformedFileError):
        read_state_dict(damaged)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (2 << 20))
    assert path.stat().st_size < 10_000
    with pytest.raises(MalformedFileError, match="more than"):
        read_state_dict(path, 1 << 20)


def drop(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["linear.bias"]


def add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["other"] = torch.zeros(1)


def reshape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["linear.weight"] = torch.zeros(3, 2)


def count(tensors: dict[str, torch.Tensor]) -> None:
    tensors["linear.weight"] = torch.zeros(2, 3, dtype=torch.int64)


def spoil(tensors: dict[str, torch.Tensor]) -> None:
    tensors["linear.weight"][1, 2] = torch.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop, r"lacks linear\.bias \(1 in all\)"),
        (add, "no place for: other"),
        (reshape, r"wrong shape: linear\.weight"),
        (count, r"linear\.weight holds values that are no finite numbers"),
        (spoil, r"linear\.weight holds values that are no finite numbers"),
    ],
)
def test_names_shapes_and_values_are_the_networks(
    change: Callable[[dict[str, torch.Tensor]], None],
    words: str,
    good: dict[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    change(good)
    with pytest.raises(MalformedFileError, match=words):
        fill(empty(), good, tmp_path / "model.pth")

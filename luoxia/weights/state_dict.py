"""State dictionaries of PyTorch and safetensors files: flat names to tensors, and into a network by name and shape.

A ``.pth`` file is a pickle. It goes through PyTorch's restricted reader, which builds tensors and containers and calls
nothing else.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from luoxia.core.errors import MalformedFileError

MAX_BYTES = 1 << 30  # of one file, packed or not; most networks read here have a tenth of that
COUNTER = "num_batches_tracked"  # of a batch normalisation; evaluation has no use for it, older files lack it

Network = TypeVar("Network", bound=nn.Module)


def read_state_dict(path: Path, largest: int = MAX_BYTES, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or of a PyTorch file that holds a flat dictionary of them, of ``largest``
    bytes at most. Of a file with several networks, those of the one under ``prefix``, without it.

    Raises :class:`MalformedFileError` for everything else: nested dictionaries, whole modules, code, damage.
    """
    if not path.is_file():
        _refuse(path, "there is no such file", "没有这个文件")
    try:
        _check_size(path, largest)
        found = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        _refuse(path, f"it cannot be read ({reason})", f"无法读取（{reason}）")
    except (SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise _damaged(path) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        if isinstance(error, MalformedFileError):
            raise
        raise _damaged(path) from error  # which of them depends on where in the pickle the damage is
    if not isinstance(found, dict) or not found:
        _refuse(path, "it holds no dictionary of tensors", "其中没有张量字典")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            _refuse(
                path,
                f"{str(name)[:60]!r} is a {type(tensor).__name__[:40]}; only named tensors are read",
                f"{str(name)[:60]!r} 的类型为 {type(tensor).__name__[:40]}；只能读取具名张量",
            )
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            _refuse(path, f"{name[:60]!r} is not a plain tensor", f"{name[:60]!r} 不是普通张量")
    return {name[len(prefix) :]: tensor for name, tensor in found.items() if name.startswith(prefix)}


def fill(network: Network, tensors: Mapping[str, Tensor], path: Path) -> Network:
    """Put the tensors into a ``network`` made on the meta device; returns it in evaluation mode, float32, on the CPU.

    Names and shapes must be those of the network, all of them and no others, and the values finite. Raises
    :class:`MalformedFileError` naming the first that are not.
    """
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    given = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    missing, surplus = sorted(wanted.keys() - given.keys()), sorted(given.keys() - wanted.keys())
    odd = [name for name in wanted if name in given and given[name].shape != wanted[name].shape]
    for names, en, zh in (
        (missing, "it lacks", "缺少"),
        (surplus, "it has tensors that the network has no place for:", "含有网络中没有的张量："),
        (odd, "it has tensors of the wrong shape:", "含有形状不符的张量："),
    ):
        if names:
            some = ", ".join(name[:60] for name in names[:3]) + (" …" if len(names) > 3 else "")
            _refuse(path, f"{en} {some} ({len(names)} in all)", f"{zh} {some}（共 {len(names)} 个）")
    ready: dict[str, Tensor] = {}
    for name, tensor in given.items():
        if not (tensor.is_floating_point() and bool(tensor.isfinite().all())):
            _refuse(
                path,
                f"{name} holds values that are no finite numbers",
                f"{name} 含有并非有限数的值",
            )
        ready[name] = tensor.detach().to(torch.float32).contiguous()
    counters = (name for name in network.state_dict() if name.endswith(COUNTER))
    network.load_state_dict(ready | {name: torch.tensor(0) for name in counters}, assign=True)
    return network.requires_grad_(False).eval()


def _unpickled(path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd but readable pickles: what is not readable raises
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_size(path: Path, largest: int) -> None:
    """A packed file may unpack to far more than it is."""
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = max(size, sum(member.file_size for member in archive.infolist()))
    if size > largest:
        _refuse(
            path,
            f"it holds {size} bytes, more than the {largest} that any network read here may have",
            f"内容为 {size} 字节，超过此处网络允许的 {largest} 字节",
        )


def _damaged(path: Path) -> MalformedFileError:
    return MalformedFileError(
        f"{path} cannot be used: it is damaged, or not a safetensors or PyTorch file of tensors alone; fetch or "
        "copy it again",
        f"{path} 无法使用：文件已损坏，或并非只含张量的 safetensors 或 PyTorch 文件；请重新获取或复制",
    )


def _refuse(path: Path, en: str, zh: str) -> NoReturn:
    raise MalformedFileError(f"{path} cannot be used: {en}", f"{path} 无法使用：{zh}")

"""Whole modules as ``torch.save`` writes them since version 1.6: an archive of one pickle and the bytes of its tensors.

Such a pickle names the classes of the layers. None of them is looked up: every object becomes a name with a state, of
which the tensors are taken under their dotted names. Only what builds tensors and containers is called, by functions of
this package; anything else ends the reading.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from luoxia.core.errors import MalformedFileError
from luoxia.weights.stylegan_pickle import (
    KINDS,
    PickledObject,
    Refused,
    Storage,
    tensor_over,
    tensors_of,
)

LARGEST = 1 << 30  # bytes, unpacked
LAYERS = ("torch.nn.", "dall_e.")  # rooms whose classes may stand in such a file, as names


def read_module(path: Path) -> dict[str, Tensor]:
    """The parameters and buffers of the module in ``path``, float32. Raises :class:`MalformedFileError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise Refused(f"it unpacks to more than {LARGEST} bytes")
            names = [n for n in archive.namelist() if n.endswith("/data.pkl")]
            if len(names) != 1:
                raise Refused("it holds no data.pkl, or several")
            found = _Unpickler(archive, names[0].removesuffix("data.pkl")).load()
        if not isinstance(found, PickledObject):
            raise Refused("it holds no module")
        return tensors_of(found)
    except (Refused, OSError, zipfile.BadZipFile, pickle.UnpicklingError, EOFError, MemoryError) as error:
        raise _malformed(path, error) from error
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        raise _malformed(path, error) from error  # which of them depends on where the damage is


def _malformed(path: Path, error: BaseException) -> MalformedFileError:
    detail = " ".join(str(error).split())[:300] or type(error).__name__
    return MalformedFileError(
        f"{path} cannot be read as a saved module: {detail}", f"无法将 {path} 作为保存的模块读取：{detail}"
    )


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(folder + "data.pkl")))
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in KINDS:
            return KINDS[name]
        if (module, name) in NAMES:
            return NAMES[module, name]
        if f"{module}.".startswith(LAYERS):
            return _layer(name)
        raise Refused(f"it asks for {module}.{name}, which is not among what networks are made of")

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            case ("storage", torch.dtype() as dtype, str() as key, str(), int() as count) if count >= 0:
                if key not in self._storages:
                    data = self._archive.read(f"{self._folder}data/{key}")
                    if len(data) != count * dtype.itemsize:
                        raise Refused("a storage has another length than it says")
                    values = (
                        torch.frombuffer(bytearray(data), dtype=dtype)
                        if count
                        else torch.empty(0, dtype=dtype)
                    )
                    self._storages[key] = Storage(dtype, values)
                return self._storages[key]
        raise Refused("a storage is not described as PyTorch does")


def _layer(name: str) -> Callable[..., PickledObject]:
    """What stands for the class ``name``: an object with that name, whatever it is made with."""

    class Layer(PickledObject):
        def __new__(cls, *_: Any) -> Any:
            made = PickledObject.__new__(PickledObject)
            made.name, made.state = name, {}
            return made

    return Layer


def _reconstructed(kind: Any, *_: Any) -> Any:
    """``copyreg._reconstructor``, by which older protocols make objects."""
    if not (isinstance(kind, type) and issubclass(kind, PickledObject)):
        raise Refused("it makes an object of no layer")
    return kind("")


def _nothing(*_: Any) -> None:
    """A device, a set of names: of no use here."""


def _parameter(data: Any, *_: Any) -> Any:
    return data


NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): tensor_over,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "device"): _nothing,
    ("builtins", "set"): _nothing,
    ("__builtin__", "set"): _nothing,
    ("builtins", "object"): object,
    ("__builtin__", "object"): object,
    ("copyreg", "_reconstructor"): _reconstructed,
    ("copy_reg", "_reconstructor"): _reconstructed,
}

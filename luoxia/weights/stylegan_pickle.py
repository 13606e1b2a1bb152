"""Reader of StyleGAN2, StyleGAN2-ADA and StyleGAN3 as NVIDIA publishes them: pickles, of which nothing is executed.

Such a file holds the program text of its classes, which is not looked at, and the state of each object as dictionaries
and tensors, which is. The unpickler knows a score of names, each bound to a function of this file; any other name ends the
reading with an error that says it. Tensors are laid over bytes whose bounds are checked.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import torch
from torch import Tensor

from luoxia.core.errors import MalformedFileError
from luoxia.models.discriminator import DiscriminatorConfig, StyleDiscriminator
from luoxia.models.stylegan import StyleGAN, StyleGANConfig
from luoxia.models.stylegan3 import StyleGAN3, StyleGAN3Config

LARGEST = 4 << 30  # bytes of a file: the largest published one has 0.4 GB
KINDS = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
NUMBERS = ("f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "b1")


M = TypeVar("M", bound=torch.nn.Module)
C = TypeVar("C")


@dataclass(frozen=True)
class StyleGANPickle:
    """The networks of a file: averaged generator, and discriminator where there is one and a use for it."""

    generator: StyleGAN | StyleGAN3
    discriminator: StyleDiscriminator | None


@dataclass
class PickledObject:
    """An object of a class that is not ours: its class's name and its state."""

    name: str
    state: dict[str, Any] = field(default_factory=dict)

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {}


@dataclass(frozen=True)
class Storage:
    dtype: torch.dtype
    values: Tensor  # (n,)


class Refused(Exception):
    """What the file asks for and does not get."""


def read(path: Path) -> StyleGANPickle:
    """The networks in ``path``, in float32. Raises :class:`MalformedFileError` for anything else in it."""
    try:
        if path.stat().st_size > LARGEST:
            raise Refused("it is larger than 4 GB")
        with path.open("rb") as file:
            found = _Unpickler(file).load()
        if not isinstance(found, dict) or not isinstance(found.get("G_ema"), PickledObject):
            raise Refused("there is no generator G_ema in it")
        generator, second = _generator(found["G_ema"]), found.get("D")
        discriminator = None
        if isinstance(second, PickledObject) and isinstance(generator, StyleGAN):
            discriminator = _discriminator(second)
    except (
        Refused,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        RuntimeError,
        OSError,
    ) as error:
        raise _malformed(path, error) from error
    except (
        pickle.UnpicklingError,
        EOFError,
        MemoryError,
        RecursionError,
        OverflowError,
        ImportError,
    ) as error:
        raise _malformed(path, error) from error
    return StyleGANPickle(generator, discriminator)


def _malformed(path: Path, error: BaseException) -> MalformedFileError:
    detail = " ".join(str(error).split())[:300] or type(error).__name__
    return MalformedFileError(
        f"{path} cannot be read as a StyleGAN pickle: {detail}",
        f"无法将 {path} 作为 StyleGAN pickle 读取：{detail}",
    )


class _Unpickler(pickle.Unpickler):
    """Binds the few names that such a file needs; persistent ids only where :class:`_StorageUnpickler` gives them."""

    def find_class(self, module: str, name: str) -> Any:
        known = NAMES.get((module, name))
        if known is None:
            raise Refused(f"it asks for {module}.{name}, which is not among what networks are made of")
        return known

    def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002 (pickle's signature)
        raise Refused("it refers to something outside of itself")


class _StorageUnpickler(_Unpickler):
    """Inside the bytes of a storage: its kind as a word, and one persistent id that describes it."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in KINDS:
            return KINDS[name]
        return super().find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("storage", torch.dtype() as dtype, str() as key, str(), int() as count, *_) if count >= 0:
                return key, dtype, count
        raise Refused("a storage is not described as PyTorch does")


def _storage(data: Any) -> Storage:
    """A storage as ``torch.save`` wrote it before version 1.6: four pickles, the keys, then counts and values."""
    if not isinstance(data, bytes):
        raise Refused("a storage holds no bytes")
    file = io.BytesIO(data)
    magic, protocol = _StorageUnpickler(file).load(), _StorageUnpickler(file).load()
    if magic != 0x1950A86A20F9469CFC6C or protocol != 1001:
        raise Refused("a storage is not in PyTorch's format")
    system = _StorageUnpickler(file).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("a storage is not little-endian")
    key, dtype, count = _StorageUnpickler(file).load()
    if _StorageUnpickler(file).load() != [key]:
        raise Refused("a storage holds other keys than its own")
    if int.from_bytes(_exactly(file, 8), "little", signed=True) != count:
        raise Refused("a storage has another length than it says")
    values = _exactly(file, count * dtype.itemsize)
    return Storage(
        dtype, torch.frombuffer(bytearray(values), dtype=dtype) if count else torch.empty(0, dtype=dtype)
    )


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise Refused("a storage is cut short")
    return data


def tensor_over(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """A tensor over a storage, whose every element lies inside of it."""
    plain = isinstance(offset, int) and all(isinstance(n, int) and n >= 0 for n in (*size, *stride))
    if (
        not isinstance(storage, Storage)
        or not plain
        or offset < 0
        or len(size) != len(stride)
        or len(size) > 8
    ):
        raise Refused("a tensor is not described as PyTorch does")
    last = (
        offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if all(size)
        else offset - 1
    )
    if last >= len(storage.values):
        raise Refused("a tensor reaches beyond its storage")
    elements = 1
    for n in size:
        elements *= n
    if elements > len(storage.values):  # strides of 0 would blow a few bytes up
        raise Refused("a tensor is larger than its storage")
    return torch.as_strided(storage.values, tuple(size), tuple(stride), offset)


def the_parameter(data: Any, *_: Any) -> Any:
    return data


def _persistent(meta: Any) -> PickledObject:
    """What NVIDIA's own classes pickle as: a dictionary with, among others, their name and state. Their program text is
    left where it is."""
    return PickledObject(str(meta["class_name"]), dict(meta["state"]))


class _Dictionary(dict):  # a plain dictionary takes no state
    def __setstate__(self, state: Any) -> None:
        self.update(state if isinstance(state, dict) else {})


class _Kind:
    """A NumPy dtype, by its code; or an array, which describes a layer, as its tensors do too, and stays empty."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code

    def __setstate__(self, _state: Any) -> None: ...


def _scalar(kind: Any, data: Any = b"") -> float | int | bool | None:
    """A NumPy number, as an option's value; None for numbers of other kinds."""
    code = kind.code if isinstance(kind, _Kind) else None
    if not isinstance(code, str) or code not in NUMBERS or not isinstance(data, bytes):
        return None
    return np.frombuffer(data, np.dtype(code).newbyteorder("<"), 1)[0].item()


def _set(*_: Any) -> set[str]:
    """Names of buffers that PyTorch would not save: of no use here."""
    return set()


NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("dnnlib.util", "EasyDict"): _Dictionary,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): tensor_over,
    ("torch._utils", "_rebuild_parameter"): the_parameter,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.multiarray", "_reconstruct"): _Kind,
    ("numpy._core.multiarray", "_reconstruct"): _Kind,
    ("numpy.core.numeric", "_frombuffer"): _Kind,
    ("numpy._core.numeric", "_frombuffer"): _Kind,
    ("numpy", "dtype"): _Kind,
    ("numpy", "ndarray"): _Kind,
    ("builtins", "set"): _set,
}


def tensors_of(network: PickledObject, prefix: str = "") -> dict[str, Tensor]:
    """Parameters and buffers under their dotted names."""
    found: dict[str, Tensor] = {}
    for group in ("_parameters", "_buffers"):
        for name, tensor in dict(network.state.get(group) or {}).items():
            if isinstance(tensor, Tensor):
                found[f"{prefix}{name}"] = tensor.float()
    for name, child in dict(network.state.get("_modules") or {}).items():
        if isinstance(child, PickledObject):
            found |= tensors_of(child, f"{prefix}{name}.")
    return {k: v for k, v in found.items() if not k.endswith("resample_filter")}


def _options(network: PickledObject, *groups: str) -> dict[str, Any]:
    """What the network was made with; options of its parts lie in ``groups``."""
    options = dict(network.state["_init_kwargs"])
    for group in groups:
        options |= dict(options.pop(group, None) or {})
    return options


def _generator(network: PickledObject) -> StyleGAN | StyleGAN3:
    """StyleGAN3's synthesis begins with an input of its own, StyleGAN2's with its lowest resolution."""
    synthesis = dict(network.state["_modules"])["synthesis"]
    third = isinstance(synthesis, PickledObject) and "input" in dict(synthesis.state["_modules"])
    return _stylegan3(network) if third else _stylegan2(network)


def _stylegan2(network: PickledObject) -> StyleGAN:
    options = _options(network, "mapping_kwargs", "synthesis_kwargs")
    config = StyleGANConfig(
        size=int(options["img_resolution"]),
        channels=int(options["img_channels"]),
        z_dim=int(options["z_dim"]),
        w_dim=int(options["w_dim"]),
        classes=int(options["c_dim"]),
        mapping_layers=int(options.get("num_layers", 8)),
        mapping_rate=float(options.get("lr_multiplier", 0.01)),
        channel_base=int(options.get("channel_base", 32_768)),
        channel_max=int(options.get("channel_max", 512)),
        output=str(options.get("architecture", "skip")),
        clamp=float(options.get("conv_clamp") or 0.0),
        w_avg_beta=float(options.get("w_avg_beta", 0.995)),
    )
    return _filled(StyleGAN, config, tensors_of(network))


SHARED = {
    "img_resolution": "size",
    "img_channels": "channels",
    "z_dim": "z_dim",
    "w_dim": "w_dim",
    "c_dim": "classes",
}
MAPPING = {"num_layers": "mapping_layers", "lr_multiplier": "mapping_rate", "w_avg_beta": "w_avg_beta"}
SYNTHESIS = {  # StyleGAN3's options and our names for them; "" for those that matter to training or speed alone
    "channel_base": "channel_base",
    "channel_max": "channel_max",
    "num_layers": "layers",
    "num_critical": "critical",
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband",
    "margin_size": "margin",
    "output_scale": "output_scale",
    "conv_kernel": "kernel",
    "filter_size": "taps",
    "lrelu_upsampling": "oversampling",
    "use_radial_filters": "radial",
    "conv_clamp": "clamp",
    "magnitude_ema_beta": "",
    "num_fp16_res": "",
}


def _stylegan3(network: PickledObject) -> StyleGAN3:
    options = _options(network)
    mapping, given = dict(options.pop("mapping_kwargs", None) or {}), {}
    for told, known in ((mapping, MAPPING), (options, SHARED | SYNTHESIS)):
        for name, value in told.items():
            if name not in known:
                raise Refused(f"it was made with the option {str(name)[:60]!r}, which is not StyleGAN3's")
            if known[name]:
                given[known[name]] = value
    # Numbers come in many types, and "no clamp" as None.
    kinds = {name: type(value) for name, value in StyleGAN3Config().to_json().items()}
    config = StyleGAN3Config(**{name: kinds[name](value or 0) for name, value in given.items()})
    return _filled(StyleGAN3, config, tensors_of(network))


def _discriminator(network: PickledObject) -> StyleDiscriminator:
    mapping = dict(_options(network).get("mapping_kwargs") or {})
    options = _options(network, "block_kwargs", "epilogue_kwargs")
    if options.get("architecture", "resnet") != "resnet":
        raise Refused(f"its discriminator is {options['architecture']!r}, where 'resnet' is known")
    config = DiscriminatorConfig(
        size=int(options["img_resolution"]),
        channels=int(options["img_channels"]),
        classes=int(options["c_dim"]),
        channel_base=int(options.get("channel_base", 32_768)),
        channel_max=int(options.get("channel_max", 512)),
        mapping_layers=int(mapping.get("num_layers", 8)),
        mapping_rate=float(mapping.get("lr_multiplier", 0.01)),
        group=int(options.get("mbstd_group_size", 4) or 0),
        group_channels=int(options.get("mbstd_num_channels", 1)),
        clamp=float(options.get("conv_clamp") or 0.0),
    )
    return _filled(StyleDiscriminator, config, tensors_of(network))


def _filled(kind: Callable[[C], M], config: C, tensors: dict[str, Tensor]) -> M:
    """A network with ``tensors``; the first that does not match is named."""
    with torch.device("meta"):  # a file that describes more than it holds costs nothing
        module = kind(config)
    own = module.state_dict()
    for name, tensor in own.items():
        if name not in tensors:
            raise Refused(f"{name} is missing")
        if tensors[name].shape != tensor.shape:
            raise Refused(f"{name} is {tuple(tensors[name].shape)}, where {tuple(tensor.shape)} is needed")
    extra = next((name for name in tensors if name not in own), None)
    if extra is not None:
        raise Refused(f"{extra} has no place in the network that its options describe")
    module.load_state_dict({name: tensor.contiguous() for name, tensor in tensors.items()}, assign=True)
    return module.eval().requires_grad_(False)

"""OpenAI's published discrete autoencoder becomes a model of the user's own.

It comes as two files, ``encoder.pkl`` and ``decoder.pkl``, each a whole module, of which nothing is executed; state
dictionaries of the same names, pickled or as safetensors, are read too, and one file with both under ``encoder.`` and
``decoder.``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.folder import write_atomically
from luoxia.models.openai_dvae import OpenAIDVAE, OpenAIDVAEConfig
from luoxia.weights import drawing_folder
from luoxia.weights.catalogue import FACTS, new_place
from luoxia.weights.module_archive import read_module
from luoxia.weights.state_dict import fill, read_state_dict

HALVES = ("encoder", "decoder")
ENDINGS = (".pkl", ".pt", ".pth", ".safetensors")
LICENCE = "discrete VAE of DALL·E, OpenAI, modified MIT licence of its repository"


def is_one(source: Path) -> bool:
    """Whether ``source`` is a folder with both files, or a safetensors file of both."""
    if source.is_dir():
        return all(_half(source, half) for half in HALVES)
    return source.suffix == ".safetensors" and source.is_file() and "encoder.blocks.input.w" in _names(source)


def read(source: Path) -> OpenAIDVAE:
    """The network, float32, for looking alone. Raises :class:`MalformedFileError` naming the first layer that does not
    fit."""
    if source.is_dir():
        tensors: dict[str, Tensor] = {}
        for half in HALVES:
            path = _half(source, half)
            if path is None:
                raise UserError(
                    f"{source} has no {half}{'/'.join(ENDINGS)}", f"{source} 中没有 {half}{'/'.join(ENDINGS)}"
                )
            tensors |= {f"{half}.{name}": tensor for name, tensor in _tensors(path).items()}
    else:
        tensors = read_state_dict(source)
    with torch.device("meta"):
        network = OpenAIDVAE(_config(tensors, source))
    return fill(network, tensors, source)


def keep(source: Path, name: str) -> OpenAIDVAE:
    """Lay the dVAE in ``source`` down under ``name``. Raises :class:`UserError` for a name that is taken or no name."""
    folder = new_place(name)
    network = read(source)
    data = save(network.state_dict())
    with write_atomically(folder / "dvae.safetensors") as file:
        file.write(data)
    part = {"sha256": hashlib.sha256(data).hexdigest(), "network": network.config.to_json()}
    facts = {
        "format": drawing_folder.FORMAT,
        "family": drawing_folder.CODES,
        "parts": {"dvae": part},
        "licence": [LICENCE],
        "source": f"imported from {source.resolve().name}",
    }
    with write_atomically(folder / FACTS) as file:
        file.write(json.dumps(facts, ensure_ascii=False, indent=1).encode())
    return network


def _half(folder: Path, half: str) -> Path | None:
    return next((path for ending in ENDINGS if (path := folder / (half + ending)).is_file()), None)


def _names(path: Path) -> list[str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return list(file.keys())
    except (SafetensorError, OSError):
        return []


def _tensors(path: Path) -> dict[str, Tensor]:
    """Of one half: a state dictionary, or the module itself."""
    if path.suffix == ".safetensors":
        return read_state_dict(path)
    try:
        return read_module(path)
    except MalformedFileError as as_module:
        try:
            return read_state_dict(path)
        except MalformedFileError:
            raise as_module from None


def _config(tensors: dict[str, Tensor], source: Path) -> OpenAIDVAEConfig:
    """Sizes that the weights' own shapes tell."""
    try:
        first, codes = tensors["encoder.blocks.input.w"], tensors["decoder.blocks.input.w"]
        blocks = {name.split(".")[3] for name in tensors if name.startswith("encoder.blocks.group_1.block_")}
        return OpenAIDVAEConfig(
            n_hid=first.shape[0],
            n_init=codes.shape[0],
            n_blk_per_group=len(blocks),
            vocab_size=codes.shape[1],
            channels=first.shape[1],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise MalformedFileError(
            f"{source} holds no discrete VAE as OpenAI published it: {error}",
            f"{source} 中没有 OpenAI 发布的离散 VAE：{error}",
        ) from error

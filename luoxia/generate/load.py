"""From a name or a path to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, overload

import torch

from luoxia.core.collector import objects_come_to_stay
from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.runtime import Runtime, resolve
from luoxia.generate.text import TextModel
from luoxia.generate.verse import VerseModel, load_verse
from luoxia.models.gpt import GPT
from luoxia.models.stylegan import StyleGAN
from luoxia.models.stylegan3 import StyleGAN3
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights import (
    adapter_folder,
    adapters,
    catalogue,
    gguf_gpt,
    gpt_run,
    huggingface,
    own_texts,
    stylegan_folder,
    verse_folder,
)
from luoxia.weights.gguf import GGUFFile
from luoxia.weights.gguf_gpt import load_gguf
from luoxia.weights.huggingface import load_folder
from luoxia.weights.vocabulary import tokenizer_from_folder, tokenizer_from_gguf


@overload
def load(
    name_or_path: Literal["faces-64", "avatars-64"],
    *,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
) -> StyleGAN: ...


@overload
def load(
    name_or_path: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
) -> Any: ...


def load(
    name_or_path: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
) -> TextModel | StyleGAN | StyleGAN3 | VerseModel:
    """A model that writes, as :func:`load_text` gives it, a StyleGAN by its name or folder, or a model of verse.

    Of verse: ``luoxia.load("verse-zh").write(theme="秋水长天", form="七绝")``.
    Of a StyleGAN, in float32: ``w = G.mapping(z, c, truncation_psi=0.7)``, ``x = G.synthesis(w, noise_mode="const")``.
    Raises ``UnknownModelError``, ``ModelNotHereError``, ``FetchError`` or ``MalformedFileError``.
    """
    name = str(name_or_path)
    entry = catalogue.CATALOGUE.get(name)
    if entry is None and gpt_run.is_one(name):
        return load_text(name_or_path, device=device, dtype=dtype, threads=threads)
    if verse_folder.is_one(name):
        return load_verse(name_or_path, device=device, threads=threads)
    if entry.kind == "pictures" if entry else stylegan_folder.is_one(name) and not own_texts.whole(name):
        return stylegan_folder.find(name_or_path).generator().to(resolve(device, dtype, threads).device)
    return load_text(name_or_path, device=device, dtype=dtype, threads=threads)


def load_text(
    name_or_path: str | Path,
    *,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
) -> TextModel:
    """The model of that catalogue id, or in that GGUF file, Hugging Face folder or folder of a run that trained one; or
    adapters by their names, as "my-writer", "my-writer+my-tone@0.5" or "smollm2-135m-instruct+my-writer", beside the
    model they were made for.

    ``dtype`` None keeps 4- and 8-bit weights as they are; "float32" unpacks them, for exact comparison. Raises
    ``UnknownModelError``, ``ModelNotHereError``, ``FetchError`` or ``MalformedFileError``.
    """
    stack = adapter_folder.find(str(name_or_path))
    runtime = resolve(device, dtype, threads)
    if runtime.device.type == "cpu":
        torch.set_num_threads(runtime.threads)
    with objects_come_to_stay():
        name, path, network, tokenizer = open_network(
            stack.base if stack else name_or_path, runtime, dense=dtype is not None
        )
        if stack:
            name = str(name_or_path)
            stack.check(adapter_folder.hash_of(path), tokenizer.digest)
            _attach(stack, network)
        model = TextModel(name, network, tokenizer, runtime)
        model.warm_up()
    return model


def open_network(
    name_or_path: str | Path, runtime: Runtime, *, dense: bool = False
) -> tuple[str, Path, GPT, Tokenizer]:
    """Of the model of that catalogue id or path: its name, where it lies, its decoder, for whoever computes with it
    himself, and its tokenizer. ``dense`` unpacks weights of few bits."""
    name, path = locate(name_or_path)
    if gpt_run.is_one(path):
        return name, path, *gpt_run.load_run(path, runtime)
    if path.is_dir():
        return name, path, *load_folder(path, runtime)
    return name, path, *load_gguf(path, runtime, dense=dense)


def open_tokenizer(name_or_path: str | Path) -> tuple[Tokenizer, int]:
    """The tokenizer of that model and its context in tokens, without its weights."""
    _, path = locate(name_or_path)
    if gpt_run.is_one(path):
        return tokenizer_from_folder(path), gpt_run.config_of(path).block_size
    if path.is_dir():
        return tokenizer_from_folder(path), huggingface.read_config(path / "config.json")[0].block_size
    with GGUFFile(path) as file:
        return tokenizer_from_gguf(file), gguf_gpt.read_config(file).block_size


def _attach(stack: adapter_folder.Stack, network: GPT) -> None:
    try:
        adapters.load_stack(stack).requires_grad_(False).eval().attach(network)
    except (ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise MalformedFileError(
            f"{stack.parts[0][0].name} does not fit {stack.base}: {error}",
            f"{stack.parts[0][0].name} 与 {stack.base} 不符：{error}",
        ) from error


def locate(name_or_path: str | Path) -> tuple[str, Path]:
    """The name of the text model of that catalogue id or path, and where its weights lie."""
    if isinstance(name_or_path, str) and name_or_path in catalogue.CATALOGUE:
        return name_or_path, catalogue.verified(catalogue.find(name_or_path, "text"))
    own = own_texts.whole(str(name_or_path))
    if own is not None:
        return str(name_or_path), own
    path = Path(name_or_path)
    try:
        folder, file = path.is_dir(), path.is_file()
    except OSError:  # too long for a path
        folder = file = False
    if folder or path.suffix == ".gguf":
        if not (folder or file):
            raise MalformedFileError(
                f"there is no file {path}; check the path", f"没有文件 {path}；请检查路径"
            )
        return path.stem, path
    if file:
        raise MalformedFileError(
            f"{path} is neither a GGUF file nor a model folder", f"{path} 既不是 GGUF 文件，也不是模型文件夹"
        )
    return str(name_or_path), catalogue.verified(
        catalogue.find(str(name_or_path), "text")
    )  # raises with the nearest names

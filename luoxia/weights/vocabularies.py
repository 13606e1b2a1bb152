"""The tokenizers of the text models on this machine, without their weights and without PyTorch."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from luoxia.core.errors import UserError
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights import catalogue, own_texts
from luoxia.weights.gguf import GGUFFile
from luoxia.weights.vocabulary import tokenizer_from_folder, tokenizer_from_gguf

_lock = threading.Lock()  # so that a vocabulary that several threads ask for is read once


def here(also: Iterable[str] = ()) -> dict[str, Tokenizer | UserError]:
    """By the name of a model: of the catalogue where it is here, of the user's own, and of ``also``, names or paths, which
    are left out where there is no such model. Of models with the same vocabulary the first stands for all; one that
    cannot be read gives its error."""
    found: dict[str, Tokenizer | UserError] = {}
    digests: set[str] = set()
    for name, path in _places(also):
        try:
            tokenizer, digest = _opened(path)
        except UserError as error:
            found[name] = error
            continue
        if digest not in digests:
            digests.add(digest)
            found[name] = tokenizer
    return found


def _places(also: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for entry in catalogue.CATALOGUE.values():
        if entry.kind == "text" and catalogue.is_here(entry):
            yield entry.id, catalogue.path_of(entry)
    for name in catalogue.own((own_texts.WHOLE,)):
        yield name, catalogue.place(name)
    for name in also:
        path = Path(name)
        if (path.suffix == ".gguf" and path.is_file()) or (path / "tokenizer.json").is_file():
            yield name, path


def _opened(path: Path) -> tuple[Tokenizer, str]:
    file = path if path.is_file() else path / "tokenizer.json"
    with _lock:
        return _read(path, file.stat().st_mtime_ns if file.is_file() else 0)


@functools.lru_cache(16)
def _read(path: Path, changed: int) -> tuple[Tokenizer, str]:  # noqa: ARG001 (another time is another file)
    if path.is_dir():
        tokenizer = tokenizer_from_folder(path)
    else:
        with GGUFFile(path) as file:
            tokenizer = tokenizer_from_gguf(file)
    return tokenizer, tokenizer.digest

"""The models that a command works with, as records tell them: names, licences, the SHA-256 of their weights."""

from __future__ import annotations

from pathlib import Path

from luoxia.core.errors import MalformedFileError
from luoxia.data.attribution import summed
from luoxia.workspace.learned import learned
from luoxia.workspace.made_from import ModelUsed


def models_of(command: str, model: str, clip: str | None = None) -> tuple[ModelUsed, ...]:
    """The models that take part when ``command``, or one that begins with it, makes something by the model of that name,
    with the SHA-256 of their weights as they lie here now. Raises :class:`UserError` where one is not here."""
    return _MODELS[command.split()[0]](model, clip)


def _text(model: str, _: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.generate.load import locate
    from luoxia.weights import adapter_folder

    stack = adapter_folder.find(model)
    asked = stack.base if stack else model
    name, path = locate(asked)
    base = _used(name, _sha256(asked, path), _licence(asked), "writes", path)
    parts = stack.parts if stack else ()
    tuned = [_used(part.name, _hash(part.folder), "", "tunes", part.folder) for part, _ in parts]
    return base, *tuned


def _faces(model: str, _: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.weights import stylegan_folder

    found = stylegan_folder.find(model)
    sha256 = _sha256(model, found.folder / stylegan_folder.WEIGHTS)
    return (_used(found.name, sha256, _licence(model, found.licence), "draws", found.folder),)


def _drawing(model: str, clip: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.weights import clip_folder, drawing_folder

    found = drawing_folder.find(model)
    licence = _licence(model, found.licence)
    used = [
        _used(part.name, _sha256(model, part.path), licence, kind, part.path)
        for kind, part in sorted(found.parts.items())
        if kind != "clip" or clip is None
    ]
    if clip is not None:
        other = clip_folder.find(clip)
        licence = _licence(clip, other.licence)
        used.append(_used(other.name, _hash(other.weights), licence, "clip", other.weights))
    return tuple(used)


def _verse(model: str, _: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.weights import verse_folder

    found = verse_folder.find(model)
    sha256 = _sha256(model, found.path)
    return (_used(found.name, sha256, _licence(model, found.licence), "writes", found.path),)


_MODELS = {"write": _text, "draw": _drawing, "face": _faces, "poem": _verse}


def _used(name: str, sha256: str, licence: str, role: str, place: Path) -> ModelUsed:
    """With what the folder at, or of, ``place`` tells that it learned from."""
    run, datasets = learned(place if place.is_dir() else place.parent)
    return ModelUsed(name, sha256, licence, role, run, datasets)


def _sha256(asked: str, path: Path) -> str:
    """Of a model's weights. The catalogue tells those of a file that it names: whoever found the model by its id had them
    verified. What only bears such a name is read."""
    from luoxia.weights.catalogue import CATALOGUE, path_of

    if asked in CATALOGUE and path == path_of(CATALOGUE[asked]):
        return CATALOGUE[asked].sha256
    return _hash(path)


def _licence(asked: str, told: tuple[str, ...] = ()) -> str:
    """The catalogue's; of a model of the user's own, those in the lines on its data, whose authors stand with the data."""
    from luoxia.weights.catalogue import CATALOGUE

    return CATALOGUE[asked].licence if asked in CATALOGUE else summed(told)[0]


def _hash(path: Path) -> str:
    """Once for a file as it lies there: a command may let many pictures of one model out, and a server does."""
    from luoxia.weights.adapter_folder import hash_of

    try:
        return hash_of(path)
    except OSError as error:
        raise MalformedFileError(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}") from error

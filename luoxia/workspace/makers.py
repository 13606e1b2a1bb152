"""What makes content again from its record: the public functions of ``luoxia.generate``, one maker a command.

A maker takes :class:`MadeFrom` to content before any mark or label: a text, or the pixels (H, W, 3) of the sheet. Whoever
makes something the first time may do so through it too. PyTorch comes in with the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.workspace.asked import Drawn, Faces, Poems, Writing, parameters
from luoxia.workspace.content import Content
from luoxia.workspace.made_from import MadeFrom, ModelUsed, Parent

if TYPE_CHECKING:
    from luoxia.generate.verse_order import Verse

SAMPLING = ("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty")


def write(made_from: MadeFrom) -> str:
    asked = Writing(**made_from.parameters)
    import luoxia
    from luoxia.generate.constraint import Constraint

    constraint = None
    if asked.json_schema is not None:
        constraint = Constraint.from_json_schema(asked.json_schema)
    elif asked.regex is not None:
        constraint = Constraint.from_regex(asked.regex)
    elif asked.choices:
        constraint = Constraint.from_choices(list(asked.choices))
    sampling = {name: getattr(asked, name) for name in SAMPLING}
    sampling |= {"stop": tuple(asked.stop), "seed": made_from.seed}
    model = luoxia.load(asked.model, threads=asked.threads)
    if asked.raw:
        stream = model.stream(made_from.prompt, constraint=constraint, **sampling)
    else:
        last = [{"role": "user", "content": made_from.prompt}] if made_from.prompt else []
        stream = model.chat([*map(dict, asked.before), *last], constraint=constraint, **sampling)
    text = ""
    for piece in stream:
        text += piece
        if asked.cut is not None and len(text) >= asked.cut:
            stream.close()
    return text[: asked.cut]


def draw(made_from: MadeFrom) -> np.ndarray:
    asked = Drawn(**made_from.parameters)
    from luoxia.core.images import grid
    from luoxia.generate.codes import Knobs
    from luoxia.generate.drawing import Drawing

    drawing = Drawing.open(asked.model, _runtime(asked.threads), clip=asked.clip)
    knobs = Knobs(asked.guidance, asked.temperature, asked.top_k, asked.top_p)
    made = drawing.draw(
        made_from.prompt, asked.n, seed=made_from.seed, knobs=knobs, candidates=asked.candidates
    )
    drawn = made.pixels if asked.one is None else made.pixels[[asked.one]]
    pixels = drawn if asked.size in (None, drawing.size) else drawing.enlarged(drawn, asked.size)
    return np.asarray(grid(pixels, asked.columns, gap=asked.gap if len(pixels) > 1 else 0))


def face(made_from: MadeFrom) -> np.ndarray:
    asked = Faces(**made_from.parameters)
    from luoxia.core.images import grid
    from luoxia.generate.portraits import Portraits

    portraits = Portraits.open(asked.model, _runtime(asked.threads))
    ws = portraits.styles(list(asked.seeds), psi=asked.truncation, name=asked.class_)
    pixels = portraits.pictures(ws, noise_mode=asked.noise)
    return np.asarray(grid(pixels, asked.columns, enlarge=asked.scale))


def poem(made_from: MadeFrom) -> str:
    asked = asdict(Poems(**made_from.parameters))
    from luoxia.generate.verse import load_verse
    from luoxia.generate.verse_order import VerseOrder

    model, threads, one = asked.pop("model"), asked.pop("threads"), asked.pop("one")
    order = VerseOrder(theme=made_from.prompt, seed=made_from.seed, **asked)
    verses = load_verse(model, threads=threads).write(order)
    return poems(verses if one is None else [verses[one]])


def poems(verses: Iterable[Verse]) -> str:
    """Poems as text: the title above the couplets, an empty line between two poems."""
    return "\n\n".join(f"{verse.title}\n{verse.text}" for verse in verses)


MAKERS: dict[str, Callable[[MadeFrom], Content]] = {"write": write, "draw": draw, "face": face, "poem": poem}
ASKED = {"write": Writing, "draw": Drawn, "face": Faces, "poem": Poems}


def told(
    kind: str,
    command: str,
    model: str,
    asked: Writing | Drawn | Faces | Poems | dict[str, Any],
    *,
    clip: str | None = None,
    prompt: str = "",
    seed: int | None = None,
    parents: tuple[Parent, ...] = (),
) -> MadeFrom:
    """The record of what ``command``, one of :data:`MAKERS` or beginning with one, makes by ``model``."""
    facts = asked if isinstance(asked, dict) else parameters(asked)
    used = models_of(command.split()[0], model, clip)
    return MadeFrom(kind, command, models=used, prompt=prompt, seed=seed, parameters=facts, parents=parents)


def models_of(command: str, model: str, clip: str | None = None) -> tuple[ModelUsed, ...]:
    """The models that take part when ``command`` makes something by the model of that name, with the SHA-256 of their
    weights as they lie here now. Raises :class:`UserError` where one is not here."""
    return _MODELS[command](model, clip)


def _text(model: str, _: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.generate.load import locate
    from luoxia.weights import adapter_folder

    stack = adapter_folder.find(model)
    asked = stack.base if stack else model
    name, path = locate(asked)
    base = ModelUsed(name, _sha256(asked, path), _licence(asked), "writes")
    parts = stack.parts if stack else ()
    tuned = [ModelUsed(part.name, _hash(part.folder), "", "tunes") for part, _ in parts]
    return base, *tuned


def _faces(model: str, _: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.weights import stylegan_folder

    found = stylegan_folder.find(model)
    sha256 = _sha256(model, found.folder / stylegan_folder.WEIGHTS)
    return (ModelUsed(found.name, sha256, _licence(model, found.licence), "draws"),)


def _drawing(model: str, clip: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.weights import clip_folder, drawing_folder

    found = drawing_folder.find(model)
    licence = _licence(model, found.licence)
    used = [
        ModelUsed(part.name, _sha256(model, part.path), licence, kind)
        for kind, part in sorted(found.parts.items())
        if kind != "clip" or clip is None
    ]
    if clip is not None:
        other = clip_folder.find(clip)
        used.append(ModelUsed(other.name, _hash(other.weights), _licence(clip, other.licence), "clip"))
    return tuple(used)


def _verse(model: str, _: str | None) -> tuple[ModelUsed, ...]:
    from luoxia.weights import verse_folder

    found = verse_folder.find(model)
    sha256 = _sha256(model, found.path)
    return (ModelUsed(found.name, sha256, _licence(model, found.licence), "writes"),)


_MODELS = {"write": _text, "draw": _drawing, "face": _faces, "poem": _verse}


def _sha256(asked: str, path: Path) -> str:
    """Of a model's weights. The catalogue tells those of a file that it names: whoever found the model by its id had them
    verified. What only bears such a name is read."""
    from luoxia.weights.catalogue import CATALOGUE, path_of

    if asked in CATALOGUE and path == path_of(CATALOGUE[asked]):
        return CATALOGUE[asked].sha256
    return _hash(path)


def _licence(asked: str, told: tuple[str, ...] = ()) -> str:
    from luoxia.weights.catalogue import CATALOGUE

    return CATALOGUE[asked].licence if asked in CATALOGUE else "; ".join(told)


def _hash(path: Path) -> str:
    """Once for a file as it lies there: a command may let many pictures of one model out, and a server does."""
    from luoxia.weights.adapter_folder import hash_of

    try:
        return hash_of(path)
    except OSError as error:
        raise MalformedFileError(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}") from error


def _runtime(threads: int | None) -> Any:
    import torch

    from luoxia.core.runtime import resolve

    runtime = resolve(threads=threads)
    torch.set_num_threads(runtime.threads)
    return runtime


def maker_of(made_from: MadeFrom) -> Callable[[MadeFrom], Content]:
    """Raises :class:`UserError` for a command that nothing makes again, and for parameters that are not its own."""
    command = made_from.command
    if command not in MAKERS:
        raise UserError(
            f"what `{command[:40]}` made cannot be made again; that is possible for {', '.join(MAKERS)}",
            f"`{command[:40]}` 的作品无法重制；可重制的有 {'、'.join(MAKERS)}",
        )
    try:
        ASKED[command](**made_from.parameters)
    except TypeError as error:
        raise UserError(
            f"its parameters are not those of this version ({error})", f"其参数与当前版本不符（{error}）"
        ) from error
    return MAKERS[command]

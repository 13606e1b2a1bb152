"""What makes content again from its record: the public functions of ``luoxia.generate``, one maker a command.

A maker takes :class:`MadeFrom` to content before any mark or label: a text, the pixels (H, W, 3) of a sheet, or a film, and
tells ``watch`` how far it is. Whoever makes something the first time may do so through it too. PyTorch comes in with the
first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.images import grid
from luoxia.workspace.asked import (
    Asked,
    Drawn,
    Faces,
    Filmed,
    Mixed,
    Morphed,
    Poems,
    Redrawn,
    Writing,
    parameters,
    taken,
)
from luoxia.workspace.encoding import Content, Film
from luoxia.workspace.learned import learned
from luoxia.workspace.made_from import MadeFrom, ModelUsed, Parent

if TYPE_CHECKING:
    from luoxia.core.runtime import Runtime
    from luoxia.generate.drawing import Drawing, Pictures
    from luoxia.generate.verse_order import Verse

Watch = Callable[[int, int], None]  # hears how many of how many steps are done


def nothing(done: int, total: int) -> None:
    """Watch nothing."""


SAMPLING = ("max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "mark")


def write(made_from: MadeFrom, watch: Watch = nothing) -> str:
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
        watch(stream.completion_tokens, asked.max_new_tokens)
        if asked.cut is not None and len(text) >= asked.cut:
            stream.close()
    return text[: asked.cut]


def draw(made_from: MadeFrom, watch: Watch = nothing) -> np.ndarray:
    _, made = pictures(made_from, watch)
    return sheet(made.pixels, made_from)


def pictures(made_from: MadeFrom, watch: Watch = nothing) -> tuple[Drawing, Pictures]:
    """The model of a command that draws, and all pictures that it makes, at the size that was asked for."""
    asked = ASKED[made_from.command](**made_from.parameters)
    from luoxia.generate.codes import Knobs
    from luoxia.generate.drawing import Drawing

    drawing = Drawing.open(asked.model, _runtime(asked), clip=asked.clip)
    options = {
        "n": asked.n,
        "seed": made_from.seed,
        "knobs": Knobs(asked.guidance, asked.temperature, asked.top_k, asked.top_p),
        "candidates": asked.candidates,
        "watch": lambda _, done, total: watch(done, total),
    }
    text = made_from.prompt or None
    if made_from.command == "draw complete":
        from luoxia.generate.canvas import canvas

        mask = None if asked.mask is None else taken(asked.mask)
        on = canvas(taken(asked.picture), drawing.size, mask=mask, keep=asked.keep)
        made = drawing.complete(on, text, **options)
    elif made_from.command == "draw vary":
        from luoxia.data.decoding import decode, fit

        pixels = fit(decode(taken(asked.picture)).image, drawing.size)
        made = drawing.vary(pixels, strength=asked.strength, text=text, **options)
    else:
        made = drawing.draw(made_from.prompt, **options)
    return drawing, replace(made, pixels=_sized(drawing, made.pixels, asked))


def sheet(pixels: np.ndarray, made_from: MadeFrom) -> np.ndarray:
    """Pictures (n, C, S, S) as one, (H, W, 3): in rows, or the one that the record is of."""
    asked = ASKED[made_from.command](**made_from.parameters)
    shown = pixels if asked.one is None else pixels[[asked.one]]
    return np.asarray(grid(shown, asked.columns, gap=asked.gap if len(shown) > 1 else 0))


def draw_sheet(made_from: MadeFrom, watch: Watch = nothing) -> np.ndarray:
    asked, prompts = Drawn(**made_from.parameters), made_from.prompt.splitlines()
    from luoxia.generate.codes import Knobs
    from luoxia.generate.drawing import Drawing

    drawing, drawn = Drawing.open(asked.model, _runtime(asked), clip=asked.clip), []
    knobs = Knobs(asked.guidance, asked.temperature, asked.top_k, asked.top_p)
    for prompt in prompts:
        made = drawing.draw(
            prompt, asked.n // len(prompts), seed=made_from.seed, knobs=knobs, candidates=asked.candidates
        )
        drawn.append(made.pixels)
        watch(len(drawn), len(prompts))
    return sheet(_sized(drawing, np.concatenate(drawn), asked), made_from)


def _sized(drawing: Drawing, pixels: np.ndarray, asked: Drawn) -> np.ndarray:
    """(n, C, S, S) -> (n, C, size, size)."""
    return pixels if asked.size in (None, drawing.size) else drawing.enlarged(pixels, asked.size)


def face(made_from: MadeFrom, watch: Watch = nothing) -> np.ndarray:
    asked = Faces(**made_from.parameters)
    from luoxia.generate.portraits import Portraits

    portraits = Portraits.open(asked.model, _runtime(asked))
    ws = portraits.styles(list(asked.seeds), psi=asked.truncation, name=asked.class_)
    pixels = portraits.pictures(ws, noise_mode=asked.noise, watch=watch)
    return np.asarray(grid(pixels, asked.columns, enlarge=asked.scale))


def mix(made_from: MadeFrom, watch: Watch = nothing) -> np.ndarray:
    asked = Mixed(**made_from.parameters)
    from luoxia.generate.portraits import Portraits

    portraits = Portraits.open(asked.model, _runtime(asked))
    rows, columns = (
        portraits.styles(list(s), psi=asked.truncation, name=asked.class_) for s in (asked.rows, asked.cols)
    )
    pictures = portraits.mixing_table(rows, columns, list(asked.styles), watch)
    return np.asarray(grid(pictures, len(columns) + 1, enlarge=asked.scale))


def morph(made_from: MadeFrom, watch: Watch = nothing) -> Film:
    asked = Morphed(**made_from.parameters)
    from luoxia.generate import morph
    from luoxia.generate.portraits import Portraits

    portraits = Portraits.open(asked.model, _runtime(asked))
    ways = morph.through_seeds(
        portraits,
        list(asked.seeds),
        morph.frame_count(asked.seconds, asked.fps),
        asked.way,
        asked.space,
        psi=asked.truncation,
        name=asked.class_,
    )
    return Film(morph.frames(portraits.pictures(ways, watch=watch), asked.scale), asked.fps)


def film(made_from: MadeFrom, watch: Watch = nothing) -> Film:
    asked = Filmed(**made_from.parameters)
    from luoxia.generate import morph
    from luoxia.generate.portraits import Portraits

    portraits = Portraits.open(asked.model, _runtime(asked))
    keys = morph.styles_told(asked.ws, portraits)
    ways = morph.through(keys, morph.frame_count(asked.seconds, asked.fps), asked.way, loop=asked.loop)
    return Film(morph.frames(portraits.pictures(ways, watch=watch), asked.scale), asked.fps)


def poem(made_from: MadeFrom, watch: Watch = nothing) -> str:
    asked = asdict(Poems(**made_from.parameters))
    from luoxia.generate.verse import load_verse
    from luoxia.generate.verse_order import VerseOrder

    model, threads, one = asked.pop("model"), asked.pop("threads"), asked.pop("one")
    order = VerseOrder(theme=made_from.prompt, seed=made_from.seed, **asked)
    verses = []
    for verse in load_verse(model, threads=threads).writing(order):
        verses.append(verse)
        watch(len(verses), order.n)
    return poems(verses if one is None else [verses[one]])


def poems(verses: Iterable[Verse]) -> str:
    """Poems as text: the title above the couplets, an empty line between two poems."""
    return "\n\n".join(f"{verse.title}\n{verse.text}" for verse in verses)


class Maker(Protocol):
    def __call__(self, made_from: MadeFrom, watch: Watch = nothing) -> Content: ...


MAKERS: dict[str, Maker] = {
    "write": write,
    "draw": draw,
    "draw sheet": draw_sheet,
    "draw complete": draw,
    "draw vary": draw,
    "face": face,
    "face mix": mix,
    "face morph": morph,
    "face film": film,
    "poem": poem,
}
ASKED: dict[str, Any] = {
    "write": Writing,
    "draw": Drawn,
    "draw sheet": Drawn,
    "draw complete": Redrawn,
    "draw vary": Redrawn,
    "face": Faces,
    "face mix": Mixed,
    "face morph": Morphed,
    "face film": Filmed,
    "poem": Poems,
}


def told(
    kind: str,
    command: str,
    model: str,
    asked: Asked | dict[str, Any],
    *,
    clip: str | None = None,
    prompt: str = "",
    seed: int | None = None,
    parents: tuple[Parent, ...] = (),
) -> MadeFrom:
    """The record of what ``command``, one of :data:`MAKERS` or beginning with one, makes by ``model``."""
    facts = asked if isinstance(asked, dict) else parameters(asked)
    used = models_of(command, model, clip)
    return MadeFrom(kind, command, models=used, prompt=prompt, seed=seed, parameters=facts, parents=parents)


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
    from luoxia.weights.catalogue import CATALOGUE

    return CATALOGUE[asked].licence if asked in CATALOGUE else "; ".join(told)


def _hash(path: Path) -> str:
    """Once for a file as it lies there: a command may let many pictures of one model out, and a server does."""
    from luoxia.weights.adapter_folder import hash_of

    try:
        return hash_of(path)
    except OSError as error:
        raise MalformedFileError(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}") from error


def _runtime(asked: Drawn | Faces | Mixed | Morphed | Filmed) -> Runtime:
    import torch

    from luoxia.core.runtime import resolve

    runtime = resolve(device=asked.device, threads=asked.threads)
    torch.set_num_threads(runtime.threads)
    return runtime


def maker_of(made_from: MadeFrom) -> Maker:
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

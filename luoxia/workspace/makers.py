"""What makes content again from its record: the public functions of ``luoxia.generate``, one maker a command.

A maker takes :class:`MadeFrom` to content before any mark or label: a text, the pixels (H, W, 3) of a sheet, or a film, and
tells ``watch`` how far it is. Whoever makes something the first time may do so through it too. PyTorch comes in with the
first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from luoxia.core.errors import UserError
from luoxia.core.images import grid
from luoxia.generate import sampling
from luoxia.generate.drawing_order import Knobs
from luoxia.generate.verse_order import Verse, VerseOrder, Wish
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
    part,
    taken,
)
from luoxia.workspace.encoding import Content, Film
from luoxia.workspace.made_from import MadeFrom, Parent
from luoxia.workspace.models_used import models_of

if TYPE_CHECKING:
    from luoxia.core.runtime import Runtime
    from luoxia.generate.constraint import Constraint
    from luoxia.generate.drawing import Drawing, Pictures
    from luoxia.generate.stream import TextStream

Watch = Callable[[int, int], None]  # hears how many of how many steps are done


def nothing(done: int, total: int) -> None:
    """Watch nothing."""


def write(made_from: MadeFrom, watch: Watch = nothing) -> str:
    asked, text = Writing(**made_from.parameters), ""
    stream = writing(asked, made_from.prompt, made_from.seed, constraint_of(asked))
    for piece in stream:
        text += piece
        watch(stream.completion_tokens, asked.max_new_tokens)
        if asked.cut is not None and len(text) >= asked.cut:
            stream.close()
    return text[: asked.cut]


def writing(asked: Writing, prompt: str, seed: int | None, constraint: Constraint | None) -> TextStream:
    """The text as it comes, by the model that was asked for, held to :func:`constraint_of` it."""
    import luoxia

    options = {**part(asked, sampling.Knobs), "seed": seed, "constraint": constraint}
    model = luoxia.load(asked.model, threads=asked.threads)
    if asked.raw:
        return model.stream(prompt, **options)
    last = [{"role": "user", "content": prompt}] if prompt else []
    return model.chat([*map(dict, asked.before), *last], **options)


def constraint_of(asked: Writing) -> Constraint | None:
    """What holds the text to a schema or another pattern. Raises :class:`UserError` for one that is none."""
    if asked.json_schema is None and asked.regex is None and not asked.choices:
        return None
    from luoxia.generate.constraint import Constraint  # brings a grammar compiler that few need

    if asked.json_schema is not None:
        return Constraint.from_json_schema(asked.json_schema)
    if asked.regex is not None:
        return Constraint.from_regex(asked.regex)
    return Constraint.from_choices(list(asked.choices))


def draw(made_from: MadeFrom, watch: Watch = nothing) -> np.ndarray:
    _, made = pictures(made_from, watch)
    return sheet(made.pixels, made_from)


def pictures(made_from: MadeFrom, watch: Watch = nothing) -> tuple[Drawing, Pictures]:
    """The model of a command that draws, and all pictures that it makes, at the size that was asked for."""
    asked = ASKED[made_from.command](**made_from.parameters)
    from luoxia.generate.drawing import Drawing

    drawing = Drawing.open(asked.model, _runtime(asked), clip=asked.clip)
    options = {
        "n": asked.n,
        "seed": made_from.seed,
        "knobs": Knobs(**part(asked, Knobs)),
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
    return drawing, replace(made, pixels=drawing.enlarged(made.pixels, asked.size))


def sheet(pixels: np.ndarray, made_from: MadeFrom) -> np.ndarray:
    """Pictures (n, C, S, S) as one, (H, W, 3): in rows, or the one that the record is of."""
    asked = ASKED[made_from.command](**made_from.parameters)
    shown = pixels if asked.one is None else pixels[[asked.one]]
    return np.asarray(grid(shown, asked.columns, gap=asked.gap if len(shown) > 1 else 0))


def draw_sheet(made_from: MadeFrom, watch: Watch = nothing) -> np.ndarray:
    asked, prompts = Drawn(**made_from.parameters), made_from.prompts
    from luoxia.generate.drawing import Drawing

    drawing, drawn = Drawing.open(asked.model, _runtime(asked), clip=asked.clip), []
    knobs = Knobs(**part(asked, Knobs))
    for prompt in prompts:
        made = drawing.draw(
            prompt, asked.n // len(prompts), seed=made_from.seed, knobs=knobs, candidates=asked.candidates
        )
        drawn.append(made.pixels)
        watch(len(drawn), len(prompts))
    return sheet(drawing.enlarged(np.concatenate(drawn), asked.size), made_from)


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
    written, one = verses(made_from, watch), Poems(**made_from.parameters).one
    return poems(written if one is None else [written[one]])


def verses(made_from: MadeFrom, watch: Watch = nothing, *, nearest: bool = False) -> list[Verse]:
    """All poems that were asked for; ``nearest``: with the old poem next to each, where the poems of old are here."""
    asked = Poems(**made_from.parameters)
    from luoxia.generate.verse import load_verse, with_nearest

    model, written = load_verse(asked.model, device=asked.device, threads=asked.threads), list[Verse]()
    for verse in model.writing(verse_order(made_from)):
        written.append(verse)
        watch(len(written), asked.n)
    return with_nearest(written) if nearest else written


def verse_order(made_from: MadeFrom) -> VerseOrder:
    wish = part(Poems(**made_from.parameters), Wish)
    return VerseOrder(theme=made_from.prompt, seed=made_from.seed, **wish)


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


def _runtime(asked: Drawn | Faces | Mixed | Morphed | Filmed) -> Runtime:
    import torch

    from luoxia.core.runtime import resolve

    runtime = resolve(device=asked.device, threads=asked.threads)
    torch.set_num_threads(runtime.threads)
    return runtime


def maker_of(made_from: MadeFrom) -> Maker:
    """Raises :class:`UserError` for a command that nothing makes again, for parameters that are not its own, and for values
    out of their ranges."""
    asked_of(made_from)
    return MAKERS[made_from.command]


def asked_of(made_from: MadeFrom) -> Asked:
    """What the command was asked for; raises as :func:`maker_of` does."""
    command = made_from.command
    if command not in MAKERS:
        raise UserError(
            f"what `{command[:40]}` made cannot be made again; that is possible for {', '.join(MAKERS)}",
            f"`{command[:40]}` 的作品无法重制；可重制的有 {'、'.join(MAKERS)}",
        )
    try:
        return ASKED[command](**made_from.parameters)
    except TypeError as error:
        raise UserError(
            f"its parameters are not those of this version ({error})", f"其参数与当前版本不符（{error}）"
        ) from error

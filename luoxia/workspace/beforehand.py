"""What is wrong with what is asked for, told when it is asked for and not when a worker comes to it: in the line that its
maker would tell it in, by the same checks, and without opening a model."""

from __future__ import annotations

from luoxia.workspace import makers
from luoxia.workspace.asked import Drawn, Faces, Filmed, Mixed, Morphed, Poems, Redrawn, Writing, taken
from luoxia.workspace.made_from import MadeFrom


def check(made_from: MadeFrom) -> None:
    """Raise :class:`UserError` for what has no maker, values out of their ranges, models and files that are not here."""
    asked = makers.asked_of(made_from)
    from luoxia.core.runtime import resolve  # brings torch, which the models' descriptions need too

    resolve(device=None if isinstance(asked, Writing) else asked.device, threads=asked.threads)
    match asked:
        case Writing():
            _writing(asked)
        case Drawn():
            _drawing(asked, made_from)
        case Poems():
            _verse(asked, made_from)
        case Faces() | Mixed() | Morphed() | Filmed():
            _faces(asked)


def _writing(asked: Writing) -> None:
    from luoxia.generate.load import locate
    from luoxia.weights import adapter_folder

    makers.constraint_of(asked)
    stack = adapter_folder.find(asked.model)
    locate(stack.base if stack else asked.model)


def _drawing(asked: Drawn, made_from: MadeFrom) -> None:
    from luoxia.data.decoding import decode
    from luoxia.generate.canvas import canvas
    from luoxia.generate.drawing_order import check_counts
    from luoxia.generate.prompts import checked
    from luoxia.weights import clip_folder, drawing_folder

    told = drawing_folder.find(asked.model)
    if asked.clip is not None:
        clip_folder.find(asked.clip)
    prompts = made_from.prompts
    check_counts(asked.n // max(len(prompts), 1), asked.candidates)
    for prompt in prompts:
        if prompt or not isinstance(asked, Redrawn):
            checked(prompt)
    if not isinstance(asked, Redrawn):
        return
    picture = taken(asked.picture)
    if made_from.command == "draw vary":
        decode(picture)
        return
    size, side = (int(told.part(kind).config[name]) for kind, name in (("dvae", "size"), ("dalle", "side")))
    mask = None if asked.mask is None else taken(asked.mask)
    canvas(picture, size, mask=mask, keep=asked.keep).free(side)


def _verse(asked: Poems, made_from: MadeFrom) -> None:
    from luoxia.generate.verse_order import known_author
    from luoxia.weights import verse_folder

    told = verse_folder.find(asked.model)
    makers.verse_order(made_from)
    known_author(asked.author, told.tokenizer.authors, told.name)


def _faces(asked: Faces | Mixed | Morphed | Filmed) -> None:
    from luoxia.generate import morph, portraits
    from luoxia.weights import stylegan_folder

    told = stylegan_folder.find(asked.model)
    if isinstance(asked, Filmed):
        morph.check_way(len(asked.keys) + asked.loop, morph.frame_count(asked.seconds, asked.fps), asked.way)
        return
    portraits.class_number(told, asked.class_)
    portraits.checked_psi(asked.truncation)
    portraits.check_seeds([*asked.rows, *asked.cols] if isinstance(asked, Mixed) else asked.seeds)
    if isinstance(asked, Mixed):
        portraits.check_styles(told, asked.styles)
    if isinstance(asked, Morphed):
        morph.check_space(asked.space)
        morph.check_way(len(asked.seeds), morph.frame_count(asked.seconds, asked.fps), asked.way)

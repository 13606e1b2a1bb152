"""Pictures that leave as files, each by the door: what their records say, and their bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luoxia.server.draw.asks import Draw, FileAsk, Vary
from luoxia.server.draw.atelier import Atelier
from luoxia.workspace.asked import Drawn, parameters

if TYPE_CHECKING:
    import numpy as np

    from luoxia.generate.drawing import Pictures
    from luoxia.workspace.made_from import MadeFrom
    from luoxia.workspace.publish import Published

SUFFIXES = {"png": ".png", "webp": ".webp", "jpeg": ".jpg", "svg": ".svg"}


def told(
    atelier: Atelier, model: str, what: Draw | Vary, made: Pictures, form: str, size: int
) -> list[MadeFrom]:
    """The record of each picture. Those of words alone can be made again by it."""
    from luoxia.workspace import makers

    plain = isinstance(what, Draw) and what.given is None
    given = {} if plain else what.model_dump(include={"given", "codes", "strength"}, exclude_none=True)
    command = "draw" if plain else "draw complete" if isinstance(what, Draw) else "draw vary"
    command += " svg" if form == "svg" else ""
    asked, prompt = _asked(atelier, model, what, size), atelier.text(model, what) or ""
    return [
        makers.told(
            _kind(form),
            command,
            asked.model,
            parameters(replace(asked, one=i)) | given,
            prompt=prompt,
            seed=made.seed,
        )
        for i in range(len(made.pixels))
    ]


def told_on_the_way(atelier: Atelier, model: str, what: Draw, form: str, number: int, size: int) -> MadeFrom:
    """The record of a picture that was not done yet when it left, the ``number``-th of its drawing."""
    from luoxia.workspace import makers

    asked, prompt = _asked(atelier, model, what, size), atelier.text(model, what) or ""
    facts = parameters(asked) | {"on_the_way": number}
    return makers.told(_kind(form), "draw partly", asked.model, facts, prompt=prompt, seed=what.seed)


def _asked(atelier: Atelier, model: str, what: Draw | Vary, size: int) -> Drawn:
    return Drawn(
        atelier.opener(model),
        n=what.count,
        candidates=what.count * what.choice,
        guidance=what.guidance,
        temperature=what.temperature,
        top_p=what.top_p,
        size=size,
        threads=atelier.threads,
    )


def _kind(form: str) -> str:
    return "drawing" if form == "svg" else "picture"


def told_of_codes(atelier: Atelier, ask: FileAsk) -> MadeFrom:
    """The record of a picture that the page has by its codes."""
    from luoxia.workspace import makers

    asked: dict[str, Any] = {"model": atelier.opener(ask.model)} | ask.model_dump(include={"codes", "size"})
    return makers.told(
        _kind(ask.format), "draw file", asked["model"], asked, prompt=ask.prompt, seed=ask.seed
    )


def published(
    contents: Sequence[str] | Sequence[np.ndarray],
    made_from: Sequence[MadeFrom],
    form: str,
    parent: bytes = b"",
) -> list[Published]:
    """Each as the bytes of a file; ``parent`` is the picture that they were made from, where there is one."""
    from luoxia.workspace.publish import publish

    with tempfile.TemporaryDirectory(prefix="luoxia-parent-") as folder:
        parents = [_kept(parent, Path(folder))] if parent else []
        pairs = zip(contents, made_from, strict=True)
        return [publish(content, of, suffix=SUFFIXES[form], parents=parents) for content, of in pairs]


def _kept(picture: bytes, folder: Path) -> Path:
    """A picture that was found sound, as a file whose suffix says what it is."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(picture)) as opened:
        path = folder / f"picture.{(opened.format or 'bin').lower()}"
    path.write_bytes(picture)
    return path

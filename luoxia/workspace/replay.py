"""A creation made again from its record, and how exact the match is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.workspace import content, makers
from luoxia.workspace.creation import Creation
from luoxia.workspace.encoding import Content, Film
from luoxia.workspace.made_from import MadeFrom, here
from luoxia.workspace.models_used import models_of

NEAR = 0.05  # of a distance from 0 to 1 that is called close
Outcome = Literal["identical", "close", "different", "impossible"]


@dataclass(frozen=True)
class Replayed:
    """``outcome`` is "identical" where the content before labelling has the recorded SHA-256, else "close" up to a
    distance of ``NEAR``, or "different"; "impossible" where nothing could be made. ``reasons`` say what is not as it was."""

    outcome: Outcome
    reasons: tuple[Text, ...] = ()
    distance: float | None = None
    content: Content | None = None


def replay(creation: Creation, make: Callable[[MadeFrom], Content] | None = None) -> Replayed:
    """Make it again by its command's maker, or by ``make``."""
    made_from = creation.made_from
    try:
        made = (make or makers.maker_of(made_from))(made_from)
    except UserError as error:
        return Replayed("impossible", (error.text, *_changed(made_from)))
    if (made.digest() if isinstance(made, Film) else content.digest(made)) == creation.content_sha256:
        return Replayed("identical", (), 0.0, made)
    reasons = _changed(made_from) or (
        Text(
            "model and versions are the same: another processor, or another number of threads, rounds otherwise",
            "模型与版本均相同：处理器或线程数不同时舍入会不同",
        ),
    )
    text = isinstance(made, str)
    sketch = "" if isinstance(made, Film) else content.sketch(made)
    distance = content.distance(creation.sketch, sketch, text=text)
    outcome: Outcome = "close" if distance is not None and distance <= NEAR else "different"
    return Replayed(outcome, reasons, distance, made)


def _changed(made_from: MadeFrom) -> tuple[Text, ...]:
    """What is other than it was: the weights, and versions."""
    found = list(_other_weights(made_from))
    now = here()
    for name, was in sorted(made_from.versions.items()):
        if now.get(name) != was:
            found.append(
                Text(f"{name} was {was} and is {now.get(name)}", f"{name} 原为 {was}，现为 {now.get(name)}")
            )
    return tuple(found)


def _other_weights(made_from: MadeFrom) -> list[Text]:
    told = made_from.parameters
    if made_from.command not in makers.MAKERS or not isinstance(told.get("model"), str):
        return []
    try:
        used = models_of(made_from.command, told["model"], told.get("clip"))
    except UserError as error:
        return [error.text]
    present = {(model.id, model.role): model.sha256 for model in used}
    return [
        Text(
            f"the weights of {model.id} ({model.role}) are others", f"{model.id}（{model.role}）的权重已不同"
        )
        for model in made_from.models
        if present.get((model.id, model.role)) != model.sha256
    ]

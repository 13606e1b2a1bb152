"""Somebody's item goes out of a data set: what descends from it is found and marked, then the set is rewritten.

First the opt-out list, then the database, the set last: whatever is killed in between is done again by the same command, and
nothing is marked twice. Weights keep what they learned; only training anew makes them forget.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from luoxia.core.folder import home
from luoxia.data import opt_out
from luoxia.data import takedown as sets
from luoxia.data.takedown import Found
from luoxia.weights import catalogue
from luoxia.workspace import chain, database, origins
from luoxia.workspace.creation import now
from luoxia.workspace.history import Workspace
from luoxia.workspace.learned import RECIPE, learned
from luoxia.workspace.tables import creation_models, datasets, model_datasets, runs, takedowns

TAKEN_DOWN = "taken down"  # what such records of the chain are called


@dataclass(frozen=True)
class Descent:
    """``models`` are names and folders of what learned from a set, used or not; ``outputs`` ids of creations of these."""

    models: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Mark:
    """An item that a model of a creation learned from, and that was taken down since."""

    data: str
    item: str
    at: str
    reason: str


def descent(workspace: Workspace, found: Found, roots: Iterable[Path] = (Path("runs"),)) -> Descent:
    """What descends from the set as it is with the item: by the records, by the models here, by the runs in ``roots``."""
    with database.reading(workspace.engine) as connection:
        used, outputs = origins.descendants(connection, found.digests)
        known = [Path(folder) for folder in connection.scalars(sa.select(runs.c.folder))]
    names = set(used)
    for folder in (*_folders(roots), *known):
        if any(dataset.sha256 in found.digests for dataset in learned(folder)[1]):
            own = folder.parent in (home() / "models", catalogue.bundled())
            names.add(folder.name if own else str(folder))
    return Descent(tuple(sorted(names)), tuple(outputs))


def _folders(roots: Iterable[Path]) -> list[Path]:
    places = [home() / "models", catalogue.bundled(), *roots]
    facts = (RECIPE, catalogue.FACTS, catalogue.ADAPTER_FACTS)
    return sorted({path.parent for place in places for name in facts for path in place.glob(f"*/{name}")})


def take_down(workspace: Workspace, found: Found, reason: str = "") -> Descent:
    """Note, mark and rewrite, in this order; what descends from the item."""
    at, told = now(), descent(workspace, found)
    opt_out.note(found.data, found.item, found.keys, at)
    with database.writing(workspace.engine) as connection:
        same = sa.select(takedowns.c.number).where(
            takedowns.c.digest == found.digests[-1],
            takedowns.c.data == found.data,
            takedowns.c.item == found.item,
        )
        if connection.execute(same).first() is None:
            facts = {
                "item": found.item,
                "digests": list(found.digests),
                "models": list(told.models),
                "outputs": len(told.outputs),
                "reason": reason,
            }
            chain.append(connection, TAKEN_DOWN, found.data, facts)
            row = {"data": found.data, "item": found.item, "at": at, "reason": reason}
            connection.execute(takedowns.insert(), [row | {"digest": digest} for digest in found.digests])
    sets.remove(found)
    return told


def marks(workspace: Workspace, ids: Iterable[str]) -> dict[str, list[Mark]]:
    """For each creation of ``ids`` that a model made which had learned from an item taken down since: those items."""
    wanted, found = list(ids), dict[str, list[Mark]]()
    query = (
        sa.select(
            creation_models.c.creation, takedowns.c.data, takedowns.c.item, takedowns.c.at, takedowns.c.reason
        )
        .select_from(
            creation_models.join(model_datasets, model_datasets.c.model == creation_models.c.model)
            .join(datasets)
            .join(takedowns, takedowns.c.digest == datasets.c.sha256)
        )
        .where(creation_models.c.creation.in_(wanted))
        .distinct()
        .order_by(takedowns.c.at, takedowns.c.item)
    )
    with database.reading(workspace.engine) as connection:
        for row in connection.execute(query):
            found.setdefault(row.creation, []).append(Mark(row.data, row.item, row.at, row.reason))
    return found

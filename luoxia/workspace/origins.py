"""The models, data sets, runs and parents of a creation, each kept once however many creations come from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from luoxia.workspace.creation import Creation
from luoxia.workspace.made_from import DatasetUsed, ModelUsed
from luoxia.workspace.tables import (
    creation_models,
    creations,
    datasets,
    model_datasets,
    models,
    parents,
    runs,
)


def insert(connection: sa.Connection, creation: Creation) -> None:
    """Say in the tables what a creation that is being recorded came from."""
    for place, parent in enumerate(creation.made_from.parents):
        row = {"child": creation.id, "place": place, "parent": parent.id, "role": parent.role}
        connection.execute(parents.insert(), row)
    for place, model in enumerate(creation.made_from.models):
        row = {
            "creation": creation.id,
            "place": place,
            "model": _model(connection, model),
            "role": model.role,
        }
        connection.execute(creation_models.insert(), row)


def descendants(connection: sa.Connection, digests: Iterable[str]) -> tuple[list[str], list[str]]:
    """Ids of the models that learned from a data set with one of those digests, and of the creations that they took part in."""
    learned = models.join(model_datasets).join(datasets)
    of = (
        sa.select(models.c.number, models.c.id)
        .select_from(learned)
        .where(datasets.c.sha256.in_(list(digests)))
    )
    found = connection.execute(of).all()
    made = (
        sa.select(creations.c.id)
        .join(creation_models, creation_models.c.creation == creations.c.id)
        .where(creation_models.c.model.in_([row.number for row in found]))
        .distinct()
        .order_by(creations.c.id)
    )
    return sorted({row.id for row in found}), list(connection.scalars(made))


def _model(connection: sa.Connection, model: ModelUsed) -> int:
    run = None
    if model.run:
        run = _once(connection, runs, {"folder": model.run}, {})
    number = _once(
        connection, models, {"id": model.id, "sha256": model.sha256}, {"licence": model.licence, "run": run}
    )
    for dataset in model.datasets:
        row = {"model": number, "dataset": _dataset(connection, dataset)}
        known = sa.select(model_datasets).filter_by(**row)
        if connection.execute(known).first() is None:
            connection.execute(model_datasets.insert(), row)
    return number


def _dataset(connection: sa.Connection, dataset: DatasetUsed) -> int:
    key = {"name": dataset.name, "sha256": dataset.sha256}
    return _once(connection, datasets, key, {"licence": dataset.licence, "author": dataset.author})


def _once(connection: sa.Connection, table: sa.Table, key: dict[str, Any], rest: dict[str, Any]) -> int:
    """The number of the row with that key, put in where there is none."""
    number = connection.scalar(sa.select(table.c.number).filter_by(**key))
    if number is None:
        number = connection.execute(table.insert().returning(table.c.number), key | rest).scalar_one()
    return number

"""The tables as the newest migration leaves them.

``records`` is the truth, a chain to which is only ever added; the other tables tell the same so that it is found quickly,
and :mod:`luoxia.workspace.chain` checks that they do.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

metadata = MetaData()
REFUSED = text("what = 'refused'")

records = Table(
    "records",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3, without a gap
    Column("what", String(24), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("body", Text, nullable=False),  # canonical JSON
    Column("before", String(64), nullable=False),  # the hash of the record before it
    Column("hash", String(64), nullable=False),
    Index("refusals", "number", sqlite_where=REFUSED, postgresql_where=REFUSED),
)

creations = Table(
    "creations",
    metadata,
    Column("number", Integer, ForeignKey("records.number"), primary_key=True, autoincrement=False),
    Column("id", String(27), nullable=False, unique=True),
    Column("mark", BigInteger, nullable=False, index=True),  # the number that the watermark carries
    Column("kind", String(24), nullable=False),
    Column("command", String(40), nullable=False),
    Column("made", String(24), nullable=False),
    Column("path", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("content_sha256", String(64), nullable=False, index=True),
    Column("file_sha256", String(64), nullable=False, index=True),
    Column("words", Text, nullable=False),  # what it is found by
    Index("creations_by_kind", "kind", "number"),
)

parents = Table(
    "parents",
    metadata,
    Column("child", String(27), ForeignKey("creations.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column(
        "parent", String(27), nullable=False, index=True
    ),  # no foreign key: it may have been made elsewhere
    Column("role", String(40), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("folder", Text, nullable=False, unique=True),
)

models = Table(
    "models",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(300), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("licence", Text, nullable=False),
    Column("run", Integer, ForeignKey("runs.number")),
    Index("models_by_weights", "sha256", "id", unique=True),
)

datasets = Table(
    "datasets",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", String(300), nullable=False),
    Column("licence", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Index("datasets_by_content", "name", "sha256", unique=True),
)

model_datasets = Table(
    "model_datasets",
    metadata,
    Column("model", Integer, ForeignKey("models.number"), primary_key=True),
    Column("dataset", Integer, ForeignKey("datasets.number"), primary_key=True, index=True),
)

creation_models = Table(
    "creation_models",
    metadata,
    Column("creation", String(27), ForeignKey("creations.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("model", Integer, ForeignKey("models.number"), nullable=False, index=True),
    Column("role", String(40), nullable=False),
)

takedowns = Table(  # an item that a set has no more, once for each content the set had with it
    "takedowns",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("data", String(300), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("item", Text, nullable=False),
    Column("at", String(24), nullable=False),
    Column("reason", Text, nullable=False),
    Index("takedowns_by_content", "digest", "data"),
)

pending = Table(  # what is between its record and its file's last rename
    "pending",
    metadata,
    Column("id", String(27), primary_key=True),
    Column("machine", String(200), nullable=False),
    Column("path", Text, nullable=False),
    Column("unfinished", Text, nullable=False),
    Column("body", Text, nullable=False),
)

jobs = Table(  # what dbos does not keep for people: what was asked, how far it is, why it failed
    "jobs",
    metadata,
    Column("id", String(27), primary_key=True),  # that of the creation it is to publish
    Column("work", String(40), nullable=False),
    Column("asked", Text, nullable=False),  # canonical JSON
    Column("queue", String(20), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("made", String(24), nullable=False),
    Column("tries", Integer, nullable=False),  # times that somebody had it run anew; names its workflow
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),  # 1 where it is to stop
    Column("error_en", Text, nullable=False),
    Column("error_zh", Text, nullable=False),
)

"""Creations, what they came from, and the chain of records."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "1", None


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("what", sa.String(24), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "creations",
        sa.Column(
            "number", sa.Integer, sa.ForeignKey("records.number"), primary_key=True, autoincrement=False
        ),
        sa.Column("id", sa.String(27), nullable=False, unique=True),
        sa.Column("mark", sa.BigInteger, nullable=False, index=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("command", sa.String(40), nullable=False),
        sa.Column("made", sa.String(24), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False, index=True),
        sa.Column("file_sha256", sa.String(64), nullable=False, index=True),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_index("creations_by_kind", "creations", ["kind", "number"])
    op.create_table(
        "parents",
        sa.Column("child", sa.String(27), sa.ForeignKey("creations.id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("parent", sa.String(27), nullable=False, index=True),
        sa.Column("role", sa.String(40), nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("folder", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "models",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(300), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.number")),
    )
    op.create_index("models_by_weights", "models", ["sha256", "id"], unique=True)
    op.create_table(
        "datasets",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    op.create_index("datasets_by_content", "datasets", ["name", "sha256"], unique=True)
    op.create_table(
        "model_datasets",
        sa.Column("model", sa.Integer, sa.ForeignKey("models.number"), primary_key=True),
        sa.Column("dataset", sa.Integer, sa.ForeignKey("datasets.number"), primary_key=True, index=True),
    )
    op.create_table(
        "creation_models",
        sa.Column("creation", sa.String(27), sa.ForeignKey("creations.id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("model", sa.Integer, sa.ForeignKey("models.number"), nullable=False, index=True),
        sa.Column("role", sa.String(40), nullable=False),
    )
    op.create_table(
        "pending",
        sa.Column("id", sa.String(27), primary_key=True),
        sa.Column("machine", sa.String(200), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("unfinished", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    _find_words()


def _find_words() -> None:
    """Indexes of trigrams, and of what is shorter."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE creation_words USING fts5"
            "(words, content='creations', content_rowid='number', tokenize='trigram')"
        )
        op.execute("CREATE VIRTUAL TABLE creation_short USING fts5(terms, content='', detail='none')")
    elif connection.scalar(sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute("CREATE INDEX creation_words ON creations USING gin (words gin_trgm_ops)")

"""What was taken down of data sets, so that models and creations which descend from it say so."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "3", "2"


def upgrade() -> None:
    op.create_table(
        "takedowns",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.String(300), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("takedowns_by_content", "takedowns", ["digest", "data"])

"""What the safety gate refused is found without reading all records."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "4", "3"


def upgrade() -> None:
    refused = sa.text("what = 'refused'")
    op.create_index("refusals", "records", ["number"], sqlite_where=refused, postgresql_where=refused)

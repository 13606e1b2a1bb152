"""How a database gets from one version to the next, by Alembic; each version is a file that is never changed again."""

"""How jobs reach dbos, which keeps their workflows in the same database: names and settings that clients and workers share."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from filelock import FileLock

from luoxia.workspace import database

if TYPE_CHECKING:
    from luoxia.workspace.history import Workspace

APPLICATION, VERSION, WORKFLOW = "luoxia", "1", "job"
HEAVY, LIGHT = "heavy", "light"
AT_ONCE = {HEAVY: 1, LIGHT: 4}  # jobs of a queue that run side by side, over all workers
POLL_SECONDS = 0.5
SERIALIZER = DBOSPortableJSONSerializer()  # its usual one pickles, and a database is data


def address(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def config(url: sa.URL, worker: str) -> DBOSConfig:
    """Of the worker that dbos is to know by that name."""
    return {
        "name": APPLICATION,
        "system_database_url": address(url),
        "application_version": VERSION,
        "executor_id": worker,
        "serializer": SERIALIZER,
        "log_level": "CRITICAL",  # why a job failed stands with the job; a log would tell prompts
        "run_migrations": False,
        "use_listen_notify": False,
        "notification_listener_polling_interval_sec": 1.0,
    }


def prepare(workspace: Workspace) -> None:
    """Make dbos's tables and the queues, where they are not there yet."""
    url = workspace.engine.url
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
    with database.plainly(url):
        if url.get_backend_name() == "sqlite":
            with FileLock(f"{url.database}.lock"):
                DBOS.migrate(address(url))
        else:
            DBOS.migrate(address(url))
        reached = client(workspace)
        try:
            for name, several in AT_ONCE.items():
                reached.register_queue(name, global_concurrency=several, polling_interval_sec=POLL_SECONDS)
        finally:
            reached.destroy()


def client(workspace: Workspace) -> DBOSClient:
    return DBOSClient(
        system_database_url=address(workspace.engine.url),
        serializer=SERIALIZER,
        application_name=APPLICATION,
        retry_connection_errors=False,
    )

"""A chain of records to which is only ever added, so that a later change to any of them shows.

    hash_n = SHA-256(hash_{n-1} || body_n),    hash_0 = 32 zero bytes,

where body_n is the record's canonical JSON, its number and its time among its facts. Whoever can write the database can
forge a whole new chain: its head, noted elsewhere, tells that too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.workspace import found_by
from luoxia.workspace.creation import Creation, canonical, now
from luoxia.workspace.tables import creations, records

START = "0" * 64
CREATED = "created"
AT_ONCE = 1_000  # records read at a time
LOCK = "LOCK TABLE records IN EXCLUSIVE MODE"


@dataclass(frozen=True)
class Checked:
    """``count`` records hold, the last with hash ``head``; ``fault`` says what does not hold at record ``at``."""

    count: int
    head: str
    at: int | None = None
    fault: Text | None = None


def link(before: str, body: str) -> str:
    """The hash of a record after one with hash ``before``."""
    return hashlib.sha256(bytes.fromhex(before) + body.encode()).hexdigest()


def append(connection: sa.Connection, what: str, subject: str, facts: Mapping[str, Any]) -> int:
    """Add a record in a transaction that writes, and return its number. ``facts`` are JSON."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(LOCK))
    last = connection.execute(
        sa.select(records.c.number, records.c.hash).order_by(records.c.number.desc()).limit(1)
    ).first()
    number, before = (last.number + 1, last.hash) if last else (1, START)
    body = canonical({"number": number, "at": now(), "what": what, "subject": subject, "facts": facts})
    row = {
        "number": number,
        "what": what,
        "subject": subject,
        "body": body,
        "before": before,
        "hash": link(before, body),
    }
    connection.execute(records.insert(), row)
    return number


def row_of(number: int, creation: Creation) -> dict[str, Any]:
    """What ``creations`` says of the creation in record ``number``."""
    made_from = creation.made_from
    return {
        "number": number,
        "id": creation.id,
        "mark": creation.number,
        "kind": made_from.kind,
        "command": made_from.command,
        "made": creation.made,
        "path": creation.path.replace("\0", ""),  # which PostgreSQL keeps in no text
        "prompt": made_from.prompt.replace("\0", ""),
        "content_sha256": creation.content_sha256,
        "file_sha256": creation.file_sha256,
        "words": found_by.words(creation),
    }


def check(connection: sa.Connection, head: str | None = None) -> Checked:
    """Go through the whole chain. ``head`` is a hash that was noted before, and must still be in it.

    The first record at which something does not hold is told: one that was changed, is missing or was put in, a creation
    that its table tells differently or leaves out, and, at the end, more creations than records tell of.
    """
    before, number, created, seen = START, 0, 0, head in (None, START)
    for row in _rows(connection):
        number += 1
        fault = _fault(row, number, before)
        if fault:
            return Checked(number - 1, before, number, fault)
        before, created = row.hash, created + (row.what == CREATED)
        seen = seen or row.hash == head
    more = connection.scalar(sa.select(sa.func.count()).select_from(creations)) or 0
    if more != created:
        fault = Text(
            f"the table of creations has {more} of them, the records tell of {created}",
            f"作品表中有 {more} 件作品，而记录中有 {created} 件",
        )
        return Checked(number, before, number, fault)
    if not seen:
        fault = Text(
            "the hash that was noted is of none of them: the chain was written anew or cut off",
            "所给的哈希不在其中：记录链被重写或截断",
        )
        return Checked(number, before, number, fault)
    return Checked(number, before)


def _rows(connection: sa.Connection) -> Iterator[sa.Row[Any]]:
    told = [c for c in creations.c if c is not creations.c.number]
    query = (
        sa.select(records, creations.c.number.label("told"), *told)
        .select_from(records.outerjoin(creations, creations.c.number == records.c.number))
        .order_by(records.c.number)
    )
    yield from connection.execution_options(yield_per=AT_ONCE).execute(query)


def _fault(row: sa.Row[Any], number: int, before: str) -> Text | None:
    if row.number != number:
        return Text(f"record {number} is missing", f"缺少第 {number} 条记录")
    try:
        holds = row.before == before and row.hash == link(before, row.body)
        facts = json.loads(row.body)
        same = (facts["number"], facts["what"], facts["subject"]) == (number, row.what, row.subject)
        told = row_of(number, Creation.from_json(facts["facts"])) if row.what == CREATED else {}
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
        holds, same, told = False, False, {}
    if not (holds and same):
        return Text("the record is not the one that was written", "记录已不是当初所写的内容")
    if row.what != CREATED:
        return None if row.told is None else Text("a creation is told that none was", "列出了并不存在的作品")
    if row.told is None:
        return Text("the creation is missing from its table", "作品表中缺少该作品")
    wrong = [name for name, value in told.items() if name != "number" and getattr(row, name) != value]
    if wrong:
        return Text(
            f"the table of creations tells {', '.join(wrong)} differently",
            f"作品表中的 {'、'.join(wrong)} 与记录不符",
        )
    return None


def body_of(connection: sa.Connection, number: int) -> Creation:
    """The creation of record ``number``."""
    body = connection.scalar(sa.select(records.c.body).where(records.c.number == number))
    try:
        return Creation.from_json(json.loads(body or "")["facts"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"record {number} of the database is damaged; `luoxia history --check` tells more",
            f"数据库第 {number} 条记录已损坏；`luoxia history --check` 可查看详情",
        ) from error

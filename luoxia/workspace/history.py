"""The workspace: creations recorded, found again, and where they came from."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import IntegrityError

from luoxia.core.errors import UserError
from luoxia.core.folder import home
from luoxia.provenance import ids
from luoxia.workspace import chain, database, found_by, origins
from luoxia.workspace.creation import Creation, canonical
from luoxia.workspace.tables import creations, parents, pending, records

MOST = 10_000  # creations listed at once


@dataclass(frozen=True)
class Listed:
    """A line of the history."""

    id: str
    made: str
    kind: str
    command: str
    prompt: str
    path: str


class Workspace:
    """One database, opened. Records that a crash left between a file's rename and themselves are mended at the opening:
    ``mended`` tells which creations were recorded then."""

    def __init__(self, url: sa.URL | None = None) -> None:
        self.engine = database.opened(url)
        self.mended = self.mend()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.engine.dispose()

    def new_id(self) -> str:
        """An id whose number no watermark carries yet."""
        with database.reading(self.engine) as connection:
            while True:
                id = ids.drawn()
                taken = sa.select(creations.c.id).where(creations.c.mark == ids.number_of(id))
                if connection.execute(taken).first() is None:
                    return id

    def record(self, creation: Creation) -> None:
        """Record a creation that left without a file, as an answer or a stream, in one transaction.

        Raises :class:`UserError` where one of its id is there already.
        """
        body = canonical(creation.to_json())
        with database.writing(self.engine) as connection:
            self._insert(connection, creation, json.loads(body))

    @contextmanager
    def recording(self, creation: Creation, unfinished: Path) -> Iterator[None]:
        """Record a creation whose file ``unfinished`` is whole, settled, and renamed to ``creation.path`` in the block.

        A note of it is kept first, the record is made when the block has ended well. A crash between the two leaves the
        note: the next opening records the creation if its file was renamed, and removes the unfinished file if not. An
        exception in the block removes the note, and leaves the file to the caller.
        """
        path = Path(creation.path).absolute()
        assert creation.file_sha256
        body = canonical(creation.to_json())
        with held(creation.id):
            self._note(creation, path, unfinished.absolute(), body)
            try:
                yield
            except BaseException:
                self._forget(creation.id)
                raise
            with database.writing(self.engine) as connection:
                self._insert(connection, creation, json.loads(body))
                connection.execute(pending.delete().where(pending.c.id == creation.id))

    def append(self, what: str, subject: str, facts: Mapping[str, Any]) -> int:
        """Add another record to the chain, as of a refusal or a takedown; its number."""
        with database.writing(self.engine) as connection:
            return chain.append(connection, what, subject, facts)

    def records(self, what: str, limit: int) -> list[dict[str, Any]]:
        """The newest records of that kind first, as the chain has them."""
        _check_limit(limit)
        named = sa.bindparam(
            None, what, literal_execute=True
        )  # an index of some records needs the name itself
        query = sa.select(records.c.body).where(records.c.what == named)
        with database.reading(self.engine) as connection:
            found = connection.scalars(query.order_by(records.c.number.desc()).limit(limit))
            return [json.loads(body) for body in found]

    def is_recorded(self, id: str) -> bool:
        with database.reading(self.engine) as connection:
            return (
                connection.execute(sa.select(creations.c.id).where(creations.c.id == id)).first() is not None
            )

    def find(self, typed: str) -> Creation:
        """The creation whose id begins so. Raises :class:`UserError` where there is none, or more than one."""
        begin = ids.prefix(typed)
        query = sa.select(creations.c.id, creations.c.number).order_by(creations.c.id).limit(4)
        with database.reading(self.engine) as connection:
            # A range, not LIKE: the index of ids serves it.
            rows = connection.execute(
                query.where(creations.c.id >= begin, creations.c.id < begin + "~")
            ).all()
            if not rows:
                raise UserError(
                    f"there is no creation {begin}; `luoxia history` lists them",
                    f"没有作品 {begin}；`luoxia history` 可列出全部",
                )
            if len(rows) > 1:
                some = ", ".join(row.id for row in rows[:3])
                raise UserError(
                    f"{begin} begins the ids of several creations, as {some}; give more of it",
                    f"有多件作品的编号以 {begin} 开头，如 {some}；请写得更长些",
                )
            return chain.body_of(connection, rows[0].number)

    def by_number(self, number: int) -> Creation | None:
        """The creation whose watermark carries ``number``."""
        return self._first(creations.c.mark == number)

    def by_file(self, sha256: str) -> Creation | None:
        """The creation that was published as the file with that hash."""
        return self._first(creations.c.file_sha256 == sha256)

    def by_content(self, sha256: str) -> Creation | None:
        """The newest creation whose content was that before it was labelled."""
        return self._first(creations.c.content_sha256 == sha256)

    def list(self, *, search: str = "", kind: str = "", limit: int = 20) -> list[Listed]:
        """The newest creations first; of ``kind``, and with all the words of ``search``, or, where it stands in quotes,
        with just that."""
        _check_limit(limit)
        query = found_by.query(search, kind, limit, self.engine.dialect.name)
        with database.reading(self.engine) as connection:
            return [Listed(*row) for row in connection.execute(query)]

    def kinds(self) -> list[str]:
        with database.reading(self.engine) as connection:
            return list(connection.scalars(sa.select(creations.c.kind).distinct().order_by(creations.c.kind)))

    def children(self, id: str) -> list[str]:
        """Ids of the creations that were made from this one, oldest first."""
        query = sa.select(parents.c.child).where(parents.c.parent == id).distinct().order_by(parents.c.child)
        with database.reading(self.engine) as connection:
            return list(connection.scalars(query))

    def check(self, head: str | None = None) -> chain.Checked:
        """Whether the records are those that were written: :func:`luoxia.workspace.chain.check`."""
        with database.reading(self.engine) as connection:
            return chain.check(connection, head)

    def _first(self, condition: sa.ColumnElement[bool]) -> Creation | None:
        query = sa.select(creations.c.number).where(condition).order_by(creations.c.number.desc()).limit(1)
        with database.reading(self.engine) as connection:
            number = connection.scalar(query)
            return None if number is None else chain.body_of(connection, number)

    def _insert(self, connection: sa.Connection, creation: Creation, facts: dict[str, Any]) -> None:
        # On PostgreSQL the chain's lock comes first, so that of two with one id the second sees the first.
        number = chain.append(connection, chain.CREATED, creation.id, facts)
        try:
            row = chain.row_of(number, creation)
            connection.execute(creations.insert(), row)
        except IntegrityError as error:
            raise _taken(creation.id) from error
        found_by.index(connection, number, row["words"])
        origins.insert(connection, creation)

    def _note(self, creation: Creation, path: Path, unfinished: Path, body: str) -> None:
        row = {
            "id": creation.id,
            "machine": platform.node(),
            "path": str(path),
            "unfinished": str(unfinished),
            "body": body,
        }
        with database.writing(self.engine) as connection:
            if connection.execute(sa.select(creations.c.id).where(creations.c.id == creation.id)).first():
                raise _taken(creation.id)
            try:
                connection.execute(pending.insert(), row)
            except IntegrityError as error:  # another process is publishing it
                raise _taken(creation.id) from error

    def _forget(self, id: str) -> None:
        with database.writing(self.engine) as connection:
            connection.execute(pending.delete().where(pending.c.id == id))

    def mend(self) -> list[str]:
        """Finish or undo what processes of this machine that are no more left between note and record, and remove what
        they left unfinished before; ids of what was recorded."""
        query = sa.select(pending).where(pending.c.machine == platform.node())
        with database.reading(self.engine) as connection:
            rows = connection.execute(query).all()
        mended = [row.id for row in rows if self._mended(row)]
        for folder in _publishing().glob("L*/"):
            with suppress(Timeout), held(folder.name, wait=False):
                shutil.rmtree(folder, ignore_errors=True)
        return mended

    def _mended(self, row: sa.Row[Any]) -> bool:
        with suppress(Timeout), held(row.id, wait=False), database.writing(self.engine) as connection:
            found = connection.execute(pending.delete().where(pending.c.id == row.id))
            if not found.rowcount:  # another process was faster
                return False
            creation = Creation.from_json(json.loads(row.body))
            published = not Path(row.unfinished).exists() or _is(Path(row.path), creation.file_sha256)
            if published:
                self._insert(connection, creation, json.loads(row.body))
            for rest in (Path(row.unfinished), beside(Path(row.path), row.id)):
                with suppress(OSError):
                    rest.unlink()
            return published
        return False  # its process is at work


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST:
        raise UserError(f"limit is {limit}; give 1 to {MOST}", f"limit 为 {limit}；请给 1 到 {MOST}")


def beside(path: Path, id: str) -> Path:
    """Where a file that comes from another disk waits to be renamed to ``path``."""
    return path.with_name(f".{id}.part")


@contextmanager
def held(id: str, *, wait: bool = True) -> Iterator[Path]:
    """Hold ``id`` as long as its process lives: the system frees it, however the process ends. Its folder for unfinished
    files, which is there when someone made it. Raises :class:`filelock.Timeout` unless ``wait``."""
    folder = _publishing()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{id}.lock", is_singleton=True)  # so that who holds it may hold it again
    with lock.acquire(timeout=-1 if wait else 0):
        try:
            yield folder / id
        finally:
            if lock.lock_counter == 1:
                Path(lock.lock_file).unlink(missing_ok=True)


@contextmanager
def staged(id: str) -> Iterator[Path]:
    """A folder for what is made of ``id`` before it is whole, gone at the end; a crash leaves it to the next opening."""
    with held(id) as folder:
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _publishing() -> Path:
    return home() / "publishing"


def _is(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _taken(id: str) -> UserError:
    return UserError(f"there is a creation {id} already", f"已有作品 {id}")

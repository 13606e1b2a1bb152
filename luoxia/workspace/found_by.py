"""What creations are found by: words of their prompt, text, file, models and kind, in Chinese as in English.

An index of trigrams finds any three characters in a row. Most words of Chinese are shorter: for them there is a second
index, of single characters and pairs in writing without spaces, and of whole words of one and two letters in any other.
Both give the newest first, so that a search ends as soon as enough are found.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from luoxia.workspace.creation import Creation
from luoxia.workspace.tables import creations

LONGEST = 2_000  # characters of a prompt, and as many of a text, that are found
MOST_WORDS = 16
TRIGRAM = 3
LISTED = ("id", "made", "kind", "command", "prompt", "path")
_UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana and Chinese characters
_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\s{_UNSPACED}]+")


def plain(text: str) -> str:
    """As it is compared: whatever the width and the case of the letters, spaces single."""
    return " ".join(unicodedata.normalize("NFKC", text.replace("\0", "")).casefold().split())


def words(creation: Creation) -> str:
    """All that a creation is found by, one thing a line."""
    made_from = creation.made_from
    text = creation.sketch if made_from.kind == "text" else ""
    parts = (
        made_from.prompt[:LONGEST],
        text[:LONGEST],
        PurePath(creation.path).name,
        *(model.id for model in made_from.models),
        made_from.recipe,
        made_from.kind,
        made_from.command,
    )
    return "\n".join(filter(None, map(plain, parts)))


def short(text: str) -> str:
    """What the second index has of :func:`words`: terms in hexadecimal, so that no tokenizer takes them apart."""
    terms = set[str]()
    for run in _RUNS.findall(text):
        if re.match(f"[{_UNSPACED}]", run):
            terms.update(run)
            terms.update(run[i : i + 2] for i in range(len(run) - 1))
        else:
            terms.update(word for word in re.findall(r"\w+", run) if len(word) < TRIGRAM)
            if len(run) < TRIGRAM:
                terms.add(run)
    return " ".join(sorted(map(_hexadecimal, terms)))


def _hexadecimal(term: str) -> str:
    return term.encode().hex()


def index(connection: sa.Connection, number: int, text: str) -> None:
    """Let creation ``number`` be found by its words. PostgreSQL indexes them by itself."""
    if connection.dialect.name == "sqlite":
        connection.execute(
            sa.text("INSERT INTO creation_words(rowid, words) VALUES (:n, :t)"), {"n": number, "t": text}
        )
        row = {"n": number, "t": short(text)}
        connection.execute(sa.text("INSERT INTO creation_short(rowid, terms) VALUES (:n, :t)"), row)


def query(asked: str, kind: str, limit: int, dialect: str) -> sa.Executable:
    """The newest creations of ``kind``, "" for any, that have every word of ``asked``, or, where that stands in quotes,
    just that: rows of ``LISTED``."""
    text = plain(asked)
    quoted = len(text) > 2 and text[0] == text[-1] == '"'
    terms = [text[1:-1]] if quoted else text.split()[:MOST_WORDS]
    if terms and dialect == "sqlite":
        return _through_indexes(terms, kind, limit)
    found = (
        sa.select(*(creations.c[name] for name in LISTED)).order_by(creations.c.number.desc()).limit(limit)
    )
    if kind:
        found = found.where(creations.c.kind == kind)
    return found.where(*(creations.c.words.like(_like(term), escape="\\") for term in terms))


def _through_indexes(terms: list[str], kind: str, limit: int) -> sa.Executable:
    """One index leads, in the order of its rows; SQLite would sooner read all creations in theirs, and keeps to the order of
    tables in a cross join alone."""
    values: dict[str, Any] = {"limit": limit}
    matches = []
    if long := [term for term in terms if len(term) >= TRIGRAM]:
        values["words"] = " AND ".join('"' + term.replace('"', '""') + '"' for term in long)
        matches.append(("creation_words", "words"))
    if few := [term for term in terms if len(term) < TRIGRAM]:
        values["short"] = " AND ".join(map(_quoted, few))
        matches.append(("creation_short", "short"))
    (lead, name), *others = matches
    conditions = [f"{lead} MATCH :{name}"]
    conditions += [f"creations.number IN (SELECT rowid FROM {t} WHERE {t} MATCH :{n})" for t, n in others]  # noqa: S608
    if kind:
        values["kind"] = kind
        conditions.append("creations.kind = :kind")
    columns = ", ".join(f"creations.{column}" for column in LISTED)
    return sa.text(
        f"SELECT {columns} FROM {lead} CROSS JOIN creations ON creations.number = {lead}.rowid "  # noqa: S608
        f"WHERE {' AND '.join(conditions)} ORDER BY {lead}.rowid DESC LIMIT :limit"
    ).bindparams(**values)


def _quoted(term: str) -> str:
    return f'"{_hexadecimal(term)}"'


def _like(term: str) -> str:
    for special in "\\%_":
        term = term.replace(special, "\\" + special)
    return f"%{term}%"

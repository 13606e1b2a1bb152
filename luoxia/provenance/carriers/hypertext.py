"""HTML: the label in a ``meta`` element named AIGC at the beginning of the head. HTML Standard, 4.2.5 and 13.2.5."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers.bounded import Reading, Source, reading
from luoxia.provenance.carriers.markup import escaped
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import KEY, Label

FORMATS = (".html", ".htm")
LARGEST = 64 << 20
RAW = (b"script", b"style", b"title", b"textarea", b"template", b"noscript", b"xmp", b"iframe")
MARK = b"\xef\xbb\xbf"  # of the encoding
# Possessive: a tag that never ends must not be tried with every shorter name.
_TAG = re.compile(rb"""<(/?[a-zA-Z][^\s/>]*+)((?:[^"'>]|"[^"]*"|'[^']*')*+)>""")
_ATTRIBUTE = re.compile(rb"""([^\s"'>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+))""")


def labels(file: BinaryIO) -> Iterator[Reading]:
    for name, start, _, attributes in _tags(_read(file)):
        if _is_label(name, attributes):
            content = attributes.get(b"content", b"").decode("utf-8", "replace")
            yield reading(f"HTML meta at byte {start}", unescape(content))


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        data = _read(file)
    home = len(MARK) if data.startswith(MARK) else 0
    doctype = re.compile(rb"\s*<!doctype[^>]*>", re.IGNORECASE).match(data, home)
    home = doctype.end() if doctype else home
    edits: list[Edit] = []
    has_head = False
    for name, start, end, attributes in _tags(data):
        if _is_label(name, attributes):
            edits.append(Edit(start, end, b""))
        elif name == b"head" and not has_head:
            home, has_head = end, True
        elif name == b"html" and not has_head:
            home = end
    made = f'<meta name="{KEY}" content="{escaped(label.to_json())}">'.encode()
    splice(path, [*edits, Edit(home, home, made)])


def _read(file: BinaryIO) -> bytes:
    source = Source(file)
    return source.read(source.size, LARGEST)


def _is_label(name: bytes, attributes: dict[bytes, bytes]) -> bool:
    return name == b"meta" and attributes.get(b"name", b"").strip().upper() == KEY.encode()


def _tags(data: bytes) -> Iterator[tuple[bytes, int, int, dict[bytes, bytes]]]:
    """Name, place and attributes of each start tag, those in comments and scripts left out."""
    at = 0
    while (start := data.find(b"<", at)) >= 0:
        if data.startswith(b"<!--", start):
            end = data.find(b"-->", start + 4)
            if end < 0:
                return
            at = end + 3
            continue
        if not data[start + 1 : start + 2].isalpha():
            at = start + 1
            continue
        found = _TAG.match(data, start)
        if found is None:  # a tag that never ends swallows the rest
            return
        name, at = found[1].lower(), found.end()
        yield name, start, at, _attributes(found[2]) if name == b"meta" else {}
        if name in RAW:
            close = re.compile(rb"</" + name + rb"[\s/>]", re.IGNORECASE).search(data, at)
            if close is None:
                return
            at = close.start() + 2 + len(name)


def _attributes(text: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for match in _ATTRIBUTE.finditer(text):
        found.setdefault(match[1].lower(), match[2] or match[3] or match[4] or b"")
    return found

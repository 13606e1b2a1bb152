"""SVG: the label as XMP in a ``metadata`` element at the beginning. SVG 2, 5.9; XMP Specification, Part 3, 2.6."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers import xmp
from luoxia.provenance.carriers.bounded import Reading, Source, not_a
from luoxia.provenance.carriers.markup import Element, elements
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import Label

FORMATS = (".svg",)
LARGEST = 64 << 20
NAMESPACE = "http://www.w3.org/2000/svg"


def labels(file: BinaryIO) -> Iterator[Reading]:
    _, found = _open(file)
    yield from xmp.readings(found[1:], "SVG metadata")


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        data, found = _open(file)
    root = found[0]
    prefix = f"{root.prefix}:" if root.prefix else ""
    made, shell = (f"<{prefix}metadata>{xmp.rdf(it)}</{prefix}metadata>".encode() for it in (label, None))
    edits = [_wider(data, edit, shell) for edit in xmp.cuts(data, found[1:])]
    if root.is_empty:
        made = b">" + made + f"</{prefix}svg>".encode()
        edits.append(Edit(root.inside - 2, root.inside, made))
    else:
        edits.append(Edit(root.inside, root.inside, made))
    splice(path, edits)


def _open(file: BinaryIO) -> tuple[bytes, list[Element]]:
    """The document, its root, and the elements that carry labels."""
    source = Source(file)
    data = source.read(source.size, LARGEST)
    found = elements(
        data,
        lambda element: (
            element.depth == 0 or element.name == xmp.PROPERTY or xmp.PROPERTY in element.attributes
        ),
    )
    if not found or found[0].name[1] != "svg":
        raise not_a("SVG")
    return data, found


def _wider(data: bytes, cut: Edit, shell: bytes) -> Edit:
    """The cut, and with it all of the element that was put around the label here and would be left empty."""
    middle = shell.index(b"></") + 1
    head, tail = shell[:middle], shell[middle:]
    if data.endswith(head, 0, cut.start) and data.startswith(tail, cut.end):
        return Edit(cut.start - len(head), cut.end + len(tail), b"")
    return cut

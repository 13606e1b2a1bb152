"""The label as a property of an XMP packet: ``AIGC`` in the namespace that TC260's practice guide for pictures names."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from luoxia.provenance.carriers.bounded import MalformedError, Reading, reading
from luoxia.provenance.carriers.markup import Element, attribute_spans, elements, escaped
from luoxia.provenance.carriers.splicing import Edit, spliced
from luoxia.provenance.label import KEY, Label

NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PROPERTY = (NAMESPACE, KEY)


def packet(label: Label) -> bytes:
    """A whole packet that holds the label and nothing else."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf(label)}</x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def rdf(label: Label | None) -> str:
    """The RDF of the label, which stands in a packet or in the metadata of an SVG; without one, what is left of it."""
    inside = _description(label, "rdf") if label else _shell("rdf")
    return f'<rdf:RDF xmlns:rdf="{RDF}">{inside}</rdf:RDF>'


def labelled(old: bytes, label: Label) -> bytes:
    """The packet ``old`` with this label and no other, all else as it was; a malformed one is replaced whole."""
    old = _utf8(old)
    try:
        found = elements(old, lambda element: _carries(element) or element.name == (RDF, "RDF"))
    except MalformedError:
        return packet(label)
    edits = cuts(old, found)
    homes = [element for element in found if element.name == (RDF, "RDF") and not element.is_empty]
    if not homes:
        return packet(label)
    home = homes[0]
    edits.append(Edit(home.close, home.close, _description(label, home.prefix).encode()))
    return spliced(old, edits).replace(_shell(home.prefix).encode(), b"")


def without(old: bytes) -> bytes:
    """The packet without labels, all else as it was; a malformed one is emptied."""
    old = _utf8(old)
    try:
        return spliced(old, cuts(old, elements(old, _carries)))
    except MalformedError:
        return b""


def labels(data: bytes, where: str) -> Iterator[Reading]:
    """Each label in a packet; of a malformed one that speaks of labels, what is wrong with it."""
    data = _utf8(data)
    try:
        found = elements(data, _carries)
    except MalformedError as error:
        if b"/ns/AIGC/" in data:
            yield Reading(where, None, error.text)
        return
    yield from readings(found, where)


def readings(found: list[Element], where: str) -> Iterator[Reading]:
    """What the elements that :func:`elements` found say; the property is an element, or an attribute."""
    for element in found:
        if element.name == PROPERTY:
            yield reading(where, element.text)
        elif PROPERTY in element.attributes:
            yield reading(where, element.attributes[PROPERTY])


def cuts(data: bytes, found: list[Element]) -> list[Edit]:
    """What takes the labels out of a document in which they were found."""
    edits: list[Edit] = []
    for element in found:
        inside_another = edits and element.start < edits[-1].end
        if inside_another:
            continue
        if element.name == PROPERTY:
            edits.append(Edit(element.start, element.end, b""))
        elif PROPERTY in element.attributes:
            spans = attribute_spans(data, element)
            edits += [Edit(*span, b"") for name, span in spans.items() if name.split(":")[-1] == KEY]
    return edits


def _carries(element: Element) -> bool:
    return element.name == PROPERTY or PROPERTY in element.attributes


def _description(label: Label, prefix: str) -> str:
    head, tail = _tags(prefix)
    return f"{head}<TC260:{KEY}>{escaped(label.to_json())}</TC260:{KEY}>{tail}"


def _shell(prefix: str) -> str:
    """What is left of a description when its label is cut out."""
    return "".join(_tags(prefix))


def _tags(prefix: str) -> tuple[str, str]:
    name = f"{prefix}:" if prefix else ""
    about = f'{prefix}:about=""' if prefix else f'xmlns:r="{RDF}" r:about=""'
    return f'<{name}Description {about} xmlns:TC260="{NAMESPACE}">', f"</{name}Description>"


def _utf8(data: bytes) -> bytes:
    """Packets may be in UTF-16 or 32 where a format does not forbid it; zeros after one are padding."""
    for mark, codec in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")):
        if data.startswith(mark):
            return data.decode(codec, "replace").encode()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode()
    return data.rstrip(b"\0").removeprefix(codecs.BOM_UTF8).strip()

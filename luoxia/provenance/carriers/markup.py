"""Where elements of an XML document begin and end, in bytes, so that some can be cut out and the rest stays untouched.

No entity is ever expanded: a document that declares any is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.parsers import expat

from luoxia.provenance.carriers.bounded import MalformedError
from luoxia.provenance.label import LARGEST

DEEPEST, MOST = 256, 10_000
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>"']+)\s*=\s*("[^"]*"|'[^']*')""")


@dataclass
class Element:
    """``name`` and the keys of ``attributes`` are (namespace, local name); ``start`` to ``end`` are its bytes, and
    ``inside`` to ``close`` those between its tags (equal in an empty one)."""

    name: tuple[str, str]
    prefix: str
    attributes: dict[tuple[str, str], str]
    depth: int
    start: int
    inside: int
    close: int = 0
    end: int = 0
    text: str = ""
    pieces: list[str] = field(default_factory=list, repr=False)

    @property
    def is_empty(self) -> bool:
        return self.close == self.start


def elements(data: bytes, wanted: Callable[[Element], bool]) -> list[Element]:
    """The elements of a UTF-8 document that are ``wanted``, in the order of their beginnings, with the text in them.

    Raises :class:`MalformedError` for what is not well formed, too deep, or declares entities.
    """
    found: list[Element] = []
    waiting: list[Element | None] = []
    parser = expat.ParserCreate("UTF-8", "\n")  # a character that no namespace's name can hold
    parser.namespace_prefixes = True
    parser.buffer_text = True

    def begin(name: str, given: dict[str, str]) -> None:
        start = parser.CurrentByteIndex
        if len(waiting) >= DEEPEST:
            raise MalformedError("its XML is nested too deeply", "其 XML 嵌套过深")
        full, prefix = _split(name)
        attributes = {_split(key)[0]: value for key, value in given.items()}
        element = Element(full, prefix, attributes, len(waiting), start, _after_tag(data, start))
        chosen = wanted(element)
        if chosen:
            if len(found) >= MOST:
                raise MalformedError("its XML holds too many labels", "其 XML 含有过多标识")
            found.append(element)
        waiting.append(element if chosen else None)

    def end(_: str) -> None:
        element = waiting.pop()
        if element is not None:
            element.close = parser.CurrentByteIndex
            empty = data[element.inside - 2 : element.inside] == b"/>"
            element.close = element.start if empty else parser.CurrentByteIndex
            element.end = element.inside if empty else data.index(b">", parser.CurrentByteIndex) + 1
            element.text = "".join(element.pieces)

    def characters(text: str) -> None:
        for element in waiting:
            if element is not None and sum(map(len, element.pieces)) <= LARGEST:
                element.pieces.append(text[: LARGEST + 1])

    def refuse(*_: object) -> None:
        raise MalformedError("its XML declares entities or the like", "其 XML 声明了实体一类的内容")

    def doctype(_name: str, _system: str | None, _public: str | None, internal: bool) -> None:
        if internal:
            refuse()

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, IndexError, UnicodeError) as error:
        reason = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else "encoding"
        line = getattr(error, "lineno", 0)
        raise MalformedError(
            f"its XML is malformed at line {line} ({reason})", f"其 XML 第 {line} 行格式错误（{reason}）"
        ) from error
    return found


def attribute_spans(data: bytes, element: Element) -> dict[str, tuple[int, int]]:
    """Where each attribute of a start tag stands, with the space before it, by its name with prefix."""
    tag = data[element.start : element.inside]
    return {
        match[1].decode(): (element.start + match.start(), element.start + match.end())
        for match in _ATTRIBUTE.finditer(tag)
    }


def escaped(text: str) -> str:
    """``text`` for a place between tags or between quotes of either kind."""
    for sign, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        text = text.replace(sign, code)
    return text


def _split(name: str) -> tuple[tuple[str, str], str]:
    parts = name.split("\n")
    if len(parts) == 1:
        return ("", parts[0]), ""
    return (parts[0], parts[1]), parts[2] if len(parts) > 2 else ""


def _after_tag(data: bytes, start: int) -> int:
    """The place after the tag that begins at ``start``, whose quotes are balanced, since the parser took it."""
    quote, at = 0, start
    while True:
        at = _next(data, at, quote)
        if data[at] == 0x3E and not quote:
            return at + 1
        quote = 0 if quote else data[at]
        at += 1


def _next(data: bytes, at: int, quote: int) -> int:
    if quote:
        return data.index(bytes([quote]), at)
    found = _QUOTE_OR_END.search(data, at)
    if found is None:
        raise IndexError
    return found.start()


_QUOTE_OR_END = re.compile(rb"[\"'>]")

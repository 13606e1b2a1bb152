"""What people read in a Word document: the runs of text of its main part (ECMA-376, Part 1, 17.3.3.31), piece by piece and
in bounds. No entity is expanded: a document that declares any is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.parsers import expat

from luoxia.provenance.carriers import office
from luoxia.provenance.carriers.bounded import MalformedError
from luoxia.provenance.carriers.markup import DEEPEST, elements

MARKUP = 32 << 20  # bytes of the main part that are read
CHUNK = 1 << 20
WORDS = (
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",  # the strict form
)
HIDDEN = "Fallback"  # says again, for older programs, what stands beside it
SPACES = {"tab": "\t", "br": "\n", "cr": "\n"}


def words(path: Path, most: int) -> tuple[str, bool] | None:
    """Up to ``most`` characters of its text, a paragraph a line, and whether that is the whole of it; None for a package
    that is no Word document. Raises :class:`MalformedError` for a broken or hostile one."""
    with path.open("rb") as file, office.opened(file) as package:
        name = _main(package)
        if name is None or name not in package.namelist():
            return None
        try:
            with package.open(name) as part:
                reader, read = _Reader(), 0
                while reader.length <= most and read < MARKUP and (data := part.read(CHUNK)):
                    read += len(data)
                    reader.feed(data)
                whole = reader.length <= most and not part.read(1)
                if whole:
                    reader.close()
        except office.BROKEN as error:
            raise office.bad(error) from error
    return None if reader.foreign else ("".join(reader.pieces)[:most], whole)


def _main(package: zipfile.ZipFile) -> str | None:
    """The name of the part that the package is there for."""
    if office.RELATIONS not in package.namelist():
        return None
    listed = elements(
        office.part(package, office.RELATIONS), lambda element: element.name[1] == "Relationship"
    )
    for element in listed:
        if element.attributes.get(("", "Type"), "").endswith("/officeDocument"):
            return element.attributes.get(("", "Target"), "").lstrip("/")
    return None


class _Reader:
    """``foreign``: the root is no Word document's."""

    def __init__(self) -> None:
        self.pieces, self.length, self.foreign = list[str](), 0, False
        self._depth, self._runs, self._hidden = 0, 0, 0
        self._parser = expat.ParserCreate(None, "\n")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse

    def feed(self, data: bytes, last: bool = False) -> None:
        try:
            self._parser.Parse(data, last)
        except (expat.ExpatError, UnicodeError, LookupError) as error:
            raise office.bad(error) from error

    def close(self) -> None:
        self.feed(b"", True)

    def _begin(self, name: str, _given: dict[str, str]) -> None:
        space, _, local = name.rpartition("\n")
        if self._depth >= DEEPEST:
            raise MalformedError("its XML is nested too deeply", "其 XML 嵌套过深")
        self.foreign = self.foreign or (self._depth == 0 and space not in WORDS)
        self._depth += 1
        self._hidden += local == HIDDEN
        if space in WORDS:
            self._runs += local == "t"
            self._add(SPACES.get(local, ""))

    def _end(self, name: str) -> None:
        space, _, local = name.rpartition("\n")
        self._depth -= 1
        self._hidden -= local == HIDDEN
        if space in WORDS:
            self._runs -= local == "t"
            self._add("\n" if local == "p" else "")

    def _characters(self, text: str) -> None:
        if self._runs:
            self._add(text)

    def _add(self, text: str) -> None:
        if text and not self._hidden:
            self.pieces.append(text)
            self.length += len(text)

    def _refuse(self, *_: object) -> None:
        raise MalformedError("its XML declares entities or the like", "其 XML 声明了实体一类的内容")

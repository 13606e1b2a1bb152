"""DOCX, PPTX and XLSX: the label as a custom property AIGC in ``docProps/custom.xml`` (TC260-PG-20258A).

ECMA-376, Part 1, 22.3, and Part 2. The other parts of the package are copied as they are.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers.bounded import PACKET, MalformedError, Reading, broken, not_a, reading
from luoxia.provenance.carriers.markup import Element, elements, escaped
from luoxia.provenance.carriers.splicing import CHUNK, Edit, spliced
from luoxia.provenance.label import KEY, Label

FORMATS = (".docx", ".pptx", ".xlsx")
PARTS = 20_000
UNPACKED = 1 << 30  # bytes of all parts together
BROKEN = (  # what reading a part raises
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,  # a password is asked for
)
PROPERTIES, TYPES, RELATIONS = "docProps/custom.xml", "[Content_Types].xml", "_rels/.rels"
CUSTOM = "http://schemas.openxmlformats.org/officeDocument/2006/custom-properties"
VALUES = "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"
TYPE = "application/vnd.openxmlformats-officedocument.custom-properties+xml"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/custom-properties"
OF_USERS = "{D5CDD505-2E9C-101B-9397-08002B2CF9AE}"  # the set that properties of users belong to
EMPTY = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<Properties xmlns="{CUSTOM}" xmlns:vt="{VALUES}"></Properties>'


def labels(file: BinaryIO) -> Iterator[Reading]:
    with opened(file) as package:
        for name in package.namelist():
            if name.lower() == PROPERTIES.lower():
                yield from (
                    reading(f"custom property in {name}", element.text)
                    for element in elements(part(package, name), _is_property)
                    if _is_label(element)
                )


def write(path: Path, label: Label) -> None:
    beside = path.with_name(f"{path.name}.labelled")
    try:
        with path.open("rb") as file, opened(file) as old, zipfile.ZipFile(beside, "x") as new:
            custom = part(old, PROPERTIES) if PROPERTIES in old.namelist() else EMPTY.encode()
            changed = {
                TYPES: _registered(part(old, TYPES), "Override", _type),
                RELATIONS: _registered(part(old, RELATIONS), "Relationship", _relation),
                PROPERTIES: _labelled(custom, label),
            }
            for info in old.infolist():
                if info.filename not in changed:
                    with old.open(info) as one, new.open(info, "w") as copy:
                        shutil.copyfileobj(one, copy, CHUNK)
                elif info.filename != PROPERTIES:
                    new.writestr(info, changed[info.filename])
            new.writestr(zipfile.ZipInfo(PROPERTIES), changed[PROPERTIES], zipfile.ZIP_DEFLATED)
        os.replace(beside, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise bad(error) from error
    finally:
        beside.unlink(missing_ok=True)


def opened(file: BinaryIO) -> zipfile.ZipFile:
    if file.read(2) != b"PK":
        raise not_a("DOCX, PPTX or XLSX")
    try:
        package = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
        raise bad(error) from error
    infos = package.infolist()
    if len(infos) > PARTS or sum(info.file_size for info in infos) > UNPACKED:
        raise MalformedError("it unpacks to more than is read", "其解压后的内容超过读取上限")
    if TYPES not in package.namelist():
        raise not_a("DOCX, PPTX or XLSX")
    return package


def part(package: zipfile.ZipFile, name: str) -> bytes:
    try:
        with package.open(name) as one:
            data = one.read(PACKET + 1)
    except BROKEN as error:
        raise bad(error) from error
    if len(data) > PACKET:
        raise MalformedError(f"its {name} is larger than is read", f"其 {name} 超过读取上限")
    return data


def bad(error: Exception) -> MalformedError:
    detail = " ".join(str(error).split())[:100] or type(error).__name__
    return MalformedError(f"it is a broken package: {detail}", f"文件包已损坏：{detail}")


def _is_property(element: Element) -> bool:
    return element.name == (CUSTOM, "property") or element.depth == 0


def _is_label(element: Element) -> bool:
    return element.depth > 0 and element.attributes.get(("", "name"), "").upper() == KEY


def _labelled(data: bytes, label: Label) -> bytes:
    root, *found = elements(data, _is_property)
    edits = [Edit(element.start, element.end, b"") for element in found if _is_label(element)]
    numbers = [element.attributes.get(("", "pid"), "") for element in found if not _is_label(element)]
    number = max([1, *(int(text) for text in numbers if text.isdecimal() and len(text) < 10)]) + 1
    made = (
        f'<property xmlns="{CUSTOM}" fmtid="{OF_USERS}" pid="{number}" name="{KEY}">'
        f'<vt:lpwstr xmlns:vt="{VALUES}">{escaped(label.to_json())}</vt:lpwstr></property>'
    ).encode()
    if root.is_empty:
        return _labelled(EMPTY.encode(), label)
    return spliced(data, [*edits, Edit(root.close, root.close, made)])


def _registered(data: bytes, name: str, made) -> bytes:
    """The list ``data`` of a package with the custom properties in it."""
    root, *found = elements(data, lambda element: element.depth == 0 or element.name[1] == name)
    if root.is_empty:
        raise broken(root.start)
    line = made(found, root.prefix)
    return spliced(data, [Edit(root.close, root.close, line.encode())]) if line else data


def _type(found: list[Element], prefix: str) -> str:
    if any(element.attributes.get(("", "PartName")) == f"/{PROPERTIES}" for element in found):
        return ""
    return f'<{prefix and prefix + ":"}Override PartName="/{PROPERTIES}" ContentType="{TYPE}"/>'


def _relation(found: list[Element], prefix: str) -> str:
    if any(element.attributes.get(("", "Type")) == RELATION for element in found):
        return ""
    taken = {element.attributes.get(("", "Id")) for element in found}
    id = next(f"rId{i}" for i in range(1, len(taken) + 2) if f"rId{i}" not in taken)
    return f'<{prefix and prefix + ":"}Relationship Id="{id}" Type="{RELATION}" Target="{PROPERTIES}"/>'

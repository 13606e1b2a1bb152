"""Whose the items of a data set are: lines such as "NAME by AUTHOR, LICENCE (ADDRESS), ADDRESS", read and summed up."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.data.images import ImageSet

LONGEST, MOST = 300, 40  # characters of a name, names in a sum
LICENCE = re.compile(
    r"\b(CC0(?:[ -]1\.0)?|CC[ -]BY(?:-(?:NC|ND|SA))*[ -]?\d?(?:\.\d)?|Apache[ -]2\.0|MIT|BSD-\d-Clause|MPL-2\.0|OFL-1\.1"
    r"|L?GPL-\d(?:\.\d)?(?:-only|-or-later)?|ODC-By|public domain)(?![\w-])",
    re.I,
)


@dataclass(frozen=True)
class Attribution:
    """``name`` of a source, "" where the line does not tell the parts apart; ``line`` is all that it says."""

    line: str
    licence: str
    author: str
    name: str


def read(line: str) -> Attribution:
    """What a line says. A licence that is not known by its name is the whole line, shortened."""
    line = " ".join(line.split())
    found = LICENCE.search(line)
    if found is None:
        return Attribution(line, line[:LONGEST], "", "")
    name, by, author = line[: found.start()].rstrip(" ,;(").rpartition(" by ")
    return Attribution(line, found[0].strip(), author[:LONGEST] if by else "", name[:LONGEST])


def summed(lines: Iterable[str]) -> tuple[str, str]:
    """All licences and all authors of a set, each once, "" where none is told; of more than ``MOST``, how many more."""
    told = [read(part) for line in lines for part in line.split("; ")]
    return _list(one.licence for one in told), _list(one.author for one in told)


def _list(names: Iterable[str]) -> str:
    each = list(dict.fromkeys(filter(None, names)))
    more = [f"and {len(each) - MOST} more"] if len(each) > MOST else []
    return "; ".join(each[:MOST] + more)


def sources_of(images: ImageSet) -> tuple[NDArray[np.int32], list[str]]:
    """For each picture the place of its source's line in the list (N,): by its class, where every class has a line of its
    own; else one line stands for all."""
    lines, labels = list(images.licence), images.labels
    if labels is not None and len(lines) >= len(images.classes):
        of_class = _lines_of_classes(images)
        if of_class is not None:
            return np.array(of_class, np.int32)[labels], lines
    whole = lines[0] if len(lines) == 1 else "; ".join(lines)
    return np.zeros(len(images.images), np.int32), [whole[: 8 * LONGEST]]


def _lines_of_classes(images: ImageSet) -> list[int] | None:
    if len(images.licence) == len(images.classes):
        return list(range(len(images.classes)))
    from luoxia.data.icon_packages import MAKERS

    of_style = {maker.style: maker.prefix for maker in MAKERS}
    found = []
    for style in images.classes:
        marked = [
            i for i, line in enumerate(images.licence) if f"@iconify-json/{of_style.get(style)} " in line
        ]
        if not marked and (images.labels == images.classes.index(style)).any():
            return None
        found.append(marked[0] if marked else 0)
    return found

"""The packages that the icons come from: coloured drawings of several makers, and names in English and Chinese.

They are fetched through the user's own npm when the user asks for it, checked by hash, and kept packed; of each, single
files are read by their exact names, and nothing is executed or unpacked to disk. Licences are those that the packages
state in their own files; only permissive ones are used.
"""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from typing import Any

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.language import Text
from luoxia.core.progress import Progress, readable_size
from luoxia.weights.catalogue import Entry, is_here, verified
from luoxia.weights.fetch import fetch

PERMISSIVE = frozenset(("MIT", "Apache-2.0", "ISC", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "Unlicense"))
MEMBER = 160 << 20  # bytes that a file in a package may have


@dataclass(frozen=True)
class Maker:
    """One hand: a set of drawings. ``style`` is the word for it in captions; the generator never sees art that is not
    ``shown``. Drawings that bring a ground of their own stand ``alone``: in no scene with others, their style said."""

    prefix: str
    version: str
    size: int
    sha256: str
    style: str
    shown: bool = True
    alone: bool = False

    @property
    def entry(self) -> Entry:
        package = f"@iconify-json/{self.prefix}"
        return _entry(self.prefix, package, self.version, self.size, self.sha256)


STYLES = {  # the words for how the makers draw, as captions and --style say them
    "cartoon": Text("cartoon", "卡通"),
    "classic": Text("classic", "经典"),
    "flat": Text("flat", "扁平"),
    "minimal": Text("minimal", "简约"),
    "3d": Text("3d", "立体"),
    "rounded": Text("rounded", "圆润"),
    "outline": Text("outline", "描边"),
    "basic": Text("basic", "基础"),
    "badge": Text("badge", "徽章"),
    "simple": Text("simple", "朴素"),
}
MAKERS = (
    Maker(
        "noto",
        "1.2.9",
        3_102_958,
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
        "cartoon",
    ),
    Maker(
        "noto-v1",
        "1.2.5",
        1_587_591,
        "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
        "classic",
    ),
    Maker(
        "twemoji",
        "1.2.5",
        1_555_888,
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
        "flat",
    ),
    Maker(
        "fluent-emoji-flat",
        "1.2.6",
        1_172_438,
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
        "minimal",
    ),
    Maker(
        "fluent-emoji",
        "1.2.7",
        14_323_330,
        "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
        "3d",
    ),
    Maker(
        "emojione",
        "1.2.3",
        687_690,
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
        "rounded",
    ),
    Maker(
        "streamline-emojis",
        "1.2.4",
        381_714,
        "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc",
        "outline",
    ),
    Maker(
        "flat-color-icons",
        "1.2.3",
        47_566,
        "d8878a9b0f02d749bc8671eb7d47882eb711185cbcefbb365cbfb488773c4786",
        "basic",
    ),
    Maker(
        "streamline-kameleon-color",
        "1.2.2",
        151_573,
        "5f972d986afb340d8a45d7a16e767f99f91fdd94db53e46a78c79847212aed7b",
        "badge",
        alone=True,
    ),
    Maker(
        "fxemoji",
        "1.2.2",
        1_034_876,
        "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
        "simple",
        shown=False,
    ),
)
NAMES_VERSION, NAMES_SIZE = "17.0.0", 6_711_091
NAMES_SHA256 = "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a"


def _entry(name: str, package: str, version: str, size: int, sha256: str) -> Entry:
    return Entry(
        id=name,
        kind="art",
        title=package,
        summary=Text("Drawings with names.", "带名称的图画。"),
        publisher="npm",
        licence="",
        languages=(),
        size=size,
        sha256=sha256,
        filename=f"{name}-{version}.tgz",
        sources=(f"npm:{package}@{version}/*",),
    )


NAMES = _entry("emojibase-data", "emojibase-data", NAMES_VERSION, NAMES_SIZE, NAMES_SHA256)


def entries(makers: tuple[Maker, ...] = MAKERS) -> tuple[Entry, ...]:
    """What has to be here: the makers' packages and the names."""
    return (*(maker.entry for maker in makers), NAMES)


def get(progress: Progress, makers: tuple[Maker, ...] = MAKERS) -> None:
    """Fetch the packages that are not here yet; the messages say what comes from where."""
    for entry in entries(makers):
        fetch(entry, progress=progress)


def require(makers: tuple[Maker, ...] = MAKERS) -> None:
    """Raise, with the way out, unless all packages are here."""
    missing = [entry for entry in entries(makers) if not is_here(entry)]
    if missing:
        size = readable_size(sum(entry.size for entry in missing))
        raise UserError(
            f"the icons are drawn from packages that are not on this machine yet ({len(missing)}, {size}): "
            "`luoxia data get icons` fetches them through your npm",
            f"图标由软件包中的图画绘成，其中 {len(missing)} 个（{size}）尚不在本机：`luoxia data get icons` 可经由您的 npm 下载",
        )


def files(entry: Entry, names: tuple[str, ...]) -> dict[str, Any]:
    """JSON files of a package by their paths in it."""
    path, found = verified(entry), dict[str, Any]()
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                name = member.name.removeprefix("package/")
                if name in names and member.isreg() and member.size <= MEMBER:
                    file = archive.extractfile(member)
                    assert file is not None  # a regular file has bytes
                    found[name] = json.loads(file.read())
                if len(found) == len(names):
                    return found
    except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError) as error:
        raise _damaged(entry, str(error)) from error
    raise _damaged(entry, ", ".join(sorted(set(names) - set(found))))


def _damaged(entry: Entry, detail: str) -> MalformedFileError:
    return MalformedFileError(
        f"{entry.filename} is not the package that was expected: {detail}",
        f"{entry.filename} 不是预期的软件包：{detail}",
    )


def attribution(prefix: str, version: str, info: dict[str, Any]) -> str:
    """One line from the package's own facts: what, whose, on what terms, where. Raises for terms that are not permissive."""
    licence, author = info["license"], info["author"]
    if licence.get("spdx") not in PERMISSIVE:
        raise UserError(
            f"{info['name']} is under {licence.get('spdx') or licence.get('title')}, which icons do not use",
            f"{info['name']} 的许可为 {licence.get('spdx') or licence.get('title')}，图标数据不予采用",
        )
    terms = licence["spdx"] + (f" ({licence['url']})" if licence.get("url") else "")
    return f"{info['name']} by {author['name']}, {terms}, {author.get('url', '')}, @iconify-json/{prefix} {version}"

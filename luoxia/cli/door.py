"""What commands make leaves through the one door, and what that says is told on standard error."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.cli.history import printable
from luoxia.cli.words import tell
from luoxia.core.errors import UserError
from luoxia.core.language import Text

if TYPE_CHECKING:
    from PIL.Image import Image

    from luoxia.workspace.creation import Creation
    from luoxia.workspace.encoding import Content, Pixels
    from luoxia.workspace.made_from import MadeFrom

TEXTS = (".txt", ".md", ".markdown", ".html", ".htm", ".json")


def admit(*prompts: str, command: str) -> None:
    """Let the safety gate judge prompts before anything is loaded."""
    from luoxia.workspace.gates import admit as judged

    judged(*prompts, command=command)


def leave(
    content: Content, made_from: MadeFrom, path: Path | None = None, *, parents: Iterable[Path] = ()
) -> Creation:
    """Publish as the file ``path``; where it is None, a text that went to standard output."""
    from luoxia.provenance import policy
    from luoxia.workspace.publish import publish

    left = publish(content, made_from, path, parents=parents)
    unseen = policy.load().warning if path is None and left.label else None  # of a label that no file has
    for warning in left.warnings:
        if warning != unseen:
            tell(printable(warning.en), printable(warning.zh))  # names in data sets come from anywhere
    if path is None:
        tell(f"{left.sentence} {left.creation.id}".lstrip(), f"{left.sentence}{left.creation.id}")
    return left.creation


def leave_later(made_from: MadeFrom, out: Path, *, parents: Iterable[Path] = ()) -> None:
    """Have it made by a worker, as the file ``out``."""
    from luoxia.workspace.later import later

    id = later(made_from, out, parents=parents)
    tell(
        f"{out}: to be made as {id}; `luoxia jobs` tells how far it is",
        f"{out}：已排队，编号 {id}；`luoxia jobs` 可查看进度",
    )


def check_text(out: Path | None, *, later: bool) -> None:
    """Refuse, before anything is written, a policy that cannot be understood, a name that no text can have, and none for a
    text that a worker is to write."""
    from luoxia.provenance import policy

    policy.load()
    if out is None and later:
        raise UserError("--later needs a file to write: give -o FILE", "--later 需要输出文件：请给 -o 文件")
    if out is not None and out.suffix.lower() not in TEXTS:
        raise UserError(
            f"{out}: a text cannot be written so; name it {', '.join(TEXTS)}",
            f"{out}：文本无法写为此格式；请以 {'、'.join(TEXTS)} 结尾",
        )


def leave_text(text: str, made_from: MadeFrom, out: Path | None) -> None:
    """Publish a text that went to standard output, or as the file ``out``. One that the file does not take goes to standard
    output in its place, and the reason is raised: it took time to make."""
    if out is None:
        leave(text, made_from)
        return
    try:
        creation = leave(text, made_from, out)
    except UserError:
        leave(text, made_from)
        print(text)
        raise
    tell(f"{out}: {len(text):,} characters, {creation.id}", f"{out}：{len(text):,} 个字符，{creation.id}")


def leave_made(made_from: MadeFrom, out: Path, *, later: bool) -> None:
    """Make it by its maker, with a bar of what is done, and let it out; or have that done by a worker."""
    if later:
        leave_later(made_from, out)
        return
    from luoxia.core.progress import counter
    from luoxia.workspace import makers
    from luoxia.workspace.encoding import Film

    with counter(str(out)) as watch:
        made = makers.maker_of(made_from)(made_from, watch)
    if isinstance(made, Film):
        creation = leave(made, made_from, out)
        tell(
            f"{out}: {made.rate:g} frames a second, {creation.id}",
            f"{out}：每秒 {made.rate:g} 帧，{creation.id}",
        )
    else:
        assert not isinstance(made, str | bytes)
        seed = made_from.seed
        leave_picture(
            made, made_from, out, more=None if seed is None else Text(f", seed {seed}", f"，种子 {seed}")
        )


def leave_picture(
    image: Image | Pixels,
    made_from: MadeFrom,
    out: Path,
    *,
    more: Text | None = None,
    parents: Iterable[Path] = (),
) -> Creation:
    """Publish a picture, and tell the file's size, ``more``, and its id in a line."""
    import numpy as np
    from PIL.Image import open as opened

    creation = leave(np.asarray(image), made_from, out, parents=parents)
    with opened(out) as left:  # a small one has got a strip
        size, more = f"{left.width} x {left.height}", more or Text("", "")
    tell(f"{out}: {size}{more.en}, {creation.id}", f"{out}：{size}{more.zh}，{creation.id}")
    return creation

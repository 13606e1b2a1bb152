"""The one door out: everything that a user keeps leaves through :func:`publish`, marked, signed, checked and recorded.

In order: the safety gate, the gate that looks for copies of training items, the visible mark by policy, the unseen mark,
encoding, the label, the credential, reading all of it back, and then, in one stroke, the file's name and its record. Whatever
fails leaves neither file nor record; a refusal has a record of its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from luoxia.core.errors import UserError
from luoxia.core.folder import put_in_place, settle
from luoxia.core.language import Text
from luoxia.provenance import (
    carriers,
    credential,
    ids,
    keys,
    notice,
    policy,
    visible,
    visible_vector,
    watermark,
)
from luoxia.provenance.credential import Claim
from luoxia.provenance.label import Label
from luoxia.provenance.policy import Policy
from luoxia.provenance.verify import HOLDS, verify
from luoxia.workspace import content as contents
from luoxia.workspace import encoding, gates, memorisation
from luoxia.workspace.creation import Creation, now
from luoxia.workspace.encoding import Content, Film
from luoxia.workspace.history import Workspace, beside, staged
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.memorisation import TOLD, Judgement
from luoxia.workspace.sheets import cells

UNMARKED = Text(
    "the picture does not take an unseen mark; it leaves with the others",
    "此图无法承载隐形水印；其余标识照常",
)


@dataclass(frozen=True)
class Published:
    """``data`` are the file's bytes where no path was given. ``sentence`` is what a face shows beside a text that left
    without a file, "" where the policy asks for nothing; ``label`` what it says to programs."""

    creation: Creation
    data: bytes = b""
    sentence: str = ""
    label: Label | None = None
    warnings: tuple[Text, ...] = ()


def publish(
    content: Content,
    made_from: MadeFrom,
    path: Path | None = None,
    *,
    suffix: str = "",
    title: str = "",
    parents: Iterable[Path] = (),
    zone: visible.Place | None = None,
    id: str | None = None,
    workspace: Workspace | None = None,
) -> Published:
    """Let ``content`` out as the file ``path``, or as bytes in the format ``suffix`` where none is given.

    Args:
        content: text; pixels, uint8 (H, W, 3 or 4); a film's frames; or the bytes of a document, already encoded. Text
            without ``path`` and ``suffix`` leaves as it is and is recorded; the face that shows it shows ``sentence``.
        parents: files that it was made from, which the credential names.
        zone: (left, top, right, bottom) kept free for the visible mark.
        id: of a job that has this made; it publishes once.

    Raises :class:`UserError` with what failed; then there is neither file nor record.
    """
    chosen = policy.load()
    suffix = (path.suffix if path else suffix).lower()
    with _opened(workspace) as place:
        gate = gates.Gate(content, made_from, chosen, place)
        content = gate.content
        id = id or place.new_id()
        judged = _judged(content, made_from, chosen, place)
        warnings = tuple(filter(None, [chosen.warning, *(one.text for one in judged.near[:TOLD])]))
        if not suffix:
            assert isinstance(content, str)
            creation = _creation(id, content, made_from, gate.judged(), judged)
            place.record(creation)
            return Published(
                creation,
                sentence=chosen.sentence if chosen.shows("text") else "",
                label=chosen.label(id) if chosen.embeds else None,
                warnings=warnings,
            )
        if path is not None:
            path = _writable(path)
        with staged(id) as folder, _naming(folder, path):
            file = folder / f"creation{suffix}"
            marked = _marked(content, made_from, suffix, id, chosen, zone)
            lasting = _lasting(marked, suffix, chosen)
            if lasting is False:
                warnings = (*warnings, UNMARKED)
            gate.judged()  # before anything is written
            encoding.write(marked, file)
            if chosen.embeds:
                carriers.write(file, chosen.label(id))
                if credential.signs(file):
                    credential.sign(file, _claim(id, made_from, judged, title, tuple(parents)), keys.signer())
                _read_back(file, id, chosen, lasting=lasting is True)
            creation = _creation(id, content, made_from, gate.judged(), judged, _settled(file), path)
            if path is None:
                data = file.read_bytes()
                place.record(creation)
                return Published(creation, data, warnings=warnings)
            with place.recording(creation, file):
                _moved(file, path, id)
        return Published(creation, warnings=warnings)


def _creation(
    id: str,
    content: Content,
    made_from: MadeFrom,
    safe: Mapping[str, gates.Score],
    judged: Judgement,
    digest: str = "",
    path: Path | None = None,
) -> Creation:
    film = isinstance(content, Film)
    return Creation(
        id=id,
        made=now(),
        made_from=made_from,
        content_sha256=content.sha256 if film else contents.digest(content),
        file_sha256=digest,
        path=str(path.absolute()) if path else "",
        sketch="" if film else contents.sketch(content),
        judged=safe,
        memorisation=judged.to_json(),
    )


def _judged(content: Content, made_from: MadeFrom, chosen: Policy, place: Workspace) -> Judgement:
    """What the content is a copy of. Raises :class:`UserError`, and records it, where the policy refuses copies."""
    found = memorisation.judge(content, made_from)
    if not found.near or chosen.copies != "refuse":
        return found
    place.append(gates.REFUSED, made_from.command, found.to_json())
    first, more = found.near[0].text, len(found.near) - 1
    raise UserError(
        f"nothing was published: {first.en}{f', and {more} more do so' if more else ''}; "
        "luoxia policy set NAME --copies flag lets copies out with a note",
        f"未发布任何内容：{first.zh}{f'，另有 {more} 处' if more else ''}；"
        "luoxia policy set 策略 --copies flag 可在注明后发布",
    )


def _marked(
    content: Content, made_from: MadeFrom, suffix: str, id: str, chosen: Policy, zone: visible.Place | None
) -> Content:
    """With the mark that people see, by policy, and the one in the pixels."""
    match content:
        case str() if suffix == ".svg":
            return visible_vector.mark(content, chosen.mark) if chosen.shows("picture") else content
        case str():  # a sentence before JSON would break what reads it: its label is a field of its own
            shown = chosen.shows("text") and suffix != ".json"
            return notice.mark(content, suffix, chosen.sentence) if shown else content
        case Film():
            return content.marked(chosen.mark if chosen.shows("film") else "", zone)
        case np.ndarray():
            seen = content
            if chosen.shows(made_from.kind):
                below = (
                    zone is None and len(cells(content, made_from.parameters)) > 1
                )  # a sheet's pictures stay whole
                seen = visible.mark(content, chosen.mark, zone, below=below)
            carries = chosen.embeds and min(seen.shape[:2]) >= watermark.PROMISED
            return watermark.mark(seen, ids.number_of(id)) if carries else seen
    return content


def _claim(id: str, made: MadeFrom, judged: Judgement, title: str, parents: tuple[Path, ...]) -> Claim:
    return Claim(
        id,
        title=title,
        models=tuple({"id": m.id, "sha256": m.sha256, "licence": m.licence} for m in made.models),
        licences=made.licences,
        parents=parents,
        changed=any(parent.role in ("picture", "photograph") for parent in made.parents) or bool(parents),
        software={"name": "Luoxia", "version": made.versions.get("luoxia", "")},
        facts={
            "command": made.command,
            "parents": [parent.id for parent in made.parents],
            "trainingData": [asdict(dataset) for dataset in made.datasets],
            "memorisation": judged.to_json(),
        },
    )


def _lasting(marked: Content, suffix: str, chosen: Policy) -> bool | None:
    """Whether the unseen mark must be found in the file again: None where none is promised, False where the picture
    does not take one, as full noise or an empty sheet of glass."""
    promised = isinstance(marked, np.ndarray) and min(marked.shape[:2]) >= watermark.PROMISED
    if not (promised and chosen.embeds and suffix in encoding.LASTING):
        return None
    assert isinstance(marked, np.ndarray)
    return watermark.read(marked) is not None


def _read_back(file: Path, id: str, chosen: Policy, *, lasting: bool) -> None:
    """Raise unless the file says by itself what it should: a door that does not look is no door."""
    found = verify(file, models=None)  # which looks at the file alone
    missing = []
    if found.label != chosen.label(id):
        missing.append(Text("the label", "标识"))
    if credential.signs(file) and not (found.credential and found.credential.holds and found.creation == id):
        missing.append(Text("the credential", "凭证"))
    if lasting and found.watermark is None:
        missing.append(Text("the unseen mark", "隐形水印"))
    if missing or found.outcome != HOLDS:
        faults = "; ".join(text.en for text in (*missing, *found.faults))
        faults_zh = "；".join(text.zh for text in (*missing, *found.faults))
        raise UserError(
            f"what was written does not bear out what it is ({faults}); nothing was published",
            f"写出的文件未通过检查（{faults_zh}）；未发布任何内容",
        )


@contextmanager
def _naming(folder: Path, path: Path | None) -> Iterator[None]:
    """Failures tell of the file that was asked for, not of the place where it was in the making."""
    try:
        yield
    except UserError as error:
        here = str(folder / "creation")
        if path is None or here not in error.text.en:
            raise
        there = str(path.with_suffix(""))
        raise UserError(error.text.en.replace(here, there), error.text.zh.replace(here, there)) from error


@contextmanager
def _opened(workspace: Workspace | None) -> Iterator[Workspace]:
    if workspace is not None:
        yield workspace
        return
    with Workspace() as own:
        yield own


def _writable(path: Path) -> Path:
    """The whole path, in a folder that is there and takes files: said before anything is made."""
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK) or path.is_dir():
            raise PermissionError(errno.EACCES, "not allowed" if not path.is_dir() else "it is a folder")
    except OSError as error:
        raise _unwritten(path, error) from error
    return path


def _settled(file: Path) -> str:
    """SHA-256 of a file that would survive a power cut."""
    with file.open("rb+") as whole:
        settle(whole)
        return hashlib.file_digest(whole, "sha256").hexdigest()


def _moved(file: Path, path: Path, id: str) -> None:
    """Rename ``file`` to ``path``, by way of a neighbour where they lie on two disks."""
    try:
        try:
            put_in_place(file, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(file, beside(path, id))
            _settled(beside(path, id))
            put_in_place(beside(path, id), path)
    except OSError as error:
        beside(path, id).unlink(missing_ok=True)
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> UserError:
    reason = error.strerror or type(error).__name__
    return UserError(f"{path} cannot be written ({reason})", f"无法写入 {path}（{reason}）")

"""What a file says of its origin, and whether that holds: its label, its credential, and what its pixels or words carry.

They are made to bear each other out. A label names a creation, the credential names it too and binds every byte, and
the unseen mark of pixels carries the last 48 bits of its id: so a label that was copied, exchanged or removed is found.
The mark in words names no creation, and tells that a text without a label was written by a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.core.progress import readable_size
from luoxia.data.decoding import SUFFIXES, UndecodableError, decode
from luoxia.models.tokenizer import Tokenizer
from luoxia.provenance import carriers, credential, ids, text_mark, watermark
from luoxia.provenance.credential import Credential
from luoxia.provenance.label import Label
from luoxia.weights import vocabularies

HOLDS, FAULTY, NOTHING = 0, 1, 2
Models = Callable[[str], Mapping[str, Tokenizer | UserError]]
PICTURE = 256 << 20  # bytes of a file that is decoded to look for the unseen mark


@dataclass(frozen=True)
class Verdict:
    """``label`` is the only one in the file; ``faults`` are what does not hold, ``remarks`` what could not be looked at.

    ``outcome`` is 0 where something is said and all of it holds, 1 where something does not, 2 where nothing is said.
    """

    path: Path
    label: Label | None = None
    credential: Credential | None = None
    watermark: watermark.Reading | None = None
    text_mark: text_mark.Reading | None = None
    faults: tuple[Text, ...] = ()
    remarks: tuple[Text, ...] = ()
    where: tuple[str, ...] = ()

    @property
    def outcome(self) -> int:
        if self.faults:
            return FAULTY
        said = self.label or self.credential or self.watermark or self.text_mark
        return HOLDS if said else NOTHING

    @property
    def creation(self) -> str:
        """The id that the file gives, by its label or else its credential; "" where there is none."""
        said = self.credential.creation.get("id") if self.credential else ""
        return self.label.produce_id if self.label else said if isinstance(said, str) else ""

    def to_json(self) -> dict[str, Any]:
        """All of it, as `luoxia verify --json` prints it."""
        c, w, t = self.credential, self.watermark, self.text_mark
        return {
            "path": str(self.path),
            "outcome": self.outcome,
            "creation": self.creation,
            "label": {name: getattr(self.label, name) for name in Label.__dataclass_fields__}
            if self.label
            else None,
            "label_in": list(self.where),
            "credential": c
            and {
                "holds": c.holds,
                "faults": list(c.faults),
                "signer": c.signer,
                "serial": c.serial,
                "known": c.known,
                "generator": c.generator,
                "generated": c.generated,
                "creation": dict(c.creation),
                "parents": list(c.parents),
            },
            "watermark": w
            and {
                "number": w.number,
                "confidence": round(w.confidence, 4),
                "false_positive": w.false_positive,
            },
            "text_mark": t and {"model": t.model, "tokens": t.tokens, "false_positive": t.false_positive},
            "faults": [text.en for text in self.faults],
            "remarks": [text.en for text in self.remarks],
        }


def here(_: str) -> Mapping[str, Tokenizer | UserError]:
    """The vocabularies of the models on this machine, whatever the creation."""
    return vocabularies.here()


def verify(path: Path, *, models: Models | None = here) -> Verdict:
    """Read everything that the file at ``path`` says of its origin. Raises :class:`UserError` where it cannot be read.

    ``models`` are those whose mark is looked for in words, told by the id of the creation that the file gives, "" where it
    gives none; None looks for no mark in words.
    """
    faults: list[Text] = []
    remarks: list[Text] = []
    label, where = _label(path, faults, remarks)
    signed = _credential(path, faults)
    seen = _watermark(path, remarks)
    _borne_out(label, signed, seen, faults)
    found = Verdict(path, label, signed, seen, None, tuple(faults), tuple(remarks), where)
    if models is None:
        return found
    told = _text_mark(path, models(found.creation), remarks)
    if told and not label:
        remarks.append(
            Text(
                "it has no label; its choice of words says that a model wrote it",
                "没有标识；其用词表明出自模型",
            )
        )
    return replace(found, text_mark=told, remarks=tuple(remarks))


def _label(path: Path, faults: list[Text], remarks: list[Text]) -> tuple[Label | None, tuple[str, ...]]:
    if carriers.kind(path) is None:
        remarks.append(Text("no label is looked for in files of this kind", "此类文件中不查找标识"))
        return None, ()
    found = carriers.read(path)
    faults += [
        Text(f"in its {reading.where}: {reading.fault.en}", f"{reading.where} 处：{reading.fault.zh}")
        for reading in found
        if reading.fault
    ]
    labels = [reading.label for reading in found if reading.label]
    if len(labels) > 1:
        places = ", ".join(reading.where for reading in found if reading.label)
        faults.append(
            Text(
                f"it carries {len(labels)} labels ({places}), not one",
                f"有 {len(labels)} 个标识（{places}），应为一个",
            )
        )
    return (labels[0] if len(labels) == 1 else None), tuple(r.where for r in found if r.label)


def _credential(path: Path, faults: list[Text]) -> Credential | None:
    try:
        found = credential.read(path)
    except UserError as error:
        faults.append(error.text)
        return None
    if found:
        faults += dict.fromkeys(credential.said(code) for code in found.faults)
        if not found.holds and not found.faults:
            faults.append(Text("its credential does not hold", "凭证无效"))
    return found


def _watermark(path: Path, remarks: list[Text]) -> watermark.Reading | None:
    """What the pixels carry; a file that is no picture carries nothing here."""
    if path.suffix.lower() not in SUFFIXES:
        return None
    if path.stat().st_size > PICTURE:
        remarks.append(Text("too large to look for the unseen mark", "文件过大，未查找隐形水印"))
        return None
    try:
        image = decode(path.read_bytes()).image
    except UndecodableError as error:
        remarks.append(Text(f"its pixels: {error.text.en}", f"像素：{error.text.zh}"))
        return None
    return watermark.read(np.asarray(image.convert("RGB")))


def _text_mark(
    path: Path, models: Mapping[str, Tokenizer | UserError], remarks: list[Text]
) -> text_mark.Reading | None:
    """What the choice of words carries; a file that is no text carries nothing here."""
    try:
        read = text_mark.words(path)
    except carriers.MalformedError as error:
        remarks.append(Text(f"its words: {error.text.en}", f"文字：{error.text.zh}"))
        return None
    if read is None:
        return None
    words, whole = read
    usable = {name: found for name, found in models.items() if isinstance(found, Tokenizer)}
    for found in models.values():
        if isinstance(found, UserError):
            remarks.append(found.text)
    if not usable:
        remarks.append(
            Text(
                "no text model is here, so no mark was looked for in its words: luoxia models",
                "本机没有文本模型，未查找用词中的标记：luoxia models",
            )
        )
    if not whole:
        size = readable_size(text_mark.LARGEST)
        remarks.append(Text(f"of its words the first {size} were read", f"仅读取了开头 {size} 的文字"))
    return text_mark.read(words, usable)


def _borne_out(
    label: Label | None,
    signed: Credential | None,
    seen: watermark.Reading | None,
    faults: list[Text],
) -> None:
    """What each of the three says of the others."""
    of_label = label.produce_id if label else ""
    of_credential = signed.creation.get("id", "") if signed else ""
    if label and of_credential and of_credential != of_label:
        faults.append(
            Text(
                f"label and credential speak of two creations: {of_label} and {of_credential}",
                f"标识与凭证指向不同作品：{of_label} 与 {of_credential}",
            )
        )
    if signed and signed.generated and signed.creation and not label:
        faults.append(
            Text(
                "it is signed as generated by AI, and its label is gone", "凭证表明为 AI 生成，而标识已被去除"
            )
        )
    if not seen:
        return
    id = of_label or of_credential
    if not id:
        faults.append(
            Text(
                f"its label is gone; its pixels still carry number {seen.number:012x}",
                f"标识已被去除；像素中仍有编号 {seen.number:012x}",
            )
        )
    elif ids.is_one(id) and ids.number_of(id) != seen.number:
        faults.append(
            Text(
                f"its pixels carry the number of another creation ({seen.number:012x})",
                f"像素中的编号属于另一件作品（{seen.number:012x}）",
            )
        )

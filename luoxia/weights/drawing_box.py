"""Parts that were trained one by one, put into one folder to be shipped: checked to belong together, in half precision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from luoxia.core.errors import UserError
from luoxia.weights import drawing_folder, originals
from luoxia.weights.drawing_folder import Part


def assemble(
    folder: Path,
    dalle: str | Path,
    *,
    dvae: str | Path | None = None,
    clip: str | Path | None = None,
    upscaler: str | Path | None = None,
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write a drawing model into ``folder``, of the runs or models that are named. ``dvae`` is for one whose decoder went
    on learning; left out, it is the one that ``dalle`` was trained with.

    Raises :class:`UserError` for parts that do not belong together: another dVAE's codes, another tokenizer.
    """
    drawn = drawing_folder.find(dalle)
    found: dict[str, Part] = {"dalle": drawn.part("dalle")}
    licence, data = list(drawn.licence), list(drawn.data)
    for kind, source in {"dvae": dvae or dalle, "clip": clip, "upscaler": upscaler}.items():
        if source is not None:
            of = drawing_folder.find(source)
            found[kind] = of.part(kind)
            licence += [line for line in of.licence if line not in licence]
            data += [used for used in of.data if used not in data]
    networks = {kind: part.network() for kind, part in found.items()}
    drawing_folder.check(found["dalle"], found["dvae"], drawing_folder.fingerprint(networks["dvae"]))
    if "clip" in found and found["clip"].tokenizer != found["dalle"].tokenizer:
        raise UserError(
            f"{found['clip'].name} and {found['dalle'].name} read captions by different tokenizers: train the later one "
            "with --set tokenizer= the other",
            f"{found['clip'].name} 与 {found['dalle'].name} 的描述分词器不同：训练后者时请用 --set tokenizer= 指定前者",
        )
    reader = found["dalle"].reader()
    drawing_folder.write(folder, networks, reader, licence=tuple(licence), data=data, facts=facts)
    originals.carry(found["dalle"].path.parent, folder)

"""Text models of the user's own, as lists and cards show them: adapters, and whole models that were fine-tuned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luoxia.core.errors import UnknownModelError, UserError
from luoxia.core.language import Text
from luoxia.core.licences import each_once
from luoxia.weights import adapter_folder, catalogue

WHOLE = "text"  # the family of a whole model that writes


@dataclass(frozen=True)
class OwnText:
    """``facts`` are those of the folder; ``rank`` is 0 of a whole model."""

    name: str
    folder: Path
    rank: int
    facts: Mapping[str, Any]

    @property
    def base(self) -> str:
        return str(self._part("base").get("name", "?"))

    @property
    def entry(self) -> catalogue.Entry | None:
        """The base, where the catalogue knows it."""
        return catalogue.CATALOGUE.get(self.base)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())

    @property
    def changed(self) -> int:
        """When it was written, in seconds since 1970."""
        return int(max(file.stat().st_mtime for file in self.folder.iterdir() if file.is_file()))

    @property
    def licence(self) -> str:
        """The base's, then the data's."""
        told = self._part("data").get("licence", ())
        return " + ".join(each_once((self.entry.licence if self.entry else "", *map(str, told))))

    @property
    def summary(self) -> Text:
        n, data = self._part("data").get("examples", "?"), self._part("data").get("name", "?")
        en, zh = ("An adapter of", "适配器，基于") if self.rank else ("A fine-tuned", "微调模型，基于")
        return Text(
            f"{en} {self.base}, taught by {n} examples of {data}.",
            f"{zh} {self.base}，由 {data} 的 {n} 个样例训练。",
        )

    def card(self, language: str) -> str:
        """What it is and what it learned from, in Markdown."""
        say = Text(f"rank {self.rank}", f"秩 {self.rank}") if self.rank else Text("all weights", "全部权重")
        rows = {
            Text("base", "基础模型"): f"{self.base} ({str(self._part('base').get('sha256', ''))[:12]})",
            Text("what learned", "训练的部分"): say.in_(language),
            Text(
                "data", "数据"
            ): f"{self._part('data').get('name', '?')} ({str(self._part('data').get('digest', ''))[:12]})",
            Text("licences", "许可"): self.licence,
            Text("held-out loss, nats per token", "留出损失（奈特/词元）"): self._score(),
        }
        table = "".join(f"| {k.in_(language)} | {_plain(v)} |\n" for k, v in rows.items())
        return f"# {self.name}\n\n{_plain(self.summary.in_(language))}\n\n| | |\n|---|---|\n{table}"

    def _score(self) -> str:
        found = self._part("scores").get("held_out_nats_per_token")
        return f"{found:.3f}" if isinstance(found, int | float) else "?"

    def _part(self, name: str) -> Mapping[str, Any]:
        found = self.facts.get(name, {})
        return found if isinstance(found, dict) else {}


def _plain(text: str) -> str:
    """Text that means nothing more in Markdown: names of data come from anywhere."""
    return "".join(f"\\{mark}" if mark in "\\`*_[]<>|#!" else mark for mark in text.replace("\n", " "))


def everything() -> list[OwnText]:
    """All of them by name."""
    found = [OwnText(a.name, a.folder, a.rank, a.facts) for a in adapter_folder.own()]
    for name in catalogue.own((WHOLE,)):
        folder = catalogue.place(name)
        facts = json.loads((folder / catalogue.FACTS).read_text(encoding="utf-8"))
        found.append(OwnText(name, folder, 0, facts))
    return sorted(found, key=lambda own: own.name)


def find(name: str) -> OwnText | None:
    return next((own for own in everything() if own.name == name), None)


def whole(name: str) -> Path | None:
    """The folder of the whole model with that name."""
    return catalogue.place(name) if catalogue.is_name(name) and name in catalogue.own((WHOLE,)) else None


def text_id(name: str) -> str:
    """``name``, which a text model here goes by: of the catalogue, of the user's own, or a stack of adapters. Never a path:
    a name from the network opens no file. Raises :class:`UnknownModelError`."""
    if find(name) is not None or adapter_folder.find(name, own_only=True) is not None:
        return name
    return catalogue.find(name, "text").id


def state(name: str) -> tuple[tuple[str, int], ...]:
    """What tells one state of the own models in ``name`` from another that took its place: the times of their files."""
    words = [word.partition("@")[0] for word in name.split("+")]
    own = {word: catalogue.place(word) for word in words if catalogue.is_name(word)}
    paths = [
        folder / facts for folder in own.values() for facts in (catalogue.FACTS, catalogue.ADAPTER_FACTS)
    ]
    return tuple((str(path), path.stat().st_mtime_ns) for path in paths if path.is_file())


def remove(name: str) -> None:
    """Take an own model or adapter away. Raises :class:`UserError` for what is none."""
    folder = catalogue.place(name) if catalogue.is_name(name) else None
    if folder is None or not any(
        (folder / facts).is_file() for facts in (catalogue.FACTS, catalogue.ADAPTER_FACTS)
    ):
        if name in catalogue.CATALOGUE:
            raise UserError(
                f"{name} is of the catalogue: delete {catalogue.path_of(catalogue.find(name))} where its space is needed",
                f"{name} 属于目录：如需空间，请删除 {catalogue.path_of(catalogue.find(name))}",
            )
        raise UnknownModelError(
            f"there is no model of your own called {name[:70]!r}; `luoxia models` lists them",
            f"没有名为 {name[:70]!r} 的自有模型；`luoxia models` 可列出全部",
        )
    # First what makes it a model, so that half of one is never listed.
    for facts in (catalogue.FACTS, catalogue.ADAPTER_FACTS):
        (folder / facts).unlink(missing_ok=True)
    shutil.rmtree(folder)

"""Models of one kind that are here, by their names, and what is known of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from luoxia.core.errors import UserError
from luoxia.server.shelf import Identity, identity
from luoxia.weights import catalogue

Told = TypeVar("Told")


class Folders(Generic[Told]):
    """Those that the server was started with, the catalogue's of ``kind``, then the user's own of ``family``.

    ``file`` names the file in a model's folder that is another one when the model is; ``read`` reads what a model is, by
    its name or its folder; ``unknown`` is the refusal of a name, given those that there are. May be used from several
    threads.
    """

    def __init__(
        self,
        started_with: Sequence[Path],
        kind: str,
        family: str,
        *,
        file: Callable[[Path], Path],
        read: Callable[[str | Path], Told],
        unknown: Callable[[str, list[str]], UserError],
    ) -> None:
        self._folders = {folder.resolve().name: folder for folder in started_with}
        self._kind, self._family = kind, family
        self._file, self._read, self._unknown = file, read, unknown
        self._known: dict[str, tuple[Identity, Told]] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        entries = catalogue.CATALOGUE.values()
        known = [e.id for e in entries if e.kind == self._kind and catalogue.is_here(e)]
        own = [name for name in catalogue.own([self._family]) if name not in catalogue.CATALOGUE]
        return list(dict.fromkeys([*self._folders, *known, *own]))

    def opener(self, model: str) -> str:
        """What opens a model by that name elsewhere: its folder, where the server was started with it, else its name."""
        return str(self._folders[model].resolve()) if model in self._folders else model

    def told(self, model: str) -> Told:
        """What is known of a model by its name. Never by a path: a name from the network opens no folder."""
        if model not in (there := self.names()):
            raise self._unknown(model, there)
        entry = catalogue.CATALOGUE.get(model)
        folder = self._folders.get(model)
        if folder is None:
            folder = catalogue.path_of(entry).parent if entry else catalogue.place(model)
        seen = identity(self._file(folder))
        with self._lock:
            known = self._known.get(model)
            if known is None or known[0] != seen:  # its files' hashes are looked at once
                known = self._known[model] = seen, self._read(self._folders.get(model, model))
            return known[1]

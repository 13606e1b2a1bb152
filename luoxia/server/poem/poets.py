"""Models that write poems, and what they write of what is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.core.errors import UnknownModelError, UserError
from luoxia.server.easel import Superseded, SupersededError
from luoxia.server.poem.asks import PoemAsk
from luoxia.server.shelf import Identity, Shelf, identity, use_threads
from luoxia.weights import catalogue

if TYPE_CHECKING:
    from luoxia.core.runtime import Runtime
    from luoxia.generate.verse import VerseModel
    from luoxia.generate.verse_order import Verse
    from luoxia.weights.verse_folder import VerseFolder

KIND = "verse"
Drafts = Callable[
    [int, list[list[str]], int, int], None
]  # number of the first, lines of each, characters done, of all


class Poets:
    """May be used from several threads; what it hands out is read only."""

    def __init__(self, folders: Sequence[Path] = (), *, threads: int | None = None) -> None:
        self._folders = {folder.resolve().name: folder for folder in folders}
        self._shelf = Shelf(self.told, _file, _opened, most=1, threads=threads)
        self._known: dict[str, tuple[Identity, VerseFolder]] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Models of verse that are here: those that the server was started with, the catalogue's, then the user's own."""
        known = [e.id for e in catalogue.CATALOGUE.values() if e.kind == KIND and catalogue.is_here(e)]
        own = [name for name in catalogue.own([KIND]) if name not in catalogue.CATALOGUE]
        return list(dict.fromkeys([*self._folders, *known, *own]))

    def told(self, model: str) -> VerseFolder:
        """What is known of a model by its name. Never by a path: a name from the network opens no folder."""
        from luoxia.weights import verse_folder

        if model not in self.names():
            raise _unknown(model, self.names())
        entry = catalogue.CATALOGUE.get(model)
        folder = self._folders.get(model)
        if folder is None:
            folder = catalogue.path_of(entry).parent if entry else catalogue.place(model)
        seen = identity(folder / verse_folder.WEIGHTS)
        with self._lock:
            known = self._known.get(model)
            if known is None or known[0] != seen:  # its files' hashes are looked at once
                known = self._known[model] = seen, verse_folder.find(self._folders.get(model, model))
            return known[1]

    def model(self, name: str) -> VerseModel:
        """The model, ready to write on the thread that asks for it."""
        found = self._shelf.open(name)
        use_threads(0, found.runtime.threads)
        return found

    def write(self, ask: PoemAsk, superseded: Superseded, drafts: Drafts) -> Iterator[Verse]:
        """Poems as they are asked for; :class:`SupersededError` as soon as nobody waits for them."""
        from luoxia.generate.verse_order import VerseOrder

        told = ask.model_dump(exclude={"model", "count"})
        order = VerseOrder(n=ask.count, **told)
        model, shape = self.model(ask.model), order.shape
        each, total = shape.lines * shape.length, shape.lines * shape.length * order.n

        def watch(numbers: range, leading: list[tuple[str, ...]]) -> None:
            if superseded():
                raise SupersededError
            done = each * numbers.start + len(numbers) * sum(map(len, leading[0]))
            drafts(numbers.start, [list(lines) for lines in leading], done, total)

        if superseded():
            raise SupersededError
        yield from model.writing(order, watch)


def _file(told: VerseFolder) -> Path:
    return told.path


def _opened(told: VerseFolder, runtime: Runtime) -> VerseModel:
    from luoxia.generate.verse import open_verse

    return open_verse(told, runtime)


def _unknown(model: str, there: list[str]) -> UserError:
    if not there:
        return UnknownModelError(
            "there is no model of verse on this machine: train one with `luoxia train verse`, and start the server with "
            "`luoxia serve --poem-with RUN`",
            "本机没有诗歌模型：可用 `luoxia train verse` 训练，再以 `luoxia serve --poem-with RUN` 启动服务器",
        )
    return UnknownModelError(
        f"there is no model of verse {model!r}; there is {', '.join(there)}",
        f"没有诗歌模型 {model!r}；现有 {'、'.join(there)}",
    )

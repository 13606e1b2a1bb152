"""Models that write poems, and what they write of what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.core.errors import UnknownModelError, UserError
from luoxia.server.easel import Superseded, SupersededError
from luoxia.server.folders import Folders
from luoxia.server.poem.asks import PoemAsk
from luoxia.server.shelf import Shelf, use_threads
from luoxia.workspace.gates import admit

if TYPE_CHECKING:
    from luoxia.core.runtime import Runtime
    from luoxia.generate.verse import VerseModel
    from luoxia.generate.verse_order import Verse
    from luoxia.weights.verse_folder import VerseFolder
    from luoxia.workspace.made_from import MadeFrom

KIND = "verse"
Drafts = Callable[
    [int, list[list[str]], int, int], None
]  # number of the first, lines of each, characters done, of all


class Poets:
    """May be used from several threads; what it hands out is read only."""

    def __init__(self, folders: Sequence[Path] = (), *, threads: int | None = None) -> None:
        self._folders = Folders(folders, KIND, KIND, file=_weights, read=_read, unknown=_unknown)
        self.names, self.told, self.opener = self._folders.names, self._folders.told, self._folders.opener
        self.threads = threads  # as it was asked for
        self._shelf = Shelf(self.told, _file, _opened, most=1, threads=threads)

    def model(self, name: str) -> VerseModel:
        """The model, ready to write on the thread that asks for it."""
        found = self._shelf.open(name)
        use_threads(0, found.runtime.threads)
        return found

    def made_from(self, ask: PoemAsk, seed: int, one: int) -> MadeFrom:
        """The record of one of the poems, from which it can be written again."""
        from luoxia.workspace import makers
        from luoxia.workspace.asked import Poems

        told = ask.model_dump(exclude={"model", "count", "theme", "seed"})
        asked = Poems(self.opener(ask.model), n=ask.count, threads=self.threads, one=one, **told)
        return makers.told("text", "poem", asked.model, asked, prompt=ask.theme, seed=seed)

    def write(self, ask: PoemAsk, superseded: Superseded, drafts: Drafts) -> Iterator[Verse]:
        """Poems as they are asked for; :class:`SupersededError` as soon as nobody waits for them."""
        from luoxia.generate.verse_order import VerseOrder

        admit(ask.theme, ask.acrostic, command="poem")
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


def _weights(folder: Path) -> Path:
    from luoxia.weights import verse_folder

    return folder / verse_folder.WEIGHTS


def _read(name_or_path: str | Path) -> VerseFolder:
    from luoxia.weights import verse_folder

    return verse_folder.find(name_or_path)


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

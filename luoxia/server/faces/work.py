"""What long work there is: learning directions, finding a photograph, writing a film."""

from __future__ import annotations

import base64
import secrets
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.core.errors import UserError
from luoxia.server.errors import NotFoundError
from luoxia.server.faces.asks import FilmAsk, JobEvent, PhotoAsk
from luoxia.server.faces.atelier import Atelier
from luoxia.server.faces.jobs import Report, Work
from luoxia.server.pictures import in_base64, webp

if TYPE_CHECKING:
    import numpy as np


FILMS = 8  # that are kept for the session
LARGEST_FILM = 512 << 20  # bytes of its frames
SHOWN = 256  # pixels up to which a film of small pictures is enlarged


class Films:
    """Files that were made for download; the oldest go first, and all of them with the session."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._known: OrderedDict[str, Path] = OrderedDict()

    def place(self, suffix: str) -> tuple[str, Path]:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="luoxia-films-")
        id = secrets.token_urlsafe(9)
        return id, Path(self._folder.name) / f"{id}.{suffix}"

    def keep(self, id: str, path: Path) -> None:
        self._known[id] = path
        while len(self._known) > FILMS:
            self._known.popitem(last=False)[1].unlink(missing_ok=True)

    def find(self, id: str) -> Path:
        path = self._known.get(id)
        if path is None:
            raise NotFoundError(
                "this film is not kept any more; write it again", "此影片已不再保留；请重新导出"
            )
        return path

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def learning(atelier: Atelier, model: str) -> Work:
    """Learn what can be changed about a model's faces, once; it is kept on disk."""

    def work(report: Report) -> JobEvent:
        from luoxia.generate import directions as learned

        portraits = atelier.portraits(model)
        if atelier.directions(portraits.told) is None:
            found = learned.learn(portraits, watch=_counted(report))
            learned.write(found, portraits.told.kept_directions())
        return JobEvent(state="done")

    return work


def finding(atelier: Atelier, ask: PhotoAsk) -> Work:
    """Find the style that makes a photograph."""

    def work(report: Report) -> JobEvent:
        from luoxia.generate import inversion

        portraits = atelier.portraits(ask.model)
        target, others = _framed(in_base64(ask.picture), portraits.config.size, as_is=ask.as_is)
        report(JobEvent(state="working", total=ask.steps, target=_shown(target)))
        if portraits.config.channels != len(target):
            target = target.mean(0, keepdims=True).round().astype(target.dtype)
        count = _counted(report)
        done = 0

        def watch(now: int, total: int) -> None:
            nonlocal done
            done = now
            count(now, total)

        def show(picture: np.ndarray) -> None:
            report(JobEvent(state="working", done=done, total=ask.steps, picture=_shown(picture)))

        found = inversion.invert(portraits, target, space=ask.space, steps=ask.steps, watch=watch, show=show)
        id = atelier.keep(found)
        return JobEvent(
            state="done",
            done=ask.steps,
            total=ask.steps,
            result=id,
            psnr=found.psnr,
            poor=found.psnr < inversion.LIKENESS,
            others=others,
            picture=_shown(found.way[-1]),
            target=_shown(target),
        )

    return work


def filming(atelier: Atelier, films: Films, ask: FilmAsk) -> Work:
    """Write a film of the way through faces."""

    def work(report: Report) -> JobEvent:
        import numpy as np

        from luoxia.generate import morph
        from luoxia.workspace import makers
        from luoxia.workspace.encoding import Film
        from luoxia.workspace.publish import publish

        portraits = atelier.portraits(ask.model)
        size, frames = portraits.config.size, max(2, round(ask.seconds * ask.fps))
        scale = max(1, SHOWN // size)
        if frames * 3 * (size * scale) ** 2 > LARGEST_FILM:
            raise UserError(
                f"{frames} frames of {size} pixels are more than a film may have; make it shorter",
                f"{frames} 帧、{size} 像素超出影片上限；请缩短时长",
            )
        ways = atelier.journey(portraits, ask.keys, frames, ask.way, loop=ask.loop)
        total = frames + frames // 4  # writing takes about so long
        pictures: list[np.ndarray] = []
        for start in range(0, frames, 8):
            pictures += list(portraits.pictures(ways[start : start + 8]))
            report(JobEvent(state="working", done=len(pictures), total=total))
        id, path = films.place(ask.format)
        asked = ask.model_dump(mode="json", exclude={"model", "format"})
        made_from = makers.told("film", "face morph", ask.model, asked)
        publish(Film(morph.frames(np.stack(pictures), scale), ask.fps), made_from, path)
        films.keep(id, path)
        return JobEvent(state="done", done=total, total=total, result=id)

    return work


def _counted(report: Report):
    return lambda done, total: report(JobEvent(state="working", done=done, total=total))


def _framed(data: bytes, size: int, *, as_is: bool) -> tuple[np.ndarray, int]:
    """The largest face in a photograph, framed as the model knows faces, uint8 (3, size, size); how many others there are."""
    from luoxia.data.alignment import Refused, portrait
    from luoxia.data.decoding import UndecodableError, decode, fit

    try:
        image = decode(data).image
    except UndecodableError as error:
        raise UserError(
            f"the picture cannot be used: {error.text.en}", f"无法使用此图片：{error.text.zh}"
        ) from error
    others = 0
    if not as_is:
        from luoxia.data.faces import FaceFinder

        found = portrait(image, size, FaceFinder(), strict=False)
        if isinstance(found, Refused):
            raise UserError(
                f"{found.why.en} in this picture; choose one that shows a face from the front, or take its middle as it is",
                f"此图片中{found.why.zh}；请选择正面人脸的图片，或直接取其中间部分",
            )
        image, others = found.image, found.others
    return fit(image, size), others


def _shown(picture: np.ndarray) -> str:
    return base64.b64encode(webp(picture)).decode()

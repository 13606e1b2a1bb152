"""What long work there is in the session: learning directions, and finding a photograph."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from luoxia.core.errors import UserError
from luoxia.server.faces.asks import JobEvent, PhotoAsk
from luoxia.server.faces.atelier import Atelier
from luoxia.server.faces.jobs import Report, Work
from luoxia.server.pictures import in_base64, webp

if TYPE_CHECKING:
    import numpy as np


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

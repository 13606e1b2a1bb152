"""``/api/draw/live``: pictures fill in as their codes are drawn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from luoxia.server.draw.asks import DrawAsk, DrawHead, Show, What
from luoxia.server.draw.atelier import Atelier
from luoxia.server.easel import Easel, Superseded
from luoxia.server.pictures import framed, webp
from luoxia.server.schemas import Bilingual
from luoxia.server.sitting import Show as Send
from luoxia.server.sitting import live_api

if TYPE_CHECKING:
    import numpy as np


def draw_live(atelier: Atelier, easel: Easel) -> APIRouter:
    def answer(ask: DrawAsk, superseded: Superseded, show: Send) -> bytes:
        began = time.perf_counter()

        def told(pixels: np.ndarray, done: int, total: int, **more: Any) -> bytes:
            pictures = [webp(picture) for picture in pixels]
            sizes, seconds = [len(picture) for picture in pictures], round(time.perf_counter() - began, 4)
            head = DrawHead(
                n=ask.n, slot=ask.slot, sizes=sizes, seconds=seconds, done=done, total=total, **more
            )
            return framed(head, pictures)

        what: What | None = ask.what
        assert what is not None
        if isinstance(what, Show):
            total = sum(len(codes) for codes in what.pictures)
            pixels = atelier.pixels(ask.model, what.pictures)
            shown = atelier.large(ask.model, pixels) if what.large else pixels
            return told(shown, total, total, codes=what.pictures)
        made = atelier.draw(
            ask.model, what, superseded, lambda pixels, done, total: show(told(pixels, done, total))
        )
        total = made.codes.size
        return told(
            atelier.large(ask.model, made.pixels),
            total,
            total,
            codes=made.codes.tolist(),
            scores=None if made.scores is None else [round(float(score), 4) for score in made.scores],
            prompt=made.prompt.text if made.prompt else "",
            warnings=[Bilingual(en=w.en, zh=w.zh) for w in made.prompt.warnings] if made.prompt else [],
        )

    return live_api("/api/draw/live", easel, DrawAsk, answer)

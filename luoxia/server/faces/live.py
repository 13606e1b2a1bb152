"""``/api/faces/live``: faces follow what a page asks for."""

from __future__ import annotations

import time

from fastapi import APIRouter

from luoxia.server.easel import Easel, Superseded
from luoxia.server.faces.asks import LiveAsk
from luoxia.server.faces.atelier import Atelier
from luoxia.server.pictures import framed, webp
from luoxia.server.sitting import LiveHead, Show, live_api


def faces_live(atelier: Atelier, easel: Easel) -> APIRouter:
    def answer(ask: LiveAsk, superseded: Superseded, _: Show) -> bytes:
        began = time.perf_counter()
        pictures = [webp(picture) for picture in atelier.draw(ask.model, ask.what, superseded)]
        sizes, seconds = [len(picture) for picture in pictures], round(time.perf_counter() - began, 4)
        return framed(LiveHead(n=ask.n, slot=ask.slot, sizes=sizes, seconds=seconds), pictures)

    return live_api("/api/faces/live", easel, LiveAsk, answer)

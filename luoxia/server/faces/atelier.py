"""Models that draw, what is known of them, the styles found in this session, and pictures of what is asked for."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.core.errors import UnknownModelError, UserError
from luoxia.server.easel import Superseded, SupersededError
from luoxia.server.errors import NotFoundError
from luoxia.server.faces.asks import Face, Grid, Journey, Layers, Origin, Single
from luoxia.server.shelf import Shelf, identity, use_threads
from luoxia.weights import catalogue

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from luoxia.core.runtime import Runtime
    from luoxia.generate.directions import Direction
    from luoxia.generate.inversion import Inversion
    from luoxia.generate.portraits import Portraits
    from luoxia.weights.stylegan_folder import StyleGANFolder

WEIGHTS = "model.safetensors"  # as the room of weights calls it, which brings PyTorch
MODELS, STYLES = 2, 32  # that are kept in memory


@dataclass(frozen=True)
class Style:
    """What was found for a photograph: ``inversion`` as it is kept in a file, ``own`` the model with its noise."""

    inversion: Inversion
    own: Portraits
    ws: Tensor  # (1, num_ws, w_dim)


class Atelier:
    """May be used from several threads; what it hands out is read only."""

    def __init__(self, threads: int | None = None) -> None:
        self._shelf = Shelf(self.told, _weights, _opened, most=MODELS, threads=threads)
        self._styles: OrderedDict[str, Style] = OrderedDict()
        self._kept: dict[tuple[Path, tuple[int, int]], Path] = {}  # where directions of weights lie
        self._learned: dict[tuple[Path, tuple[int, int]], list[Direction]] = {}
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        """Models that draw and are here: the catalogue's, then the user's own."""
        known = [e.id for e in catalogue.CATALOGUE.values() if e.kind == "pictures" and catalogue.is_here(e)]
        own = catalogue.own(("stylegan", "stylegan3"))
        return [*known, *(name for name in own if name not in catalogue.CATALOGUE)]

    def told(self, model: str) -> StyleGANFolder:
        """What is known of a model by its name. Never by a path: a name from the network opens no folder."""
        from luoxia.weights import stylegan_folder

        if model in catalogue.CATALOGUE:
            entry = catalogue.find(model, "pictures")
            return stylegan_folder.read(catalogue.verified(entry).parent, model)
        if model not in self.names():
            there = self.names()
            raise UnknownModelError(
                f"there is no model {model!r} that makes pictures; there is {', '.join(there)}",
                f"没有生成图片的模型 {model!r}；现有 {'、'.join(there)}",
            )
        return stylegan_folder.read(catalogue.place(model), model)

    def portraits(self, model: str) -> Portraits:
        """The model, ready to draw on the thread that asks for it."""
        portraits = self._shelf.open(model)
        use_threads(portraits.config.size, portraits.runtime.threads)
        return portraits

    def directions(self, told: StyleGANFolder) -> list[Direction] | None:
        """Those that were learned for these very weights, which need not be in memory for it; None before."""
        from luoxia.generate import directions as learned

        weights = told.folder / WEIGHTS
        with self._lock:
            key = weights, identity(weights)
            path = self._kept.get(key)
            if path is None:  # its name has the hash of all weights in it
                path = self._kept[key] = told.kept_directions()
            if not path.is_file():
                return None
            stamp = path, identity(path)
            if stamp not in self._learned:
                self._learned = {stamp: learned.read(path), **dict(list(self._learned.items())[:7])}
            return self._learned[stamp]

    def keep(self, inversion: Inversion) -> str:
        """The id by which a face can name this style from now on, until the session ends or newer ones push it out."""
        from luoxia.generate.inversion import ready

        own = self._shelf.open(inversion.model).twin()
        tensors = {"ws": inversion.ws} | {f"noise.{name}": map for name, map in inversion.noise.items()}
        style = Style(inversion, own, ready(own, tensors, Path(inversion.model)))
        id = secrets.token_urlsafe(9)
        with self._lock:
            self._styles[id] = style
            while len(self._styles) > STYLES:
                self._styles.popitem(last=False)
        return id

    def style(self, id: str) -> Style:
        with self._lock:
            found = self._styles.get(id)
        if found is None:
            raise NotFoundError(
                "this photograph is not in memory any more; find it again",
                "这张照片已不在内存中；请重新反演",
            )
        return found

    def draw(self, model: str, what: Single | Grid | Journey, superseded: Superseded) -> list[np.ndarray]:
        """Pictures uint8 (C, H, W); :class:`SupersededError` as soon as nobody waits for them."""
        import torch

        portraits = self.portraits(model)
        with torch.inference_mode():
            if isinstance(what, Single):
                return self._faces(portraits, what.faces, superseded)
            if isinstance(what, Grid):
                rows = torch.cat([self.ws(portraits, face) for face in what.rows])
                columns = torch.cat([self.ws(portraits, face) for face in what.columns])
                mixed = portraits.mixed(rows, columns, _layers(portraits, what.layers)).flatten(0, 1)
                return _drawn(portraits, torch.cat([rows, columns, mixed]), superseded)
            ways = self.journey(portraits, what.keys, what.frames, what.way, loop=what.loop)
            return _drawn(portraits, ways, superseded)

    def journey(self, portraits: Portraits, keys: list[Face], frames: int, way: str, *, loop: bool) -> Tensor:
        """ws (frames, num_ws, w_dim) through the faces, back to the first where it is a loop."""
        import torch

        from luoxia.generate import morph

        with torch.inference_mode():
            ws = torch.cat([self.ws(portraits, face) for face in [*keys, *keys[: int(loop)]]])
            return morph.path(ws.flatten(1), frames, way).reshape(frames, *ws.shape[1:])

    def ws(self, portraits: Portraits, face: Face) -> Tensor:
        """(1, num_ws, w_dim) of a face: its origin, the layers that are another's, and its edits."""
        from luoxia.generate.directions import edited

        ws = self._origin(portraits, face)
        if face.mix is not None:
            layers = _layers(portraits, face.mix)
            ws = portraits.mixed(ws, self._origin(portraits, face.mix.origin), layers)[0]
        changes = {name: steps for name, steps in face.edits.items() if steps}
        if not changes:
            return ws
        known = self.directions(portraits.told)
        if known is None:
            raise UserError(
                f"what can be changed about {portraits.told.name}'s faces was not learned yet",
                f"尚未学习 {portraits.told.name} 的人脸可以改变什么",
            )
        return edited(ws, known, changes)

    def _origin(self, portraits: Portraits, origin: Origin) -> Tensor:
        if origin.style is None:
            return portraits.styles([origin.seed], psi=origin.psi, name=origin.class_)
        style = self.style(origin.style)
        if style.inversion.model != portraits.told.name:
            raise UserError(
                f"this photograph was found with {style.inversion.model}; choose that model",
                f"这张照片是用 {style.inversion.model} 反演的；请选择该模型",
            )
        return portraits.network.mapping.w_avg.lerp(style.ws, origin.psi)

    def _faces(self, portraits: Portraits, faces: list[Face], superseded: Superseded) -> list[np.ndarray]:
        """Seeds together; a photograph with the noise that was found for it."""
        import torch

        together = [i for i, face in enumerate(faces) if face.style is None]
        made: dict[int, np.ndarray] = {}
        if together:
            ws = torch.cat([self.ws(portraits, faces[i]) for i in together])
            made = dict(zip(together, _drawn(portraits, ws, superseded), strict=True))
        for i, face in enumerate(faces):
            if face.style is not None:
                own = self.style(face.style).own
                made[i] = _drawn(own, self.ws(portraits, face), superseded)[0]
        return [made[i] for i in range(len(faces))]


def _weights(told: StyleGANFolder) -> Path:
    return told.folder / WEIGHTS


def _opened(told: StyleGANFolder, runtime: Runtime) -> Portraits:
    from luoxia.generate.portraits import Portraits

    return Portraits(told, runtime)


def _drawn(portraits: Portraits, ws: Tensor, superseded: Superseded) -> list[np.ndarray]:
    from luoxia.generate.portraits import BATCH

    made: list[np.ndarray] = []
    for start in range(0, len(ws), BATCH):
        if superseded() and start:
            raise SupersededError
        made += list(portraits.pictures(ws[start : start + BATCH]))
    return made


def _layers(portraits: Portraits, layers: Layers) -> list[int]:
    count = portraits.config.num_ws
    if layers.last >= count:
        raise UserError(
            f"{portraits.told.name} has layers 0 to {count - 1}, not {layers.last}",
            f"{portraits.told.name} 的层为 0 到 {count - 1}，没有 {layers.last}",
        )
    return list(range(layers.first, layers.last + 1))

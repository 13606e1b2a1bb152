"""From a scene to pixels: the drawings of an atlas laid on white or on a ground, at twice the size, then averaged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.data.icon_layout import Placed, Scene
from luoxia.data.icon_looks import recoloured
from luoxia.data.icon_stock import Stock
from luoxia.data.icon_words import GROUNDS
from luoxia.data.svg import halved

LARGEST = 256  # pixels of a drawing in the atlas at most


def fine(size: int) -> int:
    """Pixels at which a picture of ``size`` is painted: twice as many, where the atlas has as many."""
    return 2 * size if 2 * size <= LARGEST else size


class Painter:
    """Paints scenes of ``stock`` at ``size`` pixels, (3, size, size) uint8."""

    def __init__(self, stock: Stock, size: int) -> None:
        import skia

        self.skia, self.stock, self.size, self.side = skia, stock, size, fine(size)
        self.pictures = stock.pictures()
        self.surface = skia.Surface(self.side, self.side)
        self.sampling = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)

    def paint(self, scene: Scene) -> NDArray[np.uint8]:
        skia = self.skia
        canvas = self.surface.getCanvas()
        canvas.clear(skia.ColorWHITE)
        if scene.ground is not None:
            self._ground(canvas, *scene.ground)
        images = dict[tuple[int, str], Any]()
        for item in scene.items:
            key = (item.drawing, item.colour)
            if key not in images:
                images[key] = self._image(item)
            self._lay(canvas, images[key], item)
        pixels = self.surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3]
        return halved(pixels) if self.side == 2 * self.size else pixels.transpose(2, 0, 1)

    def _image(self, item: Placed) -> Any:
        picture = np.ascontiguousarray(self.pictures[item.drawing])
        if item.colour:
            picture = recoloured(picture, self.stock.looks[item.drawing], item.colour)
        image = self.skia.Image.fromarray(picture, colorType=self.skia.kRGBA_8888_ColorType)
        return image.withDefaultMipmaps() if item.scale < 0.6 else image

    def _lay(self, canvas: Any, image: Any, item: Placed) -> None:
        skia, side = self.skia, self.side
        half = item.scale / 2
        where = skia.Rect.MakeLTRB(-half * side, -half * side, half * side, half * side)
        canvas.save()
        canvas.translate(item.x * side, item.y * side)
        if item.mirrored:
            canvas.scale(-1, 1)
        canvas.drawImageRect(image, where, self.sampling)
        canvas.restore()

    def _ground(self, canvas: Any, shape: str, colour: str) -> None:
        skia, s = self.skia, self.side
        paint = skia.Paint(Color=skia.Color(*GROUNDS[colour][1]), AntiAlias=True)
        if shape == "background":
            canvas.clear(skia.Color(*GROUNDS[colour][1]))
        elif shape == "circle":
            canvas.drawCircle(s / 2, s / 2, 0.48 * s, paint)
        elif shape == "square":
            canvas.drawRect(skia.Rect.MakeLTRB(0.04 * s, 0.04 * s, 0.96 * s, 0.96 * s), paint)
        elif shape == "rounded square":
            canvas.drawRoundRect(
                skia.Rect.MakeLTRB(0.03 * s, 0.03 * s, 0.97 * s, 0.97 * s), 0.2 * s, 0.2 * s, paint
            )
        else:
            corners, turn = (6, np.pi / 6) if shape == "hexagon" else (4, 0.0)
            angles = turn + np.arange(corners) * (2 * np.pi / corners)
            path = skia.Path()
            path.addPoly(
                [skia.Point(s * (0.5 + 0.49 * np.cos(a)), s * (0.5 + 0.49 * np.sin(a))) for a in angles], True
            )
            canvas.drawPath(path, paint)

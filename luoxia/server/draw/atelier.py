"""Models that draw from words, and what they make of what is asked for."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from luoxia.core.errors import UnknownModelError, UserError
from luoxia.core.language import Text
from luoxia.server.draw.asks import Draw, PictureCodes, Vary, Wish
from luoxia.server.easel import Superseded, SupersededError
from luoxia.server.folders import Folders
from luoxia.server.pictures import image
from luoxia.server.shelf import Shelf, use_threads
from luoxia.weights import catalogue
from luoxia.workspace.gates import admit

if TYPE_CHECKING:
    import numpy as np

    from luoxia.core.runtime import Runtime
    from luoxia.generate.drawing import Drawing, Pictures
    from luoxia.weights.drawing_folder import DrawingFolder

T = TypeVar("T")
PREVIEW_EVERY = 0.08  # seconds
PREVIEW_SHARE = 4  # pictures on the way may take a quarter of the time that codes take

Preview = Callable[
    ["np.ndarray", int, int], None
]  # hears pictures on the way, and how many codes of how many there are


class Atelier:
    """May be used from several threads; what it hands out is read only."""

    def __init__(self, folders: Sequence[Path] = (), *, threads: int | None = None) -> None:
        self._folders = Folders(folders, "drawings", "drawing", file=_newest, read=_read, unknown=_unknown)
        self.names, self.told, self.opener = self._folders.names, self._folders.told, self._folders.opener
        self.threads = threads  # as it was asked for
        self._shelf = Shelf(self.told, _file, _opened, most=1, threads=threads)

    def drawing(self, model: str) -> Drawing:
        """The model, ready to draw on the thread that asks for it."""
        drawing = self._shelf.open(model)
        use_threads(drawing.size, drawing.runtime.threads)
        return drawing

    def draw(self, model: str, what: Draw | Vary, superseded: Superseded, preview: Preview) -> Pictures:
        """Pictures of what is asked for; :class:`SupersededError` as soon as nobody waits for them."""
        import numpy as np

        from luoxia.generate.drawing_order import Knobs

        drawing = self.drawing(model)
        if superseded():
            raise SupersededError
        options = {
            "seed": what.seed,
            "knobs": Knobs(guidance=what.guidance, temperature=what.temperature, top_p=what.top_p),
            "candidates": what.count * what.choice,
            "watch": _watched(drawing, what.count, superseded, preview),
        }
        text = self.text(model, what)
        if isinstance(what, Vary):
            codes = _checked(drawing, [what.codes])[0]
            return drawing.vary_codes(codes, what.count, strength=what.strength, text=text, **options)
        given = None if what.given is None else _checked(drawing, [what.given])[0]
        if given is not None and (given >= 0).all():
            raise UserError(
                "nothing is to be drawn: mark a part of the picture", "没有要画的部分：请标出图片的一部分"
            )
        if given is not None and (given < 0).all():
            raise UserError(
                "nothing of the picture is kept: leave a part of it, or draw without it",
                "没有保留图片的任何部分：请留下一部分，或直接作画",
            )
        return drawing.draw(
            text, what.count, given=None if given is None else given.astype(np.int64), **options
        )

    def pixels(self, model: str, pictures: list[list[int]]) -> np.ndarray:
        """Pictures of codes, uint8 (N, C, S, S)."""
        drawing = self.drawing(model)
        return drawing.pixels(_checked(drawing, pictures))

    def large(self, model: str, pixels: np.ndarray) -> np.ndarray:
        """Pictures of the model as they leave where no size is asked for."""
        return self.drawing(model).enlarged(pixels)

    def codes(
        self, model: str, data: bytes, *, mask: bytes | None = None, whole: bool = False
    ) -> PictureCodes:
        """A picture as the model sees it, and what of it is to be drawn: where ``mask`` is transparent, or the picture
        itself is, or what it lacks to a square. ``whole`` takes its middle, and there is nothing to draw."""
        from luoxia.data.decoding import decode, fit
        from luoxia.generate.canvas import canvas

        drawing = self.drawing(model)
        image = _readable(decode, data).image
        clear = _transparency(data)
        if mask is not None:
            _readable(decode, mask)
            clear = _transparency(mask)
            if clear is None:
                raise UserError(
                    "the mask has no transparent part: make it transparent where to draw",
                    "遮罩没有透明部分：请将要画之处设为透明",
                )
        if whole or (clear is None and image.width == image.height):
            codes = drawing.codes_of_picture(fit(image.convert("RGB"), drawing.size))
            return PictureCodes(codes=codes.tolist(), free=[False] * len(codes))
        on = canvas(data, drawing.size, mask=clear)
        codes = drawing.codes_of_picture(on.pixels)
        return PictureCodes(codes=codes.tolist(), free=on.free(drawing.dalle.config.side).tolist())

    def sized(self, model: str, pixels: np.ndarray, form: str, size: int) -> list[str] | list[np.ndarray]:
        """uint8 (N, C, S, S) at ``size`` pixels a side, uint8 (H, W, 3) each, or traced where ``form`` is "svg", which has
        any size."""
        import numpy as np

        drawing = self.drawing(model)
        if form == "svg":
            from luoxia.generate.trace import SIZE, trace

            return [trace(picture) for picture in drawing.enlarged(pixels, max(SIZE, drawing.size))]
        return [np.asarray(image(picture)) for picture in drawing.enlarged(pixels, size)]

    def text(self, model: str, what: Wish) -> str | None:
        """What the model is told, None for no caption."""
        told = self._styled(model, what)
        admit(told or "", command="draw")
        return told

    def _styled(self, model: str, what: Wish) -> str | None:
        plain = what.prompt.strip()
        if what.style is None:
            return what.prompt if plain else None
        styles = self.styles(model)
        if what.style not in styles:
            raise UserError(
                f"{model} knows no style {what.style!r}; it knows {', '.join(styles) or 'none'}",
                f"{model} 没有风格 {what.style!r}；有 {'、'.join(styles) or '（无）'}",
            )
        from luoxia.data.icon_captions import styled

        if not plain:
            return None
        chinese = any("\u4e00" <= c <= "\u9fff" for c in plain)
        return styled(Text(plain, plain), what.style).in_("zh" if chinese else "en")

    def styles(self, model: str) -> dict[str, Text]:
        """Words for the styles that the model's captions name, by their ids."""
        from luoxia.data.icon_packages import STYLES

        told = self.told(model)
        named = told.facts.get("styles")
        if named is None:
            named = STYLES if any(str(used.get("name")).startswith("icons") for used in told.data) else ()
        return {name: STYLES[name] for name in named if name in STYLES}


def _readable(read: Callable[[bytes], T], data: bytes) -> T:
    from luoxia.data.decoding import UndecodableError

    try:
        return read(data)
    except UndecodableError as error:
        raise UserError(
            f"the picture cannot be used: {error.text.en}", f"无法使用此图片：{error.text.zh}"
        ) from error


def _transparency(data: bytes) -> bytes | None:
    """Of a file that was found sound: white where it is transparent, as PNG; None where it is not."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as opened:
        opened.seek(0)
        if not opened.has_transparency_data or opened.mode == "CMYK":
            return None
        alpha = ImageOps.exif_transpose(opened).convert("RGBA").getchannel("A")
    if alpha.getextrema() == (255, 255):
        return None
    file = io.BytesIO()
    ImageOps.invert(alpha).save(file, "PNG")
    return file.getvalue()


def _read(name_or_path: str | Path) -> DrawingFolder:
    from luoxia.weights import drawing_folder

    return drawing_folder.find(name_or_path)


def _file(told: DrawingFolder) -> Path:
    return _newest(told.folder)


def _newest(folder: Path) -> Path:
    """The file that is another one when the model is: what describes it, or the weights of a run."""
    facts = folder / catalogue.FACTS
    return facts if facts.is_file() else folder / "model.safetensors"


def _opened(told: DrawingFolder, runtime: Runtime) -> Drawing:
    from luoxia.generate.drawing import Drawing

    return Drawing(told, runtime)


def _checked(drawing: Drawing, pictures: list[list[int]]) -> np.ndarray:
    """(N, h w) int64; they may come from a model of another book, or from anywhere."""
    import numpy as np

    count = drawing.dvae.config.codes
    if any(len(codes) != drawing.places or max(codes) >= count for codes in pictures):
        raise UserError(
            f"this is no picture of {drawing.told.name}: one has {drawing.places} codes below {count}",
            f"这不是 {drawing.told.name} 的图片：一张有 {drawing.places} 个小于 {count} 的编码",
        )
    return np.array(pictures, np.int64)


def _watched(drawing: Drawing, count: int, superseded: Superseded, preview: Preview) -> Preview:
    """Pictures of the first ``count`` that are drawn together, as often as they cost little."""
    due = 0.0

    def watch(codes: np.ndarray, done: int, total: int) -> None:
        nonlocal due
        if superseded():
            raise SupersededError
        began = time.monotonic()
        if began < due or done == total:
            return
        preview(drawing.pixels(codes[:count]), done, total)
        now = time.monotonic()
        due = now + max(PREVIEW_EVERY, PREVIEW_SHARE * (now - began))

    return watch


def _unknown(model: str, there: list[str]) -> UserError:
    if not there:
        return UnknownModelError(
            "there is no model that draws from words on this machine: train one with `luoxia train dalle`, and start "
            "the server with `luoxia serve --draw-with RUN`",
            "本机没有按文字作画的模型：可用 `luoxia train dalle` 训练，再以 `luoxia serve --draw-with RUN` 启动服务器",
        )
    return UnknownModelError(
        f"there is no model {model!r} that draws from words; there is {', '.join(there)}",
        f"没有按文字作画的模型 {model!r}；现有 {'、'.join(there)}",
    )

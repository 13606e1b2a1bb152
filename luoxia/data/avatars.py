"""Drawn faces with their attributes: 10,000 pictures from styles that their authors gave away (CC0, CC BY).

The styles are those of the ``dicebear-styles`` package, put together from parts by ``dicebear-core`` for each seed and
rasterised by Skia. Classes are the styles; captions say in English and Chinese what was drawn.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.folder import home
from luoxia.core.language import Text
from luoxia.data import prepared, svg, takedown
from luoxia.data.images import ImageSet

COUNT, VERSION, SIZES = 10_000, 1, (8, 256)
STYLES = {
    "adventurer": "冒险家",
    "big-ears": "大耳朵",
    "big-smile": "大笑脸",
    "dylan": "圆脸",
    "lorelei": "黑白线条",
    "micah": "半身插画",
    "miniavs": "小人",
    "notionists": "黑白半身",
    "open-peeps": "手绘人物",
    "personas": "角色",
    "pixel-art": "像素",
    "toon-head": "卡通",
}
GROUNDS = ("b6e3f4", "c0aede", "ffd5dc", "ffdfbf", "d1f4d9", "f4f1de", "e5e5e5", "fff3b0")
COLOURS = {
    "black": ("黑色", (20, 20, 20)),
    "grey": ("灰色", (150, 150, 150)),
    "white": ("白色", (245, 245, 245)),
    "brown": ("棕色", (110, 65, 35)),
    "blond": ("金色", (230, 190, 100)),
    "red": ("红色", (200, 45, 35)),
    "orange": ("橙色", (235, 130, 40)),
    "yellow": ("黄色", (245, 225, 60)),
    "green": ("绿色", (70, 170, 80)),
    "blue": ("蓝色", (60, 110, 220)),
    "light blue": ("浅蓝色", (180, 225, 245)),
    "purple": ("紫色", (140, 80, 190)),
    "lilac": ("淡紫色", (192, 174, 222)),
    "pink": ("粉色", (250, 190, 205)),
    "peach": ("桃色", (255, 223, 191)),
    "mint": ("薄荷色", (209, 244, 217)),
    "cream": ("米色", (244, 241, 222)),
}
MOODS = {  # a word in the name of the mouth that was drawn
    "laugh": ("laughing", "大笑"),
    "bigSmile": ("smiling broadly", "开怀地笑"),
    "smile": ("smiling", "微笑"),
    "happy": ("happy", "高兴"),
    "smirk": ("smirking", "坏笑"),
    "sad": ("sad", "难过"),
    "frown": ("frowning", "皱眉"),
    "angry": ("angry", "生气"),
    "surprise": ("surprised", "惊讶"),
    "nervous": ("nervous", "紧张"),
}


def avatars(size: int = 64) -> ImageSet:
    """The set at ``size`` pixels, drawn at its first use and kept under ``data/`` in Luoxia's folder."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(
            f"avatars of {size} pixels cannot be drawn; give a size from {SIZES[0]} to {SIZES[1]}",
            f"无法绘制 {size} 像素的头像；请给 {SIZES[0]} 到 {SIZES[1]} 的尺寸",
        )
    folder = home() / "data" / f"avatars-{size}-v{VERSION}.data"
    return prepared.read(folder) if folder.exists() else draw(folder, size, COUNT)


def draw(folder: Path, size: int, count: int) -> ImageSet:
    """Draw ``count`` faces of ``size`` pixels, the styles in turn, into ``folder``."""
    try:
        import dicebear  # noqa: F401
        import skia  # noqa: F401
    except ImportError as error:
        raise UserError(
            'avatars are drawn with dicebear and skia-python; install them with: pip install "luoxia[train]"',
            '头像由 dicebear 与 skia-python 绘制；请安装：pip install "luoxia[train]"',
        ) from error
    parts = [(first, min(first + 250, count), size) for first in range(0, count, 250)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        drawn = list(pool.map(_part, parts))
    images = np.concatenate([pictures for pictures, _ in drawn])
    captions = tuple(Text(en, zh) for _, texts in drawn for en, zh in texts)
    labels = np.arange(count, dtype=np.int64) % len(STYLES)
    held_out = np.flatnonzero(np.random.Generator(np.random.PCG64(0)).permutation(count) < count // 20)
    made = ImageSet(
        f"avatars-{size}",
        images,
        labels,
        tuple(STYLES),
        captions,
        held_out.astype(np.int64),
        tuple(_licence(name) for name in STYLES),
        prepared.digest_of(images, labels),
    )
    return takedown.honoured(made, folder)


def _definition(style: str) -> dict[str, Any]:
    return json.loads(files("dicebear_styles").joinpath(f"{style}.json").read_text("utf-8"))


@cache
def _style(name: str) -> Any:
    """Checked against its schema, which takes a quarter of a second: once a process."""
    from dicebear import Style

    return Style(_definition(name))


def _licence(style: str) -> str:
    meta = _definition(style)["meta"]
    creator, licence = meta["creator"]["name"], meta["license"]
    return f"{meta['source']['name']} by {creator}, {licence['name']} ({licence['url']}), {meta['source']['url']}"


def _part(task: tuple[int, int, int]) -> tuple[NDArray[np.uint8], list[tuple[str, str]]]:
    """Faces first..last-1: pictures (n, 3, H, W) and captions."""
    from dicebear import Avatar

    first, last, size = task
    names = list(STYLES)
    pictures, captions = np.empty((last - first, 3, size, size), np.uint8), []
    for i in range(first, last):
        name = names[i % len(names)]
        avatar = Avatar(_style(name), {"seed": f"luoxia {i}", "backgroundColor": list(GROUNDS)})
        pictures[i - first] = svg.on_white(avatar.to_string(), size)
        captions.append(_caption(name, avatar.to_json()["options"]))
    return pictures, captions


def _colour(value: Any) -> tuple[str, str]:
    text = (value[0] if isinstance(value, list) else value).lstrip("#")[:6]
    rgb = np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)])
    name = min(COLOURS, key=lambda known: int(((rgb - np.array(COLOURS[known][1])) ** 2).sum()))
    return name, COLOURS[name][0]


def _caption(style: str, options: dict[str, Any]) -> tuple[str, str]:
    en, zh = [], []
    if options.get("hairVariant") and options.get("hairColor"):
        colour = _colour(options["hairColor"])
        long = "long" if str(options["hairVariant"]).lower().startswith("long") else ""
        en.append(" ".join(filter(None, [long, colour[0], "hair"])))
        zh.append(f"{colour[1]}{'长发' if long else '头发'}")
    if options.get("glassesVariant"):
        en.append("glasses")
        zh.append("戴眼镜")
    if options.get("beardVariant") or options.get("facialHairVariant"):
        en.append("a beard")
        zh.append("有胡子")
    mouth = str(options.get("mouthVariant", "")) + str(options.get("faceVariant", ""))
    mood = next((words for key, words in MOODS.items() if key.lower() in mouth.lower()), None)
    if mood:
        en.append(mood[0])
        zh.append(mood[1])
    ground = _colour(options["backgroundColor"])
    en.append(f"on a {ground[0]} ground")
    zh.append(f"{ground[1]}背景")
    title = style.replace("-", " ")
    return f"a face in the {title} style: {', '.join(en)}", f"{STYLES[style]}风格的头像：{'，'.join(zh)}"

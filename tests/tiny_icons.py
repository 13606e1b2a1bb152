"""Packages of drawings small enough for a test, made where the fetched ones would lie."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from luoxia.data import icon_packages
from luoxia.data.icon_packages import Maker
from luoxia.weights.catalogue import path_of

THINGS = {  # icon: code, group, subgroup, English, Chinese, what is drawn
    "cat-face": ("1F431", 3, 34, "cat face", "猫脸", "orange"),
    "dog-face": ("1F436", 3, 34, "dog face", "狗脸", "brown"),
    "rocket": ("1F680", 5, 56, "rocket", "火箭", "red"),
    "red-apple": ("1F34E", 4, 42, "red apple", "红苹果", "#d22"),
    "banana": ("1F34C", 4, 42, "banana", "香蕉", "#fc0"),
    "scissors": ("2702", 7, 76, "scissors", "剪刀", "#47a"),
    "sunglasses": ("1F576-FE0F", 7, 65, "sunglasses", "墨镜", "#222"),
    "crown": ("1F451", 7, 65, "crown", "皇冠", "gold"),
    "heart-suit": ("2665-FE0F", 6, 63, "heart suit", "红桃", "#e24"),
    "flag-japan": ("1F1EF-1F1F5", 9, 98, "flag: Japan", "旗: 日本", "red"),
}
SHAPES = ("M20 20h60v60h-60z", "M50 10L90 90H10z", "M50 10L90 50L50 90L10 50z")
EYES = '<circle cx="38" cy="44" r="6" fill="#111"/><circle cx="62" cy="44" r="6" fill="#111"/>'


def drawing(icon: str, fill: str, maker: int) -> str:
    """A shape of the maker's own; a face has eyes."""
    if icon == "sunglasses":
        return f'<path d="M5 40h90v{20 + maker}h-90z" fill="{fill}"/>'
    return f'<path d="{SHAPES[maker]}" fill="{fill}"/>' + (EYES if icon.endswith("face") else "")


def packed(files: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, value in files.items():
            data = json.dumps(value).encode()
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def maker(prefix: str, k: int, style: str, *, spdx: str = "MIT", shown: bool = True) -> tuple[Maker, bytes]:
    icons = {icon: {"body": drawing(icon, facts[5], k)} for icon, facts in THINGS.items()}
    icons["cat-face-medium-skin-tone"] = icons["unheard-of"] = {"body": "<path d='M0 0h9v9z'/>"}
    info = {
        "name": f"Set {k}",
        "author": {"name": "A. Maker", "url": "https://example.org/set"},
        "license": {"title": spdx, "spdx": spdx},
    }
    data = packed({"icons.json": {"icons": icons, "width": 100, "height": 100}, "info.json": info})
    digest = hashlib.sha256(data).hexdigest()
    return Maker(prefix, "1.0.0", len(data), digest, style, shown=shown), data


def names() -> bytes:
    def entries(language: int) -> list[dict[str, Any]]:
        tags = (["pet", "toy"], ["宠物", "玩具"])[language]
        return [
            {
                "label": facts[3 + language],
                "hexcode": facts[0],
                "group": facts[1],
                "subgroup": facts[2],
                "tags": tags,
            }
            for facts in THINGS.values()
        ]

    codes = {"1F431": "cat", "1F680": ["rocket", "spaceship"]}
    short = {f"en/shortcodes/{name}.json": codes for name in ("github", "joypixels", "iamcal")}
    return packed({"en/data.json": entries(0), "zh/data.json": entries(1), **short})


def publish(monkeypatch: Any, home: Path, **options: Any) -> tuple[Maker, ...]:
    """Three makers, the last of which is not shown, and names, as if they had been fetched to ``home``."""
    monkeypatch.setenv("LUOXIA_HOME", str(home))
    made = [
        maker("noto", 0, "cartoon", **options),
        maker("twemoji", 1, "flat"),
        maker("fxemoji", 2, "simple", shown=False),
    ]
    data = names()
    entry = icon_packages._entry(
        "emojibase-data", "emojibase-data", "1", len(data), hashlib.sha256(data).hexdigest()
    )
    monkeypatch.setattr(icon_packages, "NAMES", entry)
    for one, content in [*((m.entry, d) for m, d in made), (entry, data)]:
        path_of(one).parent.mkdir(parents=True, exist_ok=True)
        path_of(one).write_bytes(content)
    return tuple(m for m, _ in made)

"""Sets of the Hugging Face hub, through their ``datasets`` library where it is installed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import IO, Any, cast

from luoxia.core.errors import UserError
from luoxia.data.items import Item
from luoxia.data.sources import Source

CAPTIONS = ("text", "caption", "prompt", "description")
LABELS = ("label", "labels", "class", "fine_label")


def source(place: str) -> Source:
    """``owner/name``, ``owner/name:split`` or a folder that ``datasets`` saved."""
    return of_dataset(_loaded(place), _name(place))


def text_source(place: str) -> Source:
    """The same as one file of JSON lines, a line for each row."""
    return rows_of(_loaded(place), _name(place))


def _name(place: str) -> str:
    return place.partition(":")[0].split("/")[-1]


def _loaded(place: str) -> Any:
    try:
        import datasets  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(
            'hf: sets are read with the datasets library; install it with: pip install "luoxia[hub]"',
            'hf: 数据集由 datasets 库读取；请安装：pip install "luoxia[hub]"',
        ) from error
    name, _, split = place.partition(":")
    try:
        return datasets.load_dataset(name, split=split or "train")
    except Exception as error:  # a hub answers in many ways
        detail = " ".join(str(error).split())[:200]
        raise UserError(
            f"hf:{place} could not be read: {detail}", f"无法读取 hf:{place}：{detail}"
        ) from error


def rows_of(dataset: Any, name: str) -> Source:
    """Rows of texts and numbers as JSON lines; other columns are left out."""
    plain = [n for n, f in dataset.features.items() if _plain(f) or _plain(getattr(f, "feature", None))]
    if not plain:
        raise UserError(
            f"{name} has no column of text; it has {', '.join(dataset.features)}",
            f"{name} 没有文本列；现有 {'、'.join(dataset.features)}",
        )
    chosen = dataset.select_columns(plain)

    def items() -> Iterator[Item]:
        lines = (json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n" for row in chosen)
        stream = _Lines(lines)
        yield Item(f"{name}.jsonl", 0, stream.read, open=lambda: cast(IO[bytes], stream))

    return Source(name, items, 0, str(dataset._fingerprint))


def _plain(feature: Any) -> bool:
    """Whether a column holds texts or numbers, and no pictures or sounds."""
    kind = str(getattr(feature, "dtype", ""))
    return kind in ("string", "large_string") or kind.startswith(("int", "uint", "float"))


class _Lines(io.RawIOBase):
    """Lines made one after the other, as a file."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines, self._waiting = lines, b""

    def read(self, size: int = -1) -> bytes:
        parts, have = [self._waiting], len(self._waiting)
        while size < 0 or have < size:
            line = next(self._lines, None)
            if line is None:
                break
            parts.append(line)
            have += len(line)
        data = b"".join(parts)
        cut = len(data) if size < 0 else size
        self._waiting = data[cut:]
        return data[:cut]


def of_dataset(dataset: Any, name: str) -> Source:
    """The first image column of ``dataset``, with its label and caption columns as texts beside each picture."""
    import datasets  # type: ignore[import-not-found]

    features = dataset.features
    column = next((n for n, f in features.items() if isinstance(f, datasets.Image)), None)
    if column is None:
        raise UserError(
            f"{name} has no column of images; it has {', '.join(features)}",
            f"{name} 没有图片列；现有 {'、'.join(features)}",
        )
    label = next((n for n in LABELS if n in features), None)
    caption = next((n for n in CAPTIONS if n in features), None)
    names = getattr(features.get(label), "names", None)
    rows = dataset.cast_column(column, datasets.Image(decode=False))

    def items() -> Iterator[Item]:
        for i, row in enumerate(rows):
            data = row[column]["bytes"]
            if data is None:
                with open(row[column]["path"], "rb") as file:
                    data = file.read()
            yield Item(f"{i:09}.{_suffix(data)}", len(data), lambda data=data: data)
            facts = {}
            if label is not None and row[label] is not None:
                facts["label"] = names[row[label]] if names else str(row[label])
            if caption is not None and row[caption] is not None:
                facts["caption"] = str(row[caption])
            text = json.dumps(facts).encode()
            yield Item(f"{i:09}.json", len(text), lambda text=text: text)

    return Source(name, items, 0, str(dataset._fingerprint))


def _suffix(data: bytes) -> str:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return {"JPEG": "jpg"}.get(str(image.format), str(image.format).lower())
    except Exception:  # whatever it is, decoding it will say so
        return "png"

"""The label of AI-generated content that GB 45438-2025, Annex E, puts into a file's metadata.

Seven strings. Which characters may stand in them, that none but the reserved two is empty, and what ``Label`` may be
is checked on every way in, so that a :class:`Label` that exists is one that may be written.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from luoxia.core.errors import UserError
from luoxia.core.language import Text

KEY = "AIGC"  # the name under which every carrier keeps the label
NAMES = {
    "label": "Label",
    "content_producer": "ContentProducer",
    "produce_id": "ProduceID",
    "reserved_code_1": "ReservedCode1",
    "content_propagator": "ContentPropagator",
    "propagate_id": "PropagateID",
    "reserved_code_2": "ReservedCode2",
}
MEANINGS = {
    "1": Text("generated or synthesised by AI", "属于人工智能生成合成内容"),
    "2": Text("possibly generated or synthesised by AI", "可能为人工智能生成合成内容"),
    "3": Text("suspected to be generated or synthesised by AI", "疑似为人工智能生成合成内容"),
}
LONGEST = 1024  # characters of one value; the standard names no limit
LARGEST = 16_384  # characters of a label as text
# Annex E, j): 0x21, 0x23 to 0x5B, 0x5D to 0x7E, and the quotation mark, which JSON escapes.
ALLOWED = frozenset(map(chr, range(0x21, 0x7F))) - {"\\"}


class LabelError(UserError):
    """A label that Annex E does not allow, or text that is no label."""


@dataclass(frozen=True)
class Label:
    """GB 45438-2025, Annex E. ``label`` is "1", "2" or "3" (see :data:`MEANINGS`).

    Raises :class:`LabelError` for a value that the annex does not allow.
    """

    label: str
    content_producer: str
    produce_id: str
    content_propagator: str
    propagate_id: str
    reserved_code_1: str = ""
    reserved_code_2: str = ""

    def __post_init__(self) -> None:
        for field, name in NAMES.items():
            check(name, getattr(self, field), empty=field.startswith("reserved"))
        if self.label not in MEANINGS:
            raise LabelError(
                f"the label's Label is {self.label[:20]!r}; it may be 1, 2 or 3",
                f"标识的 Label 为 {self.label[:20]!r}；只能是 1、2 或 3",
            )

    @classmethod
    def first(cls, producer: str, produce_id: str) -> Label:
        """The label of content just made, where the propagator is the producer (Annex E, note 1)."""
        return cls("1", producer, produce_id, producer, produce_id)

    def to_json(self) -> str:
        """One line of ASCII, the fields in the annex's order: what stands under the key ``AIGC``."""
        values = asdict(self)
        return json.dumps({name: values[field] for field, name in NAMES.items()}, separators=(",", ":"))

    def to_annex_json(self) -> str:
        """The same with its key around it, for places that have no keys of their own."""
        return f'{{"{KEY}": {self.to_json()}}}'

    @classmethod
    def parse(cls, text: str) -> Label:
        """The label in ``text``, in either form. Raises :class:`LabelError`, which says what is wrong with it."""
        if len(text) > LARGEST:
            raise LabelError(f"the label is longer than {LARGEST} characters", f"标识超过 {LARGEST} 个字符")
        try:
            value = json.loads(text.strip("\0 \t\r\n"), object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            if isinstance(error, LabelError):
                raise
            raise LabelError("the label is not JSON", "标识不是 JSON") from error
        return cls.from_object(value[KEY] if isinstance(value, dict) and set(value) == {KEY} else value)

    @classmethod
    def from_object(cls, value: Any) -> Label:
        """The label whose fields a dictionary has by their names, neither more nor fewer."""
        if not isinstance(value, dict):
            raise LabelError("the label is no JSON object", "标识不是 JSON 对象")
        missing = [name for name in NAMES.values() if name not in value]
        if missing:
            raise LabelError(f"the label has no {', '.join(missing)}", f"标识缺少 {'、'.join(missing)}")
        unknown = [name for name in value if name not in NAMES.values()]
        if unknown:
            raise LabelError(
                f"the label has a field {unknown[0][:40]!r}, which Annex E does not know",
                f"标识含有附录 E 中没有的字段 {unknown[0][:40]!r}",
            )
        return cls(**{field: value[name] for field, name in NAMES.items()})


def check(name: str, value: Any, *, empty: bool = False) -> None:
    """Raise :class:`LabelError` unless ``value`` may stand in the field ``name``."""
    if not isinstance(value, str):
        raise LabelError(f"the label's {name} is no string", f"标识的 {name} 不是字符串")
    if not value and not empty:
        raise LabelError(f"the label's {name} is empty", f"标识的 {name} 为空")
    if len(value) > LONGEST:
        raise LabelError(
            f"the label's {name} has {len(value)} characters, {LONGEST} at most are read",
            f"标识的 {name} 有 {len(value)} 个字符，最多读取 {LONGEST} 个",
        )
    bad = next((character for character in value if character not in ALLOWED), None)
    if bad is not None:
        raise LabelError(
            f"the label's {name} holds U+{ord(bad):04X}; letters, digits and ASCII signs other than \\ may stand in it",
            f"标识的 {name} 含有 U+{ord(bad):04X}；只能使用字母、数字和除 \\ 以外的 ASCII 符号",
        )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise LabelError("the label has a field twice", "标识中有字段重复")
    return found

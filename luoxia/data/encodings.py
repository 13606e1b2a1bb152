"""Which encoding a text is in, by its marks, by what it cannot be, and by how common the characters are that it gives.

Encodings of two bytes a character decode nearly any text of each other; of the wrong one, the characters are rare ones.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable

from luoxia.data.decoding import UndecodableError

SAMPLE = 1 << 16  # bytes that are weighed
MARKS = (  # UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CONTROL = bytes(i for i in range(32) if i not in (7, 8, 9, 10, 12, 13, 27))
CONTROLS = 0.002  # of the bytes of a text that may be control characters: old editors left some
STRAY = 0.01  # of the bytes beyond ASCII that may be broken in a text that is UTF-8 otherwise
SURE = 0.56  # the same for two bytes a character without a mark, which any bytes may be
LEAST = 0.45  # of the weight that the best encoding must have

# The commonest characters of each writing: about half of any text is made of these.
_HAN = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同"
    "现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最"
    "重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义"
    "這個們來爲為國說時會對生於著過發後種經麼學現當沒動還進樣開從實軍無與長機關點業將兩間問應戰頭體見產話給門員論處義風山花春夜雲秋江何不空歸客"
    "千青白清酒君玉飛詩落遠舊獨愁思寒雨樹葉聲書誰欲猶"
)
_KANA = "のにはをたがでてとしれさいるもなかっらりうこくすけよきまみえあせつちおどやんーンスルトリアイラッカクシタドテロフレマコジキニサ"
_HANGUL = "이다의는에을가고지한하를기은사로도인그나어해대자있아들과수시서리정제일부것게전으라적상구조여보안장주만동원경세성공모니유와관선"
_RUSSIAN = "оеаинтсрвлкмдпу"
_LATIN = "éèêëàâäáãåçíìîïñóòôöõøúùûüßæœ’‘“”«»–—…°·€ÉÄÖÜ¿¡\xa0"


def detect(data: bytes, *, whole: bool) -> str:
    """The name of the codec that reads ``data``, a text's beginning or, if ``whole``, all of it.

    Raises :class:`UndecodableError` for what is no text in any encoding known here.
    """
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    if b"\0" in data:
        return _sixteen(data)
    if len(data) - len(data.translate(None, CONTROL)) > CONTROLS * len(data):
        raise _binary()
    broken = _stray(data, whole)
    if broken == 0:
        return "utf-8"
    some = _busy(data)
    weights = {name: _weight(some, name, weigh) for name, weigh in CANDIDATES.items()}
    best = max(weights, key=lambda name: weights[name])
    beyond = len(some) - len(some.translate(None, bytes(range(128, 256))))
    if broken <= STRAY * beyond and weights[best] < 0.9:
        return "utf-8"  # with a few bytes that are none
    if weights[best] < LEAST:
        raise _binary()
    return best


def _binary() -> UndecodableError:
    return UndecodableError("it is binary, no text in a known encoding", "是二进制文件，不是已知编码的文本")


def _sixteen(data: bytes) -> str:
    """UTF-16 without a mark: one of its byte orders gives likely characters, the other rare ones."""
    weights = {}
    for name in ("utf-16-le", "utf-16-be"):
        text = codecs.getincrementaldecoder(name)("replace").decode(data[:SAMPLE])
        weights[name] = sum(n * _any(c) for c, n in Counter(text).items()) / len(text)
    best = max(weights, key=lambda name: weights[name])
    if weights[best] < SURE:
        raise _binary()
    return best


def _any(c: str) -> float:
    if ord(c) < 128:
        return 1.0 if c.isprintable() or c in "\t\n\r\f" else -1.0
    weights = (_chinese(c, 0), _japanese(c, 0), _korean(c, 0), _cyrillic(c, 0), _western(c, 0))
    return -1.0 if _unlikely(c) else max(weights)


def _stray(data: bytes, whole: bool) -> int:
    """Bytes that are not UTF-8; a character cut by the end of a part is none."""
    count = 0
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data, final=whole)
        return 0
    except UnicodeDecodeError:
        text = codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=whole)
        count = text.count("\ufffd") - data.count("\ufffd".encode())
    return max(1, count)


def _busy(data: bytes) -> bytes:
    """A sample that begins near the first character beyond ASCII."""
    first = next((i for i in range(0, len(data), 512) if not data[i : i + 512].isascii()), 0)
    start = data.rfind(b"\n", 0, first) + 1  # after a line's end, every encoding begins anew
    return data[start : start + SAMPLE]


def _weight(data: bytes, name: str, weigh: Callable[[str, int], float]) -> float:
    """Mean weight of the bytes beyond ASCII under an encoding, from -1 to 1."""
    text = codecs.getincrementaldecoder(name)("replace").decode(data)
    total = weight = 0.0
    for (before, c), n in Counter(zip(" " + text, text, strict=False)).items():
        if ord(c) < 128:
            continue
        size = n * (2 if name not in SINGLE else 1)
        total += size
        weight += size * weigh(c, ord(before))
    return weight / total if total else 0.0


def _chinese(c: str, _before: int) -> float:
    if c in _HAN_SET:
        return 1.0
    if "\u3000" <= c <= "\u3020" or "\uff01" <= c <= "\uff5e":
        return 0.9
    if "\u4e00" <= c <= "\u9fff":
        return 0.4
    return 0.6 if c in "“”‘’…—·" else -1.0 if _unlikely(c) else 0.0


def _japanese(c: str, _before: int) -> float:
    if c in _KANA_SET:
        return 1.0
    if "\u3040" <= c <= "\u30ff":
        return 0.7
    if c in _HAN_SET or "\u3000" <= c <= "\u3020" or "\uff01" <= c <= "\uff5e":
        return 0.8
    return 0.3 if "\u4e00" <= c <= "\u9fff" else -1.0 if _unlikely(c) else 0.0


def _korean(c: str, _before: int) -> float:
    if c in _HANGUL_SET:
        return 1.0
    if "\uac00" <= c <= "\ud7a3":
        return 0.6
    return 0.2 if "\u3000" <= c <= "\u3020" or "\u4e00" <= c <= "\u9fff" else -1.0 if _unlikely(c) else 0.0


def _cyrillic(c: str, before: int) -> float:
    if before < 128 and chr(before).isalpha():
        return -0.6
    if c in _RUSSIAN:
        return 1.0
    if "а" <= c <= "я" or c == "ё":
        return 0.7
    if "А" <= c <= "Я":
        return 0.5 if before < 128 else -0.2
    return 0.4 if c in "«»—–…№" else -1.0


def _western(c: str, before: int) -> float:
    """Accents stand among plain letters; of another encoding's characters many stand side by side."""
    if before >= 128 and chr(before) not in "’“”«»–—…\xa0":
        return -0.6
    return 0.9 if c in _LATIN_SET else 0.2 if c.isalpha() else -0.6


def _unlikely(c: str) -> bool:
    return c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or "\uff61" <= c <= "\uff9f" or ord(c) < 0xA0


_HAN_SET, _KANA_SET, _HANGUL_SET, _LATIN_SET = map(frozenset, (_HAN, _KANA, _HANGUL, _LATIN))
SINGLE = frozenset(("cp1252", "cp1251", "koi8-r"))
CANDIDATES: dict[str, Callable[[str, int], float]] = {
    "gb18030": _chinese,
    "big5": _chinese,
    "cp932": _japanese,
    "euc_jp": _japanese,
    "cp949": _korean,
    "cp1251": _cyrillic,
    "koi8-r": _cyrillic,
    "cp1252": _western,
}

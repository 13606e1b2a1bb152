"""Which encoding a text is in, told from its bytes alone."""

from __future__ import annotations

import pytest

from luoxia.data.decoding import UndecodableError
from luoxia.data.encodings import detect

CHINESE = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。"
TRADITIONAL = "秋水共長天一色，落霞與孤鶩齊飛。漁舟唱晚，響窮彭蠡之濱；雁陣驚寒，聲斷衡陽之浦。"
JAPANESE = "国境の長いトンネルを抜けると雪国であった。夜の底が白くなった。信号所に汽車が止まった。"
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."
RUSSIAN = "Все люди рождаются свободными и равными в своём достоинстве и правах."
FRENCH = "Tous les êtres humains naissent libres et égaux en dignité — où l’été, à Noël, garçon."
GERMAN = "Alle Menschen sind frei und gleich an Würde und Rechten geboren: Größe, Übermut, Ärger."


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (CHINESE, "gb18030"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "cp949"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (FRENCH, "cp1252"),
        (GERMAN, "cp1252"),
        *(
            (text, codec)
            for text in (CHINESE, FRENCH)
            for codec in ("utf-8", "utf-8-sig", "utf-16", "utf-32")
        ),
        *(("line one\n" + CHINESE, codec) for codec in ("utf-16-le", "utf-16-be")),
        ("plain", "utf-8"),
    ],
)
@pytest.mark.parametrize("times", [1, 40])
def test_texts_are_read_as_they_were_written(text, codec, times):
    text = "\n".join([text] * times)
    data = text.encode(codec)
    assert data.decode(detect(data, whole=True)) == text


def test_a_character_cut_by_the_end_of_a_part_is_no_error():
    data = (CHINESE * 3).encode()[:-1]
    assert detect(data, whole=False) == "utf-8"


def test_a_few_bytes_that_are_none_leave_utf_8():
    data = (CHINESE * 40).encode() + b"\xff\xfe\xe4" + CHINESE.encode()
    assert detect(data, whole=True) == "utf-8"


@pytest.mark.parametrize(
    "data",
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, bytes(range(256)) * 8, b"MZ\x90\0\3\0\0\0" * 30, b"\x01\x02" * 99],
)
def test_binary_files_are_refused(data):
    with pytest.raises(UndecodableError, match="binary"):
        detect(data, whole=True)


def test_an_old_end_of_file_mark_is_no_reason_to_refuse():
    assert detect(FRENCH.encode("cp1252") * 20 + b"\x1a", whole=True) == "cp1252"

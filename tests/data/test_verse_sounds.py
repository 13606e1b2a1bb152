"""How characters sound, by both books."""

from __future__ import annotations

import pytest

from luoxia.core.errors import UserError
from luoxia.data.verse import sounds
from luoxia.data.verse.lexicon import look_up, rhyme_names, simplified

OLD, NEW = sounds.book("平水韵"), sounds.book("新韵")


@pytest.mark.parametrize(
    ("reading", "final", "tone"),
    [
        ("zhǎng", "ang", 3), ("yuán", "van", 2), ("yīn", "in", 1), ("yè", "ie", 4), ("wǒ", "uo", 3), ("wú", "u", 2),
        ("xué", "ve", 2), ("jū", "v", 1), ("lǜ", "v", 4), ("shī", "-i", 1), ("qí", "i", 2), ("ér", "er", 2), ("yòng", "iong", 4),
        ("liú", "iu", 2), ("wēng", "ueng", 1), ("de", "e", 0), ("yǔ", "v", 3), ("hún", "un", 2), ("xún", "vn", 2),
    ],
)  # fmt: skip
def test_pinyin_is_taken_apart(reading: str, final: str, tone: int) -> None:
    assert sounds.final_of(reading) == (final, tone)


def test_every_reading_of_the_lexicon_has_a_rhyme_of_today() -> None:
    common = "的一是不了人我在有他这中大来上国天地风花雪月山水春夏秋冬诗酒琴剑云雨江河湖海东西南北"
    for c in common:
        entry = look_up(c)
        assert entry is not None
        toned = [r for r in entry.readings if sounds.final_of(r)[1]]
        assert len({sounds.final_of(r) for r in toned}) >= len(NEW.of(c)) > 0 or c in "的了"


@pytest.mark.parametrize(
    ("character", "rhymes"),
    [
        ("东", ["上平一东"]),
        ("冬", ["上平二冬"]),
        ("秋", ["下平十一尤"]),
        ("阳", ["下平七阳"]),
        ("啼", ["上平八齐"]),
    ],
)
def test_level_rhymes_of_the_old_book(character: str, rhymes: list[str]) -> None:
    assert [OLD.names[i] for i in sorted(OLD.rhymes(character))] == rhymes


def test_entering_tones_are_oblique_in_the_old_book_alone() -> None:
    for c in "白石竹国一绝雪":
        assert OLD.tones(c) == {"仄"}
    assert NEW.tones("白") == {"平"}
    assert NEW.tones("雪") == {"仄"}


def test_any_reading_of_a_character_will_do() -> None:
    assert OLD.tones("看") == {"平", "仄"}
    assert NEW.tones("长") == {"平", "仄"}
    assert NEW.tones("不") == {"仄"}  # before a fourth tone alone it is spoken as a second one
    assert OLD.of("☃") == frozenset()


def test_what_rhymes_today_and_what_rhymed_then() -> None:
    assert not OLD.rhymes("东") & OLD.rhymes("冬")
    assert NEW.rhymes("东") == NEW.rhymes("冬")
    assert not NEW.rhymes("支") & NEW.rhymes("齐")
    assert {NEW.names[min(NEW.rhymes(c))] for c in "之师丝"} == {"十三支"}


def test_there_are_106_rhymes_of_which_30_are_level() -> None:
    names = rhyme_names()
    assert len(names) == len(set(names)) == 106
    assert [n[:2] for n in names].count("上平") == [n[:2] for n in names].count("下平") == 15
    assert len(OLD.level) == 30
    assert len(NEW.level) == 14


def test_traditional_characters_and_variants_sound_as_what_is_written_today() -> None:
    assert simplified("秋水長天雲鬰劒") == "秋水长天云郁剑"
    assert OLD.tones("長") == OLD.tones("长")
    assert OLD.rhymes("雲") == OLD.rhymes("云")


def test_a_rhyme_is_found_by_name_or_by_a_character_in_it() -> None:
    assert OLD.names[sounds.find_rhyme(OLD, "阳")] == OLD.names[sounds.find_rhyme(OLD, "七阳")] == "下平七阳"
    assert OLD.names[sounds.find_rhyme(OLD, "霜")] == "下平七阳"
    assert NEW.names[sounds.find_rhyme(NEW, "十唐")] == "十唐"
    with pytest.raises(UserError, match=r"names no level rhyme.*上平一东"):
        sounds.find_rhyme(OLD, "去")
    with pytest.raises(UserError, match="there is no book of rhymes '广韵'"):
        sounds.book("广韵")

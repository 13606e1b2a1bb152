"""What the forms ask for, and what the judge says of poems that keep to it and of those that do not."""

from __future__ import annotations

import itertools

import pytest

from luoxia.core.errors import UserError
from luoxia.data.verse import sounds
from luoxia.data.verse.forms import FORMS, admitted, form, form_of, standard
from luoxia.data.verse.verdict import judge, lines_of

OLD, NEW = sounds.book("平水韵"), sounds.book("新韵")
GOOD = {
    "登鹳雀楼": "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    "相思": "红豆生南国，春来发几枝。愿君多采撷，此物最相思。",
    "早发白帝城": "朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。",
    "枫桥夜泊": "月落乌啼霜满天，江枫渔火对愁眠。姑苏城外寒山寺，夜半钟声到客船。",
    "春望": "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。",
    "登高": "风急天高猿啸哀，渚清沙白鸟飞回。无边落木萧萧下，不尽长江滚滚来。万里悲秋常作客，百年多病独登台。艰难苦恨繁霜鬓，潦倒新停浊酒杯。",
}


@pytest.mark.parametrize("title", GOOD)
def test_masterpieces_keep_to_their_form(title: str) -> None:
    verdict = judge(lines_of(GOOD[title]), OLD)
    assert [str(fault.text) for fault in verdict.faults] == []
    assert verdict.rhyme is not None
    assert not any(mark.wrong for line in verdict.lines for mark in line)


def test_the_marks_of_a_poem_say_what_stands_there_and_what_belongs_there() -> None:
    verdict = judge(lines_of(GOOD["登鹳雀楼"]), OLD)
    first = verdict.lines[0]
    assert "".join(m.character for m in first) == "白日依山尽"
    assert "".join(m.tone for m in first) == "仄仄平平仄"
    assert [line[-1].rhymes for line in verdict.lines] == [False, True, False, True]
    assert verdict.rhyme == "下平十一尤"
    assert str(verdict.pattern and verdict.pattern.title.zh) == "仄起，首句不入韵"


def kinds(text: str, **asked) -> list[str]:
    return [fault.kind for fault in judge(lines_of(text), OLD, **asked).faults]


def said(text: str, **asked) -> str:
    return "；".join(fault.text.zh for fault in judge(lines_of(text), OLD, **asked).faults)


def test_a_quatrain_of_the_old_style_breaks_the_pattern() -> None:
    text = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
    assert set(kinds(text)) == {"tones"}
    assert "第 2 句：上（应平）" in said(text)
    assert "第 3 句与第 2 句失粘" in said(text)
    assert kinds(text, tones=False) == []


def test_a_rhyme_that_is_none_is_told_with_its_line() -> None:
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层天。"
    assert "“天”不在下平十一尤" in said(text) or "“流”不在" in said(text)
    assert "rhyme" in kinds(text)


def test_a_rhyme_word_that_comes_twice_is_told() -> None:
    assert "韵脚“流”重复" in said("白日依山尽，黄河入海流。欲穷千里目，更上一层流。")


def test_oblique_rhymes_are_not_of_the_form() -> None:
    text = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
    assert "为仄韵" in said(text)


def test_a_lone_level_tone_and_three_at_the_end_are_named() -> None:
    assert "孤平" in said("白日依山尽，醉来入海流。欲穷千里目，更上一层楼。")
    assert "三平尾" in said("白日依山尽，黄河入海流。欲穷千里目，更上天边楼。")


def test_a_bent_line_is_made_good_by_the_next_one() -> None:
    # 杜牧《江南春》: 十 is oblique where a level tone belongs, and 烟 makes it good
    verdict = judge(lines_of("千里莺啼绿映红，水村山郭酒旗风。南朝四百八十寺，多少楼台烟雨中。"), OLD)
    assert verdict.tones_kept
    assert "第 3 句拗，第 4 句救" in [remark.zh for remark in verdict.remarks]


def test_shapes_are_told() -> None:
    assert kinds("白日依山尽，黄河入海流。欲穷千里目。") == ["shape"]
    assert "五绝应为 4 句" in said(GOOD["早发白帝城"], form=FORMS["五绝"])


def test_an_acrostic_is_looked_at_in_either_script() -> None:
    assert kinds(GOOD["登鹳雀楼"], acrostic="白黄欲更") == []
    assert kinds(GOOD["登鹳雀楼"], acrostic="白黃") == []
    assert "第 2 句首字为黄，应为红" in said(GOOD["登鹳雀楼"], acrostic="白红")
    assert kinds(GOOD["登鹳雀楼"], acrostic="一二三四五") == ["acrostic"]


def test_the_sounds_of_today_judge_otherwise() -> None:
    lines = lines_of(GOOD["登鹳雀楼"])
    assert judge(lines, NEW).rhyme == "七尤"
    assert not judge(lines, NEW).tones_kept  # 白 and 一 have become level


def test_the_first_line_may_borrow_a_neighbouring_rhyme() -> None:
    # 林逋: 之 is of 四支, the poem of 五微
    text = "清晨帘幕卷之时，千里江陵日照微。两岸猿声啼不住，轻舟已过万山飞。"
    verdict = judge(lines_of(text), OLD)
    assert verdict.free_of("rhyme")
    assert "首句借邻韵" in [remark.zh for remark in verdict.remarks]


@pytest.mark.parametrize("shape", FORMS.values(), ids=list(FORMS))
def test_lines_of_a_couplet_oppose_and_couplets_follow_each_other(shape) -> None:
    for pattern in shape.patterns:
        second = [standard(kind, shape.length)[1] for kind in pattern.kinds]
        for i in range(1, len(second)):
            assert (second[i] != second[i - 1]) == bool(i % 2)
        ends = [standard(kind, shape.length)[-1] for kind in pattern.kinds]
        assert all(ends[i] == "平" for i in shape.rhyming)
        assert (ends[0] == "平") == pattern.rhymed
        assert all(end == "仄" for end in ends[2::2])
    assert len({pattern.kinds for pattern in shape.patterns}) == 4


@pytest.mark.parametrize("length", [5, 7])
def test_what_is_admitted_has_no_lone_level_tone_and_no_three_at_the_end(length: int) -> None:
    for kind in "ABCD":
        rows = admitted(kind, length)
        assert rows[0] == standard(kind, length)
        assert len(set(rows)) == len(rows)
        for row in rows:
            assert row[-3:] not in (("平",) * 3, ("仄",) * 3)
            if kind == "B":
                assert row[-5:-1].count("平") >= 2
    # Of five: A and D leave two and one places free, B has three rows, C two and the bent one.
    assert [len(admitted(kind, 5)) for kind in "ABCD"] == [4, 3, 3, 2]
    assert [len(admitted(kind, 7)) for kind in "ABCD"] == [8, 6, 6, 4]


def test_titles_punctuation_and_brackets_are_no_part_of_a_poem() -> None:
    poem = "《登鹳雀楼》\n白日依山尽（一作：落日 依山尽），黄河入海流；\n欲穷千里目，\n更上一层楼！"
    assert lines_of(poem) == ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]
    assert form_of(lines_of(poem)) is FORMS["五绝"]


@pytest.mark.parametrize("text", ["", "，。", "hello, world", "白日依山尽x", "白" * 5000])
def test_what_is_no_verse_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        lines_of(text)


def test_forms_have_several_names() -> None:
    assert form("七言绝句") is form("qijue") is FORMS["七绝"]
    with pytest.raises(UserError, match=r"八绝.*五绝"):
        form("八绝")


def test_unknown_characters_are_neither_right_nor_wrong() -> None:
    verdict = judge(["白日依山" + "\U0002a6d0", *lines_of(GOOD["登鹳雀楼"])[1:]], OLD)
    assert verdict.lines[0][-1].tone == "？"
    assert not verdict.lines[0][-1].wrong


def test_each_of_a_poems_characters_is_looked_at() -> None:
    lines = lines_of(GOOD["枫桥夜泊"])
    for i, k in itertools.product(range(4), (1, 3, 5)):
        other = "山" if lines[i][k] in "落啼满火愁外山半声客" and OLD.tones(lines[i][k]) == {"仄"} else "石"
        wrong = lines[i][:k] + other + lines[i][k + 1 :]
        verdict = judge([*lines[:i], wrong, *lines[i + 1 :]], OLD)
        assert verdict.lines[i][k].wrong or not verdict.tones_kept

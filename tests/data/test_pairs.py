"""Files of examples: which columns are taken, what is refused and on which lines, and how rows are made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_text import byte_tokenizer

from luoxia.core.errors import UserError
from luoxia.data import lessons, pairs
from luoxia.data.lessons import UNTOLD, Lesson, held_out, lesson, pack
from luoxia.models.tokenizer import Tokenizer

TEMPLATE = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}|{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tokenizer(stops: str = "|", template: str = TEMPLATE) -> Tokenizer:
    plain = byte_tokenizer()
    ends = frozenset(plain.engine.token_to_id(mark) for mark in stops)
    return Tokenizer(plain.engine, stop_ids=ends, template=template)


def written(name: str, content: str | bytes) -> str:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def refused(name: str) -> str:
    with pytest.raises(UserError) as caught:
        pairs.read(name)
    assert caught.value.text.zh != caught.value.text.en
    return caught.value.text.en


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("prompt", "completion"),
        ("question", "answer"),
        ("input", "output"),
        ("user", "assistant"),
        ("问题", "答案"),
    ],
)
def test_pairs_under_their_usual_names(question, answer):
    found = pairs.read(written("p.jsonl", lines({question: " 1+1? ", answer: "2", "else": 3})))
    assert found.conversations == (
        ({"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}),
    )
    assert found.notes[0].en == f"1 examples, from {question} + {answer}"


def test_instructions_have_a_context_and_a_system_beside_them():
    row = {"instruction": "Translate.", "input": "Haus", "output": "house", "system": "You know German."}
    said = pairs.read(written("p.jsonl", lines(row, row | {"input": ""}))).conversations
    assert [m["content"] for m in said[0]] == ["You know German.", "Translate.\n\nHaus", "house"]
    assert [m["content"] for m in said[1]] == ["You know German.", "Translate.", "house"]


@pytest.mark.parametrize("suffix", ["json", "csv", "tsv", "semicolon.csv"])
def test_the_same_examples_in_every_form(suffix):
    rows = [{"question": 'a, "b"', "answer": "c;\nd"}, {"question": "e", "answer": "f"}]
    mark = {"csv": ",", "tsv": "\t", "semicolon.csv": ";"}.get(suffix, "")
    if mark:
        quoted = [['"' + row[k].replace('"', '""') + '"' for k in ("question", "answer")] for row in rows]
        text = "\n".join(mark.join(row) for row in [["question", "answer"], *quoted]) + "\n"
    else:
        text = json.dumps(rows)
    found = pairs.read(written(f"p.{suffix}", text))
    assert [[m["content"] for m in c] for c in found.conversations] == [list(row.values()) for row in rows]
    assert found.lines == ((2, 4) if mark else (1, 2))


def test_parquet_where_its_reader_is_there():
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"question": ["a"], "answer": ["b"]}), "p.parquet")
    assert pairs.read("p.parquet").conversations[0][1]["content"] == "b"


def test_missing_fields_are_told_by_line_all_at_once():
    good = {"prompt": "a", "completion": "b"}
    rows = [
        good,
        {"prompt": "a"},
        good,
        {"prompt": "", "completion": "b"},
        {"prompt": "a", "completion": ["c"]},
    ]
    said = refused(written("p.jsonl", "\n" + lines(*rows)))
    assert said == (
        "p.jsonl: 3 of 5 examples lack what the others have (prompt + completion): line 3: no completion; "
        "line 5: no prompt; line 6: completion is no text"
    )
    many = refused(written("p.jsonl", lines(good, *[{"prompt": "a"}] * 20)))
    assert many.endswith("; and 12 more")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.jsonl", '{"prompt": "a", "completion": "b"}\n{"prompt":', "p.jsonl:2: not JSON"),
        ("p.jsonl", "[1]\n", "p.jsonl:1: an example is an object"),
        ("p.jsonl", '{"a": "b"}\n', "p.jsonl:1 has the fields a; an example has prompt/completion"),
        ("p.jsonl", "\n\n", "has no examples in it"),
        ("p.json", '{"prompt": "a"}', "holds no list"),
        ("p.csv", 'question,answer\n"a,b\n', "not CSV"),
        ("p.csv", "question,answer\na,b,c\n", "p.csv:2: more columns"),
        ("p.txt", "a", "is no file of examples"),
        ("p.jsonl", b"\x7fELF\0\0\0", "is a binary file"),
        ("p.jsonl", b"\xff\xfe\xff", "is in no encoding"),
        ("p.jsonl", "[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_file_of_examples(name, content, said):
    assert said in refused(written(name, content))


def test_messages_that_are_none():
    for messages, said in (
        ([], "no message of the assistant"),
        ([{"role": "user", "content": "a"}], "no message of the assistant"),
        ([{"role": "robot", "content": "a"}], "role 'robot' is none of system, user, assistant"),
        ([{"role": "user", "content": None}], "a message of the user has no content"),
        ("a", "messages is no list"),
    ):
        good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
        assert said in refused(written("p.jsonl", lines(good, {"messages": messages}))) or messages == []


def test_other_encodings_are_read_and_said():
    row = lines({"question": "落霞与什么齐飞？", "answer": "孤鹜"})
    for name, said in (("gb18030", "gb18030"), ("utf-16", "utf-16")):
        found = pairs.read(written("p.jsonl", row.encode(name)))
        assert found.conversations[0][1]["content"] == "孤鹜"
        assert found.notes[1].en == f"p.jsonl was read as {said}"


def test_answers_alone_are_learned_as_worked_out_by_hand():
    """[user]Hi|[assistant]No| : what is asked and the marks of the template are read, "No|" is learned."""
    one = lesson(({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "No"}), tokenizer())
    text = "[user]Hi|[assistant]No|"
    ids = tokenizer().encode(text)
    assert one.ids.tolist() == ids
    assert len(ids) == 23
    assert one.targets.tolist() == [UNTOLD] * 19 + [*ids[20:], UNTOLD]


def test_every_answer_of_a_conversation_is_learned_and_ids_before_it_are_those_of_chat():
    said = [("system", "S"), ("user", "A"), ("assistant", "B|C"), ("user", "D"), ("assistant", "E")]
    messages = tuple({"role": role, "content": text} for role, text in said)
    told = Tokenizer(
        tokenizer().engine, stop_ids=tokenizer().stop_ids, template=TEMPLATE, specials=("[user]",)
    )
    ids, learned = told.lesson(messages)
    assert told.decode([i for i, yes in zip(ids, learned, strict=True) if yes]) == "B|C|E|"
    for answer in (2, 4):
        before = told.chat(messages[:answer])
        assert ids[: len(before)] == before


def test_where_the_template_ends_no_answer_the_end_of_text_is_learned():
    plain = tokenizer("", "{% for m in messages %}{{ m['content'] }};{% endfor %}")
    ended = Tokenizer(plain.engine, eos="!", template=plain.template)
    one = lesson(({"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}), ended)
    assert ended.decode(one.ids.tolist()) == "A;B!"
    assert ended.decode([t for t in one.targets.tolist() if t >= 0]) == "B!"
    assert [
        t for t in lesson(({"role": "text", "content": "ab"},), ended).targets.tolist() if t >= 0
    ] == ended.encode("b!")


def test_packing_fills_rows_and_splits_nobody():
    sizes = [5, 9, 1, 4, 10, 3, 2]
    rows = pack(sizes, 10)
    assert sorted(i for row in rows for i in row) == list(range(7))
    assert all(sum(sizes[i] for i in row) <= 10 for row in rows)
    assert len(rows) == 4  # 34 tokens


def asked(n: int) -> list[tuple[dict[str, str], ...]]:
    return [({"role": "user", "content": str(i)}, {"role": "assistant", "content": "x"}) for i in range(n)]


def test_the_same_question_is_never_on_both_sides_and_the_choice_stays():
    some = asked(40)
    out = held_out([*some, *some], 0.1)
    assert (out[:40] == out[40:]).all()
    assert 8 <= out.sum() <= 10
    grown = held_out(some + asked(44)[40:], 0.1)
    assert (held_out(some, 0.1) & ~grown[:40]).sum() <= 1
    assert not held_out(some, 0.0).any()


def made(n: int = 60, length: int = 1024, share: float = 0.1, answer: str = "yes") -> lessons.LessonRows:
    rows = [{"question": f"question number {i}", "answer": f"{answer} {i}"} for i in range(n)]
    return lessons.rows(pairs.read(written("p.jsonl", lines(*rows))), tokenizer(), length=length, share=share)


def test_rows_hold_every_example_once_and_learn_its_answer():
    rows = made()
    told = tokenizer()
    found = []
    for ids, documents in zip(rows.ids, rows.documents, strict=True):
        for number in range(documents.max() + 1):
            found.append(told.decode(ids[documents == number].tolist()))
    assert sorted(found) == sorted(f"[user]question number {i}|[assistant]yes {i}|" for i in range(60))
    assert rows.learned(rows.train) + rows.learned(rows.held_out) == sum(len(f"yes {i}|") for i in range(60))
    assert rows.examples == 54
    assert len(rows.asked) == 6
    for number in (0, 1):  # no target reaches into the next document
        last = np.flatnonzero(rows.documents[0] == number)[-1]
        assert rows.targets[0, last] == UNTOLD


def test_long_answers_are_cut_and_long_questions_left_out_and_both_are_said():
    rows = [{"question": "q" * 30, "answer": "a" * 60}, {"question": "q" * 90, "answer": "a"}] + [
        {"question": f"q{i}", "answer": "a"} for i in range(9)
    ]
    found = lessons.rows(pairs.read(written("p.jsonl", lines(*rows))), tokenizer(), length=80, share=0.1)
    assert [note.en for note in found.notes[1:]] == [
        "1 answers are cut: with their questions they are longer than 80 tokens",
        "1 examples are left out: their questions alone fill 80 tokens",
    ]
    assert found.examples + len(found.asked) == 10


def test_what_leaves_nothing_to_train_on():
    for options in ({"n": 1}, {"length": 20}):
        with pytest.raises(UserError, match="leaves nothing to train on"):
            made(**options)


def test_answers_without_tokens_are_refused_by_line():
    silent = Tokenizer(
        byte_tokenizer().engine,
        template="{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}",
    )
    with pytest.raises(UserError, match=r"answers on lines 1, 2 have no tokens to learn \(2 in all\)"):
        lessons.rows(
            pairs.read(written("p.jsonl", lines(*[{"question": "a", "answer": "b"}] * 2))),
            silent,
            length=64,
            share=0.1,
        )


def test_a_lesson_counts_what_is_learned():
    assert Lesson(np.zeros(3, np.int32), np.array([UNTOLD, 4, 5], np.int32)).learned == 2

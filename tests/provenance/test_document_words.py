"""The words of Word documents, of our own and of others, and of files that only look like one."""

from __future__ import annotations

import time
import zipfile
from contextlib import suppress
from pathlib import Path

import docx
import pytest
from tiny_text import byte_tokenizer
from written_marked import LABEL, written

from luoxia.provenance import carriers, document_words, text_mark
from luoxia.provenance.carriers import MalformedError
from luoxia.provenance.policy import SENTENCES
from luoxia.provenance.verify import FAULTY, HOLDS, verify

MODELS = {"tiny": byte_tokenizer()}
TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"


def packed(folder: Path, main: str | bytes, target: str = "/word/document.xml", name: str = "a.docx") -> Path:
    """A package with that main part."""
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", TYPES)
        lines = f'<Relationships><Relationship Id="a" Type="{RELATION}" Target="{target}"/></Relationships>'
        package.writestr("_rels/.rels", lines)
        package.writestr("word/document.xml", main)
    return path


def document(inside: str, space: str = document_words.WORDS[0]) -> str:
    return f'<w:document xmlns:w="{space}"><w:body>{inside}</w:body></w:document>'


@pytest.mark.parametrize("labelled", [False, True])
def test_the_mark_of_a_document_is_read(tmp_path: Path, labelled: bool) -> None:
    text, path = written(400, True), tmp_path / "a.docx"
    made = docx.Document()
    made.add_paragraph(SENTENCES["cn"])
    line = made.add_paragraph(text[:150])
    line.add_run(text[150:]).bold = True  # a run begins where a reader sees nothing
    made.core_properties.title = "not read"
    made.save(str(path))
    if labelled:
        carriers.write(path, LABEL)
    assert text_mark.words(path) == (text.strip(), True)
    found = verify(path, models=lambda _: MODELS)
    assert found.outcome == HOLDS
    assert found.text_mark is not None
    assert found.text_mark.false_positive <= text_mark.RATE


def test_what_people_see_of_it(tmp_path: Path) -> None:
    inside = (
        "<w:p><w:r><w:t>one</w:t><w:tab/><w:t>two</w:t></w:r></w:p>"
        "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
        '<w:p xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:AlternateContent>'
        "<mc:Choice><w:t>box &amp; more</w:t></mc:Choice><mc:Fallback><w:t>box again</w:t></mc:Fallback>"
        "</mc:AlternateContent></w:p>"
    )
    for space in document_words.WORDS:
        path = packed(tmp_path, document(inside, space))
        assert document_words.words(path, 100) == ("one\ttwo\n\nbox & more\n", True)
    assert document_words.words(packed(tmp_path, document(inside)), 5) == ("one\tt", False)


def test_packages_that_are_no_word_documents(tmp_path: Path) -> None:
    for path in (
        packed(tmp_path, '<p:presentation xmlns:p="x"><t>words</t></p:presentation>', name="a.pptx"),
        packed(tmp_path, document(""), target="/gone.xml"),
        packed(tmp_path, document(""), target="../../etc/passwd"),
    ):
        assert text_mark.words(path) is None


@pytest.mark.parametrize(
    ("main", "said"),
    [
        ("<!DOCTYPE d [<!ENTITY a 'b'>]>" + document("<w:t>&a;</w:t>"), "declares entities"),
        ("<!DOCTYPE d SYSTEM 'file:///etc/passwd'>" + document(""), "declares entities"),
        (document("<w:p>" * 300), "nested too deeply"),
        (document("")[:-5], "broken package"),
        (b"\xff\xfe" + bytes(range(256)), "broken package"),
        (b"<?xml version='1.0' encoding='nonesuch'?><d/>", "broken package"),
        ("", "broken package"),
    ],
)
def test_hostile_documents_are_refused(tmp_path: Path, main: str | bytes, said: str) -> None:
    path = packed(tmp_path, main)
    with pytest.raises(MalformedError, match=said):
        text_mark.words(path)
    remarks = verify(path, models=lambda _: MODELS).remarks
    assert any("its words: " in remark.en and said in remark.en for remark in remarks)


def test_what_swells_is_read_in_bounds(tmp_path: Path) -> None:
    began = time.process_time()
    blown = packed(tmp_path, document("<w:t>" + "word " * (8 << 20) + "</w:t>"))
    words, whole = text_mark.words(blown) or ("", True)
    assert (len(words) <= text_mark.LARGEST, words[:9], whole) == (True, "word word", False)
    empty = packed(tmp_path, document("<w:p/>" * (8 << 20)))
    assert (text_mark.words(empty) or ("", True))[1] is False
    attribute = packed(tmp_path, document(f'<w:p a="{"x" * (64 << 20)}"/>'))
    assert (text_mark.words(attribute) or ("x", True)) == ("", False)
    assert time.process_time() - began < 20


def test_a_package_that_is_cut_or_changed(tmp_path: Path) -> None:
    whole = packed(tmp_path, document("<w:t>some words of a text</w:t>")).read_bytes()
    path = tmp_path / "cut.docx"
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at])
        _bounded(path)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        _bounded(path)
    path.write_bytes(whole[:-30])
    assert verify(path, models=lambda _: MODELS).outcome == FAULTY


def _bounded(path: Path) -> None:
    with suppress(MalformedError):
        text_mark.words(path)

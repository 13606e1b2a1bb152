"""Texts in files that say by their choice of words that a model wrote them."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_text import byte_tokenizer, tiny_text_model
from written_marked import LABEL, written

from luoxia.core.errors import MalformedFileError
from luoxia.provenance import carriers, notice, text_mark
from luoxia.provenance.policy import SENTENCES
from luoxia.provenance.verify import HOLDS, NOTHING, verify

MODELS = {"tiny": byte_tokenizer()}


def put(folder: Path, suffix: str, text: str) -> Path:
    """A file with that text, the sentence and the label, as published."""
    page = f"<!doctype html><html><head><title>x</title><style>p {{}}</style></head><body><p>{text}</p></body></html>"
    content = {".html": page, ".json": json.dumps({"n": 7, "said": [text]})}.get(suffix, text)
    if suffix != ".json":
        content = notice.mark(content, suffix, SENTENCES["cn"])
    path = folder / f"text{suffix}"
    path.write_text(content, encoding="utf-8")
    carriers.write(path, LABEL)
    return path


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".json"])
def test_every_form_of_text(suffix: str, tmp_path: Path) -> None:
    text = written(400, True)
    path = put(tmp_path, suffix, text)
    read = text_mark.words(path)
    assert read is not None
    assert read == (text.strip(), True)
    found = verify(path, models=lambda _: MODELS)
    assert found.outcome == HOLDS
    assert found.text_mark is not None
    assert found.text_mark.model == "tiny"
    assert found.text_mark.false_positive <= text_mark.RATE
    assert found.to_json()["text_mark"]["tokens"] == found.text_mark.tokens > 200
    assert verify(put(tmp_path, suffix, written(400, False)), models=lambda _: MODELS).text_mark is None


def test_a_text_whose_label_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text(written(400, True))
    found = verify(path, models=lambda _: MODELS)
    assert found.outcome == HOLDS
    assert any("no label; its choice of words" in remark.en for remark in found.remarks)
    path.write_text(written(400, False))
    assert verify(path, models=lambda _: MODELS).outcome == NOTHING


def test_what_is_left_of_a_text(tmp_path: Path) -> None:
    text, random = written(600, True, 4), np.random.default_rng(0)
    thinned = "".join(letter for letter in text if random.random() > 0.1)
    for form in (thinned, text[:300], text[250:], "written by a person. " + text):
        assert text_mark.read(form, MODELS) is not None


def test_models_that_are_here_are_asked_and_what_they_cannot_say_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("No words of a model.")
    asked = []

    def models(creation: str) -> dict[str, MalformedFileError]:
        asked.append(creation)
        return {"broken": MalformedFileError("its vocabulary is broken", "词表损坏")}

    carriers.write(path, LABEL)
    found = verify(path, models=models)
    assert asked == [LABEL.produce_id]
    assert [remark.en[:10] for remark in found.remarks] == ["its vocabu", "no text mo"]
    assert not verify(path, models=None).remarks


def test_bytes_that_are_no_text_are_not_read_as_one(tmp_path: Path) -> None:
    for name, data in {
        "a.bin": bytes(range(256)),
        "b.bin": b"text\0text",
        "c.png": b"\x89PNG\r\n\x1a\n",
    }.items():
        (tmp_path / name).write_bytes(data)
        assert text_mark.words(tmp_path / name) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", "<" * (1 << 20)),
        ("b.html", "<script>" * (1 << 17)),
        ("c.html", "<p" * (1 << 19)),
        ("d.html", "<!--" * (1 << 18)),
        ("e.json", "[" * (1 << 20)),
        ("f.json", "[" + "1" * (1 << 20) + "]"),
        ("g.md", "---\n" * (1 << 18)),
        ("h.txt", '{"AIGC":\n' * (1 << 17)),
        ("i.txt", "a" * (3 << 20)),
    ],
)
def test_texts_that_were_built_to_hurt(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    began = time.process_time()
    read = text_mark.words(path)
    assert read is not None
    assert len(read[0]) <= text_mark.LARGEST
    assert text_mark.read(read[0], MODELS) is None
    assert time.process_time() - began < 8


def test_one_seed_one_text_alone_in_a_batch_and_in_pieces() -> None:
    model = tiny_text_model()
    knobs = {"temperature": 1.0, "max_new_tokens": 40, "mark": True}
    alone = model.complete(["one"], seed=3, **knobs)[0].text
    assert model.complete(["one", "another", "third"], seed=3, **knobs)[0].text == alone
    assert model.stream("one", seed=3, **knobs).text() == alone
    assert (
        model.stream("one", seed=3, stop=(alone[20:24],), **knobs).text()
        == alone[: alone.index(alone[20:24])]
    )
    assert model.stream("one", seed=3, **knobs | {"mark": False}).text() != alone

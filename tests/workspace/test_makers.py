"""What records say of models, and that what is asked for has the fields and defaults of what it is handed to."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest
import tiny_verse

from luoxia.core.errors import FetchError
from luoxia.generate.codes import Knobs
from luoxia.generate.sampling import Sampling
from luoxia.generate.verse_order import VerseOrder
from luoxia.weights import catalogue
from luoxia.workspace import makers
from luoxia.workspace.asked import Drawn, Poems, Writing

MODEL = catalogue.CATALOGUE[catalogue.DEFAULT_TEXT_MODEL]


@pytest.mark.parametrize(
    ("asked", "handed", "elsewhere"),
    [
        (Writing, Sampling, {"seed", "logprobs"}),
        (Poems, VerseOrder, {"theme", "seed"}),
        (Drawn, Knobs, set()),
    ],
)
def test_fields_and_defaults_are_those_of_what_they_are_handed_to(asked, handed, elsewhere) -> None:
    there = {field.name: field.default for field in fields(handed) if field.name not in elsewhere}
    here = {field.name: field.default for field in fields(asked)}
    assert there == {name: here.get(name, "missing") for name in there}
    if handed is Sampling:
        assert set(makers.SAMPLING) | {"stop"} == set(there)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The default model, all holes, as it was when it was verified."""
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    path = catalogue.path_of(MODEL)
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(MODEL.size)
    catalogue.write_stamp(MODEL)
    return path


def test_a_model_of_the_catalogue_is_not_read_for_its_hash(fetched: Path, monkeypatch) -> None:
    monkeypatch.setattr(catalogue, "digest", lambda _: pytest.fail("it was read"))
    (used,) = makers.models_of("write", MODEL.id)
    assert (used.id, used.sha256, used.licence) == (MODEL.id, MODEL.sha256, MODEL.licence)


def test_who_swaps_its_file_is_noticed(fetched: Path) -> None:
    makers.models_of("write", MODEL.id)
    fetched.write_bytes(b"something else")
    with pytest.raises(FetchError, match="was not the file of"):
        makers.models_of("write", MODEL.id)


def test_a_file_that_bears_the_name_is_read(tmp_path: Path) -> None:
    path = tmp_path / f"{MODEL.id}.gguf"
    path.write_bytes(b"one")
    (used,) = makers.models_of("write", str(path))
    assert (used.id, used.licence) == (MODEL.id, "")
    assert used.sha256 != MODEL.sha256
    kept = path.stat()
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    other.replace(path)  # the same size and time, another file
    assert makers.models_of("write", str(path))[0].sha256 != used.sha256


def test_a_folder_that_bears_the_name_of_another_claims_no_licence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    folder = tmp_path / MODEL.id
    tiny_verse.model(folder)
    (used,) = makers.models_of("poem", str(folder))
    assert (used.id, used.sha256 == MODEL.sha256, used.licence == MODEL.licence) == (MODEL.id, False, False)

"""What records say of models, and of what was asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import tiny_drawing
import tiny_verse

from luoxia.core.errors import FetchError, UserError
from luoxia.generate.sampling import Knobs
from luoxia.weights import catalogue
from luoxia.workspace.asked import Writing, parameters, part
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.models_used import models_of

MODEL = catalogue.CATALOGUE[catalogue.DEFAULT_TEXT_MODEL]


def test_what_was_asked_for_comes_back_from_its_record() -> None:
    asked = Writing("m", stop=("end",), choices=("a", "b"), temperature=0, mark=True, cut=3)
    told = json.loads(json.dumps(parameters(asked)))
    assert (told["stop"], told["temperature"]) == (["end"], 0)
    assert part(Writing(**told), Knobs) == part(asked, Knobs)
    assert parameters(Writing(**told)) == told
    assert not {"seed", "logprobs"} & set(
        told
    )  # of which the one is told elsewhere, and the other changes no text
    with pytest.raises(UserError, match="temperature is -1"):
        Writing(**told | {"temperature": -1})


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
    (used,) = models_of("write", MODEL.id)
    assert (used.id, used.sha256, used.licence) == (MODEL.id, MODEL.sha256, MODEL.licence)


def test_who_swaps_its_file_is_noticed(fetched: Path) -> None:
    models_of("write", MODEL.id)
    fetched.write_bytes(b"something else")
    with pytest.raises(FetchError, match="was not the file of"):
        models_of("write", MODEL.id)


def test_a_file_that_bears_the_name_is_read(tmp_path: Path) -> None:
    path = tmp_path / f"{MODEL.id}.gguf"
    path.write_bytes(b"one")
    (used,) = models_of("write", str(path))
    assert (used.id, used.licence) == (MODEL.id, "")
    assert used.sha256 != MODEL.sha256
    kept = path.stat()
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    other.replace(path)  # the same size and time, another file
    assert models_of("write", str(path))[0].sha256 != used.sha256


def test_a_model_of_the_users_own_has_the_licences_of_its_data(tmp_path: Path) -> None:
    told = tiny_drawing.keep(tmp_path / "own") / "model.json"
    lines = ["Icons by A. Maker, Apache-2.0 (url), url; Emoji by B, MIT", "More by C, Apache-2.0"]
    told.write_text(json.dumps(json.loads(told.read_text()) | {"licence": lines}))
    used = models_of("draw", str(tmp_path / "own"))
    made_from = MadeFrom("picture", "draw", used)
    assert {model.licence for model in used} == {"Apache-2.0; MIT"}
    assert made_from.licences == ("Apache-2.0", "MIT")
    assert [data.author for data in made_from.datasets] == ["A. Maker; B; C"]


def test_a_folder_that_bears_the_name_of_another_claims_no_licence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    folder = tmp_path / MODEL.id
    tiny_verse.model(folder)
    (used,) = models_of("poem", str(folder))
    assert (used.id, used.sha256 == MODEL.sha256, used.licence == MODEL.licence) == (MODEL.id, False, False)

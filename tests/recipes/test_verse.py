"""The recipe of verse: it learns, goes on where it stopped, and its run is a model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import tiny_verse
import torch
from safetensors.torch import load_file, save_file

import luoxia
from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.runtime import Runtime
from luoxia.data.verse import verse_set
from luoxia.generate.verse import VerseModel, load_verse
from luoxia.recipes import session, verse_box, verse_evaluation
from luoxia.weights import verse_folder

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")
SMALL = {
    "layers": 1,
    "width": 32,
    "heads": 2,
    "inner": 64,
    "batch_size": 16,
    "warmup": 2,
    "precision": "float32",
}
SMALL |= {"steps": 4, "checkpoint_every": 2, "sample_every": 4, "half_life": 100}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verse_set, "RARE", 1)
    monkeypatch.setattr(verse_set.arranged, "__kwdefaults__", {"rare": 1})
    tiny_verse.keep()


def begin(folder: str, **changes) -> session.Session:
    return session.begin("verse", "verse", Path(folder), CPU, seed=1, changes=SMALL | changes)


def test_it_learns_and_its_run_writes_poems(tmp_path: Path) -> None:
    work = begin(
        "run", steps=30, learning_rate=2e-2, checkpoint_every=30, sample_every=30, log_every=5, half_life=10
    )
    before = work.training.scores(work.engine.sampled)
    assert work.train()
    after = work.training.scores(work.engine.sampled)
    told = [row["nats_per_token"] for row in work.run.metrics.read() if "nats_per_token" in row]
    assert told[-1] < 0.92 * told[0]  # where lines end is learned first; the characters are random ones
    assert after["nats_per_character"] < before["nats_per_character"]
    assert len(work.training.texts(work.engine.sampled, torch.Generator().manual_seed(0))) == 4
    model = luoxia.load(tmp_path / "run")
    assert isinstance(model, VerseModel)
    poem = model.write(candidates=2, seed=1, theme="山水")[0]
    assert not poem.verdict.faults
    assert model.network.state_dict().keys() == work.training.modules["verse"].state_dict().keys()


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been() -> None:
    whole, part = begin("whole"), begin("part")
    assert whole.train()
    part.engine.settings.__dict__["steps"] = 2
    part.train()
    part = session.resume(Path("part"), CPU)
    assert part.engine.done == 2
    assert part.train()
    for name, tensor in whole.training.modules["verse"].state_dict().items():
        assert torch.equal(tensor, part.training.modules["verse"].state_dict()[name]), name


def test_the_box_has_weights_in_8_bits_and_the_index_of_lines(tmp_path: Path) -> None:
    assert begin("run").train()
    verse_box.ship("run", tmp_path / "box")
    found = verse_folder.read(tmp_path / "box", "box")
    assert found.lines is not None
    assert "MIT" in found.licence[0]
    model = load_verse(tmp_path / "box")
    rows = load_verse("run").network.wte.weight
    off = (model.network.wte.weight - rows).abs() / rows.abs().amax(1, keepdim=True)
    assert 0 < off.max() < 1 / 253
    assert model.lines is not None
    assert tiny_verse.some().kept[0].lines[0] in model.lines
    assert model.write(candidates=1, seed=1)[0].checked


def test_scales_that_do_not_fit_their_matrix_are_told(tmp_path: Path) -> None:
    tiny_verse.model(tmp_path)
    told = load_file(tmp_path / "model.safetensors")
    told["wte.weight.scale"] = told["wte.weight.scale"][1:].clone()
    save_file(told, tmp_path / "model.safetensors")
    facts = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    facts["sha256"] = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(MalformedFileError, match="no matrix in 8 bits"):
        load_verse(tmp_path)


def test_what_holds_and_what_a_theme_does_is_measured() -> None:
    assert begin("run").train()
    model = load_verse("run")
    known = tiny_verse.some()
    model.lines = verse_evaluation.LineIndex.of(known.lines)
    rows = verse_evaluation.validity(model, model.lines, 2, 0)
    free = [row for row in rows if not row.held]
    held = [row for row in rows if row.held]
    assert [row.book for row in held] == ["平水韵", "新韵"] * 4
    assert [row.form for row in free] == ["五绝", "七绝", "五律", "七律"]
    assert all(row.whole == 0 for row in free)
    assert all((row.shape, row.rhyme, row.tones, row.fresh, row.whole) == (1, 1, 1, 1, 1) for row in held)
    themes = verse_evaluation.unseen(known, ["春山夜雨", known.kept[0].title])
    assert known.kept[0].title not in themes
    vectors = verse_evaluation.judge_vectors(model, known.others)
    heard = verse_evaluation.adherence(model, themes, vectors, 1, 0)
    assert [row.asked for row in heard] == [
        "no theme",
        "the theme, one draft",
        "the theme, guided",
        "the theme, by default",
    ]
    assert all(0 <= row.present <= 1 and -1 <= row.similarity <= 1 for row in heard)


@pytest.mark.parametrize(
    ("changes", "told"), [({"mirror": True}, "leave mirror"), ({"width": 30, "heads": 4}, "heads|head_size")]
)
def test_what_cannot_be_trained_is_refused(changes: dict, told: str) -> None:
    with pytest.raises(UserError, match=told):
        begin("run", **changes)


def test_other_data_is_refused() -> None:
    with pytest.raises(UserError, match="--data verse"):
        session.begin("verse", "icons", Path("run"), CPU, seed=1, changes=SMALL)

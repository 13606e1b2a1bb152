"""Copies of what a model learned from are flagged or refused at the door; where nothing can be looked up, that is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.core.images import grid
from luoxia.data.images import ImageSet
from luoxia.evaluate import originals, text_originals
from luoxia.provenance import policy
from luoxia.provenance.policy import Policy
from luoxia.provenance.verify import verify
from luoxia.weights import originals as files
from luoxia.workspace import chain, database, memorisation
from luoxia.workspace.history import Workspace
from luoxia.workspace.learned import folder_of_used, learned
from luoxia.workspace.made_from import DatasetUsed, MadeFrom, ModelUsed
from luoxia.workspace.memorisation import judge
from luoxia.workspace.publish import publish
from luoxia.workspace.sheets import cells

DATA = {
    "name": "data/birds.data",
    "digest": "d" * 64,
    "licence": ["Reeds by Ann, MIT", "Herons by Bo, CC BY 4.0"],
}


def soft(n: int, seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 255, (n, 7, 7, 3), np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((64, 64), Image.Resampling.BICUBIC)) for one in small]
    return np.stack(large).transpose(0, 3, 1, 2)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    labels = np.arange(160) % 2
    return ImageSet(
        "birds",
        soft(160, 0),
        labels,
        ("reeds", "herons"),
        None,
        np.arange(0, 160, 4),
        tuple(DATA["licence"]),
        "d" * 64,
    )


@pytest.fixture
def run(tmp_path: Path, images: ImageSet) -> Path:
    folder = tmp_path / "runs" / "birds"
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps({"recipe": "stylegan", "data": DATA}))
    index = originals.build(images)
    assert index is not None
    index.write(folder)
    return folder


def by(run: Path, kind: str = "picture", command: str = "face", **parameters: object) -> MadeFrom:
    place, datasets = learned(run)
    return MadeFrom(
        kind, command, (ModelUsed("birds", "a" * 64, "", "draws", place, datasets),), parameters=parameters
    )


def test_a_run_tells_what_it_learned_from(run: Path) -> None:
    assert learned(run) == (str(run), (DatasetUsed("birds.data", "MIT; CC BY 4.0", "Ann; Bo", "d" * 64),))
    (run / "recipe.json").write_text("[" * 100_000)
    assert learned(run) == ("", ())


def test_the_bundled_models_tell_it_and_have_indexes() -> None:
    from luoxia.weights.catalogue import bundled

    for name, author in (
        ("avatars-64", "Pablo Stanley"),
        ("faces-64", "David Beniaguev"),
        ("icons-64", "Microsoft Corporation"),
    ):
        used = learned(bundled() / name)[1][0]
        assert author in used.author
        assert used.licence
        index = originals.read(bundled() / name)
        assert index is not None
        assert index.told["digest"] == used.sha256


def test_a_copy_on_a_sheet_is_flagged_in_all_places(run: Path, images: ImageSet, tmp_path: Path) -> None:
    pictures = np.concatenate([soft(5, 9), images.images[7:8]])
    sheet = np.asarray(grid(pictures, 4, gap=3, enlarge=2))
    left = publish(sheet, by(run, n=6, columns=4, gap=3), tmp_path / "a.png")
    told = left.creation.memorisation
    assert [one["what"] for one in told["near"]] == ["picture 6"]
    assert (told["near"][0]["item"], told["near"][0]["author"], told["near"][0]["licence"]) == (
        "picture 7",
        "Bo",
        "CC BY 4.0",
    )
    assert any("Herons by Bo" in warning.en for warning in left.warnings)
    signed = verify(tmp_path / "a.png").credential
    assert signed is not None
    assert signed.creation["memorisation"]["near"][0]["author"] == "Bo"
    assert signed.creation["trainingData"][0]["author"] == "Ann; Bo"
    with Workspace() as workspace:
        assert workspace.find(left.creation.id).memorisation == told
        assert workspace.check().fault is None


def test_by_policy_a_copy_is_refused_and_the_refusal_recorded(
    run: Path, images: ImageSet, tmp_path: Path
) -> None:
    policy.save(Policy(copies="refuse"))
    with pytest.raises(UserError, match="Herons by Bo"):
        publish(images.images[7].transpose(1, 2, 0), by(run), tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
    publish(soft(1, 9)[0].transpose(1, 2, 0), by(run), tmp_path / "b.png")
    with Workspace() as workspace, database.reading(workspace.engine) as connection:
        what = [row.what for row in chain._rows(connection)]
        assert what == ["refused", "created"]


def test_passages_of_a_training_text_are_found(tmp_path: Path, run: Path) -> None:
    draw = np.random.default_rng(3)
    texts = [" ".join(f"word{n}" for n in draw.integers(0, 4000, 80)) for _ in range(20)]
    index = text_originals.build(
        texts, (), sum(map(len, texts)), data="notes", digest="d", sources=["Notes by Cy, MIT"]
    )
    assert index is not None
    index.write(run)
    found = judge("Well, " + texts[4][40:400], by(run, "text", "write")).near
    assert [(one.item, one.author) for one in found] == [("document 4", "Cy")]
    assert judge("nothing of the kind " * 20, by(run, "text", "write")).near == ()


def test_what_cannot_be_looked_up_is_told(run: Path, tmp_path: Path) -> None:
    other = MadeFrom("picture", "face", (ModelUsed("elsewhere", "a" * 64, role="draws"),))
    pixels = soft(1, 1)[0].transpose(1, 2, 0)
    assert judge(pixels, other).to_json() == {
        "not_looked_up": {"elsewhere": "the model's folder is not known"}
    }
    assert judge("text", by(run, "text", "write")).unknown[0][1] == "content of this kind is not looked up"
    (run / files.PICTURES).write_bytes(b"broken")
    assert "no whole index" in judge(pixels, by(run)).unknown[0][1]
    (run / files.PICTURES).unlink()
    assert "has no index" in judge(pixels, by(run)).unknown[0][1]
    assert judge(pixels, MadeFrom("picture", "mine")).to_json() == {}


def test_a_run_known_by_its_name_is_not_the_folder_of_that_name_here(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    assert folder_of_used(ModelUsed("x", "a" * 64, run=run.name)) is None
    assert folder_of_used(ModelUsed("x", "a" * 64, run=str(run))) == run


def test_cells_of_sheets() -> None:
    pictures = soft(5, 2)
    sheet = np.asarray(grid(pictures, 3, enlarge=2))
    found = cells(sheet, {"seeds": [1, 2, 3, 4, 5], "columns": 3})
    assert np.array_equal(np.stack(found)[:, ::2, ::2].transpose(0, 3, 1, 2), pictures)
    assert [one.shape for one in cells(sheet, {"seeds": [1], "columns": 3})] == [(258, 258, 3)]
    assert len(cells(sheet, {"n": 10**9, "columns": 1})) == 1  # not that sheet
    assert cells(np.zeros((4, 6, 1), np.uint8), {})[0].shape == (4, 4, 3)


def test_poems_of_before_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from luoxia.data.verse import originals as verse

    row = "五绝\ttang\t李白\t静夜思\t床前明月光疑是地上霜举头望明月低头思故乡\t1\t3"
    monkeypatch.setattr(verse, "here", lambda: verse.Originals([row]))
    made = MadeFrom("text", "poem", (ModelUsed("verse-zh", "a" * 64, role="writes"),))
    found = judge(
        "秋夜\n秋水长天一，疑是地上霜。\n孤鹜落霞飞，渔舟唱晚归。\n\n新\n一二三四五，六七八九十。", made
    ).near
    assert [(one.what, one.item, one.author, one.passage) for one in found] == [
        ("poem 1", "《静夜思》", "李白", "疑是地上霜")
    ]
    monkeypatch.setattr(verse, "here", lambda: None)
    own = MadeFrom("text", "poem", (ModelUsed("own", "a" * 64, role="writes"),))  # without an index of lines
    assert "data get verse" in judge("秋", own).unknown[0][1]


def test_records_without_a_judgement_are_read(workspace: Workspace) -> None:
    from workspace_made import creation

    from luoxia.workspace.creation import Creation

    facts = creation("秋").to_json()
    del facts["memorisation"]
    assert Creation.from_json(facts).memorisation == {}
    assert memorisation.Judgement().to_json() == {}


def test_one_picture_of_several_is_no_sheet() -> None:
    """As one that an API lets out on the way, whose record tells how many were asked for."""
    single = np.zeros((300, 300, 3), np.uint8)
    assert [one.shape for one in cells(single, {"n": 4, "columns": 4, "gap": 8})] == [(300, 300, 3)]
    assert [one.shape for one in cells(single, {"n": 4, "columns": 1, "gap": 8, "one": 2})] == [(300, 300, 3)]

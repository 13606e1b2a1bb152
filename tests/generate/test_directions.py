"""Directions: planted ones are found, move their own attribute, and leave the others."""

from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import torch

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.runtime import resolve
from luoxia.generate import directions
from luoxia.generate.face_measures import statistics
from luoxia.generate.portraits import Portraits


@pytest.fixture
def portraits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Portraits:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    monkeypatch.setattr(directions, "SEEN", 400)
    tiny_faces.keep()
    return Portraits.open("tiny", resolve("cpu", "float32"))


def test_a_step_moves_its_own_attribute(portraits: Portraits) -> None:
    found = {d.name: d for d in directions.attributes(portraits, statistics, count=400)}
    assert set(found) == {"light", "backdrop", "warmth", "colour", "hair"}
    for name in ("light", "warmth"):
        assert 0.3 < found[name].own < 3
        assert found[name].others < found[name].own


def test_correlated_attributes_are_told_apart(portraits: Portraits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes that are linear in w, one of them nearly the other: a step of each moves it by one, the other by none."""
    seen = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    seen[:, 1] = seen[:, 0] + 0.3 * seen[:, 1]
    monkeypatch.setattr(Portraits, "pictures", lambda _, ws, **__: (ws[:, 0] @ seen).numpy())
    found = directions.attributes(
        portraits, lambda y: {"a": y[:, 0].astype(float), "b": y[:, 1].astype(float)}, count=400
    )
    for one in found:
        assert one.own == pytest.approx(1, abs=0.1)
        assert one.others < 0.1


def test_progress_counts_what_is_measured_to_the_end(portraits: Portraits) -> None:
    told: list[tuple[int, int]] = []
    directions.attributes(
        portraits, statistics, count=100, watch=lambda done, total: told.append((done, total))
    )
    total = 100 + 5 * 2 * directions.ASKED  # each of five attributes is asked for on both sides
    assert {of for _, of in told} == {total}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (total, total)


def test_too_few_measurements_are_an_error(portraits: Portraits) -> None:
    nowhere = lambda pictures: {"smile": np.full(len(pictures), np.nan)}  # noqa: E731
    with pytest.raises(UserError, match="0 of 60 pictures"):
        directions.attributes(portraits, nowhere, count=60)


def test_components_are_those_of_the_covariance(portraits: Portraits) -> None:
    """Orthogonal, each as long as the spread of w along it, largest first."""
    found = torch.stack([d.vector for d in directions.ganspace(portraits, 4)])
    lengths = found.norm(dim=1)
    assert (lengths.diff() <= 1e-6).all()
    unit = found / lengths[:, None]
    assert torch.allclose(unit @ unit.T, torch.eye(4), atol=1e-4)
    with torch.no_grad():
        z = torch.randn(4_000, 8, generator=torch.Generator().manual_seed(9))
        w = portraits.network.mapping(z)[:, 0]
    assert torch.allclose((w @ unit.T).std(0), lengths, rtol=0.2)


def test_closed_form_factors_move_the_styles_most(portraits: Portraits) -> None:
    found = directions.sefa(portraits, 8)
    affines = [m.affine for n, m in portraits.network.synthesis.named_modules() if hasattr(m, "affine")]
    rows = torch.cat([a.weight / a.weight.norm(dim=1, keepdim=True) for a in affines])
    moved = [float((rows @ (d.vector / d.vector.norm())).norm()) for d in found]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > 1.1 * moved[-1]


def test_edits_and_what_is_kept(portraits: Portraits, tmp_path: Path) -> None:
    found = [
        *directions.sefa(portraits, 2),
        directions.Direction("smile", torch.ones(8), "attribute", 0.9, 0.1),
    ]
    directions.write(found, tmp_path / "d.safetensors")
    back = directions.read(tmp_path / "d.safetensors")
    assert [(d.name, d.how, d.own) for d in sorted(back, key=lambda d: d.name)] == [
        ("sefa-1", "sefa", None),
        ("sefa-2", "sefa", None),
        ("smile", "attribute", 0.9),
    ]
    ws = torch.zeros(1, 6, 8)
    assert torch.equal(directions.edited(ws, back, {"smile": -2.0}), ws - 2)
    with pytest.raises(UserError, match="'smle'; there is smile"):
        directions.edited(ws, back, {"smle": 1.0})
    with pytest.raises(UserError, match="too far"):
        directions.edited(ws, back, {"smile": 99.0})
    (tmp_path / "x").write_text("none")
    with pytest.raises(MalformedFileError):
        directions.read(tmp_path / "x")


def test_what_the_model_cannot_draw_is_no_direction(portraits: Portraits, monkeypatch) -> None:
    def measured(*_: object, **__: object) -> list[directions.Direction]:
        return [
            directions.Direction(name, torch.ones(8), "attribute", own, 0.0)
            for name, own in (("a", 0.9), ("b", 0.01))
        ]

    monkeypatch.setattr(directions, "attributes", measured)
    assert {d.name for d in directions.learn(portraits) if d.how == "attribute"} == {"a"}

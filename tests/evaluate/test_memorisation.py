"""Copies are found, and what is merely like the data is not accused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import spatial, stats

from luoxia.core.errors import UserError
from luoxia.evaluate.memorisation import MemorisationReport, comparison, leave_one_out, memorisation
from luoxia.evaluate.neighbours import nearest


@pytest.mark.parametrize("block", [1, 70, 1 << 20])
def test_neighbours_against_scipy(draw: np.random.Generator, block: int) -> None:
    queries, references = draw.normal(size=(30, 5)) + 100, draw.normal(size=(60, 5)) + 100
    distances, indices = nearest(queries, references, 4, block=block)
    expected, theirs = spatial.KDTree(references).query(queries, 4)
    np.testing.assert_array_equal(indices, theirs)
    np.testing.assert_allclose(distances, expected, rtol=1e-9)


def test_a_copy_is_at_no_distance(draw: np.random.Generator) -> None:
    references = draw.normal(size=(50, 400)) * 1000 + 5000
    distances, indices = nearest(references[7:9], references)
    assert distances.tolist() == [[0.0], [0.0]]
    assert indices.tolist() == [[7], [8]]
    with pytest.raises(UserError, match="1 to 50"):
        nearest(references, references, 51)


def report_of(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray, **options) -> MemorisationReport:
    return memorisation(samples, train, held_out, extractor="pixels", **options)


def test_copies_are_suspicious_and_strangers_are_not(draw: np.random.Generator) -> None:
    train, held_out, fresh = draw.normal(size=(500, 8)), draw.normal(size=(199, 8)), draw.normal(size=(60, 8))
    copies = train[[3, 250, 499]] + 1e-3 * draw.normal(size=(3, 8))
    report = report_of(np.concatenate((copies, fresh)), train, held_out)
    assert report.suspicious[:3].all()
    assert report.suspicious[3:].mean() <= 0.05
    assert report.indices[:3, 0].tolist() == [3, 250, 499]
    assert report.indices.shape == report.distances.shape == (63, 3)
    assert (report.ratios[:3] < 0.01).all()
    assert report.p_values[:3].tolist() == [1 / 200] * 3
    assert report.share == report.suspicious.mean()


def test_numbers_against_scipy(draw: np.random.Generator) -> None:
    samples, train, held_out = (np.round(draw.normal(size=(n, 1)), 1) for n in (40, 60, 120))  # with ties
    report = report_of(samples, train, held_out, alpha=0.05)
    own, unseen = (np.abs(v - train.T).min(1) for v in (samples, held_out))
    np.testing.assert_allclose(report.distances[:, 0], own, atol=1e-12)
    own, unseen = report.distances[:, 0], nearest(held_out, train)[0][:, 0]
    theirs = stats.mannwhitneyu(own, unseen, use_continuity=False, method="asymptotic", alternative="less")
    assert stats.norm.cdf(report.z) == pytest.approx(theirs.pvalue, rel=1e-9)
    expected = [(1 + (unseen <= d).sum()) / 121 for d in own]
    np.testing.assert_allclose(report.p_values, expected)
    np.testing.assert_array_equal(report.suspicious, np.array(expected) <= 0.05)


def test_p_values_of_unseen_pictures_are_honest(draw: np.random.Generator) -> None:
    train, held_out, fresh = (draw.normal(size=(n, 4)) for n in (300, 399, 2000))
    report = report_of(fresh, train, held_out, alpha=0.05)
    assert report.share == pytest.approx(0.05, abs=0.03)
    assert abs(report.z) < 3


def test_z_tells_copying_from_fitting_too_little(draw: np.random.Generator) -> None:
    train, held_out = draw.normal(size=(300, 6)), draw.normal(size=(200, 6))
    assert report_of(train[:100] + 0.3 * draw.normal(size=(100, 6)), train, held_out).z < -3
    assert report_of(3 * draw.normal(size=(100, 6)), train, held_out).z > 3


def test_nothing_moves() -> None:
    """All pictures equal: nearness says nothing, and nothing divides by nothing."""
    same = np.ones((120, 3))
    report = report_of(same[:5], same, same)
    assert (report.z, report.share) == (0.0, 0.0)
    assert report.ratios.tolist() == [0.0] * 5


@pytest.mark.parametrize(("alpha", "held_out"), [(0.01, 98), (0.0, 500), (1.0, 500), (0.5, 0)])
def test_too_few_held_out_pictures_are_refused(alpha: float, held_out: int) -> None:
    with pytest.raises(UserError, match="alpha"):
        report_of(np.zeros((3, 2)), np.zeros((9, 2)), np.zeros((held_out, 2)), alpha=alpha)


def test_ninety_nine_held_out_pictures_are_enough_for_one_percent(draw: np.random.Generator) -> None:
    train, held_out = draw.normal(size=(50, 3)), draw.normal(size=(99, 3))
    assert report_of(train[:1], train, held_out).suspicious.tolist() == [True]


def test_the_report_and_its_picture(draw: np.random.Generator) -> None:
    train = draw.integers(0, 256, (120, 3, 4, 4), dtype=np.uint8)
    held_out = draw.integers(0, 256, (110, 3, 4, 4), dtype=np.uint8)
    samples = np.concatenate((draw.integers(0, 256, (3, 3, 4, 4), dtype=np.uint8), train[[17]]))
    vectors = [v.reshape(len(v), -1) / 255 for v in (samples, train, held_out)]
    report = report_of(*vectors, k=2)
    plain = json.loads(json.dumps(report.as_dict()))
    assert (plain["extractor"], plain["suspicious"], plain["smallest_ratio"]) == ("pixels", [3], 0.0)
    sheet = np.asarray(comparison(samples, train, report, most=2))
    side = 64  # each of the 4 pixels a side is enlarged to 16
    tops, lefts = ([i * (side + 2) + 16 * j for i in range(n) for j in range(4)] for n in (3, 2))
    assert sheet.shape == (3 * side + 2 * 2, 2 * side + 2, 3)
    picture = sheet[tops][:, lefts]
    copied = train[17].transpose(1, 2, 0)
    np.testing.assert_array_equal(picture[:4, :4], copied)  # the copy comes first, and below it its original
    np.testing.assert_array_equal(picture[4:8, :4], copied)
    assert not np.array_equal(picture[8:12, :4], copied)


def test_nearer_than_training_pictures_to_each_other_by_hand() -> None:
    """Pictures at 0, 1, 3, 7, 15 lie 1, 1, 2, 4, 8 from their nearest others: the first quartile is 1, the median 2."""
    train = np.array([[0.0], [1.0], [3.0], [7.0], [15.0]])
    assert [leave_one_out(train, q) for q in (0, 0.25, 0.5, 1)] == pytest.approx([1, 1, 2, 8])
    assert leave_one_out(train, 0.625) == pytest.approx(
        3
    )  # half way between the third and the fourth of five
    samples, held_out = np.array([[3.5], [5.1], [40.0], [15.0]]), np.linspace(0, 9, 20)[:, None]
    report = report_of(samples, train, held_out, alpha=0.05, quantile=0.5)
    assert report.nearer.tolist() == [True, True, False, True]
    assert report.as_dict()["nearer"] == 3
    assert report.bound == pytest.approx(2)
    with pytest.raises(UserError, match="two vectors"):
        leave_one_out(train[:1], 0.5)


def test_copies_count_as_nearer_and_fresh_draws_hardly(draw: np.random.Generator) -> None:
    train, held_out, fresh = (
        draw.normal(size=(800, 6)),
        draw.normal(size=(150, 6)),
        draw.normal(size=(300, 6)),
    )
    copies = train[:5] + 1e-4
    report = report_of(np.concatenate((copies, fresh)), train, held_out)
    assert report.nearer[:5].all()
    assert report.nearer[5:].mean() < 0.04  # about one in a hundred

"""Realism of single samples, by hand on a line and against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from luoxia.core.errors import UserError
from luoxia.evaluate.realism import realism


def test_on_a_line_by_hand() -> None:
    """Data at 0, 1, 3, 6, 100 reach their nearest other at 1, 1, 2, 3, 94; the median is 2, so the balls about 0, 1 and
    3 count. A sample at 2 lies 1 from 1 and from 3: max(1 / 2, 1 / 1, 2 / 1) = 2."""
    real = np.array([[0.0], [1.0], [3.0], [6.0], [100.0]])
    found = realism(real, np.array([[2.0], [7.0], [-4.0], [1.0]]), k=1)
    np.testing.assert_allclose(found[:3], [2.0, 2 / 4, 2 / 7])
    assert found[3] == np.inf
    wide = realism(real, np.array([[60.0]]), k=1)  # inside the outlier's ball, which does not count
    np.testing.assert_allclose(wide, [2 / 57])


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_against_the_definition(draw: np.random.Generator, block: int) -> None:
    real, samples = draw.normal(size=(60, 4)), draw.normal(size=(30, 4)) * 2
    between = np.linalg.norm(real[:, None] - real, axis=2)
    radii = np.sort(between, 1)[:, 3]
    kept = radii <= np.sort(radii)[30]
    away = np.linalg.norm(samples[:, None] - real[kept], axis=2)
    expected = (radii[kept] / away).max(1)
    np.testing.assert_allclose(realism(real, samples, 3, block=block), expected, rtol=1e-6)
    (middle,) = np.flatnonzero(radii == radii.min())[:1]
    assert realism(real, real[[middle]] + 1e-6) > 1 > realism(real, real[[middle]] + 50)


def test_too_few_pictures() -> None:
    with pytest.raises(UserError, match="goes from 1 to 2"):
        realism(np.eye(3), np.eye(3))

"""How sure a share is: Wilson's interval, and the bootstrap over what was drawn twice, items and examples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from luoxia.core import seeds

Z = 1.959963984540054  # of 95 %
RESAMPLES = 2000


def wilson(share: float, n: int) -> tuple[float, float]:
    r"""Wilson 1927: the shares p for which ``share`` of n independent trials lies within 1.96 standard deviations.

    .. math:: \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1 - \hat p) / n + z^2 / 4n^2}}{1 + z^2/n}
    """
    middle = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    scale = 1 + Z * Z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def interval(right: NDArray[np.bool_], seed: int) -> tuple[float, float]:
    """95 % of the mean of ``right`` (draws S, items N), where both draws and items are samples of all there could be.

    With one draw this is Wilson's. With several, rows and columns are drawn again with replacement ``RESAMPLES``
    times (the pigeonhole bootstrap: Owen 2007, arXiv:0711.0640) and the middle 95 % of the means is taken, which is
    never made narrower than Wilson's interval of N items: draws share their items, and a few of them tell little of
    how much draws differ.
    """
    s, n = right.shape
    low, high = wilson(float(right.mean()), n)
    if s == 1:
        return low, high
    random, found = seeds.generator(seed), np.empty(RESAMPLES)
    table = right.astype(np.float64)
    for i in range(RESAMPLES):
        rows = np.bincount(random.integers(0, s, s), minlength=s)
        columns = np.bincount(random.integers(0, n, n), minlength=n)
        found[i] = rows @ table @ columns / (s * n)
    return min(low, float(np.quantile(found, 0.025))), max(high, float(np.quantile(found, 0.975)))

"""Features drawn from known distributions."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(20261124)

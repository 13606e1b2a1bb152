"""A server that draws with a tiny model, and the model itself beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tiny_drawing
from catalogue_less import without

from luoxia.core.runtime import resolve
from luoxia.generate.drawing import Drawing
from luoxia.server.app import create_app
from luoxia.server.draw.room import Drawings
from luoxia.weights import catalogue


@pytest.fixture(autouse=True)
def tiny_alone() -> Iterator[None]:
    with without("drawings"):
        yield


@pytest.fixture
def drawings() -> Iterator[Drawings]:
    drawings = Drawings(threads=1)
    yield drawings
    drawings.close()
    drawings.join(5)


@pytest.fixture
def url(stage, runner, drawings: Drawings) -> str:
    tiny_drawing.keep(catalogue.place("tiny"))
    standing, address = stage
    standing["app"] = create_app(models=runner, drawings=drawings)
    return address


@pytest.fixture
def drawing(url: str) -> Drawing:
    return Drawing.open("tiny", resolve(threads=1))

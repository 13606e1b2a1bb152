"""A server that writes poems with a model that has learned nothing, but for the rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import tiny_verse
from catalogue_less import without

from luoxia.server.app import create_app
from luoxia.server.poem.room import Poems
from luoxia.weights import catalogue


@pytest.fixture(autouse=True)
def tiny_alone() -> Iterator[None]:
    with without("verse"):
        yield


@pytest.fixture
def poems() -> Iterator[Poems]:
    poems = Poems(threads=1)
    yield poems
    poems.close()
    poems.join(5)


@pytest.fixture
def url(stage, runner, poems: Poems) -> str:
    tiny_verse.model(catalogue.place("tiny"))
    standing, address = stage
    standing["app"] = create_app(models=runner, poems=poems)
    return address

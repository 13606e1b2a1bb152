"""Pictures that are kept for their addresses, in bounds."""

from __future__ import annotations

import pytest

from luoxia.server.draw import images_api
from luoxia.server.errors import NotFoundError


def test_the_oldest_go_when_there_are_many_or_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_api, "FILES", 3)
    monkeypatch.setattr(images_api, "BYTES", 100)
    files = images_api._Files()
    names = [files.keep(b"x" * 40, "png") for _ in range(3)]
    with pytest.raises(NotFoundError):
        files.find(names[0])
    assert files.find(names[1]) == (b"x" * 40, "image/png")
    large = files.keep(b"x" * 1000, "png")
    assert files.find(large)[0] == b"x" * 1000
    with pytest.raises(NotFoundError):
        files.find(names[2])
    small = [files.keep(b"", "png") for _ in range(4)]
    with pytest.raises(NotFoundError):
        files.find(small[0])
    assert files.find(small[1])[0] == b""

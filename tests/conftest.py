from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["LUOXIA_LANG"] = "en"


@pytest.fixture(scope="session", autouse=True)
def _two_threads():
    import torch

    torch.set_num_threads(2)


@pytest.fixture
def one_thread():
    """For networks so small that threads cost more than they bring, many times more where the cores are shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The default text model's file; `make test` fetches it."""
    from luoxia.weights import catalogue

    entry = catalogue.find(catalogue.DEFAULT_TEXT_MODEL)
    if not catalogue.is_here(entry):
        pytest.skip(f"{entry.id} is not on this machine; get it with: luoxia models get {entry.id}")
    return catalogue.verified(entry)


@pytest.fixture(scope="session")
def smollm(model_path):
    import luoxia

    return luoxia.load(model_path, threads=2)

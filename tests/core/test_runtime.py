"""What PyTorch is told of memory and threads, seen from fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from luoxia.core.runtime import keep_freed_memory
{call}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(24):  # until a hole of the right size has been found
    torch.zeros(1 << 24)  # 64 MB
before = faults()
for _ in range(8):
    torch.zeros(1 << 24)
print(faults() - before)
"""


def run(source: str, **environment: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", source], env=kept | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone is told")
def test_freed_memory_serves_again_without_new_pages():
    pages = 8 * (64 << 20) // os.sysconf("SC_PAGE_SIZE")
    assert int(run(FAULTS.format(call=""))) > pages / 600  # fresh ones each time, of 2 MB at the most
    assert int(run(FAULTS.format(call="keep_freed_memory()"))) < 64


def test_waiting_threads_give_way_soon_unless_the_user_says_how_long():
    source = "import luoxia, os; print(os.environ['GOMP_SPINCOUNT'])"
    assert run(source) == "10000"
    assert run(source, GOMP_SPINCOUNT="7") == "7"

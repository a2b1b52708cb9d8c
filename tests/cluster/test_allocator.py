"""Free memory of a worker is kept while it works, and given back at once before and after."""

import os
import platform
import subprocess
import sys

import pytest

from descend.cluster.allocator import memory_kept

FAULTS = """
import resource
import numpy as np
from descend.cluster.allocator import memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(65_536)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
with memory_kept(), memory_kept():
    faults()
    print(faults())
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
def test_arrays_take_the_pages_of_those_before_while_a_task_runs() -> None:
    told = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}
    ran = subprocess.run(
        [sys.executable, "-c", FAULTS], env=told, capture_output=True, text=True, check=True
    )
    before, inside, after = map(int, ran.stdout.split())
    pages = 100 * 65_536 * 8 // os.sysconf("SC_PAGE_SIZE")
    assert before >= pages > 20 * inside and after >= pages


def test_where_dask_has_told_nothing_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setattr("descend.cluster.allocator._set", None)
    with memory_kept():
        pass

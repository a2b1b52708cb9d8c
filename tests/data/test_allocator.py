"""Free memory is kept while blocks are read or a worker works, and given back at the end."""

import os
import platform
import subprocess
import sys

import pytest

from descend.data import allocator
from descend.data.allocator import memory_kept

GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
COUNTED = """
import resource, threading
import numpy as np
from descend.data.allocator import memory_kept

def faults(size):
    def work():
        for _ in range(101):
            np.ones(size)
            counted.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt)

    counted = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return counted[-1] - counted[0]
"""
PAGES = 100 * 65_536 * 8 // os.sysconf("SC_PAGE_SIZE")


def counts(script: str, **told: str) -> list[int]:
    orders = {name: value for name, value in os.environ.items() if name not in allocator.ORDERS}
    ran = subprocess.run(
        [sys.executable, "-c", COUNTED + script], env={**orders, **told}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return [*map(int, ran.stdout.split())]


@GLIBC
def test_arrays_take_the_pages_of_those_before_while_a_task_runs() -> None:
    before, inside, after = counts(
        """
print(faults(65_536))
with memory_kept(told=True), memory_kept(told=True):
    print(faults(65_536))
print(faults(65_536))
""",
        MALLOC_TRIM_THRESHOLD_="65536",
    )
    assert before >= PAGES > 20 * inside and after >= PAGES


@GLIBC
def test_arrays_take_the_pages_of_those_before_where_nothing_was_told() -> None:
    (inside,) = counts("with memory_kept(): print(faults(65_536))")
    assert 20 * inside < PAGES


@GLIBC
def test_what_is_free_at_the_end_is_given_back() -> None:
    inside, after = counts("""
def resident():
    return int(open("/proc/self/statm").read().split()[1])

with memory_kept():
    held = [np.ones(1 << 17) for _ in range(48)]
    del held
    print(resident())
print(resident())
""")
    assert (inside - after) * os.sysconf("SC_PAGE_SIZE") > 30e6


@pytest.mark.parametrize("told, order", [
    (True, None), (False, allocator.ORDER), (False, "MALLOC_MMAP_THRESHOLD_"),
])  # fmt: skip
def test_processes_of_the_other_kind_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, told: bool, order: str | None
) -> None:
    for name in allocator.ORDERS:
        monkeypatch.delenv(name, raising=False)
    if order is not None:
        monkeypatch.setenv(order, "65536")
    monkeypatch.setattr(allocator, "_set", None)
    with memory_kept(told):
        pass

"""Loading machine code where memory is scarce and scattered."""

import subprocess
import sys

import pytest

# The address space from the newest mapping upwards is filled, with a wall of 5 GiB below, so that
# a code section and the constants beside it would lie on different sides of the wall.
SCATTERED = """
import ctypes
import numpy as np
import descend

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
PAGE = 4096


def reserve(size):
    place = libc.mmap(None, size, 0, 0x4022, -1, 0)  # private, anonymous, without memory
    assert place != 2**64 - 1
    return place


x = np.linspace(0, 1, 20)
start = dict(a=2.0, k=2.0)
descend.fit("y = a*exp(-k*x)", dict(x=x, y=np.exp(-x)), start=start).params
wall, pages = reserve(5 << 30), []
for size in (1 << 28, 1 << 26, 1 << 24, 1 << 22, 1 << 20, 1 << 16, 1 << 14, PAGE):
    while (place := reserve(size)) > wall:
        pages += [place] if size == PAGE else []
    libc.munmap(place, size)
for k in range(4):
    if 3 * k < len(pages):
        libc.munmap(pages[3 * k], PAGE)
    fit = descend.fit(f"y = a*exp(-k*x) + {k}", dict(x=x, y=np.exp(-x) + k), start=start)
    assert abs(fit.params["k"] - 1) < 1e-6
print("fine")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mappings are made by Linux's numbers")
def test_sections_are_loaded_side_by_side() -> None:
    words = [sys.executable, "-W", "ignore", "-c", SCATTERED]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, check=False,
        env={"DESCEND_CACHE": "off", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr

"""Settings that every test shares: how hard hypothesis looks, pictures without a screen.

Nothing in the user's home is read or written, by tests or by the processes that they start.
"""

import gc
import os
import signal
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from fonts import use_own_fonts

TESTS = Path(__file__).parent
os.environ.setdefault("MPLBACKEND", "Agg")
use_own_fonts()
os.environ.setdefault("DESCEND_CACHE_DIR", str(TESTS.parent / ".pytest_cache" / "descend"))
os.environ["DESCEND_RUNS"] = "off"

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=50, derandomize=True, **COMMON)
settings.register_profile("fuzz", max_examples=20_000, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# A shell that starts the tests in the background has them ignore Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What collecting the tests makes is kept, and garbage of a test is small beside what stays.
gc.disable()


def pytest_collection_finish() -> None:
    """Thousands of tests stay in memory to the end: no collection need look at them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture(autouse=True)
def own_draws(request: pytest.FixtureRequest) -> None:
    """A test draws the same numbers, whatever its worker has run before."""
    module = getattr(request.node, "module", None)
    for name in ("RNG", "rng"):
        if isinstance(getattr(module, name, None), np.random.Generator):
            seed = zlib.crc32(request.node.nodeid.encode())
            setattr(module, name, np.random.default_rng(seed))

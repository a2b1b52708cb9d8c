"""Settings that every test shares: how hard hypothesis looks, pictures without a screen.

Nothing in the user's home is read or written, by tests or by the processes that they start.
"""

import gc
import os
import signal
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from fonts import use_own_fonts
from whole import WHOLE

TESTS = Path(__file__).parent
os.environ.setdefault("MPLBACKEND", "Agg")
use_own_fonts()
os.environ.setdefault("DESCEND_CACHE_DIR", str(TESTS.parent / ".pytest_cache" / "descend"))

COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=200, derandomize=True, **COMMON)
settings.register_profile("fuzz", max_examples=20_000, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# A shell that starts the tests in the background has them ignore Ctrl-C, which some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Thousands of tests stay in memory to the end: no collection need look at them again."""
    gc.collect()
    gc.freeze()


SOONER = {
    "cli", "data", "estimators", "judge", "many", "methods", "models", "networks", "parameters",
    "show", "trace", "train", "uncertainty",
    *(f"fitting/test_{name}.py" for name in
      ("everyday", "many_everyday", "three_entries", "entries_units", "units", "words")),
}  # fmt: skip


@cache
def _key_of_sooner_code() -> str:
    from descend.compile import cache as programs

    return f"{programs._surroundings()}\nsooner"


@pytest.fixture(autouse=True)
def code_is_had_soon(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not what is tested, code is made as for a very large program: soon.

    LLVM's instruction selection was a third of a run. The passes before it are the same; the
    compiler, derivatives, the problems of others, and every process that a test starts have the
    code that users have; last bits differ where one fuses a product and a sum and the other not.
    """
    file = request.path.relative_to(TESTS)
    soon = not SOONER.isdisjoint((file.parts[0], file.as_posix()))
    if WHOLE or not soon or request.node.get_closest_marker("users_code"):
        return
    from descend.compile import cache as programs
    from descend.compile import native

    key = _key_of_sooner_code()
    monkeypatch.setattr(native, "LARGE", 0)
    monkeypatch.setattr(programs, "_surroundings", lambda: key)

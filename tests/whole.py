"""Whether `make fuzz` runs, which goes the whole way through tables that other runs sample."""

import os
from collections.abc import Callable
from typing import Any

import pytest

WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"


def whole_alone(test: Callable[..., Any]) -> Any:
    """A test that takes minutes: `make fuzz` runs it, other runs do not even collect it."""
    return pytest.mark.fuzz(test) if WHOLE else None

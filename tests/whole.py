"""Whether `make fuzz` runs, which goes the whole way through tables that other runs sample."""

import itertools
import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest

WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"


def whole_alone(test: Callable[..., Any]) -> Any:
    """A test that takes minutes: `make fuzz` runs it, other runs do not even collect it."""
    return pytest.mark.fuzz(test) if WHOLE else None


def sampled(names: str, rows: Iterable[Any], step: int, ids: Any = None) -> Callable[..., Any]:
    """Parameters from a long table: `make fuzz` takes every row, other runs every `step`-th.

    Where the rows are a product, a step that has no factor in common with the lengths of its
    tables still meets every entry of each.
    """
    taken = list(rows)[:: 1 if WHOLE else step]

    def mark(test: Callable[..., Any]) -> Any:
        return pytest.mark.fuzz(pytest.mark.parametrize(names, taken, ids=ids)(test))

    return mark


def covered(names: str, *tables: Iterable[Any], ids: Any = None) -> Callable[..., Any]:
    """Parameters from several tables: `make fuzz` takes the whole product.

    Other runs take as many rows as the longest table has: each entry of each table is met.
    """
    held = [[*table] for table in tables]
    few = [tuple(t[i % len(t)] for t in held) for i in range(max(map(len, held)))]
    return sampled(names, itertools.product(*held) if WHOLE else few, 1, ids)

"""Every supported name of the coverage table, against NumPy: values, dtypes, shapes."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_cases import CASES

from descend.trace.coverage import coverage_page
from descend.trace.table import ENTRIES

SERIES = ("polynomial", "chebyshev", "legendre", "hermite", "hermite_e", "laguerre")
MODULES = (
    "numpy", "numpy.linalg", "numpy.fft", "scipy.special", "math", "builtins", "method",
    "scipy.linalg", "scipy.integrate", "scipy.stats.norm",
    *(f"numpy.polynomial.{name}" for name in SERIES),
)  # fmt: skip


@pytest.mark.parametrize(("name", "model", "arrays"), CASES, ids=[c[0] for c in CASES])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_entry_agrees_with_numpy(name: str, model: Any, arrays: Any, agree: Any) -> None:
    assert name in ENTRIES, f"{name} is not in the table"
    agree(model, *arrays)


def test_every_supported_entry_has_a_case() -> None:
    supported = {
        e.name
        for e in ENTRIES.values()
        if e.status == "supported" and e.name.rpartition(".")[0] in MODULES
    }
    libraries = {"math": math, "numpy": np}  # whose versions differ in what they have
    missing = {
        name
        for name in supported
        for module, _, own in [name.rpartition(".")]
        if module in libraries and not hasattr(libraries[module], own)
    }
    assert supported - missing - {c[0] for c in CASES} == set()


def test_the_page_lists_what_the_table_supports() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "numpy-coverage.md").read_text("utf-8")
    for line in coverage_page().splitlines():
        if line.startswith("Supported: "):
            for name in line.removeprefix("Supported: ").rstrip(".").split(", "):
                assert name in page, f"{name} is not in docs/numpy-coverage.md: run make docs"

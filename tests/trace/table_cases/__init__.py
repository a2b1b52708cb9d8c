"""Models that use every supported name of the coverage table, with arrays to run them on."""

from table_cases import (
    algebra,
    arrays,
    elementwise,
    linalg,
    methods,
    scipy_functions,
    series,
    special_functions,
)
from table_cases.data import CASES

__all__ = [
    "CASES",
    "algebra",
    "arrays",
    "elementwise",
    "linalg",
    "methods",
    "scipy_functions",
    "series",
    "special_functions",
]

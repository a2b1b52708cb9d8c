"""The families of the coverage table; importing this module fills the table."""

from descend.trace import (
    builtin_table,
    math_table,
    method_table,
    numpy_algebra,
    numpy_create,
    numpy_elementwise,
    numpy_index,
    numpy_join,
    numpy_linalg,
    numpy_norms,
    numpy_reductions,
    numpy_shape,
    numpy_statistics,
    refused_table,
    special_table,
)

__all__ = [
    "builtin_table",
    "math_table",
    "method_table",
    "numpy_algebra",
    "numpy_create",
    "numpy_elementwise",
    "numpy_index",
    "numpy_join",
    "numpy_linalg",
    "numpy_norms",
    "numpy_reductions",
    "numpy_shape",
    "numpy_statistics",
    "refused_table",
    "special_table",
]

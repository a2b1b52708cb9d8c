"""Elementary functions as straight-line arithmetic on lanes.

`ELEMENTARY[name](emitter, *values)` emits the function called `name` in the graph's table, for
float64 and float32, at any width, with the same bits at every width. Special values are those of
NumPy and C99. Nothing of it calls a library or reads a table from memory; code that is rarely
needed (trigonometric functions of huge arguments) stands in blocks that are jumped over.
`LIBRARY` has the functions that SciPy computes, one call a lane.

Largest errors met against mpmath, in units of the last place, for float64:

    0.5–0.7  sqrt cbrt exp2 log log2 log10 log1p sin cos arcsin arccos
    0.8–1.1  arctan arctan2 tan hypot tanh pow erf
    1.2–1.4  expm1 cosh arcsinh arccosh arctanh
    1.6–1.8  exp expit sinh erfc
    5        gammaln for x > 0; polygamma of low order: 2 to 6

digamma near its zero, and the gamma family at negative x, are good to about 1e-15·(1 + |value|).
fmod and mod are exact. In float32 exp, log, their families and erf have the same errors; the
others are computed in float64 and rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from descend.compile.elementary.library import LIBRARY
from descend.late import Late

if TYPE_CHECKING:
    from descend.compile.lanes import Value

__all__ = ["ELEMENTARY", "LIBRARY"]

_FAMILIES = {
    "division": "floordiv fmod mod",
    "exponential": "cosh exp exp2 expit expm1 sinh tanh",
    "gamma": "digamma gammaln polygamma",
    "gaussian": "erf erfc",
    "inverse": "arccos arcsin arctan arctan2",
    "logarithm": "arccosh arcsinh arctanh log log10 log1p log2",
    "roots": "cbrt hypot sqrt",
    "trigonometric": "cos sin tan",
}

ELEMENTARY: Mapping[str, Callable[..., Value]] = Late(
    {
        name: f"compile.elementary.{family}:{name}"
        for family, names in _FAMILIES.items()
        for name in names.split()
    }
    | {"pow": "compile.elementary.power:power"}
)

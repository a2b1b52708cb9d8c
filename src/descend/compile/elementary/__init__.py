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

from collections.abc import Callable

from descend.compile.elementary.division import floordiv, fmod, mod
from descend.compile.elementary.exponential import cosh, exp, exp2, expit, expm1, sinh, tanh
from descend.compile.elementary.gamma import digamma, gammaln, polygamma
from descend.compile.elementary.gaussian import erf, erfc
from descend.compile.elementary.inverse import arccos, arcsin, arctan, arctan2
from descend.compile.elementary.library import LIBRARY
from descend.compile.elementary.logarithm import (
    arccosh,
    arcsinh,
    arctanh,
    log,
    log1p,
    log2,
    log10,
)
from descend.compile.elementary.power import power
from descend.compile.elementary.roots import cbrt, hypot
from descend.compile.elementary.trigonometric import cos, sin, tan
from descend.compile.lanes import Emitter, Value

__all__ = ["ELEMENTARY", "LIBRARY"]

ELEMENTARY: dict[str, Callable[..., Value]] = {
    "sqrt": Emitter.sqrt,
    "cbrt": cbrt,
    "hypot": hypot,
    "fmod": fmod,
    "mod": mod,
    "floordiv": floordiv,
    "exp": exp,
    "exp2": exp2,
    "expm1": expm1,
    "log": log,
    "log2": log2,
    "log10": log10,
    "log1p": log1p,
    "pow": power,
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "arcsin": arcsin,
    "arccos": arccos,
    "arctan": arctan,
    "arctan2": arctan2,
    "arcsinh": arcsinh,
    "arccosh": arccosh,
    "arctanh": arctanh,
    "expit": expit,
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "erf": erf,
    "erfc": erfc,
    "gammaln": gammaln,
    "digamma": digamma,
    "polygamma": polygamma,
}

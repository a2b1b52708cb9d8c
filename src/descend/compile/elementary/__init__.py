"""Elementary functions as straight-line arithmetic on lanes.

A primitive whose `native` is the name of a module here is emitted by that module's function of the
primitive's name: `function(emitter, *values)`, for float64 and float32, at any width, with the same
bits at every width. Special values are those of NumPy and C99. Nothing of it calls a library or
reads a table from memory; code that is rarely needed (trigonometric functions of huge arguments)
stands in blocks that are jumped over. `library` has what SciPy computes, one call a lane.

Largest errors met against mpmath, in units of the last place, for float64:

    0.5–0.7  sqrt cbrt exp2 log log2 log10 log1p sin cos arcsin arccos
    0.8–1.1  arctan arctan2 tan hypot tanh pow erf sech_square
    1.2–1.4  expm1 cosh arcsinh arccosh arctanh
    1.6–1.8  exp expit sinh erfc
    5        gammaln for x > 0; polygamma of low order: 2 to 6

digamma near its zero, and the gamma family at negative x, are good to about 1e-15·(1 + |value|).
fmod and mod are exact. In float32 exp, log, their families and erf have the same errors; the
others are computed in float64 and rounded.
"""

"""numpy.polynomial's series at points, np.polyfit, window functions, and helpers of numpy.fft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import NotCoveredError, UsageError
from descend.trace.context import where
from descend.trace.operands import float_node
from descend.trace.table import covers, implementation, refuse
from descend.trace.tables.shape import tensor_of
from descend.trace.tensor import wrap
from descend.trace.typing_rules import known_extents, normal_axes

__all__: list[str] = []

# --- series of orthogonal polynomials -----------------------------------------------------------

# What one step of Clenshaw's recursion does to (c0, c1) with the next coefficient c, where n
# counts down from the number of terms.
Step = Callable[[Any, Any, Any, Any, int], tuple[Any, Any]]
_STEPS: dict[str, tuple[str, Step, Callable[[Any], Any]]] = {
    "chebval": ("chebyshev", lambda c, a, b, x, n: (c - b, a + b * (2 * x)), lambda x: x),
    "legval": (
        "legendre",
        lambda c, a, b, x, n: (c - b * ((n - 1) / n), a + b * x * ((2 * n - 1) / n)),
        lambda x: x,
    ),
    "hermval": (
        "hermite",
        lambda c, a, b, x, n: (c - b * (2 * (n - 1)), a + b * (2 * x)),
        lambda x: 2 * x,
    ),
    "hermeval": ("hermite_e", lambda c, a, b, x, n: (c - b * (n - 1), a + b * x), lambda x: x),
    "lagval": (
        "laguerre",
        lambda c, a, b, x, n: (c - b * (n - 1) / n, a + b * ((2 * n - 1) - x) / n),
        lambda x: 1 - x,
    ),
}


def _coefficients(x: Any, c: Any, tensor: bool) -> tuple[Any, list[Any]]:
    """The points, and the coefficients from the lowest on, shaped to be multiplied with them."""
    points = tensor_of(x) if isinstance(x, (tuple, list)) else x
    factors = wrap(float_node(c))
    factors = factors if factors.ndim else factors.reshape(1)
    (count,) = known_extents(factors.extents[:1], "polynomials of rows")
    ndim = np.ndim(points) if not hasattr(points, "extents") else points.ndim
    if tensor and ndim:
        factors = factors.reshape(*factors.shape, *[1] * ndim)
    return points, [factors[i] for i in range(count)]


def _series(name: str, module: str, step: Step, first: Callable[[Any], Any]) -> None:
    @covers(name, module=f"numpy.polynomial.{module}")
    def value(x: Any, c: Any, tensor: bool = True) -> Any:
        points, factors = _coefficients(x, c, tensor)
        low, high = (factors[0], 0.0) if len(factors) == 1 else factors[-2:]
        n = len(factors)
        for i in range(3, len(factors) + 1):
            n -= 1
            low, high = step(factors[-i], low, high, points, n)
        return low + high * first(points)


for _name, (_module, _step, _first) in _STEPS.items():
    _series(_name, _module, _step, _first)


@covers("polyval", module="numpy.polynomial.polynomial")
def _polyval(x: Any, c: Any, tensor: bool = True) -> Any:
    points, factors = _coefficients(x, c, tensor)
    total = factors[-1] + points * 0
    for factor in reversed(factors[:-1]):
        total = factor + total * points
    return total


@covers("polyfit", remark="without full= and cov=")
def _polyfit(
    x: Any, y: Any, deg: Any, rcond: Any = None, full: bool = False, w: Any = None, cov: Any = False
) -> Any:
    if full or cov:
        raise NotCoveredError("np.polyfit with full= or cov= is not covered", where=where())
    if np.ndim(deg) or int(deg) < 0:
        raise UsageError("np.polyfit: the degree must be a number from 0 on", where=where())
    at, goal = wrap(float_node(x)), wrap(float_node(y))
    (count,) = known_extents(at.extents, "np.polyfit over the rows")
    table = implementation("numpy.vander")(at, int(deg) + 1)
    if w is not None:
        weights = wrap(float_node(w)).reshape(-1, 1)
        table = table * weights
        goal = goal * (weights if goal.ndim == 2 else weights.reshape(-1))
    scale = implementation("numpy.sqrt")((table * table).sum(axis=0))
    cutoff = count * float(np.finfo(at.dtype).eps) if rcond is None else rcond
    found = implementation("numpy.linalg.lstsq")(table / scale, goal, cutoff)[0]
    return (found.T / scale).T


refuse(
    "the length of its remainder would depend on the data; divide on paper, or compare products",
    "polydiv",
)

# --- windows ------------------------------------------------------------------------------------


@covers("i0")
def _i0(x: Any) -> Any:
    node = float_node(x)
    return implementation("scipy.special.i0")(wrap(node))


@covers("kaiser", remark="for a length of known value")
def _kaiser(M: Any, beta: Any) -> Any:
    length = int(M.__index__())
    shape = wrap(float_node(beta))
    if length == 1:
        return implementation("numpy.ones_like")(shape).reshape(1)
    middle = (length - 1) / 2.0
    places = np.sqrt(1 - ((np.arange(length) - middle) / middle) ** 2.0)
    return _i0(shape * places) / _i0(shape)


refuse(
    "the number of points must be known: hand over an integer",
    "bartlett", "blackman", "hamming", "hanning",
)  # fmt: skip
refuse("use operations on whole arrays", "nested_iters")

# --- numpy.fft without transforms ---------------------------------------------------------------

FFT = "numpy.fft"


def _frequencies(name: str, half: bool) -> None:
    @covers(name, module=FFT, remark="for a length of known value")
    def entry(n: Any, d: Any = 1.0, device: Any = None) -> Any:
        length = int(n.__index__())
        counts = np.fft.rfftfreq(length, 1.0) if half else np.fft.fftfreq(length, 1.0)
        spacing = wrap(float_node(d))
        return counts * length / (length * spacing)


_frequencies("fftfreq", False)
_frequencies("rfftfreq", True)


def _shift(name: str, sign: int) -> None:
    @covers(name, module=FFT)
    def entry(x: Any, axes: Any = None) -> Any:
        array = tensor_of(x)
        along = normal_axes(axes, array.ndim)
        extents = known_extents((array.extents[i] for i in along), f"np.fft.{name} of the rows")
        steps = tuple(n // 2 if sign > 0 else -(n // 2) for n in extents)
        return implementation("numpy.roll")(array, steps, along)


_shift("fftshift", 1)
_shift("ifftshift", -1)

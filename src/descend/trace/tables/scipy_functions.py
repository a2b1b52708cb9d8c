"""What of SciPy beside `scipy.special` has derivatives: linear algebra, sums that integrate, norm.

Everything else of these modules is refused by its name, with `black_box` as the remedy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from descend.errors import NotCoveredError
from descend.graph.elementwise import add, call, full_like, mul, select, sub
from descend.graph.linear import reduce_sum, reshape
from descend.graph.linear_algebra import solve, triangular_solve
from descend.graph.matrices import eye_like, masked, matmul, order_of
from descend.graph.node import Node
from descend.graph.selection import reduce_max
from descend.trace.context import where
from descend.trace.operands import deliver, joined_nodes
from descend.trace.table import covers, implementation
from descend.trace.tables.linalg import matrices
from descend.trace.tables.shape import tensor_of
from descend.trace.tensor import is_traced, wrap
from descend.trace.typing_rules import known_extents, normal_axis, to_shape

__all__: list[str] = []

LINALG, INTEGRATE, NORM = "scipy.linalg", "scipy.integrate", "scipy.stats.norm"
# How SciPy computes, not what: no result depends on it.
_MEANS = ("overwrite_a", "overwrite_b", "overwrite_ab", "check_finite", "lapack_driver", "driver")


def _linalg(name: str, remark: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function of scipy.linalg that need not know of SciPy's means."""

    def enter(compute: Callable[..., Any]) -> Callable[..., Any]:
        def entry(*args: Any, **kwargs: Any) -> Any:
            return compute(*args, **{k: v for k, v in kwargs.items() if k not in _MEANS})

        covers(name, module=LINALG, remark=remark)(entry)
        return compute

    return enter


def _unless(name: str, option: str, usual: bool) -> None:
    if not usual:
        raise NotCoveredError(
            f"scipy.linalg.{name} with this {option} is not covered yet", where=where()
        )


# --- linear algebra -------------------------------------------------------------------------------

for _name in ("inv", "det", "norm"):
    _linalg(_name)(lambda *a, _name=_name, **k: implementation(f"numpy.linalg.{_name}")(*a, **k))


@_linalg("solve")
def _solve(
    a: Any, b: Any, lower: bool = False, *, assume_a: Any = None, transposed: bool = False
) -> Any:
    _unless("solve", "assume_a", assume_a in (None, "gen", "general"))
    matrix = tensor_of(a).swapaxes(-1, -2) if transposed else a
    return implementation("numpy.linalg.solve")(matrix, b)


@_linalg("cholesky", remark="NaN where a matrix is not positive definite")
def _cholesky(a: Any, lower: bool = False) -> Any:
    return implementation("numpy.linalg.cholesky")(a, upper=not lower)


@_linalg("cho_factor", remark="the triangle that SciPy leaves arbitrary is 0")
def _cho_factor(a: Any, lower: bool = False) -> Any:
    return _cholesky(a, lower), lower


@_linalg("cho_solve")
def _cho_solve(c_and_lower: Any, b: Any) -> Any:
    factor, lower = c_and_lower
    first = _triangular(factor, b, bool(lower), not lower)
    return _triangular(factor, first, bool(lower), bool(lower))


@_linalg("solve_triangular")
def _solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False
) -> Any:
    return _triangular(a, b, bool(lower), trans not in (0, "N"), unit_diagonal)


def _triangular(a: Any, b: Any, lower: bool, transposed: bool, unit: bool = False) -> Any:
    x, y = joined_nodes((tensor_of(a), tensor_of(b)))
    x = matrices("solve_triangular", wrap(x), square=True)
    if unit:
        n = order_of(x)[0]
        strict = np.tri(n, k=-1, dtype=bool) if lower else np.tri(n, k=-1, dtype=bool).T
        x = add(masked(x, strict), eye_like(x))
    vector = y.ndim == 1
    y = reshape(y, (*y.shape, 1)) if vector else y
    found = triangular_solve(x, y, lower=lower, transposed=transposed)
    return deliver(reshape(found, found.shape[:-1]) if vector else found)


@_linalg("svdvals")
def _svdvals(a: Any) -> Any:
    return implementation("numpy.linalg.svdvals")(a)


@_linalg("eigvalsh", remark="of a single symmetric matrix")
def _eigvalsh(a: Any, b: Any = None, *, lower: bool = True, subset_by_index: Any = None) -> Any:
    _unless("eigvalsh", "b or subset", b is None and subset_by_index is None)
    return implementation("numpy.linalg.eigvalsh")(a, "L" if lower else "U")


@_linalg("pinv", remark="the rank is taken to stay the same")
def _pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False) -> Any:
    _unless("pinv", "atol or return_rank", atol is None and not return_rank)
    return implementation("numpy.linalg.pinv")(a, rtol=rtol)


# Higham (2005), "The scaling and squaring method for the matrix exponential revisited": the
# numerator of the Padé approximant of degree 13, and the norm up to which it is exact in double.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
    129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0,
    960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_EXACT = 5.371920351148152
_SQUARINGS = 20


@_linalg("expm", remark="NaN where the 1-norm exceeds five millions")
def _expm(A: Any) -> Any:
    x = matrices("expm", A, square=True)
    lead = tuple(range(x.ndim - 2))
    size = reduce_max(reduce_sum(call("abs", x), (x.ndim - 2,)), (len(lead),))
    size = call("stop_gradient", size)
    times = call("ceil", call("log2", call("max", mul(size, 1.0 / _EXACT), full_like(size, 1.0))))

    def wide(node: Node) -> Node:
        return to_shape(reshape(node, (*node.shape, 1, 1)), x.shape)

    scaled = mul(x, wide(call("exp2", call("neg", times))))
    even, odd = _pade(scaled)
    found = solve(sub(even, odd), add(even, odd))
    for i in range(_SQUARINGS):
        more = wide(call("lt", full_like(times, float(i)), times))
        held = select(more, found, full_like(found, 0.0))  # what is not squared cannot overflow
        found = select(more, matmul(held, held), found)
    lost = wide(call("lt", full_like(times, float(_SQUARINGS)), times))
    return deliver(mul(found, select(lost, full_like(found, math.nan), full_like(found, 1.0))))


def _pade(x: Node) -> tuple[Node, Node]:
    """The even and the odd part of the numerator, by powers of x²."""
    square, one = matmul(x, x), eye_like(x)
    even, odd = mul(one, _PADE[12]), mul(one, _PADE[13])
    for k in range(10, -1, -2):
        even = add(matmul(even, square), mul(one, _PADE[k]))
        odd = add(matmul(odd, square), mul(one, _PADE[k + 1]))
    return even, matmul(x, odd)


# --- integrals of samples -------------------------------------------------------------------------


@covers("trapezoid", module=INTEGRATE)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    return implementation("numpy.trapezoid")(y, x, dx, axis)


def _weighted(name: str, keeps_axis: bool) -> None:
    """An integral whose weights follow from the points alone: they are read off unit vectors."""

    @covers(name, module=INTEGRATE, remark="for points x of known value")
    def integral(y: Any, *points: Any, axis: Any = -1, **options: Any) -> Any:
        values = tensor_of(y)
        if is_traced(points) or is_traced(options):
            raise NotCoveredError(
                f"scipy.integrate.{name} at points that are not known before the data is",
                where=where(),
                remedy="sum the weights yourself, or use np.trapezoid",
            )
        at = normal_axis(axis, values.ndim)
        (n,) = known_extents(values.extents[at : at + 1], f"scipy.integrate.{name}")
        rule = getattr(import_module(INTEGRATE), name)
        weights = rule(np.eye(n), *points, axis=-1, **options)
        moved = implementation("numpy.moveaxis")(values, at, -1)
        found = implementation("numpy.matmul")(moved, weights)
        return implementation("numpy.moveaxis")(found, -1, at) if keeps_axis else found


_weighted("simpson", False)
_weighted("romb", False)
_weighted("cumulative_trapezoid", True)
_weighted("cumulative_simpson", True)


# --- the normal distribution ----------------------------------------------------------------------

_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)


def _special(name: str) -> Callable[[Any], Any]:
    return lambda z: implementation(f"scipy.special.{name}")(z)


def _log_density(z: Any) -> Any:
    return -0.5 * z * z - _LOG_ROOT_2PI


def _density(z: Any) -> Any:
    return implementation("numpy.exp")(_log_density(z))


def _normal(name: str, compute: Callable[[Any, Any], Any]) -> None:
    @covers(name, module=NORM)
    def entry(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        width = tensor_of(scale) if is_traced(scale) else np.asarray(scale, np.float64)
        return compute((tensor_of(x) - loc) / width, width) * _valid(width)


def _valid(width: Any) -> Any:
    """1 for a scale that is one, else NaN, for derivatives too."""
    return implementation("numpy.where")(tensor_of(width) > 0, 1.0, math.nan)


def _log(width: Any) -> Any:
    return implementation("numpy.log")(width) if is_traced(width) else np.log(width)


_normal("logpdf", lambda z, width: _log_density(z) - _log(width))
_normal("pdf", lambda z, width: _density(z) / width)
_normal("cdf", lambda z, _: _special("ndtr")(z))
_normal("logcdf", lambda z, _: _special("log_ndtr")(z))
_normal("sf", lambda z, _: _special("ndtr")(-z))
_normal("logsf", lambda z, _: _special("log_ndtr")(-z))


def _quantile(name: str, sign: float) -> None:
    @covers(name, module=NORM)
    def entry(q: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        return (_special("ndtri")(tensor_of(q)) * sign * scale + loc) * _valid(scale)


_quantile("ppf", 1.0)
_quantile("isf", -1.0)

"""Numerical and statistical functions: differences, integrals, interpolation, quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.errors import NotCoveredError, UsageError
from descend.graph.elementwise import call, cast, full_like, select
from descend.graph.linear import pad
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node, RowsAsked
from descend.graph.selection import put_add, take
from descend.graph.source import const
from descend.trace.context import note, where
from descend.trace.operands import common_dtype, float_node, joined_nodes
from descend.trace.operators import elementwise
from descend.trace.table import covers, implementation
from descend.trace.tables.index import searched
from descend.trace.tables.shape import tensor_of
from descend.trace.tensor import as_node, is_traced, without_stand_ins, wrap
from descend.trace.typing_rules import known_extents, normal_axes, normal_axis, to_shape
from descend.trace.ufunc_rules import RULES

__all__: list[str] = []


def _extent(x: Any, axis: int, why: str) -> int:
    extent = x.extents[axis]
    if isinstance(extent, Dim):
        raise RowsAsked(extent, why)
    return int(extent)


def _at(axis: int, part: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * axis, part)


# --- differences and integrals ------------------------------------------------------------------


@covers("diff")
def _diff(a: Any, n: int = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Any:
    x = tensor_of(a)
    at = normal_axis(axis, x.ndim)
    ends = [_edge(v, x, at) for v in (prepend, append)]
    if any(e is not None for e in ends):
        x = implementation("numpy.concatenate")(
            [p for p in (ends[0], x, ends[1]) if p is not None], at
        )
    name = "not_equal" if x.dtype == bool else "subtract"
    for _ in range(n):
        x = elementwise(RULES[name], (x[_at(at, slice(1, None))], x[_at(at, slice(None, -1))]))
    return x


def _edge(value: Any, x: Any, axis: int) -> Any:
    if value is None:
        return None
    edge = tensor_of(value)
    if edge.ndim:
        return edge
    shape = tuple(1 if i == axis else n for i, n in enumerate(x.extents))
    return wrap(to_shape(edge.node, shape))


@covers("ediff1d")
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    middle = _diff(tensor_of(ary).reshape(-1))
    parts = [
        tensor_of(to_begin).reshape(-1).astype(middle.dtype) if to_begin is not None else None,
        middle,
        tensor_of(to_end).reshape(-1).astype(middle.dtype) if to_end is not None else None,
    ]
    return implementation("numpy.concatenate")([p for p in parts if p is not None])


@covers("trapezoid")
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    values = tensor_of(y)
    at = normal_axis(axis, values.ndim)
    if x is None:
        step = dx
    else:
        points = tensor_of(x)
        step = _diff(points) if points.ndim == 1 else _diff(points, axis=at)
        if points.ndim == 1:
            step = step.reshape(tuple(-1 if i == at else 1 for i in range(values.ndim)))
    left, right = values[_at(at, slice(None, -1))], values[_at(at, slice(1, None))]
    return implementation("numpy.sum")(step * (right + left) / 2.0, at)


@covers("gradient")
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    if edge_order not in (1, 2):
        raise UsageError("'edge_order' greater than 2 not supported", where=where())
    x = wrap(float_node(f))
    axes = normal_axes(axis, x.ndim)
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError("invalid number of arguments")
    steps = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    slopes = [_slope(x, at, step, edge_order) for at, step in zip(axes, steps, strict=True)]
    results = [wrap(cast(s.node, x.dtype)) for s in slopes]
    return results[0] if len(results) == 1 else tuple(results)


def _slope(x: Any, axis: int, step: Any, edge_order: int) -> Any:
    n = _extent(x, axis, "np.gradient over the rows")
    if n < edge_order + 1:
        raise UsageError(
            "Shape of array too small to calculate a numerical gradient", where=where()
        )

    def part(a: Any, b: Any) -> Any:
        return x[_at(axis, slice(a, b))]

    spacing = step if type(step) in (int, float) else tensor_of(step)
    if np.ndim(spacing) == 0:
        middle = (part(2, None) - part(None, -2)) / (2.0 * spacing)
        gaps: Any = [spacing] * 4
    else:
        wide = _diff(spacing).reshape(tuple(-1 if i == axis else 1 for i in range(x.ndim)))
        before, after = wide[_at(axis, slice(None, -1))], wide[_at(axis, slice(1, None))]
        ends = (slice(0, 1), slice(1, 2), slice(-2, -1), slice(-1, None))
        gaps = [wide[_at(axis, end)] for end in ends]
        middle = (
            -after / (before * (before + after)) * part(None, -2)
            + (after - before) / (before * after) * part(1, -1)
            + before / (after * (before + after)) * part(2, None)
        )
    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / gaps[0]
        last = (part(-1, None) - part(-2, -1)) / gaps[3]
    else:
        first = _parabola_end(part(0, 1), part(1, 2), part(2, 3), gaps[0], gaps[1])
        last = -_parabola_end(part(-1, None), part(-2, -1), part(-3, -2), gaps[3], gaps[2])
    return implementation("numpy.concatenate")([first, middle, last], axis)


def _parabola_end(a: Any, b: Any, c: Any, near: Any, far: Any) -> Any:
    """The slope at the first of three points, of the parabola through them."""
    whole = near + far
    return (
        -(near + whole) / (near * whole) * a + whole / (near * far) * b - near / (far * whole) * c
    )


# --- interpolation, polynomials, convolution ----------------------------------------------------


@covers("interp")
def _interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    at, points, values = (as_node(v, np.float64) for v in (x, xp, fp))
    if period is not None:
        left = right = None
        at, points, values = _wound(at, points, values, abs(period))
    n = _extent(wrap(points), 0, "interpolating between rows")
    if points.shape != values.shape:
        raise UsageError("fp and xp are not of the same length.", where=where())
    if n == 1:
        inside = take(values, cast(full_like(at, 0), np.int64), 0)
    else:
        place = call("sub", searched(points, at, True), 1)
        place = call("min", call("max", place, 0), n - 2)
        following = call("add", place, 1)
        x0, x1 = take(points, place, 0), take(points, following, 0)
        y0, y1 = take(values, place, 0), take(values, following, 0)
        slope = call("div", call("sub", y1, y0), call("sub", x1, x0))
        inside = call("add", call("mul", slope, call("sub", at, x0)), y0)
    first, last = wrap(points)[0].node, wrap(points)[n - 1].node
    below = as_node(wrap(values)[0] if left is None else left, np.float64)
    above = as_node(wrap(values)[n - 1] if right is None else right, np.float64)
    inside = _outside("lt", at, first, below, inside)
    return wrap(note(_outside("lt", to_shape(last, at.shape), at, above, inside)))


def _wound(x: Node, xp: Node, fp: Node, period: Any) -> tuple[Node, Node, Node]:
    """Points taken into one period, in order, with one more beyond each end."""
    points, values = wrap(xp) % period, wrap(fp)
    order = implementation("numpy.argsort")(points)
    pick, join = implementation("numpy.take_along_axis"), implementation("numpy.concatenate")
    points, values = pick(points, order, 0), pick(values, order, 0)
    points = join([points[-1:] - period, points, points[:1] + period])
    values = join([values[-1:], values, values[:1]])
    return (wrap(x) % period).node, points.node, values.node


def _outside(name: str, a: Node, b: Node, value: Node, inside: Node) -> Node:
    test = call(name, a, to_shape(b, inside.shape))
    return select(test, to_shape(value, inside.shape), inside)


@covers("polyval")
def _polyval(p: Any, x: Any) -> Any:
    """Horner's scheme, as NumPy does it."""
    factors = tensor_of(p)
    coefficients = [factors[i] for i in range(_extent(factors, 0, "polynomials of rows"))]
    variable = tensor_of(x)
    result: Any = wrap(full_like(variable.node, 0))
    for c in coefficients:
        result = result * variable + c
    return result


def _front_padded(p: Any, count: int) -> Any:
    x = tensor_of(p).reshape(-1)
    return wrap(pad(x.node, (count - _extent(x, 0, "polynomials of rows"),), (0,), (0,)))


def _of_two(name: str, ufunc: str) -> None:
    @covers(name)
    def combined(a1: Any, a2: Any) -> Any:
        longest = max(
            *(_extent(tensor_of(a).reshape(-1), 0, "polynomials of rows") for a in (a1, a2))
        )
        return elementwise(RULES[ufunc], [_front_padded(a, longest) for a in (a1, a2)])


_of_two("polyadd", "add")
_of_two("polysub", "subtract")


@covers("polymul")
def _polymul(a1: Any, a2: Any) -> Any:
    return _convolve(tensor_of(a1).reshape(-1), tensor_of(a2).reshape(-1))


@covers("polyder")
def _polyder(p: Any, m: int = 1) -> Any:
    result = tensor_of(p)
    for _ in range(m):
        n = _extent(result, 0, "np.polyder") - 1
        result = result[:-1] * np.arange(n, 0, -1)
    return result


@covers("polyint")
def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    result = tensor_of(p)
    for i in range(m):
        n = _extent(result, 0, "np.polyint")
        constant = 0.0 if k is None else (k[i] if isinstance(k, (list, tuple)) else k)
        result = implementation("numpy.append")(
            result / np.arange(n, 0, -1), tensor_of(constant).reshape(1)
        )
    return result


def _windows(a: Node, m: int, padded: int) -> Node:
    """All stretches of m neighbours of an array with zeros at both ends, as rows."""
    wide = pad(a, (padded,), (padded,), (0,))
    n = wide.shape[0] - m + 1  # type: ignore[operator]
    index = np.arange(n)[:, None] + np.arange(m)[None, :]
    return take(wide, const(index), 0)


@covers("convolve")
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = (implementation("numpy.atleast_1d")(tensor_of(x)) for x in (a, v))
    return _correlated(a, v[::-1], mode, True)


@covers("correlate")
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    return _correlated(a, v, mode, False)


def _correlated(a: Any, v: Any, mode: str, commutes: bool) -> Any:
    x, kernel = (wrap(n) for n in joined_nodes((a, v)))
    n, m = (_extent(t, 0, "convolving the rows") for t in (x, kernel))
    swapped = n < m
    if swapped:
        x, kernel, n, m = kernel[::-1] if commutes else kernel, x, m, n
        kernel = kernel[::-1] if commutes else kernel
    windows = _windows(x.node, m, m - 1)
    full = wrap(contract(windows, kernel.node, (0, 1), (1,), (0,)))
    if mode == "same":
        full = full[(m - 1) // 2 : (m - 1) // 2 + n]
    elif mode == "valid":
        full = full[m - 1 : n]
    elif mode != "full":
        raise UsageError(f"mode must be one of 'valid', 'same', or 'full', not {mode!r}")
    return full[::-1] if swapped and not commutes else full


# --- covariance, counting -----------------------------------------------------------------------


@covers("cov")
def _cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    x = _variables(m, rowvar)
    if y is not None:
        x = implementation("numpy.concatenate")([x, _variables(y, rowvar)], 0)
    lost = (0 if bias else 1) if ddof is None else ddof
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            own = wrap(float_node(given))
            weights = own if weights is None else weights * own
    matmul, mean = implementation("numpy.matmul"), implementation("numpy.mean")
    if weights is None:
        count = implementation("numpy.sum")(wrap(full_like(x[0].node, 1))) - lost
        centred = x - mean(x, 1, keepdims=True)
        return (matmul(centred, centred.T) / count).squeeze()
    total = weights.sum()
    count = total - lost
    if aweights is not None:
        count = total - lost * (weights * aweights).sum() / total
    centred = x - (x * weights).sum(axis=1, keepdims=True) / total
    return (matmul(centred, (centred * weights).T) / count).squeeze()


def _variables(m: Any, rowvar: bool) -> Any:
    x = wrap(float_node(m))
    x = x.reshape(1, *x.shape) if x.ndim < 2 else x
    return x if rowvar or x.extents[0] == 1 else x.T


@covers("corrcoef")
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    c = _cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    scale = implementation("numpy.sqrt")(implementation("numpy.diagonal")(c))
    return implementation("numpy.clip")(c / scale[:, None] / scale[None, :], -1.0, 1.0)


@covers("bincount", remark="for minlength that bounds the entries, and known entries")
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    if is_traced(x):
        raise NotCoveredError(
            "np.bincount of entries that are not known before the data is",
            where=where(),
            remedy="compare with np.arange(n) and sum",
        )
    entries = np.asarray(without_stand_ins(x))
    size = max(int(entries.max(initial=-1)) + 1, int(minlength))
    return wrap(note(put_add(as_node(weights, np.float64), const(entries), 0, size)))


@covers("unwrap")
def _unwrap(p: Any, discont: Any = None, axis: Any = -1, *, period: Any = 2 * np.pi) -> Any:
    x = wrap(float_node(p))
    at = normal_axis(axis, x.ndim)
    steps = _diff(x, axis=at)
    half = period / 2.0
    least = half if discont is None else max(discont, half)
    turned = implementation("numpy.remainder")(steps + half, period) - half
    positive_edge = (turned == -half) & (steps > 0)
    turned = implementation("numpy.where")(positive_edge, half, turned)
    correction = implementation("numpy.where")(abs(steps) < least, 0.0, turned - steps)
    total = implementation("numpy.cumsum")(correction, at)
    first = x[_at(at, slice(0, 1))]
    return implementation("numpy.concatenate")([first, x[_at(at, slice(1, None))] + total], at)


# --- functions of functions ---------------------------------------------------------------------


@covers("apply_along_axis")
def _apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    x = tensor_of(arr)
    at = normal_axis(axis, x.ndim)
    others = (n for i, n in enumerate(x.extents) if i != at)
    outer = known_extents(others, "np.apply_along_axis over the rows")
    results = []
    for place in np.ndindex(*outer):
        index = (*place[:at], slice(None), *place[at:])
        results.append(tensor_of(func1d(x[index], *args, **kwargs)))
    stacked = implementation("numpy.stack")(results)
    inner = results[0].extents
    whole = stacked.reshape((*outer, *inner))
    order = [*range(at), *range(len(outer), len(outer) + len(inner)), *range(at, len(outer))]
    return whole.transpose(*order) if order else whole


class Vectorized:
    """np.vectorize in a model: the function is applied to whole arrays at once."""

    def __init__(
        self, pyfunc: Any = None, otypes: Any = None, doc: Any = None, excluded: Any = None,
        cache: bool = False, signature: Any = None,
    ) -> None:  # fmt: skip
        if signature is not None:
            raise NotCoveredError("np.vectorize with a signature is not covered yet", where=where())
        self.pyfunc = pyfunc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not is_traced(args) and not is_traced(kwargs):
            plain = np.vectorize(self.pyfunc)
            return plain(*without_stand_ins(args), **without_stand_ins(kwargs))
        wide = implementation("numpy.broadcast_arrays")(*args)
        return self.pyfunc(*wide, **kwargs)


@covers("vectorize", always=True, remark="the function must work on arrays")
def _vectorize(*args: Any, **kwargs: Any) -> Any:
    return Vectorized(*args, **kwargs)


@covers("array_equal")
def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    x, y = tensor_of(a1), tensor_of(a2)
    if x.extents != y.extents:
        return False
    same = (x == y) | ((x != x) & (y != y)) if equal_nan else x == y
    return implementation("numpy.all")(same)


@covers("array_equiv")
def _array_equiv(a1: Any, a2: Any) -> Any:
    return implementation("numpy.all")(tensor_of(a1) == tensor_of(a2))


@covers("allclose")
def _allclose(*args: Any, **kwargs: Any) -> Any:
    return implementation("numpy.all")(implementation("numpy.isclose")(*args, **kwargs))


@covers("isscalar")
def _isscalar(element: Any) -> bool:
    return bool(tensor_of(element).ndim == 0)


@covers("result_type")
def _result_type(*arrays_and_dtypes: Any) -> Any:
    return common_dtype(arrays_and_dtypes)


@covers("iterable")
def _iterable(y: Any) -> bool:
    return bool(tensor_of(y).ndim)

"""Every supported name of the coverage table, against NumPy: values, dtypes, shapes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from descend.trace.table import ENTRIES

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 4))
B = RNG.normal(size=(3, 4))
U = RNG.uniform(0.1, 0.9, size=(3, 4))
P = RNG.uniform(0.5, 3.0, size=(3, 4))
V = RNG.normal(size=5)
W = RNG.normal(size=5)
I = RNG.integers(-5, 6, size=(3, 4))
J = RNG.integers(1, 6, size=(3, 4))
T = A > 0
S = RNG.normal(size=(2, 3, 4))
Q = RNG.normal(size=(4, 4))
F = A.astype(np.float32)
N = np.array([[1.0, np.nan, 3.0], [np.nan, -2.0, 0.5]])
E = np.array([0.0, -0.0, 1.5, -2.5, 2.5, np.inf, -np.inf, np.nan])
X0, X1 = 0.7, 1.9

Case = tuple[str, Callable[..., Any], tuple[Any, ...]]
CASES: list[Case] = []


def case(names: str, model: Callable[..., Any], *arrays: Any, module: str = "numpy") -> None:
    for name in names.split():
        CASES.append((f"{module}.{name}", model, arrays))


def each(names: str, make: Callable[[Any], Callable[..., Any]], *arrays: Any) -> None:
    """One case a name, with the function looked up by the model itself."""
    for name in names.split():
        CASES.append((f"numpy.{name}", make(name), arrays))


def call(name: str) -> Callable[..., Any]:
    return lambda *a: getattr(np, name)(*a)


# --- elementwise ------------------------------------------------------------------------------
ANY = (
    "sin cos tan arctan sinh cosh tanh arcsinh exp exp2 expm1 cbrt square absolute abs fabs sign "
    "signbit floor ceil rint trunc negative positive conjugate conj isnan isinf isfinite deg2rad "
    "rad2deg degrees radians atan asinh logical_not reciprocal"
)
each(ANY, call, A)
each(ANY, call, F)
each(ANY.replace("reciprocal", "").replace("negative", ""), call, T.astype(int))
each("floor ceil rint trunc sign isnan isinf isfinite signbit fabs absolute exp tanh", call, E)
each("log log2 log10 log1p sqrt arccosh acosh reciprocal", call, 1.0 + P)
each("arcsin arccos arctanh asin acos atanh", call, U)
each("sqrt log exp sin", call, J)
each("sqrt exp sin arctan", call, J.astype(np.int8))
TWO = (
    "add subtract multiply divide true_divide floor_divide remainder mod fmod copysign maximum "
    "minimum fmax fmin hypot arctan2 atan2 less less_equal greater greater_equal equal not_equal "
    "logical_and logical_or logical_xor logaddexp logaddexp2 heaviside"
)
each(TWO, call, A, B)
each(TWO, call, A, B[0])
each(TWO, call, F, F[:, :1])
each(TWO.replace("heaviside", ""), call, I, J)
each("fmax fmin maximum minimum heaviside", call, E, E[::-1].copy())
each("power pow float_power", call, P, A)
each("power pow", call, I, J)
each("bitwise_and bitwise_or bitwise_xor left_shift bitwise_left_shift", call, J, J[:1])
each("right_shift bitwise_right_shift", call, J, np.array([1]))
each("invert bitwise_not bitwise_invert", call, I)
each("invert", call, T)
each("add multiply bitwise_and bitwise_or maximum minimum", call, T, T[:1])
case("divmod", lambda a, b: np.divmod(a, b), A, B)
case("modf", lambda a: np.modf(a), np.abs(A) * 3)
case("ldexp", lambda a, n: np.ldexp(a, n), A, J)
case("where", lambda a, b: np.where(a > 0, a, b), A, B)
case("where", lambda a: np.where(a > 0, a, 1), F)
case("where", lambda a: np.where(a > 0, 1.0, 2), A)
case("select", lambda a: np.select([a > 1, a > 0], [a, a**2], default=-1.0), A)
case("piecewise", lambda a: np.piecewise(a, [a < 0, a >= 1], [lambda v: -v, 3.0, np.sin]), A)
case("clip", lambda a: np.clip(a, -0.5, 0.5), A)
case("clip", lambda a: np.clip(a, None, a * 0 + 0.25), A)
case("round around", lambda a: np.round(a, 2), A)
case("round", lambda a: (np.round(a * 100, -1), np.around(a)), A)
case("round", lambda a: np.round(a), I)
case("fix", lambda a: np.fix(a * 3), A)
case("nan_to_num", lambda a: np.nan_to_num(a), E)
case("nan_to_num", lambda a: np.nan_to_num(a, nan=1.0, posinf=2.0, neginf=3.0), E)
case("isclose", lambda a, b: np.isclose(a, b, atol=0.5), A, B)
case("isclose", lambda a: np.isclose(a, a, equal_nan=True), E)
case("allclose", lambda a, b: np.allclose(a, b), A, A)
case("array_equal", lambda a, b: np.array_equal(a, b), A, A)
case("isposinf isneginf", lambda a: (np.isposinf(a), np.isneginf(a)), E)
case("real imag", lambda a: (np.real(a), np.imag(a)), A)
case("isreal iscomplex", lambda a: (np.isreal(a), np.iscomplex(a)), A)
case("isrealobj iscomplexobj", lambda a: (np.isrealobj(a), np.iscomplexobj(a)), A)
case("sinc", lambda a: np.sinc(a), np.array([0.0, 1e-9, 0.05, 0.3, 1.0, -2.5]))
case("angle", lambda a: (np.angle(a), np.angle(a, deg=True)), A)
# --- reductions -------------------------------------------------------------------------------
for _axis in (None, 0, -1, (0, 1)):
    each(
        "sum prod mean var std max amax min amin ptp any all count_nonzero nansum nanprod nanmean "
        "nanvar nanstd nanmax nanmin",
        lambda name, _axis=_axis: lambda a: getattr(np, name)(a, axis=_axis),
        A,
    )
each("sum prod mean var std max min ptp any all", lambda n: lambda a: getattr(np, n)(a), I)
each("sum prod mean any all", lambda n: lambda a: getattr(np, n)(a, axis=1), T)
each("sum mean var max", lambda n: lambda a: getattr(np, n)(a, axis=0, keepdims=True), F)
each("sum mean", lambda n: lambda a: getattr(np, n)(a, dtype=np.float64), F)
each("sum prod", lambda n: lambda a: getattr(np, n)(a, initial=2.0, where=a > 0), A)
each("max min", lambda n: lambda a: getattr(np, n)(a, initial=0.0, where=a > 0), A)
each(
    "mean var", lambda n: lambda a: getattr(np, n)(a, where=np.array([True, False, True, True])), A
)
each("var std", lambda n: lambda a: getattr(np, n)(a, axis=0, ddof=1), A)
each(
    "nansum nanprod nanmean nanvar nanstd nanmax nanmin nancumsum nancumprod",
    lambda n: lambda a: getattr(np, n)(a, axis=1),
    N,
)
each("argmax argmin", lambda n: lambda a: (getattr(np, n)(a), getattr(np, n)(a, axis=1)), A)
each("argmax argmin", lambda n: lambda a: getattr(np, n)(a, axis=0, keepdims=True), A)
each("nanargmax nanargmin", lambda n: lambda a: getattr(np, n)(a, axis=1), N)
each("cumsum cumprod", lambda n: lambda a: (getattr(np, n)(a), getattr(np, n)(a, axis=1)), A)
each("cumsum cumprod", lambda n: lambda a: getattr(np, n)(a, axis=0), I)
each(
    "cumulative_sum cumulative_prod",
    lambda n: lambda a: getattr(np, n)(a, axis=1, include_initial=True),
    A,
)
case("average", lambda a: np.average(a, axis=0), A)
case("average", lambda a, w: np.average(a, weights=w), A, U)
case("average", lambda a, w: np.average(a, axis=1, weights=w, returned=True), A, U[0])
case("_maximum_accumulate", lambda a: np.maximum.accumulate(a), V)
case("_minimum_accumulate", lambda a: np.minimum.accumulate(a, axis=1), A)
case("_logaddexp_reduce", lambda a: np.logaddexp.reduce(a), V)
case("sum", lambda a: (np.add.reduce(a), np.multiply.outer(a, a), np.add.accumulate(a)), V)
# --- shapes -----------------------------------------------------------------------------------
case("reshape", lambda a: (np.reshape(a, (2, 6)), np.reshape(a, -1), a.reshape(4, -1)), A)
case("reshape", lambda a: np.reshape(a, (2, 6), order="F"), A)
case("ravel", lambda a: (np.ravel(a), np.ravel(a, order="F")), A)
case("transpose permute_dims", lambda a: (np.transpose(a), np.permute_dims(a, (2, 0, 1))), S)
case("matrix_transpose swapaxes", lambda a: (np.matrix_transpose(a), np.swapaxes(a, 0, 2)), S)
case(
    "moveaxis rollaxis",
    lambda a: (np.moveaxis(a, 0, -1), np.rollaxis(a, 2), np.rollaxis(a, 0, 3)),
    S,
)
case("moveaxis", lambda a: np.moveaxis(a, [0, 1], [-1, -2]), S)
case("expand_dims squeeze", lambda a: (np.expand_dims(a, 1), np.squeeze(a[:, None, :1])), A)
case("expand_dims", lambda a: np.expand_dims(a, (0, -1)), A)
case("squeeze", lambda a: np.squeeze(a[:, None], axis=1), A)
case(
    "atleast_1d atleast_2d atleast_3d",
    lambda a, x: (np.atleast_1d(x), np.atleast_2d(a), np.atleast_3d(a), np.atleast_2d(x)),
    V,
    X0,
)
case("broadcast_to", lambda a: np.broadcast_to(a, (2, 3, 4)), A)
case("broadcast_arrays", lambda a, b: np.broadcast_arrays(a, b), A, V[:4])
case("concatenate concat", lambda a, b: (np.concatenate([a, b]), np.concat((a, b), axis=1)), A, B)
case("concatenate", lambda a, b: np.concatenate([a, b], axis=None), A, I)
case("stack", lambda a, b: (np.stack([a, b]), np.stack([a, b], axis=-1), np.stack((a, a), 1)), A, B)
case(
    "vstack hstack dstack",
    lambda a, b: (np.vstack([a, b]), np.hstack([a, b]), np.dstack([a, b])),
    A,
    B,
)
case(
    "vstack hstack column_stack",
    lambda a, b: (np.vstack([a, b]), np.hstack([a, b]), np.column_stack([a, b])),
    V,
    W,
)
if hasattr(np, "row_stack"):
    case("row_stack", lambda a, b: np.row_stack([a, b]), V, W)
case("append", lambda a, b: (np.append(a, b), np.append(a, b, axis=0)), A, B)
case("block", lambda a, b: np.block([[a, b], [b, a]]), A, B)
case("split array_split", lambda a: (np.split(a, 2, axis=1), np.array_split(a, 2)), A)
case("split", lambda a: np.split(a, [1, 3]), V)
case("hsplit vsplit dsplit", lambda a: (np.hsplit(a, 3), np.vsplit(a, 2), np.dsplit(a, 2)), S)
case("unstack", lambda a: np.unstack(a, axis=1), A)
case("flip flipud fliplr", lambda a: (np.flip(a), np.flipud(a), np.fliplr(a), np.flip(a, 1)), A)
case("rot90", lambda a: [np.rot90(a, k) for k in range(-1, 4)], A)
case("roll", lambda a: (np.roll(a, 2), np.roll(a, -1, axis=1), np.roll(a, (1, 2), (0, 1))), A)
case("repeat", lambda a: (np.repeat(a, 2), np.repeat(a, [1, 0, 2], axis=0)), A)
case("tile", lambda a: (np.tile(a, 2), np.tile(a, (2, 1, 3))), A)
case("resize", lambda a: np.resize(a, (2, 7)), A)
case("shape ndim size", lambda a: (a * np.shape(a)[0], np.ndim(a), np.size(a), np.size(a, 1)), A)
case("astype", lambda a: (np.astype(a, np.float32), np.astype(a, int), a.astype("f4")), A)
# --- making -----------------------------------------------------------------------------------
case("array", lambda a, b: np.array([[a, 1], [2.5, b]]), X0, X1)
case("array", lambda a, b: (np.array(a), np.array([a, b], ndmin=2), np.array((a[0], b[0]))), A, B)
case(
    "asarray asanyarray ascontiguousarray asfortranarray",
    lambda a, x: (
        np.asarray(a),
        np.asanyarray([x, 1]),
        np.ascontiguousarray(a),
        np.asfortranarray(a),
    ),
    A,
    X0,
)
case("asarray_chkfinite copy", lambda a: (np.asarray_chkfinite(a), np.copy(a)), A)
case(
    "full full_like",
    lambda a, x: (np.full((2, 2), x), np.full_like(a, x), np.full(3, a[0, :3])),
    A,
    X0,
)
case(
    "zeros_like ones_like empty_like zeros ones empty",
    lambda a: (
        np.zeros_like(a),
        np.ones_like(a, dtype=int),
        np.empty_like(a) * 0 + np.zeros(4) + np.ones(4) + 0 * np.empty(4),
    ),
    A,
)
case("linspace", lambda x, y: (np.linspace(x, y, 7), np.linspace(0, y, 4, endpoint=False)), X0, X1)
case("linspace", lambda a: np.linspace(a, 1.0, 3, retstep=True), V)
case("logspace geomspace", lambda x, y: (np.logspace(x, y, 5), np.geomspace(x, y, 5)), X0, X1)
case(
    "arange eye identity tri indices fromfunction",
    lambda a: (
        a + np.arange(4) + np.eye(3, 4),
        np.identity(3),
        np.tri(3),
        np.indices((2, 2)),
        np.fromfunction(lambda i, j: i + j, (2, 2)),
    ),
    A,
)
case(
    "fromiter frombuffer",
    lambda a: a + np.fromiter((i for i in range(4)), float) + np.frombuffer(np.ones(4).tobytes()),
    A,
)
case("vander", lambda a: (np.vander(a), np.vander(a, 3, increasing=True)), V)
case(
    "meshgrid",
    lambda a, b: (
        np.meshgrid(a, b),
        np.meshgrid(a, b, indexing="ij"),
        np.meshgrid(a, b, sparse=True),
    ),
    V,
    W[:3],
)
# --- index ------------------------------------------------------------------------------------
case(
    "take",
    lambda a: (
        np.take(a, [0, 5, -1]),
        np.take(a, np.array([[1, 0]]), axis=1),
        np.take(a, 7, mode="wrap"),
        np.take(a, [9, -9], axis=0, mode="clip"),
    ),
    A,
)
case(
    "take_along_axis",
    lambda a: (
        np.take_along_axis(a, np.argsort(a, axis=1), axis=1),
        np.take_along_axis(a, np.argsort(a, axis=0), 0),
    ),
    A,
)
case("take_along_axis", lambda a: np.take_along_axis(a, np.array([[0], [-1], [2]]), 1), A)
case(
    "compress extract",
    lambda a: (
        np.compress([True, False, True], a, axis=0),
        np.extract(np.array([True, False] * 6), a),
    ),
    A,
)
case("choose", lambda a, b: np.choose([[0, 1, 0, 1]], [a, b]), A, B)
case("sort", lambda a: (np.sort(a), np.sort(a, axis=0), np.sort(a, axis=None)), A)
case("sort", lambda a: np.sort(a), E)
case("argsort", lambda a: (np.argsort(a), np.argsort(a, axis=0), np.argsort(a, axis=None)), A)
case("partition", lambda a: np.sort(np.partition(a, 2)), V)
case("argpartition", lambda a: a[np.argpartition(a, 2)[2]], V)
case(
    "searchsorted",
    lambda a, v: (np.searchsorted(np.sort(a), v), np.searchsorted(np.sort(a), v, side="right")),
    V,
    A,
)
case(
    "searchsorted",
    lambda v: np.searchsorted([0.0, 0.0, 1.0, 2.0], v),
    np.array([0.0, 1.0, 2.5, -1.0, np.nan]),
)
case(
    "digitize",
    lambda v: (
        np.digitize(v, [-1.0, 0.0, 1.0]),
        np.digitize(v, [1.0, 0.0], right=True),
        np.digitize(v, [0.0, 1.0], True),
    ),
    A,
)
case(
    "diagonal diag",
    lambda a: (np.diagonal(a), np.diagonal(a, -1), np.diag(a, 1), np.diag(a[0]), np.diag(a[1], -2)),
    A,
)
case("diagonal", lambda a: np.diagonal(a, 1, 2, 0), S)
case("diagflat tril triu", lambda a: (np.diagflat(a), np.tril(a), np.triu(a, 1), np.tril(a, -1)), A)


def _filled_diagonal(a: Any, x: Any) -> Any:
    out = np.zeros((4, 4))
    np.fill_diagonal(out, x)
    b = a.copy()
    np.fill_diagonal(b, 2 * x)
    return out, b


case("fill_diagonal", _filled_diagonal, Q, X0)
for _mode in ("edge", "reflect", "symmetric", "wrap"):
    case("pad", lambda a, _mode=_mode: np.pad(a, ((1, 2), (3, 1)), mode=_mode), A)
case(
    "pad",
    lambda a, x: (
        np.pad(a, 1),
        np.pad(a, (0, 2), constant_values=5),
        np.pad(a, 1, constant_values=x),
    ),
    A,
    X0,
)
case(
    "delete",
    lambda a: (np.delete(a, 1), np.delete(a, [0, 2], axis=1), np.delete(a, slice(0, 2), axis=0)),
    A,
)
case(
    "insert",
    lambda a, b: (np.insert(a, 1, b), np.insert(a, [1, 3], b[:2]), np.insert(a, 0, 9.0)),
    V,
    W,
)
case("insert", lambda a, b: np.insert(a, 1, b[:3], axis=1), A, V)


def _put_along(a: Any, x: Any) -> Any:
    b = a.copy()
    np.put_along_axis(b, np.array([[1], [0], [3]]), x, axis=1)
    return b


case("put_along_axis", _put_along, A, X0)
case("ix_", lambda a: a[np.ix_([0, 2], [1, 3])], A)
case("isin", lambda a: (np.isin(a, [1, 2, 3]), np.isin(a, [1], invert=True)), I)
# --- algebra ----------------------------------------------------------------------------------
case("matmul", lambda a, b: (np.matmul(a, b.T), a @ b[0], a[0] @ b.T, a[0] @ b[0]), A, B)
case("matmul", lambda s, a: (s @ a.T, a @ s.transpose(0, 2, 1), s @ a[0]), S, A)
case(
    "dot vdot inner",
    lambda a, b: (np.dot(a, b.T), np.vdot(a, b), np.inner(a, b), np.dot(a[0], b[0])),
    A,
    B,
)
case(
    "dot inner",
    lambda s, a: (
        np.dot(s, a.T),
        np.inner(s, a),
        np.dot(s, 2.0),
        np.dot(a[0], s.transpose(0, 2, 1)),
    ),
    S,
    A,
)
case("dot", lambda a: np.dot(a, a), J[:3, :3])
case("outer", lambda a, b: np.outer(a, b), V, A)
case(
    "tensordot",
    lambda s, a: (
        np.tensordot(s, a, axes=2),
        np.tensordot(s, a, axes=([2], [1])),
        np.tensordot(a, s, 0),
    ),
    S,
    A,
)
case(
    "vecdot matvec vecmat",
    lambda s, a: (np.vecdot(s, a), np.matvec(s, a[0]), np.vecmat(a[0, :3], s)),
    S,
    A,
)
case("kron", lambda a, b: (np.kron(a, b), np.kron(a[0], b)), A[:2], B[:, :2])
case("cross", lambda a, b: (np.cross(a, b), np.cross(a, b, axis=-1)), S[:, :, :3][0], S[1, :, 1:])
case("trace", lambda a, s: (np.trace(a), np.trace(a, 1), np.trace(s, axis1=1, axis2=2)), Q, S)
case(
    "einsum",
    lambda a, b: (
        np.einsum("ij,kj->ik", a, b),
        np.einsum("ij,ij", a, b),
        np.einsum("ij->j", a),
        np.einsum("ij->ji", a),
    ),
    A,
    B,
)
case(
    "einsum",
    lambda q, s: (
        np.einsum("ii", q),
        np.einsum("ii->i", q),
        np.einsum("...ij,jk", s, q),
        np.einsum("...j->...", s),
    ),
    Q,
    S,
)
case(
    "einsum",
    lambda a, b, q: (np.einsum("ij,kj,jl->ikl", a, b, q), np.einsum(a, [0, 1], b, [2, 1], [0, 2])),
    A,
    B,
    Q,
)
case(
    "einsum",
    lambda a, v: (
        np.einsum("i,j->ij", v, v),
        np.einsum("ij,i->", a, v[:3]),
        np.einsum(",i->i", 2.0, v),
    ),
    A,
    V,
)
for _ord in (None, 1, 2, 3, 0, np.inf, -np.inf):
    case("norm", lambda a, _ord=_ord: np.linalg.norm(a, _ord), V, module="numpy.linalg")
for _ord in ("fro", 1, -1, np.inf, -np.inf):
    case(
        "norm",
        lambda a, _ord=_ord: (
            np.linalg.norm(a, _ord),
            np.linalg.norm(a, _ord, axis=(1, 0), keepdims=True),
        ),
        A,
        module="numpy.linalg",
    )
case(
    "norm",
    lambda a: (
        np.linalg.norm(a),
        np.linalg.norm(a, axis=1),
        np.linalg.norm(a, axis=0, keepdims=True),
    ),
    A,
    module="numpy.linalg",
)
case(
    "vector_norm matrix_norm",
    lambda a: (
        np.linalg.vector_norm(a, axis=1),
        np.linalg.vector_norm(a),
        np.linalg.matrix_norm(a),
    ),
    A,
    module="numpy.linalg",
)
case(
    "multi_dot matrix_power",
    lambda q: (
        np.linalg.multi_dot([q, q, q]),
        np.linalg.matrix_power(q, 5),
        np.linalg.matrix_power(q, 0),
    ),
    Q,
    module="numpy.linalg",
)
case(
    "cross outer matmul tensordot trace diagonal vecdot matrix_transpose",
    lambda q: (
        np.linalg.cross(q[0, :3], q[1, :3]),
        np.linalg.outer(q[0], q[1]),
        np.linalg.matmul(q, q),
        np.linalg.tensordot(q, q),
        np.linalg.trace(q),
        np.linalg.diagonal(q),
        np.linalg.vecdot(q, q),
        np.linalg.matrix_transpose(q),
    ),
    Q,
    module="numpy.linalg",
)
# --- numerical and statistical ----------------------------------------------------------------
case("diff", lambda a: (np.diff(a), np.diff(a, 2), np.diff(a, axis=0), np.diff(a, prepend=0.0)), A)
case("diff", lambda a: np.diff(a), T)
case("ediff1d", lambda a: (np.ediff1d(a), np.ediff1d(a, to_begin=1.0, to_end=[2.0, 3.0])), V)
case(
    "trapezoid",
    lambda a, x: (np.trapezoid(a), np.trapezoid(a, dx=0.5, axis=0), np.trapezoid(a[0], x)),
    A,
    np.sort(V[:4]),
)
case(
    "trapezoid",
    lambda a, x: (np.trapezoid(a, x), np.trapezoid(a, np.cumsum(np.abs(a), 1))),
    A,
    np.sort(V[:4]),
)
case(
    "gradient", lambda a: (np.gradient(a), np.gradient(a, 0.5, axis=1), np.gradient(a, 0.5, 2.0)), A
)
case("gradient", lambda a, x: np.gradient(a, x), V, np.cumsum(np.abs(W)))
case(
    "interp",
    lambda x, f: (
        np.interp(x, [-1.0, 0.0, 0.5, 2.0], f),
        np.interp(x, [-1.0, 0.0, 0.5, 2.0], f, left=9.0, right=-9.0),
    ),
    A * 2,
    W[:4],
)
case("interp", lambda x, p, f: np.interp(x, p, f), E, np.sort(V), W)
case(
    "polyval",
    lambda a, b, x: (np.polyval([a, b, 1.0], x), np.polyval(np.array([a, b]), x)),
    X0,
    X1,
    A,
)
case(
    "polyder polyint",
    lambda v: (np.polyder(v), np.polyder(v, 2), np.polyint(v), np.polyint(v, 2, [1.0, 2.0])),
    V,
)
for _mode in ("full", "same", "valid"):
    case(
        "convolve",
        lambda a, v, _mode=_mode: (np.convolve(a, v, _mode), np.convolve(v, a, _mode)),
        V,
        W[:2],
    )
    case(
        "convolve",
        lambda a, v, _mode=_mode: (np.convolve(a, v, _mode), np.convolve(v, a, _mode)),
        RNG.normal(size=6),
        W[:3],
    )
    case(
        "correlate",
        lambda a, v, _mode=_mode: (np.correlate(a, v, _mode), np.correlate(v, a, _mode)),
        V,
        W[:2],
    )
    case(
        "correlate",
        lambda a, v, _mode=_mode: (np.correlate(a, v, _mode), np.correlate(v, a, _mode)),
        RNG.normal(size=6),
        W[:3],
    )
case(
    "median",
    lambda a, v: (np.median(a), np.median(a, axis=1), np.median(v), np.median(a, 0, keepdims=True)),
    A,
    V,
)
case("median quantile", lambda a: (np.median(a, axis=1), np.quantile(a, 0.3, axis=1)), N)
case(
    "quantile percentile",
    lambda a: (
        np.quantile(a, 0.25),
        np.quantile(a, [0.1, 0.5, 1.0], axis=1),
        np.percentile(a, 75, axis=0, keepdims=True),
    ),
    A,
)
case(
    "cov",
    lambda a: (
        np.cov(a),
        np.cov(a, rowvar=False),
        np.cov(a[0], a[1]),
        np.cov(a[0]),
        np.cov(a, bias=True),
    ),
    A,
)
case("corrcoef", lambda a: (np.corrcoef(a), np.corrcoef(a[0], a[1])), A)
case("bincount", lambda w: np.bincount([0, 2, 2, 1, 4], w, minlength=7), V)
case("unwrap", lambda a: (np.unwrap(a * 5), np.unwrap(a * 5, axis=0)), A)
case(
    "apply_along_axis",
    lambda a: (
        np.apply_along_axis(np.sum, 0, a),
        np.apply_along_axis(lambda r: r / np.sum(r), 1, a),
    ),
    A,
)
case("vectorize", lambda a, x: np.vectorize(lambda u, v: u * np.sin(v))(a, x), A, X0)
case("isscalar", lambda a, x: (np.isscalar(a), np.isscalar(x)), A, X0)
case(
    "result_type",
    lambda a, f: (a.astype(np.result_type(f, 1.0)), f.astype(np.result_type(f, a))),
    A,
    F,
)
# --- scipy.special ----------------------------------------------------------------------------
SPECIAL = "scipy.special"
for _name in ["erf", "erfc", "expit", "log_expit", "ndtr", "exp2", "expm1", "cbrt", "exp10"]:
    case(_name, lambda a, _name=_name: getattr(special, _name)(a), A, module=SPECIAL)
    case(_name, lambda a, _name=_name: getattr(special, _name)(a), F, module=SPECIAL)
for _name in ["gammaln", "loggamma", "digamma", "psi", "gamma", "entr", "log1p", "factorial"]:
    case(_name, lambda a, _name=_name: getattr(special, _name)(a), P, module=SPECIAL)
case("gamma", lambda a: special.gamma(a), np.array([-2.5, -1.5, -0.5, 0.5]), module=SPECIAL)
case("logit", lambda u: (special.logit(u), special.logit(u * 1e-3)), U, module=SPECIAL)
case(
    "xlogy xlog1py rel_entr kl_div",
    lambda a, b: (
        special.xlogy(a, b),
        special.xlog1py(a, b),
        special.rel_entr(a, b),
        special.kl_div(a, b),
    ),
    U,
    P,
    module=SPECIAL,
)
case(
    "xlogy entr rel_entr",
    lambda a: (special.xlogy(a, a), special.entr(a), special.rel_entr(a, a)),
    np.array([0.0, 1.0, -1.0, np.nan]),
    module=SPECIAL,
)
case(
    "huber pseudo_huber",
    lambda a: (special.huber(0.7, a), special.pseudo_huber(0.7, a)),
    A,
    module=SPECIAL,
)
case(
    "logsumexp",
    lambda a, b: (
        special.logsumexp(a),
        special.logsumexp(a, axis=1),
        special.logsumexp(a, b=b, axis=0, keepdims=True),
    ),
    A,
    U,
    module=SPECIAL,
)
case(
    "softmax log_softmax",
    lambda a: (special.softmax(a), special.softmax(a, axis=1), special.log_softmax(a, axis=0)),
    A,
    module=SPECIAL,
)
case("logsumexp", lambda a, b: special.logsumexp([a, b]), X0, X1, module=SPECIAL)
case("beta betaln", lambda a, b: (special.beta(a, b), special.betaln(a, b)), P, U, module=SPECIAL)
case("polygamma", lambda a: (special.polygamma(0, a), special.polygamma(2, a)), P, module=SPECIAL)
# --- math and builtins ------------------------------------------------------------------------
for _name in [
    "acosh",
    "asinh",
    "atan",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "degrees",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "gamma",
    "isfinite",
    "isinf",
    "isnan",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]:
    case(_name, lambda x, _name=_name: getattr(math, _name)(x), X1, module="math")
for _name in ["acos", "asin", "atanh"]:
    case(_name, lambda x, _name=_name: getattr(math, _name)(x), X0, module="math")
for _name in ["atan2", "copysign", "fmod", "hypot", "isclose", "pow", "log"]:
    case(_name, lambda x, y, _name=_name: getattr(math, _name)(x, y), X0, X1, module="math")
case(
    "fsum prod dist",
    lambda x, y: (math.fsum([x, y, 0.1]), math.prod([x, y, 3]), math.dist([x, 0], [y, 1])),
    X0,
    X1,
    module="math",
)
case("hypot", lambda x, y: math.hypot(x, y, 2.0), X0, X1, module="math")
if hasattr(math, "sumprod"):
    case("sumprod", lambda x, y: math.sumprod([x, y], [y, 2.0]), X0, X1, module="math")
if hasattr(math, "fma"):
    case("fma", lambda x, y: math.fma(x, y, 1.0), X0, X1, module="math")
case(
    "len sum",
    lambda a: (sum(a) / len(a), sum([a[0], a[1]]), sum(a, start=1.0)),
    A,
    module="builtins",
)
case(
    "max min",
    lambda x, y: (max(x, y), min(x, y, 0.1), max([x, y, 5.0]), max(1, 2)),
    X0,
    X1,
    module="builtins",
)
case("max min", lambda v: (max(v), min(v)), V, module="builtins")
case(
    "abs round pow divmod",
    lambda x, y: (abs(-x), pow(x, y), divmod(y, x)),
    X0,
    X1,
    module="builtins",
)
case("round", lambda a: round(a.sum(), 3), A, module="builtins")
case(
    "sorted any all",
    lambda v: (
        sorted(v),
        sorted([v[0], v[1]], reverse=True),
        any(v > 0),
        all([v[0] < 9, v[1] < 9]),
    ),
    V,
    module="builtins",
)
case(
    "isinstance",
    lambda a, x: a * isinstance(a, np.ndarray) * isinstance(x, float) + isinstance(a, list),
    A,
    X0,
    module="builtins",
)
# --- methods ----------------------------------------------------------------------------------
METHOD = "method"
case(
    "sum mean std var max min prod ptp any all argmax argmin cumsum cumprod",
    lambda a: (
        a.sum(),
        a.mean(0),
        a.std(axis=1),
        a.var(ddof=1),
        a.max(),
        a.min(1),
        a.prod(),
        a.any(),
        a.all(0),
        a.argmax(),
        a.argmin(0),
        a.cumsum(),
        a.cumprod(1),
    ),
    A,
    module=METHOD,
)
case("ptp", lambda a: np.ptp(a), A, module=METHOD)
case(
    "reshape ravel flatten transpose swapaxes squeeze",
    lambda a: (
        a.reshape(4, 3),
        a.reshape((2, -1)),
        a.ravel(),
        a.flatten(),
        a.transpose(1, 0),
        a.T,
        a.transpose(),
        a.swapaxes(0, 1),
        a[None].squeeze(0),
    ),
    A,
    module=METHOD,
)
case(
    "astype copy clip round repeat conj conjugate take",
    lambda a: (
        a.astype(int),
        a.copy(),
        a.clip(0, 1),
        a.round(1),
        a.repeat(2),
        a.conj(),
        a.conjugate(),
        a.take([0, 1]),
    ),
    A,
    module=METHOD,
)
case(
    "dot diagonal trace matmul rmatmul",
    lambda q: (
        q.dot(q),
        q.diagonal(),
        q.trace(),
        q @ np.ones((4, 2)),
        np.ones((2, 4)) @ q,
        [1.0, 2.0, 3.0, 4.0] @ q,
    ),
    Q,
    module=METHOD,
)


def _written(a: Any, v: Any) -> Any:
    a, v = a.copy(), v.copy()
    v.sort()
    b = np.empty(3)
    b.fill(a[0, 0])
    a @= np.eye(4)
    return v, b, a, v.argsort(), v.searchsorted(0.0)


case("sort fill imatmul argsort searchsorted", _written, A, V, module=METHOD)
MODULES = ("numpy", "numpy.linalg", "scipy.special", "math", "builtins", "method")


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
    missing = {n for n in supported if n.startswith("math.") and not hasattr(math, n[5:])}
    assert supported - missing - {c[0] for c in CASES} == set()

"""Products, norms, numerical and statistical functions."""

import numpy as np

from table_cases.data import RNG, X0, X1, A, B, E, F, J, N, Q, S, T, V, W, case

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
case("iterable", lambda a, x: (np.iterable(a), np.iterable(x)), A, X0)
case(
    "result_type",
    lambda a, f: (a.astype(np.result_type(f, 1.0)), f.astype(np.result_type(f, a))),
    A,
    F,
)
case(
    "polyadd polysub polymul",
    lambda v, w: (np.polyadd(v, w[:2]), np.polysub(w[:2], v), np.polymul(v, w[:3])),
    V,
    W,
)
case("array_equiv", lambda a: (np.array_equiv(a, a), np.array_equiv(a, a[0])), A)

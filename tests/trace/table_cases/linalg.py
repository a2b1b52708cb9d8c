"""numpy.linalg: every entry, over matrices alone and in stacks, small and large."""

import numpy as np

from table_cases.data import A, B, I, Q, S, V, case

LINALG = "numpy.linalg"
LARGE = np.random.default_rng(5).normal(size=(6, 6)) + 3 * np.eye(6)
STACK = np.stack([Q[:3, :3] + np.eye(3), Q[1:, 1:] - 2 * np.eye(3)])

case(
    "solve",
    lambda a, b, v: (
        np.linalg.solve(a, b.T),
        np.linalg.solve(a, v[:4]),
        np.linalg.solve(np.stack([a, a.T]), b.T),
    ),
    Q,
    B,
    V,
    module=LINALG,
)
case("inv", lambda a, s: (np.linalg.inv(a), np.linalg.inv(s)), LARGE, STACK, module=LINALG)
case("inv", lambda i: np.linalg.inv(i[:, :3] + 9 * np.eye(3, dtype=int)), I, module=LINALG)
case(
    "det slogdet",
    lambda a, s, q: (
        np.linalg.det(a),
        np.linalg.det(s),
        np.linalg.det(q[:2, :2]),
        np.linalg.det(q[:1, :1]),
        *np.linalg.slogdet(a),
        np.linalg.slogdet(s).logabsdet,
    ),
    LARGE,
    STACK,
    Q,
    module=LINALG,
)
case(
    "cholesky",
    lambda a, s: (
        np.linalg.cholesky(a @ a.T),
        np.linalg.cholesky(a @ a.T, upper=True),
        np.linalg.cholesky(s @ s.transpose(0, 2, 1)),
        np.linalg.cholesky(np.eye(4) * 20 + a),
    ),
    Q,
    STACK,
    module=LINALG,
)
case(
    "qr",
    lambda a, q: (
        *np.linalg.qr(a),
        *np.linalg.qr(a.T),
        np.linalg.qr(a.T, mode="r"),
        np.linalg.qr(q, mode="complete").R,
    ),
    A,
    Q,
    module=LINALG,
)
case(
    "eigh eigvalsh",
    lambda a: (
        np.linalg.eigvalsh(a),
        np.linalg.eigvalsh(a, UPLO="U"),
        np.linalg.eigh(a).eigenvalues,
        np.linalg.eigh(a + a.T)[1] ** 2,
    ),
    Q,
    module=LINALG,
)
case(
    "svd svdvals",
    lambda a, q: (
        np.linalg.svdvals(a),
        np.linalg.svd(a, compute_uv=False),
        np.linalg.svd(a, full_matrices=False).U ** 2,
        np.linalg.svd(q)[2] ** 2,
    ),
    A,
    Q,
    module=LINALG,
)
case(
    "pinv",
    lambda a, q: (np.linalg.pinv(a), np.linalg.pinv(a.T, rtol=1e-9), np.linalg.pinv(q, 1e-12)),
    A,
    Q,
    module=LINALG,
)
case(
    "lstsq",
    lambda a, b, q: (
        *np.linalg.lstsq(a.T, b[0], rcond=None),
        np.linalg.lstsq(a.T, b.T)[0],
        np.linalg.lstsq(a.T, b.T)[1],
        *np.linalg.lstsq(q, b[0]),
    ),
    A,
    B,
    Q,
    module=LINALG,
)
case(
    "cond",
    lambda a, q: (
        np.linalg.cond(a),
        np.linalg.cond(a, -2),
        np.linalg.cond(q, 1),
        np.linalg.cond(q, "fro"),
    ),
    A,
    Q,
    module=LINALG,
)
case(
    "matrix_rank",
    lambda a, v: (
        np.linalg.matrix_rank(a),
        np.linalg.matrix_rank(np.stack([a, a * 0])),
        np.linalg.matrix_rank(a, tol=100.0),
        np.linalg.matrix_rank(v),
    ),
    A,
    V,
    module=LINALG,
)
case(
    "norm matrix_norm",
    lambda a, s: (
        np.linalg.norm(a, 2),
        np.linalg.norm(s, -2, axis=(0, 2)),
        np.linalg.matrix_norm(s, ord="nuc", keepdims=True),
    ),
    A,
    S,
    module=LINALG,
)
case("matrix_power", lambda q: (np.linalg.matrix_power(q, -2),), Q, module=LINALG)
case(
    "multi_dot",
    lambda a, b, v: (
        np.linalg.multi_dot([a, b.T, a, b.T]),
        np.linalg.multi_dot([v[:3], a, b.T, v[:3]]),
        np.linalg.multi_dot([a[0], b.T]),
    ),
    A,
    B,
    V,
    module=LINALG,
)
case(
    "tensorinv tensorsolve",
    lambda a, v: (
        np.linalg.tensorinv(a.reshape(2, 3, 3, 2)),
        np.linalg.tensorsolve(a.reshape(2, 3, 6), v[:3].repeat(2).reshape(2, 3)),
        np.linalg.tensorsolve(a.reshape(3, 6, 2), v[:3].repeat(2), axes=(0, 2)),
    ),
    LARGE,
    V,
    module=LINALG,
)

"""Cases of scipy.linalg, scipy.integrate and the normal distribution."""

import numpy as np
from scipy import integrate, linalg, stats

from table_cases.data import RNG, X0, X1, A, P, Q, U, V, case

LINALG, INTEGRATE, NORM = "scipy.linalg", "scipy.integrate", "scipy.stats.norm"
DEFINITE = Q @ Q.T + 4 * np.eye(4)
LONG = RNG.normal(size=9)
B = RNG.normal(size=(4, 2))

case("inv det norm", lambda q: (linalg.inv(q), linalg.det(q), linalg.norm(q)), Q, module=LINALG)
case("norm", lambda q: (linalg.norm(q, 1), linalg.norm(q, axis=0)), Q, module=LINALG)
case(
    "solve",
    lambda q, b: (linalg.solve(q, b), linalg.solve(q, b[:, 0], transposed=True)),
    Q,
    B,
    module=LINALG,
)
case(
    "cholesky",
    lambda q: (linalg.cholesky(q), linalg.cholesky(q, lower=True, check_finite=False)),
    DEFINITE,
    module=LINALG,
)
case(
    "cho_factor cho_solve",
    lambda q, b: (
        linalg.cho_solve(linalg.cho_factor(q), b),
        linalg.cho_solve(linalg.cho_factor(q, lower=True), b[:, 0]),
    ),
    DEFINITE,
    B,
    module=LINALG,
)
case(
    "solve_triangular",
    lambda q, b: (
        linalg.solve_triangular(q, b),
        linalg.solve_triangular(q, b, lower=True),
        linalg.solve_triangular(q, b[:, 0], trans="T"),
        linalg.solve_triangular(q, b, trans=1, lower=True, unit_diagonal=True),
    ),
    DEFINITE,
    B,
    module=LINALG,
)
case("svdvals pinv", lambda a: (linalg.svdvals(a), linalg.pinv(a)), A, module=LINALG)
case(
    "eigvalsh",
    lambda q: (linalg.eigvalsh(q + q.T), linalg.eigvalsh(q + q.T, lower=False)),
    Q,
    module=LINALG,
)
case(
    "expm",
    lambda q: (
        linalg.expm(0.01 * q),
        linalg.expm(q),
        linalg.expm(2 * q),
        linalg.expm(-q @ q.T),
    ),
    Q,
    module=LINALG,
)
case("expm", lambda q: linalg.expm(np.stack([q, 2 * q])), Q, module=LINALG)
case(
    "trapezoid simpson romb cumulative_trapezoid cumulative_simpson",
    lambda y, v: (
        integrate.trapezoid(y, dx=0.1),
        integrate.simpson(y, dx=0.5),
        integrate.simpson(v, x=np.array([0.0, 0.5, 0.7, 2.0, 2.5])),
        integrate.romb(y, dx=0.5),
        integrate.cumulative_trapezoid(y, dx=0.5),
        integrate.cumulative_trapezoid(v, np.array([0.0, 0.5, 0.7, 2.0, 2.5]), initial=0),
        integrate.cumulative_simpson(y, dx=0.5),
    ),
    LONG,
    V,
    module=INTEGRATE,
)
case(
    "simpson cumulative_trapezoid",
    lambda a: (integrate.simpson(a, axis=0), integrate.cumulative_trapezoid(a, axis=0)),
    A,
    module=INTEGRATE,
)
case(
    "pdf logpdf cdf logcdf sf logsf",
    lambda a, p, x, y: (
        stats.norm.pdf(a),
        stats.norm.logpdf(a, x, p),
        stats.norm.cdf(a, loc=x, scale=p),
        stats.norm.logcdf(a, x, y),
        stats.norm.sf(a, x),
        stats.norm.logsf(a, scale=y),
        stats.norm(x, y).logpdf(a),
    ),
    A,
    P,
    X0,
    X1,
    module=NORM,
)
case(
    "ppf isf",
    lambda u, x, y: (stats.norm.ppf(u, x, y), stats.norm.isf(u)),
    U,
    X0,
    X1,
    module=NORM,
)

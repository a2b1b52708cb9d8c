"""Series of polynomials, windows, frequencies, quantiles without NaN, orders by several keys."""

import numpy as np
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre
from numpy.polynomial import polynomial as P

from table_cases.data import RNG, X0, A, I, J, N, T, U, V, W, case

POLYNOMIAL = "numpy.polynomial"
for _name, _module in (
    ("chebval", chebyshev),
    ("legval", legendre),
    ("hermval", hermite),
    ("hermeval", hermite_e),
    ("lagval", laguerre),
    ("polyval", P),
):
    case(
        _name,
        lambda x, v, a, _name=_name, _module=_module: (
            getattr(_module, _name)(a, v),
            getattr(_module, _name)(v[0], [v[0], v[1], 2.0]),
            getattr(_module, _name)([x, 2 * x], v[:2]),
            getattr(_module, _name)(a, v[:1]),
            getattr(_module, _name)(v[:4], a, tensor=False),
        ),
        X0,
        V,
        A,
        module=f"{POLYNOMIAL}.{_module.__name__.rpartition('.')[2]}",
    )
case(
    "polyval",
    lambda v: np.polynomial.polynomial.polyval(v, [1, 2]),
    V,
    module=f"{POLYNOMIAL}.polynomial",
)
case(
    "polyfit",
    lambda x, y, a: (
        np.polyfit(x, y, 2),
        np.polyfit(x, y, 1, w=np.abs(y) + 1),
        np.polyfit(x[:3], a, 1),
    ),
    V,
    W,
    A,
)
case("i0 kaiser", lambda x, a: (np.i0(a), np.kaiser(6, x), np.kaiser(1, x)), X0, A)
case("i0", lambda i: np.i0(i), I)
case(
    "fftfreq rfftfreq",
    lambda x: (np.fft.fftfreq(5, x), np.fft.fftfreq(4, d=x), np.fft.rfftfreq(5, x)),
    X0,
    module="numpy.fft",
)
case(
    "fftshift ifftshift",
    lambda a: (np.fft.fftshift(a), np.fft.fftshift(a, axes=0), np.fft.ifftshift(a, axes=(0,))),
    A,
    module="numpy.fft",
)
HOLES = np.where(RNG.random((4, 7)) < 0.3, np.nan, RNG.normal(size=(4, 7)))
for _values in (N, HOLES, A):
    case(
        "nanmedian nanquantile nanpercentile",
        lambda a: (
            np.nanmedian(a),
            np.nanmedian(a, axis=1),
            np.nanmedian(a, axis=0, keepdims=True),
            np.nanquantile(a, 0.3, axis=0),
            np.nanquantile(a, [0.0, 0.62, 1.0]),
            np.nanpercentile(a, [[25, 50]], axis=1),
        ),
        _values,
    )
METHODS = (
    "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf",
    "hazen", "weibull", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint",
    "nearest",
)  # fmt: skip
for _method in METHODS:
    case(
        "quantile percentile",
        lambda a, v, _method=_method: (
            np.quantile(a, [0.0, 0.31, 0.5, 1.0], axis=1, method=_method),
            np.percentile(v, 43, method=_method),
        ),
        A,
        V,
    )
case(
    "gradient",
    lambda a, v: (
        np.gradient(v, edge_order=2),
        np.gradient(a, 0.3, axis=1, edge_order=2),
        np.gradient(v, np.array([0.0, 1.0, 1.5, 3.0, 3.2]), edge_order=2),
        np.gradient(v, np.cumsum(v**2 + 1), edge_order=1),
    ),
    A,
    V,
)
case(
    "interp",
    lambda v, x: (
        np.interp(v, [0.1, 1.7, 2.5, 3.6], [1.0, x, 0.5, 2.0], period=4.0),
        np.interp(5 * v, [190, -190, 350, -350], [5, 10, 3, 4], period=360),
    ),
    V,
    X0,
)
case(
    "cov",
    lambda a, u: (
        np.cov(a, aweights=u[0]),
        np.cov(a, fweights=np.array([1, 2, 3, 1])),
        np.cov(a, fweights=np.array([1, 2, 3, 1]), aweights=u[1], ddof=0),
        np.cov(a[0], aweights=u[0], bias=True),
    ),
    A,
    U,
)
case(
    "lexsort",
    lambda j, v, a: (np.lexsort((j, v[:4] * 0)), np.lexsort([a, j > 2]), np.lexsort((v, v > 0))),
    J[0],
    V,
    U[0],
)
case("lexsort", lambda j, t: np.lexsort((j, t), axis=0), J, T)

"""SciPy's functions in a model: the derivative, or a refusal by name at the user's line.

Where there is a derivative, it is compared with differences of SciPy's own function or, for the
matrix exponential, with mpmath's value and SciPy's Fréchet derivative.
"""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import (
    fft,
    integrate,
    interpolate,
    linalg,
    ndimage,
    optimize,
    signal,
    sparse,
    spatial,
    special,
    stats,
)
from scipy.integrate import quad as integral
from scipy.sparse import linalg as sparse_linalg

import descend

X = np.array([0.1, 0.5, 0.9])
RATE = np.array(0.3)
MATRIX = 2 * np.eye(3) + 0.1
GRID = np.linspace(0.0, 1.0, 5)

REFUSED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "integrate.quad": (lambda k: integrate.quad(lambda t: np.exp(-k * t), 0, 1)[0], RATE),
    "scipy.integrate.quad": (lambda k: integral(lambda t: np.exp(-k * t), 0, 1)[0], RATE),
    "dblquad": (
        lambda k: integrate.dblquad(lambda t, s: np.exp(-k * t * s), 0, 1, 0, 1)[0], RATE,
    ),
    "odeint": (lambda k: integrate.odeint(lambda y, t: -k * y, 1.0, [0, 1.0])[-1, 0], RATE),
    "solve_ivp": (
        lambda k: integrate.solve_ivp(lambda t, y: -k * y, (0, 1), [1.0]).y[0, -1], RATE,
    ),
    "interp1d": (lambda v: np.sum(interpolate.interp1d([0.0, 1.0], [1.0, 3.0])(v)), X),
    "CubicSpline": (lambda v: interpolate.CubicSpline([0.0, 0.5, 1.0], v)(0.3), X),
    "PchipInterpolator": (
        lambda v: np.sum(interpolate.PchipInterpolator([0.0, 0.5, 1.0], [1.0, 2.0, 0.0])(v)), X,
    ),
    "splev": (
        lambda v: np.sum(interpolate.splev(v, interpolate.splrep(GRID, GRID**2))), X,
    ),
    "griddata": (lambda v: np.sum(interpolate.griddata(GRID, GRID**2, v)), X),
    "convolve": (lambda v: np.sum(signal.convolve(v, v)), X),
    "savgol_filter": (lambda v: np.sum(signal.savgol_filter(v, 3, 1)), X),
    "lfilter": (lambda v: np.sum(signal.lfilter([1.0], [1.0, 0.5], v)), X),
    "brentq": (lambda k: optimize.brentq(lambda t: t**2 - k, 0, 1), RATE),
    "newton": (lambda k: optimize.newton(lambda t: t**2 - k, 1.0), RATE),
    "optimize.minimize": (
        lambda k: optimize.minimize(lambda t: (t[0] - k) ** 2, [1.0]).x[0], RATE,
    ),
    "root_scalar": (
        lambda k: optimize.root_scalar(lambda t: 1.0 if k > t else -1.0, bracket=(0, 1)).root, RATE,
    ),
    "least_squares": (lambda k: optimize.least_squares(lambda t: t - k, [1.0]).x[0], RATE),
    "linear_sum_assignment": (lambda a: np.sum(optimize.linear_sum_assignment(a)[0]), MATRIX),
    "gaussian_filter": (lambda v: np.sum(ndimage.gaussian_filter(v, 1.0)), X),
    "map_coordinates": (lambda v: np.sum(ndimage.map_coordinates(GRID, v[None])), X),
    "dst": (lambda v: np.sum(fft.dst(v)), X),
    "rfft": (lambda v: np.sum(abs(fft.rfft(v))), X),
    "lambertw": (lambda v: np.sum(special.lambertw(v).real), X),
    "hyp2f1": (lambda v: np.sum(special.hyp2f1(1, 2, 3.0, v)), X),
    "logm": (lambda a: np.sum(linalg.logm(a)), MATRIX),
    "lu_factor": (lambda a: np.sum(linalg.lu_solve(linalg.lu_factor(a), X)), MATRIX),
    "toeplitz": (lambda v: np.sum(linalg.toeplitz(v)), X),
    "gamma.pdf": (lambda v: np.sum(stats.gamma.pdf(v, 2.0)), X),
    "multivariate_normal": (
        lambda v: stats.multivariate_normal.logpdf(v, np.zeros(3), np.eye(3)), X,
    ),
    "zscore": (lambda v: np.sum(stats.zscore(v) ** 3), X),
    "csr_matrix": (lambda v: np.sum(sparse.csr_matrix(MATRIX) @ v), X),
    "spsolve": (lambda v: np.sum(sparse_linalg.spsolve(sparse.csc_matrix(MATRIX), v)), X),
    "cdist": (lambda v: np.sum(spatial.distance.cdist(v[:, None], v[:, None])), X),
    "from_rotvec": (
        lambda v: np.sum(spatial.transform.Rotation.from_rotvec(v).as_matrix()), X,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_function_without_derivative_is_named_with_the_users_line(name: str) -> None:
    model, at = REFUSED[name]
    with pytest.raises(descend.TraceError) as caught:
        descend.grad(model)(at)
    said = str(caught.value)
    assert name in said.splitlines()[0]
    assert "at: test_scipy.py:" in said
    assert "descend.black_box" in said
    assert "site-packages" not in said and "_py.py" not in said


# --- the remedy, as it is printed -----------------------------------------------------------------


def decay(k: Any) -> Any:
    return integrate.solve_ivp(lambda t, y: -k * y, (0, 1), [1.0], rtol=1e-10, atol=1e-12).y[0, -1]


def test_the_remedy_gives_values_and_derivatives() -> None:
    def model(k: Any) -> Any:
        return 3 * descend.black_box(decay)(k)

    value, slope = descend.value_and_grad(model)(0.3)
    assert value == pytest.approx(3 * np.exp(-0.3), rel=1e-8)
    assert slope == pytest.approx(-3 * np.exp(-0.3), rel=1e-5)


def test_the_remedy_for_a_result_of_another_shape() -> None:
    def inner(v: Any) -> Any:
        return np.sum(signal.convolve(v, v))

    found = descend.grad(lambda v: descend.black_box(inner, shape=())(v))(X)
    assert found == pytest.approx(np.full(3, 2 * X.sum()), rel=1e-6)


def test_the_remedy_for_functions_of_elements() -> None:
    at = np.array([0.5, 1.5])
    lambert = descend.black_box(lambda v: special.lambertw(v).real, elementwise=True)
    w = special.lambertw(at).real
    assert descend.grad(lambda v: np.sum(lambert(v)))(at) == pytest.approx(w / (at * (1 + w)))


# --- derivatives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.1, 3.0, 30.0, 200.0])
def test_matrix_exponentials(scale: float) -> None:
    a = scale * np.random.default_rng(0).normal(size=(4, 4))
    with mpmath.workdps(60):
        right = np.array(mpmath.expm(mpmath.matrix(a.tolist())).tolist(), float)

    def model(x: Any) -> Any:
        found = linalg.expm(x)
        return np.sum(found), found

    (_, value), slope = descend.value_and_grad(model, has_aux=True)(a)
    _, frechet = linalg.expm_frechet(a.T, np.ones((4, 4)))
    # The condition of the exponential grows with the norm: Higham (2008), "Functions of Matrices".
    allowed = 1e-15 * max(10.0, np.linalg.norm(a, 1))
    assert np.linalg.norm(value - right) <= 20 * allowed * np.linalg.norm(right)
    assert np.linalg.norm(slope - frechet) <= 20 * allowed * np.linalg.norm(frechet)


def test_the_exponential_of_a_matrix_that_is_too_large_is_nan() -> None:
    assert np.isnan(descend.grad(lambda x: np.sum(linalg.expm(-x)))(1e8 * np.eye(2))).all()


def test_densities_outside_of_their_range_are_nan() -> None:
    for scale in (0.0, -1.0):
        with np.errstate(all="ignore"):
            assert np.isnan(stats.norm.pdf(0.5, 0.0, scale))
        found = descend.value_and_grad(lambda s: stats.norm.pdf(0.5, 0.0, s))(scale)
        assert np.isnan(found).all()


def test_tails_of_the_normal_distribution() -> None:
    """log Φ(-40) and its slope φ/Φ, by mpmath."""
    with mpmath.workdps(50):
        below = mpmath.ncdf(-40)
        value, slope = float(mpmath.log(below)), float(mpmath.npdf(-40) / below)
    assert descend.value_and_grad(stats.norm.logcdf)(-40.0) == pytest.approx((value, slope), 1e-14)
    assert descend.value_and_grad(stats.norm.logsf)(40.0) == pytest.approx((value, -slope), 1e-14)


def test_integrals_of_samples_at_moving_points_are_refused() -> None:
    with pytest.raises(descend.NotCoveredError, match="at points that are not known"):
        descend.grad(lambda x: integrate.simpson(np.ones(3), x=x))(X)


def test_a_fit_of_a_likelihood_with_scipys_density() -> None:
    """Mean and deviation of the sample maximise the likelihood of a normal distribution."""
    sample = np.array([1.2, 0.7, 2.9, 1.8, -0.4, 1.1])
    found = descend.minimize(
        lambda m, s: -np.sum(stats.norm.logpdf(sample, m, s)), start=dict(m=0.0, s=2.0)
    )
    assert found.params["m"] == pytest.approx(sample.mean(), abs=1e-6)
    assert found.params["s"] == pytest.approx(sample.std(), abs=1e-6)

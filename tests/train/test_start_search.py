"""The search for a start: what a parameter is, how large it can be, and what a search costs."""

import warnings

import numpy as np
import pytest
from scipy.optimize import differential_evolution, least_squares

import descend
from descend.compile.many_native import NativeMany
from descend.models import constant, gaussian
from descend.program.scales import Role, roles_of
from descend.run.candidates import constant_losses, explained, interpreted, spans_of, thinned
from descend.run.job import Job
from descend.trace.model import Spec, trace_model

X = np.linspace(0.0, 4.0, 50)
FLOAT = np.dtype(np.float64)


def roles(model, names: str) -> dict[str, Role]:
    traced = trace_model(
        model, lambda d, p: ([d["x"]], p), {"x": Spec((), FLOAT)},
        {name: Spec((), FLOAT) for name in names}, 50,
    )  # fmt: skip
    target = trace_model(lambda x: x, lambda d, p: ([d["x"]], p), {"x": Spec((), FLOAT)}, {}, 50)
    return roles_of(traced.nodes, {**traced.data, "target": target.data["x"]}, traced.leaves)


# --- what a parameter is


def test_rates_places_widths_and_amplitudes_are_told_apart() -> None:
    def peak(x, h, m, s, k):
        return h * np.exp(-((x - m) ** 2) / (2 * s**2)) / (1 + k * x)

    found = roles(peak, "hmsk")
    assert found["h"] == Role("size", (("target", 1.0),))
    assert found["m"] == Role("place", (("x", 1.0),))
    assert found["s"].kind == "size" and found["s"].powers == (("x", 1.0),)
    assert found["k"] == Role("size", (("x", -1.0),), 1.0)


def test_waves_have_frequencies_and_phases() -> None:
    found = roles(lambda x, a, w, p: a * np.sin(w * x + p), "awp")
    assert found["w"].kind == "frequency" and found["w"].powers == (("x", -1.0),)
    assert found["p"].kind == "phase" and found["p"].settles
    found = roles(lambda x, a, t, d: a * np.cos(2 * np.pi * (x + d) / t), "atd")
    assert found["t"] == Role("frequency", (("x", 1.0),), pytest.approx(2 * np.pi))
    assert found["d"] == Role("place", (("x", 1.0),), -1.0, True)


@pytest.mark.parametrize("size", [4e-10, 1.380649e-23, 8.314, 1e12])
def test_a_constant_moves_its_parameter(size: float) -> None:
    found = roles(lambda x, p, q: p * np.exp(q * x / size), "pq")
    assert found["q"] == Role("size", (("x", -1.0),), pytest.approx(size))
    found = roles(lambda x, p, q: p * np.exp(-q / (size * x)), "pq")
    assert found["q"] == Role("size", (("x", 1.0),), pytest.approx(size))


def test_exponents_are_numbers_and_what_does_not_follow_is_open() -> None:
    found = roles(lambda x, k, n: x**n / (k**n + x**n), "kn")
    assert found["n"].kind == "number" and found["k"] == Role("size", (("x", 1.0),))
    table = np.arange(50.0)
    found = roles(lambda x, a, b: a * np.exp(-b * table), "ab")
    assert found["b"].kind == "open"


# --- what a column is


def test_columns_are_told_fit_by_fit() -> None:
    x = np.array([0.0, 1.0, 2.0, 10.0, 30.0, 20.0])
    y = np.array([5.0, 7.0, 1.0, 2.0, 3.0, 9.0])
    told = spans_of(x, y, np.array([0, 3, 6]))
    assert told[0, :4].tolist() == [0, 2, 1, 2] and told[1, :4].tolist() == [10, 30, 20, 10]
    np.testing.assert_allclose(np.exp(told[:, 4]), [1, 10])
    np.testing.assert_allclose(np.exp(told[:, 6]), [2, 20])
    ragged = spans_of(x, y, np.array([0, 2, 6]))
    assert ragged[0, 1] == 1 and ragged[1, 0] == 2 and ragged[1, 3] == 2
    shared = spans_of(x[:3], y, np.array([0, 3, 6]))
    assert shared[1].tolist()[:4] == [0, 2, 2, 0]


def test_the_loss_of_a_constant_in_closed_form() -> None:
    rng = np.random.default_rng(0)
    y, sigma, w = rng.normal(size=12), rng.uniform(1, 2, 12), rng.uniform(0, 1, 12)
    offsets = np.array([0, 5, 12])
    columns = {"target": y, "sigma": sigma, "sample_weight": w}
    found = constant_losses("mse", columns, (), offsets)
    for i, rows in enumerate((slice(0, 5), slice(5, 12))):
        own = w[rows] / sigma[rows] ** 2
        mean = np.average(y[rows], weights=own)
        assert found[i] == pytest.approx(np.mean(own * (y[rows] - mean) ** 2))
    assert np.isnan(constant_losses("mae", columns, (), offsets)).all()
    assert explained(np.array([0.5, 0.99, np.inf]), np.array([1.0, 1.0, np.nan])).tolist() == [
        True, False, False,
    ]  # fmt: skip


def test_large_fits_are_tried_on_some_of_their_rows() -> None:
    columns = {"x": np.arange(5000.0), "target": np.arange(5000.0)}
    thin, offsets = thinned(columns, (), np.array([0, 1000, 5000]))
    assert offsets.tolist() == [0, 1000, 3000]
    assert thin["x"][[0, 999, 1000, 2999]].tolist() == [0, 999, 1000, 4999]


# --- the search


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def wave(x, a, w, p, c):
    return a * np.sin(w * x + p) + c


@pytest.mark.parametrize("model", [decay, wave])
def test_the_compiled_search_is_the_interpreted_one(model, monkeypatch) -> None:
    kept: list = []
    plain = Job.search_of

    def search_of(self, *args):
        kept.append(plain(self, *args))
        return kept[-1]

    monkeypatch.setattr(Job, "search_of", search_of)
    y = model(X, 2.0, 3.0, *([0.5] * (model is wave)), 1.0) + 0.1 * np.cos(9 * X)
    descend.fit(model, X, y, starts=1)
    one = kept[0]
    native, count = one.best(0, 0, "mse")
    one.native = False
    assert (one.best(0, 0, "mse")[1], count) == (count, one.most)
    for name, value in one.best(0, 0, "mse")[0].items():
        np.testing.assert_allclose(value, native[name], rtol=1e-9)
    lanes = NativeMany(one.plan.built.program).worker(one.arrays)
    lanes.run(0, 1)
    for name, value in one.plan.read(one.arrays)[0].items():
        np.testing.assert_allclose(value[0], native[name], rtol=1e-9)
    one.arrays.codes[...], one.arrays.iterations[...] = 0, 0
    interpreted(one.plan.built, one.arrays)
    assert one.arrays.iterations[0] == one.most


def test_searches_have_no_candidate_in_common() -> None:
    y = decay(X, 2, 1.3, 0.5)
    first = descend.fit(decay, X, y, seed=0).start
    assert first == descend.fit(decay, X, y, seed=0).start
    assert first != descend.fit(decay, X, y, seed=1).start


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1.0, 1e9])
def test_the_unit_of_time_does_not_matter(unit: float) -> None:
    """A damped wave that begins before the data do."""
    t = np.linspace(0, 2.5, 400)

    def ring(t, a, b, c, d):
        return a * np.exp(-b * (t + d)) * np.sin(c * (t + d))

    y = ring(t, 66372, 0.765189, 2.841842, -0.123) + 500 * np.random.default_rng(0).normal(size=400)
    best = least_squares(lambda p: ring(t, *p) - y, [60000, 0.7, 2.8, -0.1], x_scale="jac")
    fit = descend.fit(ring, t * unit, y)
    assert fit.success and fit.chi2 == pytest.approx(2 * best.cost, rel=1e-6)
    assert fit.params["b"] * unit == pytest.approx(best.x[1], rel=1e-3)


@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_the_units_of_both_columns_do_not_matter(unit: float) -> None:
    y = decay(X, 2, 1.3, 0.5) + 0.02 * np.random.default_rng(0).normal(size=X.size)
    plain, other = descend.fit(decay, X, y), descend.fit(decay, X * unit, y / unit)
    assert other.params["k"] * unit == pytest.approx(plain.params["k"], rel=1e-9)
    assert other.start["k"] * unit == pytest.approx(plain.start["k"], rel=1e-9)
    assert other.params["a"] * unit == pytest.approx(plain.params["a"], rel=1e-9)


@pytest.mark.parametrize("size", [4e-10, 1e7])
def test_a_hidden_constant_is_seen(size: float) -> None:
    v = np.linspace(0.1, 5, 20)
    y = 0.01 * np.random.default_rng(0).random(20) * 1e-9 * np.exp(v)
    fit = descend.fit(lambda v, p, q: p * np.exp(q * v / size), v, y)
    best = least_squares(
        lambda p: (p[0] * np.exp(p[1] * v) - y * 1e10), [1, 1], xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    assert fit.success and fit.chi2 * 1e20 == pytest.approx(2 * best.cost, rel=1e-6)
    assert fit.params["q"] / size == pytest.approx(best.x[1], rel=1e-4)


def test_a_constant_that_is_captured_is_found_over_decades() -> None:
    """The model's graph knows nothing of its size, which is an array's."""
    scale = np.array([4e-10] * 20)
    v = np.linspace(0.1, 5, 20)
    y = 3e-9 * np.exp(0.8 * v)
    fit = descend.fit(lambda v, p, q: p * np.exp(q * v / scale), v, y)
    assert fit.params["q"] == pytest.approx(0.8 * 4e-10, rel=1e-6)


PEAKS_X = np.array(
    [574.142, 574.154, 574.165, 574.177, 574.188, 574.199, 574.211, 574.222, 574.234, 574.245]
)
PEAKS_Y = np.array([859.0, 997, 1699, 2604, 2013, 1964, 2435, 1550, 949, 841])
PEAKS_CHI2 = 1325.06  # of a regression test of SciPy's curve_fit


def test_two_peaks_on_ten_points_are_found() -> None:
    def peaks(x, x0, x1, a, b, s, c):
        first, second = (np.exp(-((x - m) ** 2) / (2 * s**2)) for m in (x0, x1))
        return a * first + b * second + c

    fit = descend.fit(peaks, PEAKS_X, PEAKS_Y)
    assert fit.success and fit.chi2 == pytest.approx(PEAKS_CHI2, rel=1e-4)
    places = sorted([fit.params["x0"], fit.params["x1"]])
    assert places == pytest.approx([574.177, 574.209], abs=1e-3)
    model = gaussian(prefix="a_") + gaussian(prefix="b_") + constant()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        fit = descend.fit(model, PEAKS_X, PEAKS_Y, ties={"b_sigma": "a_sigma"})
    assert not fit.success or fit.chi2 == pytest.approx(PEAKS_CHI2, rel=1e-4)


def test_bounded_amplitudes_are_solved_for_within_their_bounds() -> None:
    y = decay(X, 2, 1.3, 0.5)
    fit = descend.fit(decay, X, y, bounds={"a": (0, 1.5), "k": (0, None)})
    best = differential_evolution(
        lambda p: np.sum((decay(X, *p) - y) ** 2), [(0, 1.5), (0, 9), (-2, 2)], seed=0, tol=1e-12
    )
    assert 0 <= fit.start["a"] <= 1.5 and fit.chi2 == pytest.approx(best.fun, rel=1e-6)


# --- what further starts may take


def test_unasked_starts_take_ten_times_the_first_at_most_and_say_so() -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(-3, 3, 60)[:, None]
    y = np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=60)
    start = dict(w1=rng.normal(size=(1, 4)), b1=rng.normal(size=4), w2=rng.normal(size=4), b2=0.0)

    def network(x, w1, b1, w2, b2):
        return np.tanh(x @ w1 + b1) @ w2 + b2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        one = descend.fit(network, x, y, start=start, starts=1)
        fit = descend.fit(network, x, y, start=start)
    assert fit.n_starts > 1 and fit.n_evaluations <= 11 * one.n_evaluations
    assert fit.loss <= one.loss


def test_a_search_that_was_cut_says_so() -> None:
    x = np.linspace(0, 10, 200)

    def beats(x, a, w, p, b, v, q):
        return a * np.sin(w * x + p) + b * np.sin(v * x + q)

    rng = np.random.default_rng(3)
    y = 2 * np.sin(3 * x) + np.sin(11 * x + 1) + np.sin(6 * x) + 0.02 * rng.normal(size=200)
    fit = descend.fit(beats, x, y)
    assert fit.start_source.endswith(
        "(10 times the first descent's evaluations spent before the search was done)"
    )

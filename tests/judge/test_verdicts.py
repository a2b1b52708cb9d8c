"""The table of ends: as it is documented, and as it is said of real ends of each kind."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import descend
from descend.records.record import FitRecord
from descend.records.statuses import ARRIVALS, STATUSES, VERDICTS
from descend.show.layout import as_text
from descend.show.report import fit_told

ROOT = Path(__file__).parent.parent.parent
ROW = re.compile(r"\| `(\w+)` \| ([\w ]+) \| (yes|no) \| ([\w, ]+) \| (\d+) \| (\w+) \|")
X = np.linspace(0.0, 4.0, 50)
RNG = np.random.default_rng(0)
NOISE = 0.02 * RNG.normal(size=50)
KNOTS = (
    "7228 7620 7730 7901 8139 8370 8448 8737 8824 9089 9233 9321 9509 9568 9642 9756 9915 10601 "
    "10942"
)
LEVELS = (
    ".874 .893 .8905 .8916 .9095 .9142 .9109 .9185 .9169 .9251 .9290 .9304 .9467 .9378 .9464 .9508 "
    ".9583 .9857 .9975"
)
DECAY = 2.5 * np.exp(-1.3 * X) + 0.5 + NOISE

warned = pytest.mark.filterwarnings("ignore::descend.DescendWarning")


def documented() -> dict[str, tuple[str, ...]]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return {row[0]: row[1:] for row in ROW.findall(text)}


def test_the_documented_table_is_the_one_that_decides():
    assert documented() == {
        name: (
            row.verdict, "yes" if row.success else "no", ", ".join(row.arrived),
            str(row.exit_code), row.headline,
        )
        for name, row in STATUSES.items()
    }  # fmt: skip
    assert {row.verdict for row in STATUSES.values()} == set(VERDICTS)


@pytest.mark.parametrize("status", STATUSES)
def test_nothing_that_is_said_of_an_end_contradicts_the_rest(status):
    row = STATUSES[status]
    assert set(row.arrived) <= set(ARRIVALS)
    assert row.success == (row.exit_code == 0)
    assert not (row.success and row.verdict in ("grew", "diverged", "runaway", "not converged"))
    record = FitRecord(
        model="m", params={"a": 1.0}, n_rows=3, status=status, arrived=row.arrived[0], loss=1.0
    )
    assert (record.success, record.verdict) == (row.success, row.verdict)
    assert record.exit_code == row.exit_code
    lines = as_text(*fit_told(record)).splitlines()
    foot = next(line for line in lines if record.message[:20] in line)
    assert foot.split()[0] == row.headline
    told = record.to_json_dict()
    assert (told["verdict"], told["success"], told["arrived"]) == (
        row.verdict, row.success, row.arrived[0],
    )  # fmt: skip


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def bent(x, knot, level, left, right):
    return level + left * np.minimum(x - knot, 0) + right * np.maximum(x - knot, 0)


def stairs(x, p, low, high):
    return np.where(x < p, low, high)


def tail(t, a, b, c):
    return a / (1 + np.exp(-b * (t - c)))


LEFT = np.sort(np.random.default_rng(1).uniform(-5, -2, 16))
STEP = np.where(X < 1.7, -1.0, 1.0) + NOISE
BENT = np.abs(X - X[20]) + 0.002 * np.cos(40 * X)

ENDS = {
    "minimum": (decay, X, DECAY, dict(a=1, k=1, c=0), {}),
    "kink": (bent, X, BENT, dict(knot=1.0, level=0, left=-0.5, right=0.5), {}),
    "bound": (decay, X, DECAY, dict(a=1, k=1, c=0), dict(bounds={"k": (0, 1.1)})),
    "flat": (lambda x, a, b, c: a * b * np.exp(-x) + c, X, DECAY, dict(a=1, b=1, c=0), {}),
    "runaway": (tail, LEFT, 1 / (1 + np.exp(-LEFT)) + 2 * NOISE[:16], dict(a=1, b=1, c=0), {}),
    "side minimum": (
        lambda x, a: np.sin(a * x), 25 * X, np.sin(1.759 * 25 * X), dict(a=1.5), dict(starts=1)
    ),
    "threshold": (stairs, X, STEP, dict(p=2.5, low=0, high=0), dict(starts=1)),
    "rule": (decay, X, DECAY, dict(a=1, k=1, c=0), dict(optimizer="adam", epochs=20)),
    "not converged": (decay, X, DECAY, dict(a=1, k=1, c=0), dict(epochs=2)),
    "grew": (
        lambda x, a, b: a * x + b, X, DECAY, dict(a=1, b=0),
        dict(optimizer=descend.SGD(lr=0.6), epochs=30),
    ),
    "diverged": (
        lambda x, a, b: a * x + b, X, DECAY, dict(a=1, b=0),
        dict(optimizer=descend.SGD(lr=9.0), epochs=3000),
    ),
    "interrupted": (
        decay, X, DECAY, dict(a=1, k=1, c=0),
        dict(optimizer="adam", callback=lambda m: m.epoch == 3),
    ),
}  # fmt: skip


@warned
@pytest.mark.parametrize("verdict", ENDS)
def test_a_real_end_of_each_kind(verdict):
    model, x, y, start, options = ENDS[verdict]
    for _ in range(3):
        fit = descend.fit(model, x, y, start=start, **options)
        assert fit.verdict == verdict, (fit.status, fit.message)
        assert fit.arrived in STATUSES[fit.status].arrived
        assert fit.success == STATUSES[fit.status].success
        if fit.arrived == "no":
            assert not fit.has_errors


@warned
def test_a_growing_quadratic_is_told_with_its_largest_curvature():
    x = np.arange(100) / 100
    y = 4 * x**2 + 5 * x + 6
    fit = descend.fit(
        lambda x, a, b, c: a * x**2 + b * x + c, x, y, start=dict(a=1, b=0, c=1),
        optimizer=descend.SGD(lr=1.0), epochs=200,
    )  # fmt: skip
    powers = np.stack([x**2, x, np.ones(100)])
    largest = np.linalg.eigvalsh(2 * powers @ powers.T / 100)[-1]
    assert not fit.success and fit.exit_code == 4
    assert f"the largest curvature is {largest:.4g}" in fit.message
    assert f"every step of lr {2 / largest:.4g} or more leads upwards" in fit.message
    rate = float(re.search(r"Try lr=([\d.e-]+)\.", fit.message)[1])
    assert rate < 2 / largest
    better = descend.fit(
        lambda x, a, b, c: a * x**2 + b * x + c, x, y, start=dict(a=1, b=0, c=1),
        optimizer=descend.SGD(lr=rate), epochs=200,
    )  # fmt: skip
    assert better.success and better.loss < 77


@warned
def test_a_growing_function_is_no_success():
    found = descend.minimize(lambda x: x**2, start=5.0, optimizer=descend.SGD(lr=1.1))
    assert found.verdict in ("grew", "diverged") and not found.success


def test_a_broken_line_ends_at_its_best_knot():
    """By a grid of 20 001 knots with linear least squares: knot 9321, chi² 2.3928115e-4.

    Data: the public question example-a.com/answer/45096515.
    """
    x, y = np.array(KNOTS.split(), float), np.array(LEVELS.split(), float)
    fit = descend.fit(bent, x, y)
    assert fit.success and fit.params["knot"] == pytest.approx(9321, abs=1e-3)
    assert fit.chi2 == pytest.approx(2.3928115e-4, rel=1e-6)
    if fit.verdict == "kink":
        assert "knot ended at a kink" in fit.findings[0]
        profile = fit.confidence(kind="profile")
        low, high = profile["knot"]
        assert low < fit.params["knot"] < high


@pytest.mark.parametrize("start", [dict(p=500, low=0, high=0), None])
def test_a_step_is_searched_over_the_data_s_own_values(start):
    """The squares about the two means are the least there are; source of the kind:
    stackoverflow.com/questions/1514484."""
    x = np.arange(1000.0)
    y = np.random.default_rng(0).random(1000)
    y[x < 250] -= 10
    best = 250 * np.var(y[:250]) + 750 * np.var(y[250:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = descend.fit(stairs, x, y, start=start)
    assert fit.chi2 == pytest.approx(best, rel=1e-9) and 249 <= fit.params["p"] <= 250
    assert (fit.verdict, fit.success) == ("flat", True)
    assert "p acts only through comparisons or rounding" in fit.findings[0]
    assert "p from 249 to 250" in fit.findings[0]
    assert np.isfinite(fit.stderr["low"]) and np.isnan(fit.stderr["p"])


@pytest.mark.parametrize("most", [1.2, 0.8])
def test_a_step_is_searched_with_what_had_come_to_lie_on_a_bound(most):
    """At the start's p the lower level is 1.2 and more; it leaves its bound where p is found."""
    x = np.linspace(0, 4, 60)
    y = np.where(x < 2.03, 1.0, 3.0) + 0.03 * np.random.default_rng(3).normal(size=60)
    fit = descend.fit(
        stairs, x, y, start=dict(p=2.3, low=0.7, high=3.3), bounds={"low": (0, most)}
    )
    low, high = y[x < 2.03], y[x > 2.03]
    best = np.sum((low - min(low.mean(), most)) ** 2) + np.sum((high - high.mean()) ** 2)
    assert fit.success and fit.chi2 == pytest.approx(best, rel=1e-9)


@warned
@pytest.mark.parametrize(
    ("model", "scale"),
    [
        (lambda x, p, low, high: np.where(2 * x - 1 > p, high, low), lambda p: (p + 1) / 2),
        (lambda x, p, low, high: low + (high - low) * (x >= p), lambda p: p),
        (lambda x, p, low, high: np.where(x < np.round(p), low, high), lambda p: np.round(p)),
    ],
    ids=["of an expression", "as a factor", "rounded"],
)  # fmt: skip
def test_steps_of_other_forms(model, scale):
    x = np.arange(60.0)
    y = np.where(x < 23, 2.0, 5.0) + 0.1 * np.random.default_rng(1).normal(size=60)
    fit = descend.fit(model, x, y, start=dict(p=40.0, low=0, high=1))
    best = 23 * np.var(y[:23]) + 37 * np.var(y[23:])
    assert fit.chi2 == pytest.approx(best, rel=1e-9) and 22 <= scale(fit.params["p"]) <= 23


def test_columns_in_a_fixed_ratio_determine_a_sum_and_no_product():
    """x2 = 2·x1: the null vector is (2, -1, 0). Kind: github.com/scipy/scipy/issues/12715."""
    x1 = np.tile([1.0, 2.0, 3.0], 3)
    y = 3 * x1 + 4 * (2 * x1) + 0.1 * np.random.default_rng(0).normal(size=9)
    for start in (None, dict(a=1, b=1, c=0)):
        fit = descend.fit(lambda u, v, a, b, c: a * u + b * v + c, (x1, 2 * x1), y, start=start)
        assert fit.verdict == "flat" and fit.success
        assert fit.findings[0].startswith("The data determine a + 2·b, but not a and b apart")


def test_a_product_is_still_called_one():
    fit = descend.fit(lambda x, a, b: a * b * np.exp(-x), X, 3 * np.exp(-X) + NOISE)
    assert fit.findings[0].startswith("The data determine a·b, but not a and b apart")


def test_an_exact_fit_has_arrived():
    x = np.linspace(0, 100, 300)
    fit = descend.fit("y = sine(x)", dict(x=x, y=np.sin(1.759 * x)))
    assert fit.loss < 1e-24 and fit.arrived == "yes" and "arrived" not in fit.errors_note


def test_an_equation_is_no_constant_target():
    t = np.arange(20.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = descend.fit(
            lambda x, y, a, b, r: np.hypot(x - a, y - b) - r, (np.cos(t), np.sin(t)), np.zeros(20),
            start=dict(a=0.1, b=0.1, r=0.9),
        )  # fmt: skip
    np.testing.assert_allclose(list(fit.params.values()), [0, 0, 1], atol=1e-6)


@warned
def test_the_left_tail_of_a_logistic_curve_runs_away():
    """chi² falls from a = 1 (0.0188904) to a = 1e9 (0.0188841): SciPy with a held."""
    rng = np.random.default_rng(1)
    for _ in range(2):
        t = np.sort(rng.uniform(-5, -2, 16))
        y = 1 / (1 + np.exp(-t)) + 0.05 * rng.normal(size=16)
    fit = descend.fit(tail, t, y)
    assert (fit.verdict, fit.success, fit.arrived) == ("runaway", False, "no")
    assert re.search(r"\ba\b.* run", fit.findings[0])
    assert fit.errors_note == "there is no finite best value"


@warned
def test_a_step_between_two_points_has_no_best_slope():
    """b is the mean of the 11 values after the jump; data: github.com/scipy/scipy/issues/5980."""
    after = ".7596 1.2214 1.0450 .7706 1.2810 1.4404 1.4396 1.2800 .9350 .7035 .9142"
    y = np.r_[np.zeros(5), 0.269, np.zeros(10), np.array(after.split(), float)]
    fit = descend.fit(
        lambda x, b, c, d: b / (1 + np.exp(-(c + d * x))), np.arange(27.0), y,
        start=dict(b=0.5, c=0.5, d=0.5),
    )  # fmt: skip
    assert fit.verdict == "runaway" and "c and d run away" in fit.findings[0]
    assert fit.params["b"] == pytest.approx(1.10307, abs=1e-3)


@warned
def test_a_peak_far_from_its_start_is_found_or_told():
    """Kind: github.com/scipy/scipy/issues/8369."""
    x = np.linspace(0, 1, 100)
    y = np.exp(-((x - 0.5) ** 2) / 0.223**2) + 0.1 * np.random.default_rng(1).random(100)

    def peak(x, a, b, c):
        return a * np.exp(-((x - b) ** 2) / c**2)

    fit = descend.fit(peak, x * 1e9, y, start=dict(a=1, b=0, c=1))
    said = " ".join(fit.findings)
    assert "does not depend" not in said
    assert fit.params["b"] == pytest.approx(0.5e9, rel=0.02) or (
        fit.verdict == "side minimum" and "no more than a constant" in said
    )


def test_rows_without_a_target_keep_their_places_where_the_model_counts_them():
    """Least squares of the rows that are there; kind: github.com/lmfit/lmfit-py/issues/480."""
    row = np.arange(500.0)
    y = row + np.random.default_rng(7).normal(size=500)
    y[200:300] = np.nan
    there = np.isfinite(y)
    right = (row[there] @ y[there]) / (row[there] @ row[there])
    x = np.linspace(-1, 1, 500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = descend.fit(
            lambda x, g: g * np.arange(len(x)), x, y, start=dict(g=0.5), missing="drop"
        )
    assert fit.params["g"] == pytest.approx(right, rel=1e-12)
    assert fit.dof == 399
    x[3] = np.nan
    with pytest.raises(descend.DataError, match="x is missing in row 3, and the model's rows know"):
        descend.fit(lambda x, g: g * np.cumsum(x), x, y, start=dict(g=0.5), missing="drop")


@warned
@pytest.mark.parametrize(
    ("function", "start", "which"),
    [
        (lambda x: x**4 - x**2, 0.0, "x"),
        (lambda x: np.cos(x), 0.0, "x"),
        (lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0], r"x\[1\]"),
    ],
    ids=["between two minima", "a crest", "a saddle"],
)  # fmt: skip
def test_a_top_is_no_minimum_though_it_has_no_slope(function, start, which):
    for _ in range(3):
        found = descend.minimize(function, start=start)
        assert (found.verdict, found.success) == ("not moved", False)
        assert re.search(f"the loss falls from there along {which}:", found.message)
    highest = descend.maximize(lambda x: x**2, start=0.0)
    assert "the value rises from there along x" in highest.message


@pytest.mark.parametrize(
    ("function", "verdict"),
    [(lambda x: x**2, "minimum"), (lambda x: x**4, "minimum"), (lambda x: np.abs(x), "kink")],
)
def test_a_minimum_may_be_where_it_began(function, verdict):
    assert descend.minimize(function, start=0.0).verdict == verdict

"""Fits with bounds, fixed, tied and scaled parameters have plans too, and say the very same."""

from dataclasses import fields

import numpy as np
import pytest

import descend
from descend.records.record import FitRecord, jsonable
from descend.train.plans import PLANS
from train.planned import READ, counted, fit_module, fitted, served  # noqa: F401
from whole import WHOLE

RNG = np.random.default_rng(11)
X = np.linspace(0.0, 4.0, 40)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.05 * RNG.normal(size=40)
SIGMA = 0.05 + X / 40
P = descend.Parameter
ADAM = {"optimizer": "adam", "lr": 0.05, "batch_size": 16, "epochs": 8, "record": "params"}


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def curve(x, w, b=1.0):
    return w[0] * x**2 + w[1] * x + w[2] + b * np.exp(-x)


def bent(x, p, q):
    return p * np.exp(-q * x) + 0.1 * q


def drawn(rng):
    """A start, and bounds around it, some of which exclude the minimum."""
    at = {"a": rng.uniform(0.5, 4), "k": rng.uniform(0.3, 2), "c": rng.uniform(-1, 1)}
    return at, {n: (v - rng.exponential(1), v + rng.exponential(1)) for n, v in at.items()}


def plainly(rng):
    at, ends = drawn(rng)
    return decay, {"start": at, "bounds": {"a": ends["a"], "k": (0, None), "c": [None, 5]}}


def tightly(rng):
    at, ends = drawn(rng)
    return decay, {"start": at, "bounds": ends, "sigma": SIGMA}


def on_the_edge(rng):
    at, ends = drawn(rng)
    return decay, {"start": at, "bounds": {"a": (at["a"], ends["a"][1]), "k": (0.0, at["k"])}}


def in_pairs(rng):
    at, ends = drawn(rng)
    low, high = zip(*ends.values(), strict=True)
    return decay, {"start": at, "bounds": (list(low), np.array(high))}


def in_one_pair(rng):
    at, _ = drawn(rng)
    return decay, {"start": at | {"c": abs(at["c"])}, "bounds": (0, rng.uniform(4, 5))}


def declared_shortly(rng):
    at, ends = drawn(rng)
    return decay, {"start": {"a": (at["a"], ends["a"]), "k": at["k"], "c": P(at["c"], max=2)}}


def held(rng):
    at, ends = drawn(rng)
    return decay, {"start": at, "fixed": ["c"], "bounds": {"a": ends["a"]}}


def held_at_a_value(rng):
    at, _ = drawn(rng)
    return decay, {"start": at, "fixed": {"c": rng.normal()}}


def tied(rng):
    at, ends = drawn(rng)
    return decay, {"start": {"a": at["a"], "k": at["k"]}, "ties": {"c": "a/5"}, "bounds": {
        "k": ends["k"]}}  # fmt: skip


def in_order(rng):
    at, _ = drawn(rng)
    start = {"a": P(at["a"], tie="c + gap"), "k": at["k"], "c": at["c"], "gap": (1.0, (0.0, 9.0))}
    return decay, {"start": {n: v for n, v in start.items() if n != "a"}, "ties": "a = c + gap"}


def scaled(rng):
    at, ends = drawn(rng)
    return decay, {"start": {
        "a": P(at["a"], scale="log", min=0.01, max=ends["a"][1]),
        "k": P(at["k"], min=0, max=3 + rng.random(), scale="logit"), "c": at["c"]}}  # fmt: skip


def scaled_alone(rng):
    at, _ = drawn(rng)
    return decay, {"start": at | {"k": P(at["k"], scale="log")}}


def of_arrays(rng):
    at = rng.normal(size=3)
    return curve, {"start": {"w": at}, "bounds": {"w": (at - 0.5, [None, *(at[1:] + 1)])}}


def of_elements(rng):
    at = rng.normal(size=3)
    return curve, {"start": {"w": at}, "bounds": {"w": (-9, 9), "w[1]": (at[1] - 0.1, at[1])}}


def by_others(rng):
    return decay, plainly(rng)[1] | {"optimizer": "bfgs"}


def by_epochs(rng):
    return decay, held(rng)[1] | ADAM


def by_epochs_scaled(rng):
    return decay, scaled(rng)[1] | ADAM


def of_robust_losses(rng):
    return decay, tightly(rng)[1] | {"loss": "huber(0.1)"}


FORMS = (
    plainly, tightly, on_the_edge, in_pairs, in_one_pair, declared_shortly, held, held_at_a_value,
    tied, in_order, scaled, scaled_alone, of_arrays, of_elements, by_others, by_epochs,
    by_epochs_scaled, of_robust_losses,
)  # fmt: skip


def told(fit):
    """All fields of a fit but its times, and what else it can say, for comparison bit by bit."""
    values = {f.name: getattr(fit, f.name) for f in fields(FitRecord)}
    values = {n: repr(jsonable(v)) for n, v in values.items() if not n.endswith("seconds")}
    return values | {"predicted": fit.predict(X[:5]).tobytes(), "explained": str(fit.explain(3))}


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore::descend.errors.DescendWarning")
@pytest.mark.parametrize("form", FORMS)
def test_other_numbers_say_the_same_as_without_a_plan(form, monkeypatch):
    rng = np.random.default_rng(3)
    PLANS.clear()
    calls = [form(rng) for _ in range(14 if WHOLE else 5)]
    planned = [fitted(model, X, Y, **options) for model, options in calls]
    assert len(PLANS) == 1
    assert len(READ) == 0
    PLANS.clear()
    monkeypatch.setattr(fit_module, "planned", lambda *given: None)
    for fit, (model, options) in zip(planned, calls, strict=True):
        at_once = {n: repr(jsonable(getattr(fit, n))) for n in ("stderr", "loss", "chi2")}
        first = told(fitted(model, X, Y, **options))
        assert at_once.items() <= first.items()
        assert told(fit) == first
    assert not len(PLANS)


def thrice(**options):
    start = {"a": 2.0, "k": 1.0, "c": 0.0}
    return [fitted(decay, X, Y, **{"start": start, **options}) for _ in range(3)][2]


def test_a_parameter_may_end_on_its_bound_and_leave_it_in_the_next_fit():
    assert served(thrice(bounds={"a": (0.0, 2.0)}))
    pressed = fitted(decay, X, Y, start={"a": 1.0, "k": 1.0, "c": 0.0}, bounds={"a": (0, 2)})
    free = fitted(decay, X, Y, start={"a": 1.0, "k": 1.0, "c": 0.0}, bounds={"a": (0, 9)})
    assert served(pressed) and served(free)
    assert pressed.params["a"] == 2.0 and np.isnan(pressed.stderr["a"])
    assert free.params["a"] > 2.2 and free.stderr["a"] > 0
    assert pressed.bounds == {"a": (0.0, 2.0)} and free.bounds == {"a": (0.0, 9.0)}


def test_bounds_that_are_none_are_another_program():
    for bounds in ({"a": (0, 2)}, {"a": (None, None)}, {"a": (-np.inf, 3)}, {}, None):
        assert served(thrice(bounds=bounds))
    free = thrice(bounds={"a": (None, None)})
    assert served(free) and free.params == thrice().params and not free.bounds


def test_errors_of_a_bounded_fit_agree_with_the_covariance_of_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    fit = thrice(bounds=([0, 0, -1], [10, 5, 1]))
    assert served(fit)
    _, covariance = optimize.curve_fit(
        decay, X, Y, p0=[2, 1, 0], bounds=([0, 0, -1], [10, 5, 1]), xtol=1e-15, gtol=1e-15
    )
    assert list(fit.stderr.values()) == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-5)


def test_a_fixed_parameter_has_no_error_and_keeps_its_value():
    for value in (0.25, 0.5, 0.75):
        fit = thrice(fixed={"c": value})
        assert served(fit)
        line = fitted(lambda x, a, k, c=value: decay(x, a, k, c), X, Y,
                           start={"a": 2.0, "k": 1.0}, constants=["c"])  # fmt: skip
        assert fit.params["c"] == value and np.isnan(fit.stderr["c"])
        assert fit.stderr["k"] == pytest.approx(line.stderr["k"], rel=1e-9)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"bounds": {"a": (3.0, 9.0)}}, "a starts at 2, outside its bounds 3 to 9"),
        ({"bounds": {"a": (0.0, np.nan)}}, "the upper bound of a is NaN"),
        ({"bounds": {"a": (9.0, 1.0)}}, "the bounds of a are 9 and 1: nothing lies between"),
        ({"bounds": {"a": (0.0, True)}}, "a starts at 2, outside its bounds 0 to 1"),
        ({"bounds": {"a": 3}}, "the bounds of a are 3, and must be a pair"),
        ({"bounds": {"z": (0, 3)}}, 'bounds names "z", which is no parameter'),
        ({"bounds": {"a": ([0, 0], 3)}}, "the lower bound of a has the shape"),
        ({"bounds": {"a": ([0, 0], [1, 2, 3])}}, "the lower bound of a has the shape"),
        ({"bounds": {"a": (0, 3)}, "start": {"a": (2.0, None)}}, "None is no number"),
        ({"bounds": ([0, 0], [1, 1])}, "bounds gives 2 lower bounds, and there are 3 numbers"),
    ],
)
def test_bounds_are_checked_every_time(change, words):
    assert served(thrice(bounds={"a": (0.0, 9.0)}))
    options = {"start": {"a": 2.0, "k": 1.0, "c": 0.0}, **change}
    with pytest.raises(descend.errors.DescendError, match=words):
        fitted(decay, X, Y, **options)


def test_a_start_that_is_none_is_not_that_of_an_earlier_fit():
    assert served(thrice(bounds={"a": (0.0, 9.0)}))
    with pytest.raises(descend.UsageError, match="starts as None, which holds no number"):
        thrice(bounds={"a": (0.0, 9.0)}, start={"a": 2.0, "k": 1.0, "c": None})


@pytest.mark.parametrize(
    "good, bad, words",
    [
        ({"fixed": {"c": 0.5}}, {"fixed": {"c": np.nan}}, "c"),
        ({"fixed": {"c": 0.5}}, {"fixed": {"c": True}}, "gives no value"),
        ({"fixed": ["c"], "bounds": {"c": (-1, 1)}}, {"fixed": ["c"], "bounds": {"c": (1, 2)}},
         "c is fixed at 0, outside its bounds"),
        ({"start": {"a": P(1.0, scale="log"), "k": 1.0, "c": 0.0}},
         {"start": {"a": P(-1.0, scale="log"), "k": 1.0, "c": 0.0}}, "a log scale holds positive"),
        ({"start": {"a": P(1.0, scale="logit", min=0, max=9), "k": 1.0, "c": 0.0}},
         {"start": {"a": P(9.0, scale="logit", min=0, max=9), "k": 1.0, "c": 0.0}}, "on its bound"),
        ({"start": {"a": 1.0, "k": 1.0}, "ties": {"c": "log(a)"}},
         {"start": {"a": -1.0, "k": 1.0}, "ties": {"c": "log(a)"}}, "the tie c = log"),
    ],
)  # fmt: skip
def test_other_bonds_are_checked_every_time(good, bad, words):
    assert served(thrice(**good))
    options = {"start": {"a": 2.0, "k": 1.0, "c": 0.0}, **bad}
    with pytest.raises(descend.errors.DescendError, match=words):
        fitted(decay, X, Y, **options)

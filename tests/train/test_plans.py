"""Calls that a plan serves: what they check, what they leave, and that nothing is read again."""

import copy
import threading
import warnings
from dataclasses import fields

import numpy as np
import pytest

import descend
from descend.records.record import FitRecord, jsonable
from descend.result.evidence import OF_DATA as LATER
from descend.run import plan_table
from descend.train.plans import MINIMA as MINIMA_PLANS
from descend.train.plans import PLANS
from train.planned import counted, fitted, served  # noqa: F401

RNG = np.random.default_rng(4)
X = np.linspace(0.0, 4.0, 40)
NOISE = RNG.normal(size=40)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.05 * NOISE
OTHER = 1.5 * np.exp(-0.7 * X) + 0.25 + 0.05 * NOISE[::-1]
SIGMA, WEIGHT = 0.5 + X / 8, 1.0 + np.cos(X) ** 2
NOT_THE_RUN = ("seconds", "compile_seconds")


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def plane(u, v, w, b):
    return w[0] * u + w[1] * v + b


START = {"a": 1.0, "k": 1, "c": np.float64(0.0)}
SGD = {"optimizer": descend.SGD(lr=0.05, momentum=0.5), "batch_size": 7, "epochs": 30}
SCHEDULE = descend.exponential(0.01, gamma=0.9)
CASES = {
    "default": (decay, X, {"start": START}),
    "bfgs": (decay, X, {"start": START, "optimizer": "bfgs", "gtol": 1e-6}),
    "adam": (decay, X, {"start": START, "optimizer": "adam", "lr": 0.05, "epochs": 20}),
    "batches": (decay, X, {"start": START, **SGD, "record": ("params", "gradient")}),
    "schedule": (decay, X, {"start": START, "optimizer": descend.RMSprop(lr=SCHEDULE)}),
    "rules": (decay, X, {"start": START, **SGD, "patience": 3, "xtol": 1e-3, "seed": 5}),
    "sigma": (decay, X, {"start": START, "sigma": SIGMA}),
    "weights": (decay, X, {"start": START, "sigma": SIGMA, "sample_weight": WEIGHT}),
    "absolute": (decay, X, {"start": START, "sigma": SIGMA, "absolute_sigma": True}),
    "loss": (decay, X, {"start": START, "loss": "huber(0.1)", "penalty": "l2(0.01)"}),
    "tuple": (plane, (X, X**2), {"start": {"w": np.array([1.0, 0.0]), "b": 0.0}}),
    "names": (plane, {"v": X**2, "u": X}, {"start": {"w": np.array([1.0, 0.0]), "b": 0.0}}),
    "defaults": (lambda x, a=1.0, b=0.0: a + b * x, X, {}),
}


def plain(fit):
    """All fields of a fit but its times, for comparison bit by bit."""
    values = {f.name: getattr(fit, f.name) for f in fields(FitRecord)}
    return {n: repr(jsonable(v)) for n, v in values.items() if n not in NOT_THE_RUN}


@pytest.mark.parametrize("case", CASES)
def test_a_third_fit_is_not_read_and_says_the_same(case):
    model, x, options = CASES[case]
    first = fitted(model, x, Y, **options)
    second = fitted(model, x, Y, **options)
    third = fitted(model, x, Y, **options)
    assert served(third)
    errors = repr(third.stderr)
    assert plain(third) == plain(first) == plain(second)
    assert errors == repr(first.stderr)
    assert str(third).split("time")[0] == str(first).split("time")[0]
    assert np.array_equal(third.predict(x), first.predict(x))
    elsewhere = fitted(model, x, OTHER, **options)
    assert served(elsewhere)
    PLANS.clear()
    slow = fitted(model, x, OTHER, **options)
    assert plain(elsewhere) == plain(slow) and elsewhere.loss != first.loss


@pytest.mark.parametrize("case", CASES)
def test_each_field_says_the_same_when_it_is_the_first_that_is_looked_at(case):
    model, x, options = CASES[case]
    slow, *_ = [fitted(model, x, Y, **options) for _ in range(2)]
    for name in LATER:
        quick = fitted(model, x, Y, **options)
        assert served(quick)
        seen = repr(jsonable(getattr(quick, name)))
        assert seen == repr(jsonable(getattr(slow, name))) == repr(jsonable(getattr(quick, name)))
        assert plain(quick) == plain(slow)


def test_formulas_over_a_dict_have_plans_too():
    table = {"t": X, "y": Y, "unused": X}
    text = "y = a*exp(-k*t) + c"
    fits = [fitted(text, table, start=START) for _ in range(3)]
    assert served(fits[2]) and plain(fits[2]) == plain(fits[0])
    other = {"t": X, "y": OTHER, "unused": X}
    quick = fitted(text, other, start=START)
    assert served(quick) and quick.params == fitted(decay, X, OTHER, start=START).params


def thrice(model, x=X, y=Y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [fitted(model, x, y, **{"start": START, **options}) for _ in range(3)]
    return found[2]


def test_what_the_model_captures_is_looked_at_anew():
    power, shift, listed = 1.0, np.zeros(1), [0.0]

    def of_number(x, a, k, c):
        return a * np.exp(-k * x**power) + c

    def of_array(x, a, k, c):
        return a * np.exp(-k * x) + c + shift[0]

    def of_list(x, a, k, c):
        return a * np.exp(-k * x) + c + listed[0]

    assert served(thrice(of_number)) and served(thrice(of_array))
    before = thrice(of_list)
    assert not served(before)
    power, shift[0], listed[0] = 1.1, 0.25, 0.25
    for model in (of_number, of_array, of_list):
        found = fitted(model, X, Y, start=START)
        PLANS.clear()
        assert found.params == fitted(model, X, Y, start=START).params
    assert served(thrice(of_number)) and served(thrice(of_array))
    moved = fitted(of_array, X, Y, start=START)
    assert moved.params["c"] == pytest.approx(before.params["c"] - 0.25, abs=1e-9)


def test_a_function_whose_code_is_replaced_is_another_model():
    def model(x, a, k, c):
        return a * np.exp(-k * x) + 2 * c

    assert served(thrice(model))
    model.__code__ = decay.__code__
    assert fitted(model, X, Y, start=START).params == thrice(decay).params


@pytest.mark.parametrize(
    "change, words",
    [
        ({"x": np.where(np.arange(40) == 3, np.nan, X)}, "x is missing .NaN. in row 3"),
        ({"y": np.where(np.arange(40) == 2, np.inf, Y)}, "y is infinite in row 2"),
        ({"x": X[:-1]}, "x has 39 rows, y has 40"),
        ({"x": X[:, None] + 1j}, "x holds complex numbers"),
        ({"sigma": SIGMA - 0.5}, "sigma must be positive, and is not in row 0"),
        ({"start": {"a": 1.0, "k": np.nan, "c": 0.0}}, "k"),
        ({"start": {"a": 1.0, "k": np.arange(2), "c": 0.0}}, "k"),
        ({"start": {"a": 1.0, "k": 1.0, "d": 0.0}}, 'start names "d", which is no parameter'),
        ({"start": {"a": 1.0, "k": 1.0, "c": "0"}}, "c"),
        ({"start": {"a": 10**400, "k": 1.0, "c": 0.0}}, "a"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"p0": 3}, 'fit has no option "p0"'),
    ],
)
def test_every_call_is_checked(change, words):
    options = {"sigma": SIGMA, "start": START, "epochs": 1}
    assert served(thrice(decay, **options))
    options |= {"x": X, "y": Y, **change}
    with pytest.raises(descend.errors.DescendError, match=words):
        fitted(decay, options.pop("x"), options.pop("y"), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"callback": lambda moment: None},
        {"max_seconds": 10.0},
        {"validation_split": 0.25},
        {"standardize": True},
        {"keep_best": True},
        {"starts": 2},
        {"engine": "interpreted"},
        {"loss": lambda prediction, target: (prediction - target) ** 2},
        {"fixed": ["a", "k", "c"]},
        {"start": "random"},
    ],
)
def test_what_is_not_plain_is_read_each_time(options):
    assert not served(thrice(decay, **{"epochs": 5, **options}))


def test_guesses_from_the_data_are_made_anew():
    text = "y = exponential(x)"
    for y in (Y, Y, Y, OTHER):
        fit = fitted(text, {"x": X, "y": y})
    assert not served(fit) and "guessed from the data" in fit.start_source
    PLANS.clear()
    assert plain(fitted(text, {"x": X, "y": OTHER})) == plain(fit)


def test_data_that_tell_nothing_are_warned_of_every_time():
    assert served(thrice(decay))
    for _ in range(2):
        with pytest.warns(descend.errors.DescendWarning, match="y is 2 in every row"):
            again = fitted(decay, X, 0 * X + 2, start=START)
        assert again.warnings
    with pytest.warns(descend.errors.DescendWarning, match="3 parameters and only 2 values"):
        for _ in range(3):
            assert not served(fitted(decay, X[:2], Y[:2], start=START))


def test_targets_outside_of_the_losses_domain_are_refused_every_time():
    counts = np.round(10 * Y)
    options = {"loss": "poisson_log_rate", "optimizer": "bfgs", "start": {"a": 1, "b": 0}}

    def line(x, a, b):
        return a + b * x

    fits = [fitted(line, X, counts, **options) for _ in range(3)]
    assert served(fits[2]) and fits[2].params == fits[0].params
    with pytest.raises(descend.DataError, match=r"needs targets in .0, inf.: row 0 has -5\.0"):
        fitted(line, X, np.where(np.arange(40) == 0, -5.0, counts), **options)


def test_warnings_are_given_every_time():
    def run(lr):
        return thrice(decay, optimizer=descend.SGD(lr=lr), epochs=100)

    assert served(run(0.01))
    for _ in range(3):
        with pytest.warns(descend.errors.DivergedWarning, match="Try lr="):
            assert fitted(
                decay, X, Y, start=START, optimizer=descend.SGD(lr=1e3), epochs=100
            ).status == "diverged"  # fmt: skip


def test_long_runs_end_as_they_would():
    fits = []
    for _ in range(6):
        fits.append(thrice(decay, optimizer=descend.SGD(lr=1e-6), epochs=60_000))
    assert served(fits[-1])
    assert {fit.epochs for fit in fits} == {60_000}


def test_the_arrays_may_be_changed_afterwards():
    for _ in range(4):
        x, y = X.copy(), Y.copy()
        fit = fitted(decay, x, y, start=START)
        x += 1
        y[:] = 0
        assert fit.loss == pytest.approx(np.mean((Y - decay(X, **fit.params)) ** 2), rel=1e-12)
        assert np.array_equal(fit.y, Y) and np.array_equal(fit.x["x"], X)
        fit.y[0] = 7.0
    assert served(fitted(decay, X, Y, start=START))


def test_a_record_that_is_not_yet_made_can_be_changed_and_copied():
    fit = thrice(decay)
    fit.data_name = "mine.csv"
    other = copy.copy(fit)
    assert fit.loss == other.loss and fit.data_name == other.data_name == "mine.csv"
    assert "mine.csv" in fit.report()
    with pytest.raises(AttributeError, match="Fit has no attribute 'parms'"):
        _ = fit.parms
    more = fitted(decay, X, Y, resume=thrice(decay, epochs=3), epochs=50)
    assert more.params == thrice(decay).params


def test_threads_do_not_disturb_each_other():
    targets = [Y + 0.01 * i for i in range(8)]
    expected = [thrice(decay, y=y).params for y in targets]
    found: dict[int, list] = {i: [] for i in range(8)}

    def work(i):
        for _ in range(50):
            found[i].append(fitted(decay, X, targets[i], start=START).params)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(p == expected[i] for i in range(8) for p in found[i])


def test_plans_have_bounded_room(monkeypatch):
    PLANS.clear()
    thrice(decay, X[:30], Y[:30])
    monkeypatch.setattr(plan_table, "MOST_BYTES", 3 * PLANS.size + 1)
    for n in range(10, 20):
        thrice(decay, X[:n], Y[:n])
    assert 2 <= len(PLANS) <= 4 and PLANS.size <= plan_table.MOST_BYTES
    assert served(fitted(decay, X[:19], Y[:19], start=START))


def test_errors_of_normal_equations_are_those_of_the_jacobian():
    for k in (0.1, 1.3, 5.0):
        fit = thrice(decay, y=2.5 * np.exp(-k * X) + 0.5 + 0.05 * NOISE)
        p = fit.params
        jacobian = np.stack([np.exp(-p["k"] * X), -p["a"] * X * np.exp(-p["k"] * X), X**0], 1)
        residual = fit.y - decay(X, **p)
        exact = np.linalg.inv(jacobian.T @ jacobian) * (residual @ residual / 37)
        errors = list(fit.stderr.values())
        assert errors == pytest.approx(np.sqrt(np.diag(exact)), rel=1e-8)
        assert fit.covariance == pytest.approx(exact, rel=1e-7)
        assert np.array_equal(np.sqrt(np.diag(fit.covariance)), errors)
        assert np.array_equal(fit.covariance, fit.covariance.T)


def test_without_a_minimum_there_are_no_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits = [fitted(decay, X, Y, start=START, epochs=2) for _ in range(3)]
        assert served(fits[2])
        flat = [
            fitted(lambda x, a, b: a + b + 0 * x, X, Y, start={"a": 0, "b": 0})
            for _ in range(1)
        ]
    for fit in fits:
        assert np.isnan(list(fit.stderr.values())).all()
        assert fit.errors_note == "the descent had not arrived"
    assert np.isnan(list(flat[0].stderr.values())).all()


def hill(v, w):
    return (v[0] - 1) ** 2 + 3 * (v[1] - 2) ** 2 + (w - 1) ** 4


MINIMA = {
    "array": (lambda x: np.sum((x - 1.0) ** 2), np.array([3.0, 4.0]), {}),
    "list": (lambda x: (x[0] - 1) ** 2 + x[1] ** 2, [3.0, 4], {"optimizer": "adam", "lr": 0.1}),
    "number": (lambda x: (x - 1) ** 2, 3.0, {"optimizer": descend.SGD(lr=0.1), "xtol": 1e-6}),
    "names": (hill, {"v": [0.0, 0.0], "w": 3}, {"record": "params"}),
    "formula": ("(a - 1)**2 + b**2", {"b": 1.0, "a": 2.0}, {"gtol": 1e-8}),
}


def mirrored(function):
    if isinstance(function, str):
        return f"-({function})"
    return (lambda v, w: -hill(v, w)) if function is hill else (lambda x: -function(x))


@pytest.mark.parametrize("case", MINIMA)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_third_minimisation_is_served_and_says_the_same(case, sign):
    function, start, options = MINIMA[case]
    function = function if sign > 0 else mirrored(function)
    find = descend.minimize if sign > 0 else descend.maximize
    MINIMA_PLANS.clear()
    first, second, third = (find(function, start, **options) for _ in range(3))
    assert len(MINIMA_PLANS) == 1
    names = [f.name for f in fields(first) if f.name not in NOT_THE_RUN]
    for name in names:
        assert repr(jsonable(getattr(third, name))) == repr(jsonable(getattr(first, name))), name
        assert repr(jsonable(getattr(second, name))) == repr(jsonable(getattr(first, name)))
    assert str(third).split("time")[0] == str(first).split("time")[0]
    assert third.maximize == (sign < 0)


def test_minimisations_are_checked_every_time():
    def bowl(x):
        return np.sum((x - 1.0) ** 2)

    for _ in range(3):
        found = descend.minimize(bowl, [3.0, 4.0])
    assert found.value == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(descend.UsageError, match="it must be finite"):
        descend.minimize(bowl, [3.0, np.inf])
    with pytest.raises(descend.UsageError, match='minimize has no option "epoch"'):
        descend.minimize(bowl, [3.0, 4.0], epoch=3)
    longer = descend.minimize(bowl, [3.0, 4.0, 5.0])
    assert longer.params.shape == (3,)
    with pytest.warns(descend.errors.DescendWarning):
        for _ in range(3):
            descend.minimize(lambda x: x, 1.0, max_iter=10_000)


READ = {
    "lists": (decay, X.tolist(), OTHER.tolist(), {"start": START}),
    "whole numbers": (decay, np.arange(40), OTHER, {"start": START}),
    "single sigma": (decay, X, OTHER, {"start": START, "sigma": 0.05, "absolute_sigma": True}),
    "ready, guessed": (descend.models.gaussian(), X, np.exp(-((X - 2) ** 2)) + 0.01 * NOISE, {}),
    "searched": (decay, X.tolist(), OTHER.tolist(), {}),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_not_plain_is_read_and_run_by_a_plan_all_the_same(case, monkeypatch):
    model, x, y, options = READ[case]
    PLANS.clear()
    first = descend.fit(model, x, y, **options)
    count = len(PLANS)
    second, third = (descend.fit(model, x, y, **options) for _ in range(2))
    assert len(PLANS) == count
    assert plain(first) == plain(second) == plain(third)
    monkeypatch.setattr("descend.train.plans.can_be_planned", lambda *_: False)
    PLANS.clear()
    alone = descend.fit(model, x, y, **options)
    assert plain(alone) == plain(first) and len(PLANS) == 0


def test_a_plan_of_what_was_read_knows_names_and_starts_apart():
    x, y = X.tolist(), Y.tolist()
    one = descend.fit(decay, {"x": x, "dose": y}, "dose", start=START)
    two = descend.fit(decay, {"x": x, "rate": y}, "rate", start=START)
    assert (one.target, two.target) == ("dose", "rate")
    far = {"a": 1.5, "k": 0.5, "c": 0.1}
    assert descend.fit(decay, x, y, start=far).start == far
    assert descend.fit(decay, x, y, start=one).start_source != one.start_source
    other = descend.fit(decay, x, OTHER.tolist(), start=START)
    assert other.params == descend.fit(decay, X, OTHER, start=START).params

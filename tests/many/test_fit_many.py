"""Many fits: each is what `fit` makes of it, whatever stands beside it."""

import os
import signal

import numpy as np
import pytest

import descend
from descend.errors import DataError, UsageError
from descend.parameters.declare import Parameter
from descend.records.many import OUTCOMES
from many.decays import START, X, agree, decay, decays


def same_bits(a, b, which=slice(None)):
    for left, right in ((a.params, b.params), (a.stderr, b.stderr)):
        for name in left:
            np.testing.assert_array_equal(left[name][which], right[name][which])
    for name in ("status", "iterations", "loss", "chi2", "dof"):
        np.testing.assert_array_equal(getattr(a, name)[which], getattr(b, name)[which])


def test_each_fit_is_what_fit_makes_of_it():
    y = decays(23)
    fits = descend.fit_many(decay, X, y, start=START)
    assert len(fits) == 23 and fits.success.all()
    for number in (0, 7, 22):
        agree(fits, number, descend.fit(decay, X, y[number], start=START))


def test_each_fit_is_what_scipy_finds():
    from scipy.optimize import curve_fit

    y = decays(5, seed=3)
    sigma = np.linspace(0.5, 1.5, 50)
    fits = descend.fit_many(decay, X, y, start=START, sigma=sigma, covariance=True)
    for number in range(5):
        found, covariance = curve_fit(
            decay, X, y[number], p0=[1, 1, 0], sigma=sigma, ftol=1e-13, xtol=1e-13, gtol=1e-13
        )
        np.testing.assert_allclose([fits.params[n][number] for n in "akc"], found, rtol=1e-6)
        np.testing.assert_allclose(fits.covariance[number], covariance, rtol=1e-5)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(threads):
    y = decays(700)
    same_bits(
        descend.fit_many(decay, X, y, start=START, threads=1),
        descend.fit_many(decay, X, y, start=START, threads=threads),
    )


def test_neighbours_do_not_change_a_bit():
    y = decays(40)
    alone = descend.fit_many(decay, X, y, start=START)
    shuffled = np.random.default_rng(1).permutation(40)
    moved = descend.fit_many(decay, X, y[shuffled], start=START)
    back = np.argsort(shuffled)
    for name in "akc":
        np.testing.assert_array_equal(moved.params[name][back], alone.params[name])
        np.testing.assert_array_equal(moved.stderr[name][back], alone.stderr[name])


def test_a_bad_fit_is_told_and_spoils_none():
    y = decays(30)
    sound = descend.fit_many(decay, X, y, start=START)
    y[3, 10] = np.nan
    y[4] = np.inf
    y[5] = 0.0
    y[6] = 1e300
    fits = descend.fit_many(decay, X, y, start=START)
    others = np.setdiff1d(np.arange(30), [3, 4, 5, 6])
    same_bits(fits, sound, others)
    assert [fits[i].status for i in (3, 4, 5)] == ["bad_data", "bad_data", "flat"]
    assert not fits.success[[3, 4, 6]].any() and fits[5].verdict == "flat"
    assert np.isnan(fits.stderr["a"][[3, 4, 6]]).all() and np.isnan(fits.chi2[3])
    assert fits.message(3) == "its data hold values that are missing or not finite"
    assert fits.where("bad_data").tolist() == [3, 4]


def test_unequal_datasets():
    y = decays(8)
    lengths = [50, 31, 7, 50, 12, 2, 33, 4]
    datasets = [(X[:n], y[i, :n]) for i, n in enumerate(lengths)]
    fits = descend.fit_many(decay, datasets, start=START)
    assert fits.dof.tolist() == [n - 3 for n in lengths]
    assert fits[5].status == "too_few_points"
    for number in (0, 1, 2, 6):
        agree(fits, number, descend.fit(decay, *datasets[number], start=START))
    whole = descend.fit_many(decay, X, y, start=START)
    for number in (0, 3):
        for name in "akc":
            assert fits.params[name][number] == whole.params[name][number]


def test_points_that_are_missing():
    y = decays(6)
    y[1, 4] = np.nan
    y[2, [0, 17, 49]] = np.nan
    dropped = descend.fit_many(decay, X, y, start=START, missing="drop")
    assert dropped.dof.tolist() == [47, 46, 44, 47, 47, 47] and dropped.success.all()
    agree(dropped, 2, descend.fit(decay, X, y[2], start=START, missing="drop"))
    skipped = descend.fit_many(decay, X, y, start=START)
    assert skipped.counts() == {"ftol": 4, "bad_data": 2}
    with pytest.raises(DataError, match="target of fit 1 is not finite in point 4"):
        descend.fit_many(decay, X, y, start=START, missing="raise")


def test_each_fit_has_its_own_x_and_start():
    rng = np.random.default_rng(5)
    x = np.sort(rng.uniform(0, 4, (9, 40)), axis=1)
    k = np.linspace(0.5, 2, 9)
    y = decay(x, 2.0, k[:, None], 0.5)
    fits = descend.fit_many(decay, x, y, start={"a": 1.0, "k": k + 0.1, "c": np.zeros(9)})
    np.testing.assert_allclose(fits.params["k"], k, rtol=1e-9)
    np.testing.assert_allclose(fits.params["a"], 2.0, rtol=1e-9)


def test_arrays_of_parameters_and_several_inputs():
    rng = np.random.default_rng(6)
    u, v = rng.normal(size=(2, 30))

    def plane(u, v, w, b):
        return w[0] * u + w[1] * v + w[2] * u * v + b

    w = rng.normal(size=(7, 3))
    y = np.stack([plane(u, v, each, 0.25) for each in w])
    for start in (np.zeros(3), np.zeros((7, 3))):
        fits = descend.fit_many(plane, (u, v), y, start={"w": start, "b": 0.0})
        assert fits.params["w"].shape == fits.stderr["w"].shape == (7, 3)
        np.testing.assert_allclose(fits.params["w"], w, atol=1e-12)
    named = descend.fit_many(plane, {"u": u, "v": v}, y, start={"w": np.zeros(3), "b": 0.0})
    np.testing.assert_array_equal(named.params["w"], fits.params["w"])


def test_more_parameters_than_fit_in_registers():
    def peaks(x, base, h, m, s):
        return base + np.sum(h * np.exp(-(((x[:, None] - m) / s) ** 2)), axis=1)

    rng = np.random.default_rng(8)
    x = np.linspace(0, 10, 120)
    true = {"base": 1.0, "h": np.array([2.0, 3.0]), "m": np.array([3.0, 6.5]), "s": np.ones(2)}
    y = peaks(x, **true) + 0.02 * rng.normal(size=(6, 120))
    start = {"base": 0.5, "h": np.ones(2), "m": np.array([2.5, 7.0]), "s": np.full(2, 1.5)}
    fits = descend.fit_many(peaks, x, y, start=start)
    agree(fits, 4, descend.fit(peaks, x, y[4], start=start))


def test_a_model_that_looks_up_and_one_that_sums_up():
    table = np.linspace(1, 2, 20) ** 2
    x = np.arange(20.0)
    y = np.array([[1.0], [2.0], [3.0]]) * np.cumsum(table) + 0.5

    def summed(x, a, b):
        return a * np.cumsum(table) + b + 0 * x

    def looked_up(i, a, b):
        return a * np.take(table, i.astype(int)) + b

    first = descend.fit_many(summed, x, y, start={"a": 1.0, "b": 0.0})
    np.testing.assert_allclose(first.params["a"], [1, 2, 3], rtol=1e-9)
    second = descend.fit_many(
        looked_up, x, y[:, :1] * table + 0.5, start={"a": 1.0, "b": 0.0}
    )
    np.testing.assert_allclose(second.params["b"], 0.5, rtol=1e-9)


def test_the_number_of_rows_is_each_fits_own():
    """A number that the program works with is each fit's; one that Python asks for is one."""

    def scaled(x, a):
        return a * x / len(x)

    def weighted(x, a):
        return a * np.array([x[i] * i for i in range(len(x))])

    datasets = [(X[:n], 2.0 * X[:n] / n) for n in (50, 10)]
    fits = descend.fit_many(scaled, datasets, start={"a": 0.5})
    np.testing.assert_allclose(fits.params["a"], [2, 2], rtol=1e-12)
    y = np.array([[1.0], [2.0]]) * X[:6] * np.arange(6)
    fits = descend.fit_many(weighted, X[:6], y, start={"a": 0.5})
    np.testing.assert_allclose(fits.params["a"], [1, 2], rtol=1e-12)
    with pytest.raises(UsageError, match="the fits have 5 to 6 points"):
        descend.fit_many(weighted, [(X[:6], X[:6]), (X[:5], X[:5])], start={"a": 0.5})


@pytest.mark.parametrize("lanes", [1, None])
def test_rows_counted_from_the_end(lanes):
    """Over unequal datasets each has an end of its own: then one fit at a time is done."""
    models = {
        1: lambda x, a, b: a * x[::-1] + b,
        None: lambda x, a, b: a * np.where(x > np.mean(x), x, -x) + b * np.max(x),
    }
    model = models[lanes]
    datasets = [(X[:n], model(X[:n], 2.0, 1.0)) for n in (50, 20, 33)]
    fits = descend.fit_many(model, datasets, start={"a": 1.0, "b": 0.0})
    np.testing.assert_allclose(fits.params["a"], 2.0, rtol=1e-9)
    np.testing.assert_allclose(fits.params["b"], 1.0, rtol=1e-9)
    assert fits.lanes == (lanes or 4) or fits.lanes in (2, 8)


def test_what_is_not_native_is_refused():
    hidden = descend.black_box(lambda z: np.tanh(z))
    with pytest.raises(UsageError, match="no native code for the black box"):
        descend.fit_many(lambda x, a: hidden(a * x), X, np.tanh(X)[None], start={"a": 0.5})


def test_hard_starts_are_left_to_the_full_method():
    """Two starts far off for the lean method's few steps; both end where `fit` ends."""
    y = np.tile(decay(X, 2.0, 1.0, 0.5), (3, 1)) + 0.01 * np.sin(7 * X)
    start = {"a": np.array([1.0, 500.0, 1e-3]), "k": np.array([1.0, 60.0, 1e-3]), "c": 0.0}
    fits = descend.fit_many(decay, X, y, start=start)
    single = descend.fit(decay, X, y[0], start=START)
    for number in np.flatnonzero(fits.success):
        assert fits.loss[number] >= single.loss * (1 - 1e-9)
    agree(fits, 0, single)


@pytest.mark.parametrize(
    ("loss", "optimizer"),
    [("huber(0.1)", None), ("cauchy(0.1)", "bfgs"), ("mse", "lm"), ("mse", "bfgs")],
)
def test_other_losses_and_methods(loss, optimizer):
    y = decays(3)
    y[:, 7] += 2.0
    fits = descend.fit_many(decay, X, y, start=START, loss=loss, optimizer=optimizer)
    for number in (0, 2):
        single = descend.fit(decay, X, y[number], start=START, loss=loss)
        for name in "akc":
            one, other = fits.params[name][number], single.params[name]
            np.testing.assert_allclose(one, other, rtol=1e-7)
            one, other = fits.stderr[name][number], single.stderr[name]
            np.testing.assert_allclose(one, other, rtol=1e-5)


def test_counts():
    rng = np.random.default_rng(4)
    y = rng.poisson(decay(X, 20.0, 1.0, 5.0), (3, 50)).astype(float)
    start = {"a": 10.0, "k": 1.0, "c": 4.0}
    fits = descend.fit_many(decay, X, y, start=start, loss="poisson")
    single = descend.fit(decay, X, y[1], start=start, loss="poisson")
    for name in "akc":
        np.testing.assert_allclose(fits.params[name][1], single.params[name], rtol=1e-8)
        np.testing.assert_allclose(fits.stderr[name][1], single.stderr[name], rtol=1e-6)
    np.testing.assert_allclose(fits.loss[1], single.loss, rtol=1e-9)


def test_a_table_with_groups():
    y = decays(3)
    table = {
        "x": np.tile(X, 3), "y": y.reshape(-1), "well": np.repeat(["C1", "A1", "B2"], 50)
    }  # fmt: skip
    order = np.random.default_rng(0).permutation(150)
    mixed = {name: np.asarray(column)[order] for name, column in table.items()}
    formula = "y = a*exp(-k*x) + c"
    fits = descend.fit_many(formula, mixed, by="well", start=START)
    whole = descend.fit_many(decay, X, y, start=START)
    for number, key in enumerate(["C1", "A1", "B2"]):
        at = fits.keys.tolist().index(key)
        for name in "akc":
            np.testing.assert_allclose(fits.params[name][at], whole.params[name][number], rtol=1e-9)
    assert fits[0].key == mixed["well"][0]
    with pytest.raises(DataError, match=r'no column "wel".*did you mean "well"'):
        descend.fit_many(formula, table, by="wel", start=START)


def test_interrupted_fits_are_kept():
    class Pressed:
        each_epoch = False

        def start(self, total, unit="epoch"):
            assert (total, unit) == (6000, "fit")

        def update(self, epoch, loss, rows):
            os.kill(os.getpid(), signal.SIGINT)

        def close(self, message=""):
            pass

    y = decays(6000)
    fits = descend.fit_many(decay, X, y, start=START, threads=1, progress=Pressed())
    done = fits.status != 0
    assert fits.interrupted and 0 < done.sum() < 6000
    assert fits.success[done].all() and np.isnan(fits.params["a"][~done]).all()
    assert fits.message(5999).startswith("not fitted")


def test_results_as_columns_and_files(tmp_path):
    import duckdb

    y = decays(5)
    y[2] = np.nan
    fits = descend.fit_many(decay, X, y, start=START)
    for name in ("fits.parquet", "fits.csv"):
        fits.save(tmp_path / name)
        read = duckdb.sql(f"SELECT * FROM '{tmp_path / name}'").fetchnumpy()
        np.testing.assert_array_equal(read["a"][[0, 1, 3, 4]], fits.params["a"][[0, 1, 3, 4]])
        assert read["status"].tolist() == ["ftol", "ftol", "bad_data", "ftol", "ftol"]
    with pytest.raises(UsageError, match="cannot be written as"):
        fits.save(tmp_path / "fits.xls")
    report = fits.report()
    assert "5 fits of decay(x, a, k, c)" in report
    assert "1  its data hold values that are missing or not finite" in report


def test_every_outcome_has_a_name_of_its_own():
    names = [outcome.name for outcome in OUTCOMES.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"y": X}, "many fits need \\(fits, points\\)"),
        ({"start": {**START, "k": np.array([1.0, np.nan])}}, '"k" of fit 1 starts as nan'),
        ({"start": {**START, "q": 1.0}}, 'start names "q", which is no parameter'),
        ({"optimizer": "adam"}, "needs a learning rate"),
        ({"sigma": np.ones(2)}, "write sigma\\[:, None\\] for one number a fit"),
        ({"sample_weight": np.ones(2)}, "write sample_weight\\[:, None\\] for one number a fit"),
        ({"sample_weight": -1.0}, "sample_weight must not be negative"),
        ({"x": X[:20]}, "would be shared"),
        ({"missing": "skp"}, "missing"),
        ({"epochs": 10}, "fit_many"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, said):
    call = {"x": X, "y": decays(2), "start": START, **options}
    with pytest.raises((UsageError, DataError), match=said):
        descend.fit_many(decay, call.pop("x"), call.pop("y"), **call)


@pytest.mark.parametrize(
    "bound",
    [
        {"bounds": {"k": (0, 0.8)}},
        {"bounds": {"k": (0.1, 5.0)}},
        {"fixed": {"c": 0.4}},
        {"start": {"a": 1.0, "k": 0.7}, "ties": {"c": "a/4"}},
        {"start": {"a": Parameter(1.0, scale="log"), "k": 1.0, "c": 0.0}},
    ],
)
def test_bounds_fixed_and_tied_parameters(bound):
    y = decay(X, 2.0, 1.0, 0.5) + 0.05 * np.random.default_rng(0).normal(size=(3, 50))
    options = {"start": {"a": 1.0, "k": 0.7, "c": 0.0}, **bound}
    fits = descend.fit_many(decay, X, y, **options)
    agree(fits, 1, descend.fit(decay, X, y[1], **options))


def test_each_fit_has_its_own_fixed_value():
    y = decays(4)
    c = np.linspace(-0.5, 0.5, 4)
    fits = descend.fit_many(decay, X, y, start=START, fixed={"c": c})
    np.testing.assert_array_equal(fits.params["c"], c)
    agree(fits, 2, descend.fit(decay, X, y[2], start=START, fixed={"c": float(c[2])}))
    outside = {"k": np.array([1.0, 2.0, 3.0, 9.0])}
    with pytest.raises(UsageError, match="fit 3: k starts at 9, outside its bounds 0 to 5"):
        descend.fit_many(decay, X, y, start={**START, **outside}, bounds={"k": (0, 5)})


def test_fits_without_a_start_begin_at_the_best_of_32_candidates():
    y = decays(12)
    given = descend.fit_many(decay, X, y, start=START)
    for start in (None, {"k": 1.0}, {"a": np.full(12, 2.0)}):
        fits = descend.fit_many(decay, X, y, start=start)
        np.testing.assert_allclose(fits.chi2, given.chi2, rtol=1e-9)


def test_a_ready_model_guesses_for_each_fit():
    from descend.models import gaussian

    x = np.linspace(-5, 5, 80)
    middles = np.linspace(-2, 2, 5)
    y = 3 * np.exp(-((x - middles[:, None]) ** 2) / 2) + 0.01 * np.sin(9 * x)
    for model, data in ((gaussian(), (x, y)), ("y = gaussian(x)", ({"x": x, "y": y},))):
        fits = descend.fit_many(model, *data)
        assert fits.success.all()
        found = next(a for a in fits.params.values() if np.ptp(a) > 3)
        np.testing.assert_allclose(found, middles, atol=0.01)


def test_progress_tells_fits_per_second():
    import io

    from descend.show.progress import Lines

    seconds = iter([0.0, 0.0, *(0.5 * i for i in range(1, 99))])
    out = io.StringIO()
    meter = Lines(out, clock=lambda: next(seconds))
    meter.start(1000, "fit")
    meter.update(500, float("nan"), 500)
    line = out.getvalue()
    assert line.startswith("fit  500/1000") and "fits/s" in line and "loss" not in line


MODELS = {
    "one function inside another": (
        lambda x, a, b, c: a * np.exp(np.sin(b * x)) + c, {"a": 1.5, "b": 1.1, "c": 0.3},
    ),
    "a choice": (lambda x, a, b: np.where(x > 2, a * np.log(x * b), a * x), {"a": 1.0, "b": 2.0}),
    "powers": (lambda x, v, k, n: v * x**n / (k**n + x**n), {"v": 2.0, "k": 1.5, "n": 2.0}),
    "sums over the rows": (
        lambda x, a, b: np.exp(-a * x) / np.sum(np.exp(-a * x)) * b, {"a": 1.0, "b": 5.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_models_of_all_kinds_over_unequal_datasets(name):
    model, true = MODELS[name]
    rng = np.random.default_rng(1)
    x = np.linspace(0.1, 4, 37)
    lengths = [37, 36, 20, 33, 32, 31, 25]
    datasets = [(x[:n], model(x[:n], **true) + 0.01 * rng.normal(size=n)) for n in lengths]
    start = {k: 1.1 * v for k, v in true.items()}
    fits = descend.fit_many(model, datasets, start=start)
    assert fits.success.all()
    for number in (0, 2):
        single = descend.fit(model, *datasets[number], start=start)
        for k, value in single.params.items():
            one, error = fits.params[k][number], single.stderr[k]
            assert abs(one - value) < 1e-7 * error
            np.testing.assert_allclose(fits.stderr[k][number], error, rtol=1e-6)


def test_a_model_whose_code_was_replaced_is_built_anew() -> None:
    def model(x, a):
        return a * x

    def doubled(x, a):
        return 2 * a * x

    x = np.linspace(0.0, 1.0, 9)
    targets = np.stack([2 * x, 6 * x])
    first = descend.fit_many(model, x, targets, start=dict(a=1.0))
    model.__code__ = doubled.__code__
    second = descend.fit_many(model, x, targets, start=dict(a=1.0))
    np.testing.assert_allclose(first.params["a"], [2, 6], rtol=1e-12)
    np.testing.assert_allclose(second.params["a"], [1, 3], rtol=1e-12)
    assert repr(second) == "<2 fits of model(x, a): 2 converged>"

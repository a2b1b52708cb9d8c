"""The moving average of the parameters: by hand, returned and saved, resumed, refused in words."""

import copy
import pickle

import numpy as np
import pytest

import descend
from descend import networks as nn
from descend.graph.program import permutation

RNG = np.random.default_rng(6)
X = RNG.normal(size=90)
Y = 2 * X + 1 + 0.3 * RNG.normal(size=90)
NEW = RNG.normal(size=11)
TABLE = RNG.normal(size=(120, 4))
LABELS = np.array(["low", "mid", "high"])[np.digitize(TABLE[:, 0] + 0.5 * TABLE[:, 1], [-0.5, 0.6])]
START = dict(a=0.0, b=5.0)
OPTIONS = dict(start=START, optimizer="sgd", lr=0.05, batch_size=8, epochs=6)


def line(x, a, b):
    return a * x + b


def way(seed=0, lr=0.05, size=8, epochs=6):
    """The parameters after each update of SGD, (updates, 2)."""
    p, found = np.array([0.0, 5.0]), []
    for epoch in range(epochs):
        rows = permutation(90, seed, epoch)
        for i in range(0, 90, size):
            x, y = X[rows[i : i + size]], Y[rows[i : i + size]]
            r = p[0] * x + p[1] - y
            p = p - lr * np.array([np.mean(2 * r * x), np.mean(2 * r)])
            found.append(p)
    return np.array(found)


def average(places, share):
    weights = share ** np.arange(len(places))[::-1]
    return weights @ places / weights.sum()


def numbers(fit):
    return np.array([*fit.params.values()])


@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.999])
def test_it_is_the_weighted_mean_of_all_updates(engine, share):
    fit = descend.fit(line, X, Y, ema=share, engine=engine, record="params", **OPTIONS)
    places = way()
    np.testing.assert_allclose(numbers(fit), average(places, share), rtol=1e-12)
    course = np.stack([fit.history.params["a"], fit.history.params["b"]], axis=1)
    each = [average(places[: 12 * k], share) for k in range(1, 7)]
    np.testing.assert_allclose(course, each, rtol=1e-12)
    raw = descend.fit(line, X, Y, **OPTIONS)
    np.testing.assert_allclose(fit.history["loss"], raw.history["loss"], rtol=1e-13)
    assert fit.ema == share and raw.ema is None


def test_all_that_is_said_is_of_the_average(tmp_path):
    fit = descend.fit(line, X, Y, ema=0.9, validation_split=0.2, **OPTIONS)
    a, b = numbers(fit)
    np.testing.assert_allclose(fit.predict(NEW), a * NEW + b, rtol=1e-14)
    kept = fit.residuals
    assert fit.loss == pytest.approx(np.mean(kept**2), rel=1e-12)
    raw = descend.fit(line, X, Y, validation_split=0.2, **OPTIONS)
    assert abs(numbers(raw) - numbers(fit)).max() > 1e-3
    assert fit.validation_loss != raw.validation_loss
    assert "returned the moving average of the parameters (ema=0.9)" in " ".join(str(fit).split())
    fit.save(tmp_path / "fit.descend")
    for other in (
        descend.load(tmp_path / "fit.descend"), pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit)
    ):  # fmt: skip
        assert other.params == fit.params and other.ema == 0.9
        np.testing.assert_array_equal(other.predict(NEW), fit.predict(NEW))


@pytest.mark.parametrize("engine", ["native", "interpreted"])
def test_validation_and_the_best_are_of_the_average(engine):
    """Held back are the rows of the split; the best average by hand is the one returned."""
    rows = np.random.default_rng([0, 1]).permutation(90)
    held = np.sort(rows[:18])
    fit = descend.fit(
        line, X, Y, ema=0.8, validation_split=0.2, keep_best=True, record="params", engine=engine,
        **OPTIONS | dict(lr=0.4, epochs=20),
    )  # fmt: skip
    a, b = fit.history.params["a"], fit.history.params["b"]
    losses = [np.mean((a[k] * X[held] + b[k] - Y[held]) ** 2) for k in range(20)]
    np.testing.assert_allclose(fit.history["validation_loss"], losses, rtol=1e-11)
    best = int(np.argmin(losses))
    assert fit.best_epoch == best + 1 < 20
    np.testing.assert_array_equal(numbers(fit), [a[best], b[best]])
    assert fit.validation_loss == pytest.approx(losses[best], rel=1e-11)
    words = "the moving average of the parameters (ema=0.8), after epoch"
    assert f"{words} {best + 1}, the best of 20" in " ".join(str(fit).split())


@pytest.mark.parametrize("batches", [1, 5, 12, 30])
def test_a_resumed_run_goes_on_with_the_parameters_themselves(batches, tmp_path):
    options = OPTIONS | dict(optimizer="adam", ema=0.95)
    whole = descend.fit(line, X, Y, **options)
    run = descend.start(line, X, Y, **options).step(batches=batches)
    run.fit.save(tmp_path / "part.descend")
    for earlier in (run.fit, descend.load(tmp_path / "part.descend")):
        again = descend.fit(line, X, Y, resume=earlier, **options)
        assert again.params == whole.params
    assert run.step(epochs=9).params == whole.params == run.fit.params
    assert descend.fit(line, X, Y, start=whole, **dict(epochs=1, optimizer="sgd")).start == (
        whole.params
    )


def test_it_may_begin_and_end_with_a_resumed_run():
    first = descend.fit(line, X, Y, **OPTIONS | dict(epochs=2))
    second = descend.fit(line, X, Y, resume=first, ema=0.9, **OPTIONS | dict(epochs=4))
    np.testing.assert_allclose(numbers(second), average(way()[24:48], 0.9), rtol=1e-12)
    assert "ema was None and is 0.9" in second.warnings[0]
    third = descend.fit(line, X, Y, resume=second, **OPTIONS)
    np.testing.assert_allclose(numbers(third), way()[-1], rtol=1e-12)


def test_of_several_batches_that_make_an_update_it_follows_the_updates():
    own = descend.fit(line, X, Y, ema=0.9, **OPTIONS | dict(batch_size=6, accumulate=5))
    places = way(size=30)
    np.testing.assert_allclose(numbers(own), average(places, 0.9), rtol=1e-12)


def test_ties_bounds_and_scales_hold_of_the_average():
    def model(x, a, b, c):
        return a * x + b + c

    fit = descend.fit(
        model, X, Y, start=dict(a=0.4, b=1.0), ties={"c": "b**2"}, bounds={"a": (0.1, 1.5)},
        ema=0.97, optimizer="adam", lr=0.3, batch_size=9, epochs=30,
    )  # fmt: skip
    assert fit.params["c"] == fit.params["b"] ** 2
    assert 0.1 <= fit.params["a"] <= 1.5
    held = descend.fit(line, X, Y, fixed=["b"], ema=0.9, **OPTIONS)
    assert held.params["b"] == 5.0


@pytest.mark.parametrize("net", [nn.mlp([16]), nn.mlp([16], batch_norm=True, dropout=0.1)])
def test_a_network_serves_with_its_average(net, tmp_path):
    options = dict(batch_size=16, epochs=12, lr=0.01, metrics=["accuracy"], validation_split=0.25)
    fit = descend.fit(net, TABLE, LABELS, ema=0.9, **options)
    raw = descend.fit(net, TABLE, LABELS, **options)
    np.testing.assert_array_equal(fit.history["loss"], raw.history["loss"])
    assert not np.array_equal(fit.params["0.weight"], raw.params["0.weight"])
    fit.save(tmp_path / "net.descend")
    other = descend.load(tmp_path / "net.descend")
    np.testing.assert_array_equal(other.predict_proba(TABLE), fit.predict_proba(TABLE))
    longer = options | dict(epochs=20)
    whole = descend.fit(net, TABLE, LABELS, ema=0.9, **longer)
    again = descend.fit(net, TABLE, LABELS, ema=0.9, resume=other, **longer)
    for name, value in whole.params.items():
        np.testing.assert_array_equal(again.params[name], value)
    assert fit.params["0.weight"].dtype == np.float32


def test_a_stepped_run_sets_both():
    run = descend.start(line, X, Y, ema=0.5, **OPTIONS).step(epochs=2)
    before = run.params["b"]
    run.params = dict(a=3.0)
    assert run.params == dict(a=3.0, b=before) and run.loss == run.fit.loss
    run.step(batches=1)
    assert 2.5 < run.params["a"] < 3.0
    same = descend.start(line, X, Y, **OPTIONS).step(epochs=2)
    untouched = same.params["b"]
    run = descend.start(line, X, Y, ema=0.5, **OPTIONS).step(epochs=2).set(ema=0.0)
    run.params = dict(a=same.params["a"])
    assert run.step(batches=1).params == same.step(batches=1).params
    assert same.params["b"] != untouched


def test_trainings_and_repeated_fits():
    found = descend.trainings(line, X, Y, over=dict(ema=[0.5, 0.99]), **OPTIONS)
    for own, fit in zip(found.settings, found, strict=True):
        for _ in range(3):
            same = descend.fit(line, X, Y, **own, **OPTIONS)
            assert fit.params == same.params
    np.testing.assert_allclose(found.params["a"][1], average(way(), 0.99)[0], rtol=1e-12)


def test_a_callback_sees_the_average():
    seen = []
    fit = descend.fit(
        line, X, Y, ema=0.9, callback=lambda m: seen.append(m.params["a"]), record="params",
        **OPTIONS,
    )  # fmt: skip
    np.testing.assert_array_equal(seen, fit.history.params["a"])


@pytest.mark.parametrize(
    ("options", "words"),
    [(dict(ema=1.0), "ema=1 is no share"), (dict(ema=-0.1), "ema must be a number of at least 0"),
     (dict(optimizer="lm", lr=None, batch_size=None), "and LevenbergMarquardt returns the best"),
     (dict(optimizer="lbfgs", lr=None, batch_size=None), "and LBFGS returns the best place"),
     (dict(keep_best=True), "keep_best needs the loss of the average that ema returns"),
     (dict(ema_momentum=0.9), 'here it is called "ema"')],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_in_words(options, words):
    with pytest.raises(descend.UsageError, match=words):
        descend.fit(line, X, Y, **OPTIONS | dict(ema=0.9) | options)

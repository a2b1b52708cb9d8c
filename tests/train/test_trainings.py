"""Many trainings at once: each is the fit of its own numbers, whoever works on it."""

import copy
import pickle

import numpy as np
import pytest

import descend
from descend import networks as nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
LABELS = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [-0.5, 0.8])]
NET = nn.mlp([8])
TRAINED = dict(batch_size=32, epochs=8)


@pytest.mark.filterwarnings("ignore:The accuracy", "ignore:Every row is taken for")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_is_the_fit_of_its_numbers(threads):
    over = dict(seed=[3, 5], lr=[0.001, 0.01, 0.1])
    found = descend.trainings(NET, X, LABELS, over=over, threads=threads, **TRAINED)
    assert len(found) == 6 and found.settings[4] == dict(seed=5, lr=0.01)
    for own, fit in zip(found.settings, found, strict=True):
        same = descend.fit(NET, X, LABELS, **own, **TRAINED)
        for name, value in same.params.items():
            np.testing.assert_array_equal(fit.params[name], value)
        assert (fit.loss, fit.status, fit.seed) == (same.loss, same.status, own["seed"])
        assert fit.optimizer == same.optimizer
        np.testing.assert_array_equal(fit.history["loss"], same.history["loss"])
    np.testing.assert_array_equal(found.loss, [fit.history["loss"][-1] for fit in found])
    assert found.params["0.weight"].shape == (6, 8, 3)


def test_penalties_and_rules_vary():
    found = descend.trainings(
        NET, X, X[:, 0], over=dict(weight=[0.001, 0.5], stop_loss=[1e-9, 0.9]),
        penalty="l2(0.001)", lr=0.01, epochs=20, batch_size=16,
    )  # fmt: skip
    for own, fit in zip(found.settings, found, strict=True):
        same = descend.fit(
            NET, X, X[:, 0], penalty=f"l2({own['weight']})", lr=0.01, epochs=20,
            batch_size=16, stop_loss=own["stop_loss"],
        )  # fmt: skip
        np.testing.assert_array_equal(fit.params["2.weight"], same.params["2.weight"])
        assert (fit.epochs, fit.status, fit.loss_name) == (same.epochs, same.status, same.loss_name)


def curve(x, a, b, c):
    return a * np.exp(-b * x) + c


def dense(x, w, v):
    return np.tanh(x @ w) @ v


CURVE = dict(start=dict(a=1.0, b=1.0, c=0.0))
DENSE = dict(start=dict(w=RNG.normal(size=(3, 7)), v=RNG.normal(size=7)))
SIZES = [None, 1, 7, 16, 40, 119, 120, 500]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ["native", "interpreted"])
@pytest.mark.parametrize("model, x, options", [(curve, X[:, 0], CURVE), (dense, X, DENSE)])
def test_one_program_takes_batches_of_every_size(model, x, options, engine):
    given = dict(optimizer="adam", lr=0.02, epochs=4, validation_split=0.2, **options)
    found = descend.trainings(
        model, x, X[:, 1], over=dict(batch_size=SIZES, lr=[0.02, 0.1]), engine=engine, **given
    )
    assert len({id(run.built) for run in found._runs[2:]}) == 1
    for own, fit in zip(found.settings, found, strict=True):
        same = descend.fit(model, x, X[:, 1], **{**given, **own})
        for name, value in same.params.items():
            np.testing.assert_allclose(fit.params[name], value, rtol=1e-11, atol=1e-13)
        for name in same.history:
            np.testing.assert_allclose(fit.history[name], same.history[name], rtol=1e-11)


@pytest.mark.filterwarnings("ignore")
def test_batches_of_every_size_are_joined_and_make_networks():
    over = dict(batch_size=[8, 25, 64], seed=[0, 1])
    layers = nn.Sequential(nn.Linear(9), nn.BatchNorm(), nn.relu, nn.Dropout(0.3), nn.Linear(3))
    given = dict(lr=0.01, epochs=3, accumulate=2, ema=0.9)
    found = descend.trainings(layers, X, LABELS, over=over, **given)
    for own, fit in zip(found.settings, found, strict=True):
        same = descend.fit(layers, X, LABELS, **given, **own)
        for name, value in same.params.items():
            np.testing.assert_allclose(fit.params[name], value, rtol=2e-4, atol=2e-6)
        assert fit.loss == pytest.approx(same.loss, rel=1e-5)


def test_a_size_of_batches_is_a_whole_number():
    with pytest.raises(descend.UsageError, match="batch_size"):
        descend.trainings(NET, X, LABELS, over=dict(batch_size=[8, 2.5]), epochs=2)


def test_an_ensemble_predicts_by_the_mean():
    found = descend.trainings(NET, X, LABELS, over=dict(seed=range(4)), lr=0.01, **TRAINED)
    shares = np.mean([fit.predict_proba(X) for fit in found], axis=0)
    np.testing.assert_allclose(found.predict_proba(X), shares)
    np.testing.assert_array_equal(found.predict(X), found[0].classes[shares.argmax(1)])
    numbers = descend.trainings(NET, X, X[:, 0], over=dict(seed=range(3)), lr=0.01, **TRAINED)
    mean = np.mean([fit.predict(X) for fit in numbers], axis=0)
    np.testing.assert_allclose(numbers.predict(X), mean)
    error = np.mean((mean - X[:, 0]) ** 2)
    assert error < np.mean([np.mean((fit.predict(X) - X[:, 0]) ** 2) for fit in numbers])


def test_the_best_is_that_of_the_rows_held_back():
    found = descend.trainings(
        NET, X, LABELS, over=dict(lr=[1e-5, 0.03]), validation_split=0.2, **TRAINED
    )
    assert found.best == 1 and np.isfinite(found.validation_loss).all()
    np.testing.assert_allclose(found[1].validation_loss, found.validation_loss[1])


def test_a_plain_function_and_one_that_diverges():
    x = np.linspace(0.0, 1.0, 20)

    def line(x, a, b):
        return a * x + b

    found = descend.trainings(
        line, x, 2 * x + 1, over=dict(lr=[0.1, 1e9]), start=dict(a=0.0, b=0.0), optimizer="sgd",
        epochs=50,
    )  # fmt: skip
    same = descend.fit(
        line, x, 2 * x + 1, start=dict(a=0.0, b=0.0), optimizer="sgd", lr=0.1, epochs=50
    )
    assert found[0].params == same.params and np.isnan(found.loss[1])
    assert found.best == 0
    np.testing.assert_allclose(found.predict(x), same.predict(x))
    with pytest.warns(descend.DivergedWarning):
        assert found[1].status == "diverged"


@pytest.mark.parametrize("net", [
    nn.mlp([8], batch_norm=True, dropout=0.1),
    nn.Sequential(nn.Linear(6), nn.Residual(nn.Linear(6), nn.BatchNorm()), nn.Linear()),
])  # fmt: skip
def test_each_serves_with_the_running_values_of_its_own_end(net):
    own = dict(batch_size=32, epochs=6, lr=0.02, validation_split=0.2, patience=2)
    found = descend.trainings(net, X, LABELS, over=dict(seed=[0], lr=[0.02, 0.1]), **own)
    for rate, fit in zip((0.02, 0.1), found, strict=True):
        same = descend.fit(net, X, LABELS, **{**own, "lr": rate})
        np.testing.assert_array_equal(fit.predict_proba(X), same.predict_proba(X))
        assert fit.loss == same.loss and fit.running.keys() == same.running.keys()
        for name, value in same.running.items():
            np.testing.assert_array_equal(fit.running[name], value)


def test_they_are_carried_and_copied():
    found = descend.trainings(NET, X, LABELS, over=dict(seed=range(3)), lr=0.05, **TRAINED)
    for other in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert len(other) == 3 and other.settings == found.settings and other.best == found.best
        assert repr(other) == repr(found)
        np.testing.assert_array_equal(other.predict_proba(X), found.predict_proba(X))
        np.testing.assert_array_equal(other.params["0.weight"], found.params["0.weight"])


def test_the_loss_held_back_is_that_of_the_best_where_it_was_kept():
    found = descend.trainings(
        NET, X, LABELS, over=dict(seed=range(4)), lr=0.1, batch_size=16, epochs=60, patience=4,
        validation_split=0.3,
    )  # fmt: skip
    own = [fit.validation_loss for fit in found]
    np.testing.assert_allclose(found.validation_loss, own)
    assert found.best == np.argmin(own)
    assert any(fit.history["validation_loss"][-1] > fit.validation_loss for fit in found)


@pytest.mark.parametrize("option", [
    dict(callback=print), dict(verbose=True), dict(checkpoint="a.ck"), dict(max_seconds=1.0),
])  # fmt: skip
def test_what_belongs_to_one_run_is_told(option):
    with pytest.raises(descend.UsageError, match=f"{next(iter(option))} belongs to one run"):
        descend.trainings(NET, X, LABELS, over=dict(seed=range(3)), **option, **TRAINED)


@pytest.mark.parametrize(("over", "told"), [
    ({}, "over has no values"),
    ([{"seed": 1}], "over is a dict option → values, not list"),
    ({"seed": 3}, "over gives seed no list of values, but 3"),
    ({"seed": [-1]}, "seed must be a whole number"),
    ({"seed": [0.5]}, "seed must be a whole number"),
    ({"lr": [0.1, -0.1]}, "lr must lie in"),
    ({"lr": [float("nan")]}, "lr must lie in"),
    ({"penalty": ["l2(0.1)"]}, "over gives penalty the value 'l2.*and varies numbers alone"),
    ({"lr": []}, "over has no values"),
    ({"momentum": [0.1]}, 'over names "momentum", which is no number of this program'),
    ({"lrr": [0.1]}, 'over names "lrr", which is no number of this program .did you mean "lr"'),
])  # fmt: skip
def test_what_cannot_vary_is_told(over, told):
    with pytest.raises(descend.UsageError, match=told):
        descend.trainings(NET, X, LABELS, over=over, **TRAINED)

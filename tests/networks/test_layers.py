"""Layers that normalise, that draw, and that keep something, beside their formulas."""

import pickle

import numpy as np
import pytest

import descend
from descend import networks as nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4))
LABELS = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + X[:, 1] * X[:, 2], [-0.7, 0.7])]
TRAINED = dict(batch_size=32, lr=0.01, epochs=12, validation_split=0.2)
NETS = {
    "dropout": nn.mlp([16], dropout=0.2),
    "batch norm": nn.mlp([16, 8], batch_norm=True),
    "nested": nn.Sequential(
        nn.Linear(8), nn.Residual(nn.Linear(8), nn.BatchNorm(), "relu", nn.Dropout(0.1)),
        nn.BatchNorm(scale=False), nn.Linear(),
    ),
}  # fmt: skip


def same(fit, other):
    for name, value in fit.params.items():
        np.testing.assert_array_equal(other.params[name], value)


@pytest.fixture(scope="module", params=NETS)
def trained(request):
    return NETS[request.param], descend.fit(NETS[request.param], X, LABELS, **TRAINED)


def test_a_row_is_predicted_alone_as_in_company(trained, tmp_path):
    _, fit = trained
    whole = fit.predict_proba(X)
    alone = np.concatenate([fit.predict_proba(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, whole[:20], rtol=1e-5)
    fit.save(tmp_path / "net.descend")
    for other in (descend.load(tmp_path / "net.descend"), pickle.loads(pickle.dumps(fit))):
        np.testing.assert_array_equal(other.predict_proba(X), whole)


def test_the_bits_do_not_depend_on_the_way(trained):
    model, fit = trained
    same(fit, descend.fit(model, X, LABELS, threads=2, **TRAINED))
    half = descend.fit(model, X, LABELS, **TRAINED | {"epochs": 5})
    same(fit, descend.fit(model, X, LABELS, resume=half, **TRAINED))
    run = descend.start(model, X, LABELS, **TRAINED)
    while not run.ended:
        run.step(batches=7)
    same(fit, run.fit)
    same(fit, descend.trainings(model, X, LABELS, over={"seed": [1, 0]}, **TRAINED)[1])


def test_the_interpreter_trains_the_same(trained):
    model, _ = trained
    # Biases before a normalisation have no slope but rounding, of which Adam would make steps.
    short = dict(optimizer=descend.SGD(lr=0.05), batch_size=32, epochs=3)
    native = descend.fit(model, X, LABELS, **short)
    plain = descend.fit(model, X, LABELS, engine="interpreted", **short)
    np.testing.assert_allclose(plain.predict_proba(X), native.predict_proba(X), rtol=1e-4)
    np.testing.assert_allclose(plain.history["loss"], native.history["loss"], rtol=1e-5)


def test_what_is_kept_is_called_by_its_place(trained):
    model, fit = trained
    names = {
        "dropout": [],
        "batch norm": ["1.running_mean", "1.running_var", "4.running_mean", "4.running_var"],
        "nested": ["1.1.running_mean", "1.1.running_var", "2.running_mean", "2.running_var"],
    }  # fmt: skip
    which = next(name for name, net in NETS.items() if net is model)
    assert list(fit.running) == names[which]


def test_batch_norm_is_the_plain_function_of_running_values():
    model = nn.Sequential(nn.Linear(6), nn.BatchNorm(momentum=0.3), "tanh", nn.Linear())
    y = X[:, 0] * X[:, 1]
    own = dict(batch_size=50, lr=0.02, epochs=6)
    fit = descend.fit(model, X, y, standardize=False, **own)
    begun = {n: a.astype(np.float32) for n, a in fit.start.items()}

    def plain(x, w, b, g, s, v, c):
        h = x @ w.T + b
        mean = descend.running("mean", h.mean(0), 0.3)
        var = descend.running("var", h.var(0), 0.3, begin=1.0, kept=h.var(0, ddof=1))
        return (np.tanh((h - mean) / np.sqrt(var + 1e-5) * g + s) @ v.T + c)[:, 0]

    start = dict(zip("wbgsvc", begun.values(), strict=True))
    other = descend.fit(
        plain, X.astype(np.float32), y.astype(np.float32), start=start, optimizer="adam", **own
    )
    np.testing.assert_allclose(fit.params["0.weight"], other.params["w"], rtol=1e-5)
    np.testing.assert_allclose(fit.running["1.running_var"], other.running["var"], rtol=1e-5)


def test_dropout_draws_anew_in_every_update_and_rests_in_predictions():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear())
    still = descend.SGD(lr=0.0)
    fit = descend.fit(model, X, X[:, 0], optimizer=still, batch_size=50, epochs=5)
    assert len(set(fit.history["loss"])) == 5
    params = {name: np.asarray(value, float) for name, value in fit.params.items()}
    scaled = (X - X.mean(0)) / X.std(0)
    meant = model(scaled, params)[:, 0] * X[:, 0].std() + X[:, 0].mean()
    np.testing.assert_allclose(fit.predict(X), meant, rtol=1e-5, atol=1e-6)
    # Half of the numbers at twice their size: the variance of their sum is that of the numbers.
    z = X[:, 0].std()
    more = np.mean((scaled * params["1.weight"]) ** 2) * 4
    drawn = np.mean(fit.history["loss"]) / z**2
    np.testing.assert_allclose(drawn, fit.loss / z**2 + more, rtol=0.3)


def test_normalisations_are_their_formulas():
    h = RNG.normal(size=(5, 7)) * 3 + 1
    mean, var = h.mean(1, keepdims=True), h.var(1, keepdims=True)
    g, s = RNG.normal(size=7), RNG.normal(size=7)
    np.testing.assert_allclose(
        nn.LayerNorm()(h, {"weight": g, "bias": s}), (h - mean) / np.sqrt(var + 1e-5) * g + s
    )
    size = np.sqrt((h**2).mean(1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(nn.RMSNorm()(h, {"weight": g}), h / size * g)
    np.testing.assert_allclose(
        nn.BatchNorm(scale=False)(h), (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5)
    )


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, "half", True])
def test_a_dropout_without_sense_is_refused(p):
    with pytest.raises(descend.UsageError, match="takes a probability from 0 to below 1"):
        nn.Dropout(p)


def test_an_activation_by_its_function_is_that_by_its_name() -> None:
    by_name = nn.Sequential(nn.Linear(4), "relu", nn.Linear())
    by_function = nn.Sequential(nn.Linear(4), nn.relu, nn.Linear())
    first, second = (net.begin(np.random.default_rng(0), (3,), 2) for net in (by_name, by_function))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])

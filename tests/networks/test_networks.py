"""Networks as models: sizes and starts from the data, and the same numbers as a plain function's."""

import copy
import pickle

import numpy as np
import pytest
from scipy import stats

import descend
from descend.networks import ACTIVATIONS, Sequential, activation, linear, mlp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
NUMBERS = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
CLASSES = (X @ np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0], [0.0, 1.0, 1.0]])).argmax(1)
TRAINED = dict(optimizer="adam", lr=0.01, batch_size=16, epochs=60)


def test_a_network_is_the_plain_function_of_its_weights():
    model = mlp(8, activation="tanh")
    fit = descend.fit(model, X, NUMBERS, **TRAINED)
    begun = model.begin(np.random.default_rng(0), 3, 1)
    first, last = (
        {n: a.astype(np.float32) for n, a in begun[layer].items()} for layer in ("layer1", "layer2")
    )

    def plain(x, w, b, v, c):
        return (np.tanh(x @ w + b) @ v + c)[:, 0]

    start = dict(w=first["weight"], b=first["bias"], v=last["weight"], c=last["bias"])
    same = descend.fit(plain, X.astype(np.float32), NUMBERS, start=start, **TRAINED)
    weights = fit.params["weights"]
    np.testing.assert_array_equal(weights["layer1"]["weight"], same.params["w"])
    np.testing.assert_array_equal(weights["layer2"]["bias"], same.params["c"])
    assert fit.loss == same.loss < 0.2 * np.var(NUMBERS)
    new = RNG.normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(fit.predict(new), same.predict(new), rtol=1e-6)


@pytest.mark.parametrize(
    ("target", "loss", "size"),
    [(NUMBERS, "mse", 1), (np.stack([NUMBERS, -NUMBERS], 1), "mse", 2),
     (CLASSES, "cross_entropy", 3), ((NUMBERS > 0).astype(float), "bce_with_logits", 1)],
)  # fmt: skip
def test_the_last_layer_has_the_size_of_the_target(target, loss, size):
    fit = descend.fit(mlp(8), X, target, loss=loss, **TRAINED)
    assert fit.params["weights"]["layer2"]["weight"].shape == (8, size)
    assert fit.loss < 0.8 * descend.fit(mlp(8), X, target, loss=loss, **TRAINED | {"epochs": 1}).loss


def test_classes_are_learnt():
    fit = descend.fit(mlp(16), X, CLASSES, loss="cross_entropy", **TRAINED | {"epochs": 300})
    assert np.mean(fit.predict(X).argmax(1) == CLASSES) > 0.97


def test_the_seed_decides_where_it_begins():
    losses = [
        descend.fit(mlp(4), X, NUMBERS, seed=seed, **TRAINED | {"epochs": 1}).loss
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_layers_activations_and_plain_functions_mix():
    model = Sequential(linear(5), np.sin, linear(4, bias=False), "gelu", linear())
    assert repr(model) == "Sequential(linear(5), sin, linear(4), gelu, linear())"
    assert model.names == ("layer1", "layer2", "layer3")
    fit = descend.fit(model, X, NUMBERS, **TRAINED)
    assert set(fit.params["weights"]["layer2"]) == {"weight"}
    assert np.isfinite(fit.loss)


def test_copies_predict_the_same():
    fit = descend.fit(mlp(4), X, NUMBERS, **TRAINED)
    for other in (pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit)):
        np.testing.assert_array_equal(other.predict(X), fit.predict(X))


Z = np.array([-7.0, -3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 6.5])
MEANT = {
    "identity": Z, "relu": np.maximum(Z, 0), "leaky_relu": np.maximum(Z, 0.01 * Z),
    "relu6": np.clip(Z, 0, 6), "elu": np.maximum(Z, 0) + np.minimum(np.exp(Z) - 1, 0),
    "selu": 1.0507009873554805 * (
        np.maximum(Z, 0) + 1.6732632423543772 * np.minimum(np.exp(Z) - 1, 0)
    ),
    "celu": np.maximum(Z, 0) + np.minimum(np.exp(Z) - 1, 0), "gelu": Z * stats.norm.cdf(Z),
    "silu": Z / (1 + np.exp(-Z)), "mish": Z * np.tanh(np.log(1 + np.exp(Z))),
    "softplus": np.log(1 + np.exp(Z)), "softsign": Z / (1 + np.abs(Z)), "tanh": np.tanh(Z),
    "sigmoid": 1 / (1 + np.exp(-Z)), "log_sigmoid": np.log(1 / (1 + np.exp(-Z))),
    "hard_sigmoid": np.clip((Z + 3) / 6, 0, 1), "hard_swish": Z * np.clip((Z + 3) / 6, 0, 1),
    "hard_tanh": np.clip(Z, -1, 1), "tanh_shrink": Z - np.tanh(Z), "exp": np.exp(Z),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_what_they_are_called(name):
    layer = activation(name)
    np.testing.assert_allclose(layer.function(Z), MEANT[name], rtol=1e-12, atol=1e-15)
    slope = descend.grad(lambda z: np.sum(layer.function(z)))
    inside = Z[~np.isin(Z, [0.0])]
    step = 1e-6
    differences = (layer.function(inside + step) - layer.function(inside - step)) / (2 * step)
    np.testing.assert_allclose(slope(inside), differences, rtol=1e-6, atol=1e-8)
    assert np.isfinite(slope(np.array([-1e4, 0.0, 50.0]))).all()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "relu6"])
def test_the_slope_of_relu_and_its_kin_at_0(name):
    function = ACTIVATIONS[name].function
    assert descend.grad(lambda z: function(z))(0.0) == {"leaky_relu": 0.01}.get(name, 0.0)


def test_weights_begin_so_that_signals_keep_their_size():
    x = np.random.default_rng(1).normal(size=(2000, 100))
    for name in ("relu", "tanh", "gelu"):
        model = mlp(100, 100, 100, activation=name)
        weights = model.begin(np.random.default_rng(0), 100, 100)
        assert 0.2 < np.std(model(x, weights)) < 3.0


def test_what_does_not_fit_is_told():
    with pytest.raises(descend.UsageError, match=r"no activation \"rellu\" \(did you mean \"relu\"\?\)"):
        mlp(4, activation="rellu")
    with pytest.raises(descend.UsageError, match="1 output or more, not 0"):
        linear(0)
    with pytest.raises(descend.UsageError, match="the name of an activation or a function, not int"):
        Sequential(3)
    with pytest.raises(descend.UsageError, match="ends with 4 numbers a row, and the target has 1"):
        descend.fit(Sequential(linear(4)), X, NUMBERS)
    with pytest.raises(descend.UsageError, match=r"x has the shape \(90,\), and .* takes a matrix"):
        descend.fit(mlp(4), X[:, 0], NUMBERS)
    with pytest.raises(descend.DataError, match="needs class numbers"):
        descend.fit(mlp(4), X, NUMBERS, loss="cross_entropy")

"""Networks as models: sizes and starts from the data, the numbers of a plain function."""

import copy
import pickle
from decimal import Decimal

import numpy as np
import pytest
from scipy import special, stats

import descend
from descend import networks as nn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
NUMBERS = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
CLASSES = (X @ np.array([[1.0, -1.0, 0.0], [0.5, 0.5, -1.0], [0.0, 1.0, 1.0]])).argmax(1)
COLOURS = np.array(["red", "green", "blue"])[CLASSES]
TRAINED = dict(lr=0.01, batch_size=16, epochs=60)


def single(arrays):
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def test_a_network_is_the_plain_function_of_its_weights():
    model = nn.mlp([8], activation="tanh")
    fit = descend.fit(model, X, NUMBERS, standardize=False, **TRAINED)
    begun = single(model.begin(np.random.default_rng(0), (3,), 1))

    def plain(x, w, b, v, c):
        return (np.tanh(x @ w.T + b) @ v.T + c)[:, 0]

    start = dict(zip("wbvc", begun.values(), strict=True))
    x, y = X.astype(np.float32), NUMBERS.astype(np.float32)
    same = descend.fit(plain, x, y, start=start, optimizer="adam", **TRAINED)
    np.testing.assert_array_equal(fit.params["0.weight"], same.params["w"])
    np.testing.assert_array_equal(fit.params["2.bias"], same.params["c"])
    assert fit.loss < 0.2 * np.var(NUMBERS)
    new = RNG.normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(fit.predict(new), same.predict(new), rtol=1e-6)


def test_adam_in_numpy_comes_to_the_same():
    """Forward and backward by hand, standardised, in double precision."""
    model = nn.mlp([4])
    fit = descend.fit(model, X, NUMBERS, lr=0.01, batch_size=90, epochs=40)
    x, y = (X - X.mean(0)) / X.std(0), (NUMBERS - NUMBERS.mean()) / NUMBERS.std()
    w, b, v, c = model.begin(np.random.default_rng(0), (3,), 1).values()
    moments = [[np.zeros_like(p), np.zeros_like(p)] for p in (w, b, v, c)]
    for step in range(1, 41):
        hidden = np.maximum(x @ w.T + b, 0)
        error = 2 * ((hidden @ v.T + c)[:, 0] - y) / len(y)
        back = np.outer(error, v[0]) * (hidden > 0)
        slopes = [back.T @ x, back.sum(0), (error @ hidden)[None], error.sum()[None]]
        for p, g, m in zip((w, b, v, c), slopes, moments, strict=True):
            m[0] = 0.9 * m[0] + 0.1 * g
            m[1] = 0.999 * m[1] + 0.001 * g * g
            p -= 0.01 * (m[0] / (1 - 0.9**step)) / (np.sqrt(m[1] / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(fit.params["0.weight"], w, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fit.params["2.weight"], v, rtol=1e-3, atol=1e-4)


def test_what_is_not_said_is_what_networks_are_usually_trained_with():
    fit = descend.fit(nn.mlp([5]), X, NUMBERS)
    assert (fit.optimizer, fit.batch_size, fit.epochs) == ("Adam(lr=0.001)", None, 200)
    assert fit.params["0.weight"].dtype == np.float32
    assert set(fit.scales) == {"x", "y"}
    more = descend.fit(nn.mlp([5]), np.tile(X, (4, 1)), np.tile(NUMBERS, 4), epochs=2)
    assert more.batch_size == 200 and more.shuffle
    with pytest.warns(descend.DescendWarning, match="not converged after 30 iterations"):
        own = descend.fit(nn.mlp([5]), X, NUMBERS, optimizer="lbfgs", epochs=30)
    assert own.batch_size is None and own.loss < 0.5 * np.var(NUMBERS)


@pytest.mark.parametrize(
    ("target", "loss", "size"),
    [(NUMBERS, "mse", 1), (np.stack([NUMBERS, -NUMBERS], 1), "mse", 2),
     (CLASSES, "cross_entropy", 3), (COLOURS, "cross_entropy", 3),
     (list(COLOURS), "cross_entropy", 3), (CLASSES + 1, "cross_entropy", 3),
     (NUMBERS > 0, "bce_with_logits", 1), ((NUMBERS > 0).astype(float), "bce_with_logits", 1),
     (np.where(NUMBERS > 0, "yes", "no"), "bce_with_logits", 1),
     (np.eye(3)[CLASSES], "cross_entropy", 3), ((X > 0).astype(int), "bce_with_logits", 3),
     (RNG.poisson(9 * np.exp(X[:, 0])), "poisson_log_rate", 1),
     (NUMBERS[:, None], "mse", 1)],
)  # fmt: skip
def test_loss_and_size_follow_from_the_target(target, loss, size):
    fit = descend.fit(nn.mlp([8]), X, target, **TRAINED)
    assert fit.loss_name.startswith(loss)
    assert fit.params["2.weight"].shape == (size, 8)
    assert fit.loss < 0.8 * descend.fit(nn.mlp([8]), X, target, **TRAINED | {"epochs": 1}).loss
    assert np.shape(fit.predict(X)) == np.shape(target) or loss == "cross_entropy"


@pytest.mark.parametrize("labels", [
    CLASSES, CLASSES + 1, COLOURS, COLOURS.astype(object), NUMBERS > 0,
    np.where(NUMBERS > 0, 1.0, 0.0), np.where(NUMBERS > 0, "ja", "nein"),
])  # fmt: skip
def test_labels_come_back_as_they_were_given(labels):
    fit = descend.fit(nn.mlp([16]), X, labels, **TRAINED | {"epochs": 300})
    np.testing.assert_array_equal(fit.classes, np.unique(labels))
    assert np.mean(fit.predict(X) == labels) > 0.97
    assert set(fit.predict(X).tolist()) <= set(np.asarray(labels).tolist())
    shares = fit.predict_proba(X)
    assert shares.shape == (90, len(fit.classes))
    np.testing.assert_allclose(shares.sum(1), 1.0)
    np.testing.assert_array_equal(fit.classes[shares.argmax(1)], fit.predict(X))


def test_the_seed_decides_where_it_begins():
    losses = [
        descend.fit(nn.mlp([4]), X, NUMBERS, seed=seed, **TRAINED | {"epochs": 1}).loss
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_layers_activations_networks_and_plain_functions_mix():
    model = nn.Sequential(
        nn.Linear(5), np.sin, nn.Residual(nn.Linear(5), "tanh"), nn.mlp([4]), "gelu",
        lambda h: np.concatenate([h, h * h], axis=1), nn.Linear(bias=False),
    )  # fmt: skip
    assert model.params == (
        "0.weight", "0.bias", "2.0.weight", "2.0.bias", "3.0.weight", "3.0.bias", "3.2.weight",
        "3.2.bias", "6.weight",
    )  # fmt: skip
    assert model.weights == ("0.weight", "2.0.weight", "3.0.weight", "3.2.weight", "6.weight")
    fit = descend.fit(model, X, NUMBERS, **TRAINED)
    assert tuple(fit.params) == model.params
    assert fit.params["6.weight"].shape == (1, 2)
    assert np.isfinite(fit.loss)


def test_rows_of_several_axes_are_flattened():
    images = X[:, :, None] * np.ones(2)
    fit = descend.fit(nn.Sequential(nn.Flatten(), nn.Linear()), images, NUMBERS, epochs=2)
    assert fit.params["1.weight"].shape == (1, 6)


def test_copies_and_files_predict_the_same(tmp_path):
    for target in (NUMBERS, COLOURS, NUMBERS > 0):
        fit = descend.fit(nn.mlp([4]), X, target, **TRAINED)
        fit.save(tmp_path / "net.descend")
        for other in (
            pickle.loads(pickle.dumps(fit)), copy.deepcopy(fit),
            descend.load(tmp_path / "net.descend"),
        ):  # fmt: skip
            np.testing.assert_array_equal(other.predict(X), fit.predict(X))
            assert fit.classes is None or other.classes.dtype == fit.classes.dtype


def test_it_is_resumed_to_the_same_bits():
    whole = descend.fit(nn.mlp([4]), X, COLOURS, **TRAINED)
    half = descend.fit(nn.mlp([4]), X, COLOURS, **TRAINED | {"epochs": 30})
    rest = descend.fit(nn.mlp([4]), X, COLOURS, resume=half, **TRAINED)
    np.testing.assert_array_equal(rest.params["0.weight"], whole.params["0.weight"])


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


@pytest.mark.parametrize("name", nn.ACTIVATIONS)
def test_activations_are_what_they_are_called(name):
    layer = nn.activation(name)
    np.testing.assert_allclose(layer(Z), MEANT[name], rtol=1e-12, atol=1e-15)
    row = nn.ACTIVATIONS[name]
    assert not row.layer or repr(getattr(nn, row.layer)()) == repr(layer)
    slope = descend.grad(lambda z: np.sum(layer(z)))
    inside = Z[~np.isin(Z, [0.0, -3.0, -1.0, 1.0])]
    step = 1e-6
    differences = (layer(inside + step) - layer(inside - step)) / (2 * step)
    np.testing.assert_allclose(slope(inside), differences, rtol=1e-6, atol=1e-8)
    assert np.isfinite(slope(np.array([-1e4, 0.0, 50.0]))).all()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "relu6"])
def test_the_slope_of_relu_and_its_kin_at_0(name):
    function = nn.ACTIVATIONS[name].function
    assert descend.grad(lambda z: function(z))(0.0) == {"leaky_relu": 0.01}.get(name, 0.0)


def test_weights_begin_so_that_signals_keep_their_size():
    x = np.random.default_rng(1).normal(size=(2000, 100))
    for name in ("relu", "tanh", "gelu"):
        layers = [each for _ in range(3) for each in (nn.Linear(100, init="kaiming_uniform"), name)]
        model = nn.Sequential(*layers, nn.Linear(init="kaiming_uniform"))
        params = model.begin(np.random.default_rng(0), (100,), 100)
        assert 0.2 < np.std(model(x, params)) < 3.0


SPREADS = {
    "zeros": 0.0, "uniform": 1 / np.sqrt(3 * 300), "normal": 0.01, "truncated_normal": 0.0088,
    "xavier_uniform": 2 * np.sqrt(2 / 500), "xavier_normal": 2 * np.sqrt(2 / 500),
    "kaiming_uniform": 2 / np.sqrt(300), "kaiming_normal": 2 / np.sqrt(300),
    "lecun_uniform": 1 / np.sqrt(300), "lecun_normal": 1 / np.sqrt(300),
    "orthogonal": 2 / np.sqrt(300), "sparse": 2 / np.sqrt(300), 0.5: 0.0,
}  # fmt: skip


@pytest.mark.parametrize("name", SPREADS)
def test_initialisers_have_the_spread_of_their_papers(name):
    layer = nn.Linear(200, init=name)
    weight = layer.begin(np.random.default_rng(0), (300,), 1, 2.0)["weight"]
    assert weight.shape == (200, 300)
    np.testing.assert_allclose(weight.std(), SPREADS[name], rtol=0.02)
    assert abs(weight.mean()) < 0.01 or name == 0.5


def test_orthogonal_and_sparse_weights():
    weight = nn.INITIALISERS["orthogonal"](np.random.default_rng(0), (4, 9), 3.0)
    np.testing.assert_allclose(weight @ weight.T, 9 * np.eye(4), atol=1e-12)
    weight = nn.INITIALISERS["sparse"](np.random.default_rng(0), (4, 50), 1.0)
    assert (np.count_nonzero(weight, axis=1) == 5).all()


def wrong(model, x, y, words, kind=descend.UsageError, **options):
    with pytest.raises(kind, match=words):
        descend.fit(model, x, y, **options)


def test_what_does_not_fit_is_told():
    with pytest.raises(descend.UsageError, match=r'no activation "rellu" \(did you mean "relu"\?'):
        nn.mlp([4], activation="rellu")
    with pytest.raises(descend.UsageError, match="Linear has 1 output or more, not 0"):
        nn.Linear(0)
    with pytest.raises(descend.UsageError, match=r"no initialiser 'kaimin' \(did you mean"):
        nn.Linear(3, init="kaimin")
    with pytest.raises(descend.UsageError, match="name of an activation or a function, not int"):
        nn.Sequential(3)
    with pytest.raises(descend.UsageError, match=r"write Linear\(\)"):
        nn.Sequential(nn.Linear)
    with pytest.raises(descend.UsageError, match=r"has parameters .weight, bias., which a fit"):
        nn.Linear(3)(X)
    wrong(nn.Sequential(nn.Linear(4)), X, NUMBERS, "ends with 4 numbers a row, and the target need")
    wrong(nn.mlp([4]), X[:, 0], NUMBERS, r"x has the shape \(90,\), and a network takes a row")
    wrong(
        nn.Sequential(nn.Linear(4), lambda h: h.sum(), nn.Linear()), X, NUMBERS,
        r"layer 1, <lambda>, makes an array of the shape \(\) of 2 rows",
    )  # fmt: skip
    wrong(
        nn.Sequential(nn.Linear(4), lambda h: h @ np.ones((3, 2)), nn.Linear()), X, NUMBERS,
        r"layer 1, <lambda>, cannot work on rows of the shape \(4,\)",
    )  # fmt: skip


def test_targets_that_no_network_can_learn_are_told():
    data = descend.DataError
    wrong(nn.mlp([4]), X, NUMBERS, "needs class labels, and y holds other", data,
          loss="cross_entropy")  # fmt: skip
    wrong(nn.mlp([4]), X, COLOURS, 'y holds text, and loss "mse" needs numbers', data, loss="mse")
    wrong(nn.mlp([4]), X, np.full(90, "a"), "every row of y has the label 'a'", data)
    for nothing in (None, np.nan, pytest.importorskip("pandas").NA):
        lost = COLOURS.astype(object)
        lost[7] = nothing
        wrong(nn.mlp([4]), X, lost, "y has no label in row 7", data)
    wrong(nn.mlp([4]), X, np.zeros(90, int), "every row of y has the label 0", data)
    wrong(nn.mlp([4]), X[:0], COLOURS[:0], "y has no rows", data)
    wrong(nn.mlp([4]), X[:, :0], COLOURS, r"x has the shape \(90, 0\)", data)
    order = np.array([object() for _ in X])
    wrong(nn.mlp([4]), X, order, r"labels without an order \(object\)", data)
    mixed = COLOURS.astype(object)
    mixed[7] = 3
    wrong(nn.mlp([4]), X, mixed, r"labels of several kinds \(int, str\)", data)
    wrong(nn.mlp([4]), X, COLOURS, "tells two classes apart, and y holds 3", data, loss="bce")


def test_targets_as_people_have_them():
    """What the same target is in another guise is learnt the same."""
    pd = pytest.importorskip("pandas")
    signs = np.where(NUMBERS > 0, 1, -1)
    tenths = np.round(NUMBERS, 1)
    for plain, guise in [
        (NUMBERS > 0, signs), (NUMBERS > 0, signs.astype(float)), (CLASSES, CLASSES.astype(object)),
        (tenths, np.array([Decimal(str(v)) for v in tenths])), (tenths, tenths.astype(object)),
        (COLOURS, pd.Series(COLOURS, dtype="string")),
        (COLOURS, pd.Series(COLOURS, dtype="category")),
        (np.eye(3)[CLASSES], CLASSES), (COLOURS, COLOURS[:, None]),
    ]:  # fmt: skip
        one, other = (descend.fit(nn.mlp([8]), X, y, **TRAINED) for y in (plain, guise))
        assert one.loss_name == other.loss_name
        np.testing.assert_allclose(other.loss, one.loss, rtol=1e-5)
    assert set(descend.fit(nn.mlp([8]), X, signs, **TRAINED).predict(X)) <= {-1, 1}


@pytest.mark.parametrize("labels", [COLOURS, CLASSES, NUMBERS > 0, NUMBERS])
def test_rows_without_a_label_are_left_out_where_it_is_asked_for(labels):
    lost = labels.astype(float if labels.dtype.kind in "if" else object)
    lost[[7, 30]] = np.nan if lost.dtype.kind == "f" else None
    kept = np.setdiff1d(np.arange(90), [7, 30])
    found = descend.fit(nn.mlp([8]), X, lost, missing="drop", **TRAINED)
    whole = descend.fit(nn.mlp([8]), X[kept], labels[kept], **TRAINED)
    assert found.loss == whole.loss and found.loss_name == whole.loss_name
    np.testing.assert_array_equal(found.predict(X), whole.predict(X))


def test_a_loss_that_is_named_predicts_as_one_that_follows():
    for y, loss in ((np.eye(3)[CLASSES], "cross_entropy"), (COLOURS, "cross_entropy")):
        named, own = (descend.fit(nn.mlp([8]), X, y, **o, **TRAINED) for o in ({"loss": loss}, {}))
        np.testing.assert_array_equal(named.predict(X), own.predict(X))
        np.testing.assert_array_equal(named.classes, own.classes)


@pytest.mark.parametrize("loss", ["bce_with_logits", "cross_entropy"])
def test_shares_of_classes_are_predicted_as_shares(loss):
    one = 1 / (1 + np.exp(-NUMBERS))
    three = np.column_stack([one, (1 - one) / 3, (1 - one) * 2 / 3])
    y = one if loss == "bce_with_logits" else three
    fit = descend.fit(nn.mlp([16]), X, y, loss=loss, lr=0.02, epochs=200)
    assert fit.predict(X).shape == y.shape and np.abs(fit.predict(X) - y).max() < 0.2
    if loss == "cross_entropy":
        np.testing.assert_allclose(fit.predict(X), fit.predict_proba(X))


@pytest.mark.parametrize("y", [
    NUMBERS, COLOURS, NUMBERS > 0, np.eye(3)[CLASSES], (X > 0).astype(int), X, COLOURS[:, None],
])  # fmt: skip
def test_one_row_without_its_axis_is_predicted_as_among_rows(y):
    fit = descend.fit(nn.mlp([8]), X, y, epochs=20, lr=0.02)
    for i in (0, 7):
        np.testing.assert_array_equal(fit.predict(X[i]), fit.predict(X)[i])
        if fit.loss_name.startswith(("bce", "cross")):
            np.testing.assert_array_equal(fit.predict_proba(X[i]), fit.predict_proba(X)[i])


def test_what_is_missing_in_new_rows_is_missing_in_what_is_predicted():
    rows = X[:4].copy()
    rows[2, 1] = np.nan
    for activation in nn.ACTIVATIONS:
        fit = descend.fit(nn.mlp([4], activation=activation), X, NUMBERS, epochs=1)
        np.testing.assert_array_equal(np.isnan(fit.predict(rows)), [False, False, True, False])
    fit = descend.fit(nn.mlp([4]), X, COLOURS, epochs=1, lr=0.1)
    with pytest.raises(descend.DataError, match=r"row 2 .* has no likeliest label"):
        fit.predict(rows)
    with pytest.raises(descend.UsageError, match=r"shape \(90, 1\), and the model takes rows of"):
        fit.predict(X[:, :1])


def test_layers_in_the_words_of_others():
    for wrong_call, told in [
        (lambda: nn.Linear(3, 8), r"that of its inputs, 3, comes from.*\n.*Linear\(8\)"),
        (lambda: nn.BatchNorm(8), r"BatchNorm takes no size.*\n.*BatchNorm\(\)"),
        (lambda: nn.LayerNorm(8), "LayerNorm takes no size"),
        (lambda: nn.RMSNorm(8), "RMSNorm takes no size"),
        (lambda: nn.Sequential("swish"), 'no activation "swish" .here it is "silu"'),
        (lambda: nn.mlp([3], activation="logistic"), 'here it is "sigmoid"'),
        (lambda: nn.Sequential("softmax"), "takes logits, and applies it itself"),
        (lambda: nn.mlp([3])(X), "has parameters, which a fit finds"),
        (lambda: descend.fit([nn.Linear(3)], X, NUMBERS), r"networks.Sequential\(…\)"),
        (lambda: descend.fit_many(nn.mlp([3]), X, NUMBERS), r"descend.trainings\(network"),
    ]:
        with pytest.raises(descend.UsageError, match=told):
            wrong_call()
    assert repr(nn.Sequential([nn.Linear(3), "ReLU"])) == "Sequential(Linear(3), ReLU())"
    short = nn.Sequential(nn.Linear(4, init=lambda rng, shape, gain: np.zeros(3)), nn.Linear())
    wrong(short, X, NUMBERS, r"initialiser of Linear\(4\) gives the shape \(3,\)")
    wrong(nn.mlp([4]), X[:, :, None], NUMBERS, r"rows of the shape \(3, 1\).*\n.*Flatten\(\)")
    two = nn.Sequential(nn.Linear(2))
    wrong(two, X, NUMBERS > 0, 'write loss="cross_entropy", which takes one for each of two')


def test_a_start_of_another_shape_is_told():
    first = descend.fit(nn.mlp([8]), X, NUMBERS, **TRAINED)
    told = r"0.weight starts with the shape \(8, 3\)"
    wrong(nn.mlp([9]), X, NUMBERS, told + r".*\(9, 3\)", start=first)
    wrong(nn.mlp([8]), X[:, :1], NUMBERS, told, start=first)
    part = {"2.weight": np.zeros((1, 7))}
    wrong(nn.mlp([8]), X, NUMBERS, "2.weight starts with the shape", start=part, fixed=["0"])


scaled_by = np.ones(3, np.float32)


def test_functions_in_a_network_are_functions_of_a_model():
    """SciPy's are known in them, and what they take from outside is looked at in every fit."""
    last = nn.Sequential(nn.Linear(), lambda z: special.log_softmax(z, axis=1))
    fit = descend.fit(last, X, CLASSES, loss="cross_entropy", **TRAINED)
    plain = descend.fit(nn.Sequential(nn.Linear()), X, CLASSES, **TRAINED)
    np.testing.assert_allclose(fit.loss, plain.loss, rtol=1e-5)

    def scaling(x):
        return x * scaled_by

    model = nn.Sequential(scaling, nn.Linear())
    for factor in (1.0, 3.0):
        scaled_by[:] = factor
        fit = descend.fit(model, X, NUMBERS, standardize=False, **TRAINED)
        weight, bias = (np.asarray(fit.params[f"1.{name}"], float) for name in ("weight", "bias"))
        meant = factor * X @ weight[0] + bias
        np.testing.assert_allclose(fit.predict(X), meant, rtol=1e-4, atol=1e-5)


def test_more_starts_are_drawn_by_the_layers():
    one = descend.fit(nn.mlp([4]), X, NUMBERS, **TRAINED)
    more = descend.fit(nn.mlp([4]), X, NUMBERS, starts=5, **TRAINED)
    assert more.n_starts == 5 and more.loss < one.loss
    assert np.abs(more.start["0.weight"]).max() <= np.sqrt(6 / 3) + 1e-6


def test_weights_are_taken_over_and_kept():
    other = descend.fit(nn.mlp([16]), X, NUMBERS, **TRAINED)
    first = {name: other.params[name] for name in ("0.weight", "0.bias")}
    fit = descend.fit(nn.mlp([16]), X, COLOURS, start=first, fixed=list(first), **TRAINED)
    for name, value in first.items():
        np.testing.assert_array_equal(fit.params[name], value)
    assert "0.weight, 0.bias given; 2.weight, 2.bias drawn by the layers" in fit.start_source
    assert fit.metrics["accuracy"] > 0.8

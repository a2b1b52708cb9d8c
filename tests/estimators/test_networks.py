"""Networks, formulas and functions as estimators."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

import descend
from descend import networks as nn
from descend.errors import UsageError
from descend.estimators import FormulaRegressor, NetworkClassifier, NetworkRegressor

RNG = np.random.default_rng(1)
X = RNG.standard_normal((60, 3)) * [1.0, 10.0, 0.1] + [0.0, 5.0, 0.0]
LABELS = np.array(["a", "b", "c"])[np.argmax((X - [0, 5, 0]) / [1, 10, 0.1], axis=1)]
NUMBERS = X @ [1.0, 0.3, -20.0] + 4.0


def test_a_network_without_layers_is_least_squares() -> None:
    found = NetworkRegressor((), optimizer="lbfgs", epochs=500).fit(X, NUMBERS)
    weight = RNG.uniform(0.0, 3.0, 60)
    np.testing.assert_allclose(found.predict(X), NUMBERS, rtol=1e-5)
    y = NUMBERS + RNG.standard_normal(60)
    found = NetworkRegressor((), optimizer="lbfgs", epochs=500).fit(X, y, sample_weight=weight)
    known = LinearRegression().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(found.predict(X), known.predict(X), rtol=1e-4)


def test_a_network_without_layers_is_logistic_regression() -> None:
    for labels in (LABELS, LABELS == "a"):
        own = NetworkClassifier(
            (),
            optimizer=descend.LBFGS(ftol=1e-14),
            epochs=500,
            alpha=0.5 / 60,
            class_weight="balanced",
        ).fit(X, labels)
        weight = compute_sample_weight("balanced", labels)
        rows = StandardScaler().fit(X, sample_weight=weight).transform(X)
        theirs = LogisticRegression(class_weight="balanced", tol=1e-10).fit(rows, labels)
        np.testing.assert_allclose(own.predict_proba(X), theirs.predict_proba(rows), atol=1e-5)


def test_layers_of_all_kinds() -> None:
    wide = nn.Sequential(nn.Linear(6), np.sin, nn.Residual(nn.Linear(6), "gelu"), nn.Linear())
    model = NetworkRegressor(wide, lr=0.02, random_state=0).fit(X, NUMBERS)
    assert model.score(X, NUMBERS) > 0.9
    assert {"0.weight", "2.0.weight", "3.bias"} < {*model.params_}
    assert "Sequential" in str(model.fit_)
    assert len(model.loss_curve_) == model.n_iter_ == 200


def test_single_precision_follows_the_data() -> None:
    for dtype in (np.float32, np.float64):
        model = NetworkClassifier(4, epochs=2).fit(X.astype(dtype), LABELS)
        assert {array.dtype for array in model.params_.values()} == {np.dtype(dtype)}


def test_partial_fit_on_all_rows_is_one_epoch_more() -> None:
    given = dict(network=5, random_state=0)
    whole = NetworkClassifier(epochs=4, **given).fit(X, LABELS)
    parts = NetworkClassifier(**given)
    for _ in range(4):
        parts.partial_fit(X, LABELS, classes=["a", "b", "c"])
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(parts.predict_proba(X), whole.predict_proba(X), rtol=1e-9)
    before = parts.loss_curve_[-1]
    parts.partial_fit(X[:1], LABELS[:1])
    assert len(parts.loss_curve_) == 5 and parts.loss_curve_[-1] != before


def test_warm_start_begins_where_the_last_fit_ended() -> None:
    model = NetworkRegressor(5, random_state=0, epochs=20, warm_start=True).fit(X, NUMBERS)
    model.fit(X, NUMBERS)
    assert len(model.loss_curve_) == 40
    assert model.loss_curve_[20] == pytest.approx(model.loss_curve_[19], rel=0.1)


def test_patience_ends_with_the_best() -> None:
    model = NetworkClassifier(
        16, lr=0.1, random_state=0, validation_split=0.3, patience=3, epochs=500
    ).fit(X, LABELS)
    assert model.n_iter_ < 500
    best = int(np.argmin(model.fit_.history["validation_loss"]))
    assert best + 3 >= model.n_iter_ - 1


def test_several_labels_a_row() -> None:
    y = np.greater(X, X.mean(axis=0)).astype(int)
    model = NetworkClassifier(8, lr=0.05, random_state=0).fit(X, y)
    assert model.predict(X).shape == y.shape and model.score(X, y) > 0.7
    assert model.predict_proba(X).shape == y.shape


def test_counts_have_their_loss() -> None:
    y = RNG.poisson(np.exp(0.5 * X[:, 0]))
    model = NetworkRegressor((), loss="poisson_log_rate", lr=0.05, epochs=400).fit(X, y)
    assert (model.predict(X) > 0).all()
    assert model.predict(X).mean() == pytest.approx(y.mean(), rel=0.01)


def test_formula_of_named_columns() -> None:
    frame = pd.DataFrame({"time": np.linspace(0.0, 5.0, 50), "dose": np.tile([1.0, 2.0], 25)})
    y = frame["dose"] * 3.0 * np.exp(-0.7 * frame["time"])
    for text in ("dose*c*exp(-k*time)", "level = dose*c*exp(-k*time)"):
        model = FormulaRegressor(text).fit(frame, y)
        assert model.params_ == pytest.approx({"c": 3.0, "k": 0.7})
        assert model.fit_.verdict == "minimum"
        np.testing.assert_allclose(model.predict(frame[:3]), y[:3])


def test_functions_take_columns_by_name_in_order_or_all() -> None:
    frame = pd.DataFrame(X, columns=["p", "q", "r"])
    named = FormulaRegressor(lambda r, p, a, b: a * p + b * r).fit(frame, X[:, 0] - 2 * X[:, 2])
    assert named.params_ == pytest.approx({"a": 1.0, "b": -2.0})
    y = 3 * X[:, 0] * X[:, 1] + X[:, 2]
    ordered = FormulaRegressor(lambda u, v, w, a: a * u * v + w).fit(X, y)
    assert ordered.params_ == pytest.approx({"a": 3.0})
    whole = FormulaRegressor(lambda X, w: X @ w, start={"w": np.zeros(3)}).fit(X, NUMBERS - 4)
    np.testing.assert_allclose(whole.params_["w"], [1.0, 0.3, -20.0], rtol=1e-6)
    single = FormulaRegressor(lambda x, a, b: a * x + b).fit(X[:, :1], 2 * X[:, 0] + 1)
    assert single.params_ == pytest.approx({"a": 2.0, "b": 1.0})


def test_formula_options_are_those_of_fit() -> None:
    line = FormulaRegressor(
        "a*x0 + b", bounds={"a": (0.0, 0.5)}, fixed={"b": 1.0}, loss="mae", start={"a": 0.1}
    ).fit(X[:, :1], X[:, 0])
    assert line.params_["a"] == pytest.approx(0.5) and line.params_["b"] == 1.0
    other = descend.fit("y = a*x + b", {"x": X[:, 0], "y": NUMBERS})
    found = FormulaRegressor("a*x + b").fit(X[:, :1], NUMBERS)
    assert found.params_ == pytest.approx(other.params)


def test_formula_says_what_cannot_be_meant() -> None:
    with pytest.raises(UsageError, match="has the arguments x, and X has 3 columns"):
        FormulaRegressor(lambda x: x).fit(X, NUMBERS)
    with pytest.raises(UsageError, match=r"write a product with \*: 2\*x0"):
        FormulaRegressor("2x0 + b").fit(X, NUMBERS)
    with pytest.warns(ConvergenceWarning):
        FormulaRegressor("exp(a*x0)", epochs=1, starts=1, start={"a": 5.0}).fit(X, NUMBERS)


def test_layers_with_draws_and_running_values_serve_without_them() -> None:
    layers = [nn.Linear(16), nn.BatchNorm(), nn.ReLU(), nn.Dropout(0.2), nn.Linear()]
    model = NetworkClassifier(nn.Sequential(*layers), lr=0.02, random_state=0)
    model.partial_fit(X, LABELS, classes=["a", "b", "c"]).partial_fit(X[:20], LABELS[:20])
    model.fit(X, LABELS)
    assert model.score(X, LABELS) > 0.9
    alone = np.concatenate([model.predict_proba(X[i : i + 1]) for i in range(60)])
    np.testing.assert_allclose(alone, model.predict_proba(X), rtol=1e-12)


def test_numbers_of_an_embedding_are_not_standardised() -> None:
    words = np.tile([[0.0], [1.0], [2.0]], (10, 1))
    y = np.tile([5.0, -1.0, 2.0], 10)
    network = nn.Sequential(nn.Embedding(3, 4), nn.Flatten(), nn.Linear())
    model = NetworkRegressor(network, lr=0.05, random_state=0).fit(words, y)
    np.testing.assert_allclose(model.predict(words[:3]), y[:3], atol=0.1)


def test_batches_that_make_an_update_together() -> None:
    options = dict(epochs=20, random_state=0)
    own = NetworkRegressor(8, batch_size=10, accumulate=3, **options).fit(X, NUMBERS)
    same = NetworkRegressor(8, batch_size=30, **options).fit(X, NUMBERS)
    np.testing.assert_allclose(own.predict(X), same.predict(X), rtol=1e-6)
    assert own.fit_.n_updates == 40
    whole = NetworkRegressor(8, accumulate=3, **options).fit(X, NUMBERS)  # all rows are one batch
    assert whole.fit_.n_updates == 20
    with pytest.raises(UsageError, match="accumulate=3 joins batches, and LBFGS takes all rows"):
        NetworkRegressor(8, optimizer="lbfgs", accumulate=3).fit(X, NUMBERS)


def test_an_average_predicts_and_the_parameters_go_on() -> None:
    options = dict(batch_size=10, random_state=0, lr=0.02)
    raw = NetworkRegressor(8, epochs=4, **options).fit(X, NUMBERS)
    own = NetworkRegressor(8, epochs=4, ema=0.9, **options).fit(X, NUMBERS)
    np.testing.assert_array_equal(own.loss_curve_, raw.loss_curve_)
    assert not np.allclose(own.predict(X), raw.predict(X), rtol=1e-3)
    for model in (own, raw):
        for _ in range(3):
            model.partial_fit(X, NUMBERS)
    np.testing.assert_array_equal(own.loss_curve_, raw.loss_curve_)
    assert not np.allclose(own.predict(X), raw.predict(X), rtol=1e-3)


def test_rates_of_layers() -> None:
    options = dict(epochs=3, random_state=0)
    still = NetworkClassifier([6, "tanh"], lr_factors={"0": 0.0}, **options).fit(X, LABELS)
    moved = NetworkClassifier([6, "tanh"], **options).fit(X, LABELS)
    begun = still.fit_.start["0.weight"]
    np.testing.assert_array_equal(still.params_["0.weight"], begun)
    assert not np.allclose(moved.params_["0.weight"], begun, rtol=1e-4)
    with pytest.raises(UsageError, match='lr_factors names "3", which is no parameter'):
        NetworkClassifier(6, lr_factors={"3": 0.1}).fit(X, LABELS)

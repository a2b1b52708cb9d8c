"""What networks are given: tables, indices, rows held back, and data that cannot be learnt from."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import descend
from descend import networks as nn
from descend.task.held import split_rows
from descend.task.rows import Rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
LABELS = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [-1.5, 0.8])]
NET = nn.mlp([8])
TRAINED = dict(batch_size=20, lr=0.01, epochs=30)


def table(kind):
    columns = dict(zip("uvw", X.T, strict=True)) | {"kind": LABELS}
    return {"dict": dict, "pandas": pd.DataFrame, "polars": pl.DataFrame}[kind](columns)


@pytest.mark.parametrize("kind", ["dict", "pandas", "polars"])
def test_a_table_is_a_matrix_with_names(kind, tmp_path):
    fit = descend.fit(NET, table(kind), "kind", **TRAINED)
    same = descend.fit(NET, X, LABELS, **TRAINED)
    np.testing.assert_array_equal(fit.params["0.weight"], same.params["0.weight"])
    fit.save(tmp_path / "net.descend")
    for one in (fit, descend.load(tmp_path / "net.descend")):
        np.testing.assert_array_equal(one.predict(table(kind)), same.predict(X))
        np.testing.assert_array_equal(one.predict(X), same.predict(X))
    assert fit.target == "kind"


def test_an_embedding_learns_a_number_for_each_name():
    names = RNG.integers(0, 7, 300)
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear())
    fit = descend.fit(model, names, np.sin(names), batch_size=20, lr=0.02)
    np.testing.assert_allclose(fit.predict(np.arange(7)), np.sin(np.arange(7)), atol=0.15)
    assert "x" not in fit.scales
    pairs = RNG.integers(0, 7, (300, 2))
    deep = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(8), "tanh", nn.Linear())
    fit = descend.fit(deep, pairs, pairs[:, 0] * np.sin(pairs[:, 1]), batch_size=20, lr=0.02)
    assert fit.r2 > 0.99


@pytest.mark.parametrize("value", [7, -1, 2.5])
def test_an_index_outside_of_an_embedding_is_told_with_its_row(value, tmp_path):
    names = RNG.integers(0, 7, 300).astype(float)
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear())
    fit = descend.fit(model, names, np.sin(names), epochs=2)
    fit.save(tmp_path / "net.descend")
    names[17] = value
    told = rf"x holds {value:g} in row 17, and only whole numbers from 0 to 6 are known"
    for call in (
        lambda: descend.fit(model, names, np.sin(names), epochs=2),
        lambda: fit.predict(names),
        lambda: descend.load(tmp_path / "net.descend").predict(names),
    ):
        with pytest.raises(descend.DataError, match=told):
            call()


def test_rows_held_back_hold_as_large_a_share_of_every_class():
    number = np.unique(LABELS, return_inverse=True)[1].astype(float)
    rows = Rows({"x": X}, {"target": number}, 300, 0)
    counts = np.bincount(number.astype(int))
    for share in (0.02, 0.1, 0.33, 0.5):
        own, held = split_rows(rows, share, 0, np.unique(LABELS))
        taken = np.bincount(held.extra["target"].astype(int), minlength=3)
        assert held.n_rows == round(300 * share) and own.n_rows + held.n_rows == 300
        assert (np.abs(taken - share * counts) <= 1).all() and (taken > 0).all()


def test_validation_data_are_judged_by():
    fit = descend.fit(NET, X[:200], LABELS[:200], validation_data=(X[200:], LABELS[200:]),
                      **TRAINED)  # fmt: skip
    shares = fit.predict_proba(X[200:])
    number = np.searchsorted(fit.classes, LABELS[200:])
    loss = -np.mean(np.log(shares[np.arange(100), number]))
    np.testing.assert_allclose(fit.validation_loss, loss, rtol=1e-5)
    plain = descend.fit(lambda x, a, b: a * x + b, X[:200, 0], 2 * X[:200, 0],
                        start=dict(a=0.0, b=0.0), optimizer="adam", lr=0.1, epochs=50,
                        validation_data=(X[200:, 0], 2 * X[200:, 0]))  # fmt: skip
    rest = plain.predict(X[200:, 0]) - 2 * X[200:, 0]
    np.testing.assert_allclose(plain.validation_loss, np.mean(rest**2), rtol=1e-12)


def test_patience_keeps_the_best_by_validation_data():
    fit = descend.fit(NET, X[:40], LABELS[:40], validation_data=(X[40:], LABELS[40:]), patience=5,
                      lr=0.05, epochs=200)  # fmt: skip
    assert fit.best_epoch is not None and fit.epochs < 200
    np.testing.assert_allclose(fit.validation_loss, min(fit.history["validation_loss"]))


def test_class_weights_are_weights_of_rows():
    weight = {"low": 5.0, "high": 2.0}
    fit = descend.fit(NET, X, LABELS, class_weight=weight, **TRAINED)
    rows = np.array([weight.get(label, 1.0) for label in LABELS])
    same = descend.fit(NET, X, LABELS, sample_weight=rows, **TRAINED)
    np.testing.assert_array_equal(fit.params["0.weight"], same.params["0.weight"])
    balanced = descend.fit(NET, X, LABELS, class_weight="balanced", **TRAINED)
    plain = descend.fit(NET, X, LABELS, **TRAINED)
    assert balanced.metrics["balanced_accuracy"] > plain.metrics["balanced_accuracy"]
    right = np.mean(balanced.predict(X) == LABELS)
    np.testing.assert_allclose(balanced.metrics["accuracy"], right)
    counts = {label: np.sum(label == LABELS) for label in ("low", "mid", "high")}
    rows = np.array([300 / (3 * counts[label]) for label in LABELS])
    same = descend.fit(NET, X, LABELS, sample_weight=rows, **TRAINED)
    np.testing.assert_array_equal(balanced.params["0.weight"], same.params["0.weight"])


def test_penalties_are_of_weights_and_spare_biases():
    whole = descend.fit(NET, X, X[:, 0], penalty="l2(0.1)", **TRAINED)
    named = {"0.weight": "l2(0.1)", "2.weight": descend.L2(0.1)}
    own = descend.fit(NET, X, X[:, 0], penalty=named, **TRAINED)
    np.testing.assert_allclose(own.params["0.weight"], whole.params["0.weight"], rtol=1e-4)
    free = descend.fit(NET, X, X[:, 0], **TRAINED)
    assert np.sum(whole.params["0.weight"] ** 2) < 0.7 * np.sum(free.params["0.weight"] ** 2)


def test_a_penalty_of_named_parameters_is_ridge_regression():
    y = X @ np.array([1.0, -2.0, 0.5]) + 3.0
    fit = descend.fit(lambda x, w, b: x @ w + b, X, y, start=dict(w=np.zeros(3), b=0.0),
                      penalty={"w": "l2(0.5)"})  # fmt: skip
    a = np.c_[X, np.ones(300)]
    exact = np.linalg.solve(a.T @ a / 300 + 0.5 * np.diag([1, 1, 1, 0]), a.T @ y / 300)
    np.testing.assert_allclose([*fit.params["w"], fit.params["b"]], exact, rtol=1e-6)
    assert fit.loss_name == "mse + L2(weight=0.5) of w"


def test_constant_columns_and_unlike_targets_are_told():
    still = np.c_[X, np.full(300, 2.5)]
    with pytest.warns(descend.DescendWarning, match="column 3 of x is the same in every row"):
        fit = descend.fit(NET, still, LABELS, **TRAINED)
    assert fit.metrics["accuracy"] > 0.9
    wild = np.c_[X[:, 0], 1e5 * X[:, 1]]
    with pytest.warns(descend.DescendWarning, match="column 1 of y spreads .* as far as column 0"):
        descend.fit(NET, X, wild, epochs=2)


def test_a_divergence_is_told():
    with pytest.warns(descend.DivergedWarning, match="diverged|not finite"):
        fit = descend.fit(NET, X, X[:, 0], optimizer=descend.SGD(lr=1e6), epochs=20)
    assert not fit.success


@pytest.mark.parametrize(("call", "kind", "told"), [
    (lambda: descend.fit(NET, X, LABELS, validation_data=(X[:3], ["low", "mid", "vast"])),
     descend.DataError, "has the label 'vast' in row 2, which no row of the training data has"),
    (lambda: descend.fit(NET, X, LABELS, class_weight={"vast": 1.0}),
     descend.UsageError, "class_weight names the label 'vast', which the target has not"),
    (lambda: descend.fit(NET, X, LABELS, class_weight=3.0),
     descend.UsageError, 'class_weight is "balanced" or a dict'),
    (lambda: descend.fit(NET, X, X[:, 0], class_weight="balanced"),
     descend.UsageError, "class_weight weights classes, and the target holds none"),
    (lambda: descend.fit(NET, X, LABELS, validation_data=3),
     descend.UsageError, r"validation_data is a pair \(x, y\), not int"),
    (lambda: descend.fit(NET, X, LABELS, validation_data=(X, LABELS), validation_split=0.1),
     descend.UsageError, "leave one of them out"),
    (lambda: descend.fit(NET, X, LABELS, validation_data=(X[:, :2], LABELS)),
     descend.UsageError, r"x of validation_data has the shape \(300, 2\)"),
    (lambda: descend.fit(NET, X, np.where(np.arange(300) == 3, "once", LABELS),
                         validation_split=0.2),
     descend.DataError, "the class 'once' has a single row, which cannot be trained on and held"),
    (lambda: descend.fit(NET, {**table("dict"), "city": ["Rome"] * 300}, "kind"),
     descend.DataError, 'the column "city" holds text.*a network takes numbers(.|\n)*Embedding'),
    (lambda: descend.fit(NET, table("dict"), "kin"),
     descend.DataError, 'no column "kin" .did you mean "kind"'),
    (lambda: descend.fit(NET, table("dict")), descend.UsageError, "there is no target y"),
    (lambda: descend.fit(NET, X, X[:, 0], penalty={"weight": "l2(1)"}),
     descend.UsageError, 'penalty names "weight", which is no parameter'),
])  # fmt: skip
def test_bad_input_is_told(call, kind, told):
    with pytest.raises(kind, match=told):
        call()


def test_an_index_of_the_rows_to_judge_by_is_checked_too():
    x = RNG.integers(0, 5, (40, 2))
    held = x[:3].copy()
    held[1, 1] = 5
    net = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear())
    with pytest.raises(descend.DataError, match="x of validation_data holds 5 in row 1"):
        descend.fit(net, x, np.arange(40) % 2, validation_data=(held, [0, 1, 0]))


def test_classes_in_columns_are_weighed_split_and_judged_as_their_numbers():
    rng = np.random.default_rng(4)
    number = np.minimum(rng.poisson(0.7, 120), 2)
    x = rng.normal(size=(120, 3)) + number[:, None]
    more = dict(class_weight="balanced", validation_split=0.25, epochs=10, lr=0.02, batch_size=30)
    one = descend.fit(nn.mlp([6]), x, number, **more)
    other = descend.fit(nn.mlp([6]), x, np.eye(3)[number], **more)
    np.testing.assert_allclose(other.loss, one.loss, rtol=1e-6)
    np.testing.assert_allclose(other.validation_loss, one.validation_loss, rtol=1e-6)
    assert other.metrics == pytest.approx(one.metrics)


def test_labels_in_one_column_are_judged_by_labels_in_one_column():
    x = np.random.default_rng(5).normal(size=(60, 2))
    labels = np.where(x[:, 0] > 0, "yes", "no")
    flat, column = (
        descend.fit(nn.mlp([4]), x, y, validation_data=(x[:20], y[:20]), lr=0.1)
        for y in (labels, labels[:, None])
    )
    assert flat.validation_loss == column.validation_loss


def test_a_column_that_does_not_vary_is_not_divided_by_the_rounding_of_its_mean():
    """Of 120 times 0.1 the standard deviation is 1e-17 in floating point."""
    x = np.column_stack([X[:120], np.full(120, 0.1)])
    assert x[:, 3].std() > 0
    with pytest.warns(descend.DescendWarning, match="column 3 of x is the same in every row"):
        fit = descend.fit(NET, x, X[:120, 0], **TRAINED)
    new = x.copy()
    new[:, 3] = 0.2
    assert np.abs(fit.predict(new) - fit.predict(x)).max() < 1.0
    for y in (np.full(120, 3.7), np.zeros(120)):
        with pytest.warns(descend.DescendWarning, match=f"y is {y[0]:g} in every row"):
            fit = descend.fit(NET, X[:120], y, **TRAINED)
        np.testing.assert_allclose(fit.predict(X[:120]), y, atol=0.2)
    with pytest.warns(descend.DescendWarning) as caught:
        descend.fit(NET, np.full((120, 2), 0.1), X[:120, 0], **TRAINED)
    assert "All rows of x are the same" in str(caught[0].message)


@pytest.mark.parametrize(("loss", "told"), [
    ("bce", r"of predictions from 0 to 1: .*bce_with_logits"),
    ("poisson", r"of predictions above 0: .*poisson_log_rate"),
])  # fmt: skip
def test_a_loss_of_numbers_that_a_network_does_not_end_with_is_told(loss, told):
    y = (X[:, 0] > 0).astype(float)
    with pytest.warns(descend.DivergedWarning, match=told):
        descend.fit(NET, X, y, loss=loss, **TRAINED)


def test_one_row_as_a_dict_of_numbers():
    fit = descend.fit(NET, table("dict"), "kind", **TRAINED)
    one = {name: float(column[7]) for name, column in table("dict").items() if name != "kind"}
    assert fit.predict(one) == fit.predict(table("dict"))[7]
    np.testing.assert_array_equal(fit.predict_proba(one), fit.predict_proba(table("dict"))[7])

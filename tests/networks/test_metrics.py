"""Metrics against their definitions, written out row by row."""

import itertools

import numpy as np
import pytest

import descend
from descend.methods.links import class_numbers
from descend.trust.metrics import confusion, metrics_of_classes, metrics_of_numbers
from whole import covered

RNG = np.random.default_rng(0)
WEIGHT = RNG.uniform(0.5, 2.0, 60)


def drawn(classes):
    y = RNG.integers(0, classes, 60)
    shares = RNG.dirichlet(np.ones(classes), 60)
    shares[::7] = shares[0]  # ties
    return y, shares


def pairs_in_order(yes, score, weight):
    """AUC by all pairs."""
    total = right = 0.0
    for i, j in itertools.product(np.flatnonzero(yes), np.flatnonzero(~yes)):
        w = weight[i] * weight[j]
        total += w
        right += w * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return right / total


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_metrics_of_classes(classes, weight):
    y, p = drawn(classes)
    w = np.ones(60) if weight is None else weight
    found = metrics_of_classes(y, p, weight)
    chosen = p.argmax(1)
    table = np.zeros((classes, classes))
    for row, taken, size in zip(y, chosen, w, strict=True):
        table[row, taken] += size
    np.testing.assert_allclose(confusion(y, chosen, classes, weight), table)
    recall = [table[k, k] / table[k].sum() for k in range(classes)]
    precision = [table[k, k] / max(table[:, k].sum(), 1e-300) for k in range(classes)]
    f1 = [2 * a * b / (a + b) if a + b else 0.0 for a, b in zip(recall, precision, strict=True)]
    areas = [pairs_in_order(y == k, p[:, k], w) for k in range(classes)]
    meant = {
        "accuracy": np.trace(table) / w.sum(), "base_rate": table.sum(1).max() / w.sum(),
        "balanced_accuracy": np.mean(recall), "f1": f1[1] if classes == 2 else np.mean(f1),
        "auc": areas[1] if classes == 2 else np.mean(areas),
        "log_loss": -np.average(np.log(p[np.arange(60), y]), weights=w),
    }  # fmt: skip
    assert found.keys() == meant.keys()
    for name, value in meant.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, err_msg=name)


def test_metrics_of_several_labels():
    y, p = RNG.integers(0, 2, (60, 3)), RNG.uniform(size=(60, 3))
    found = metrics_of_classes(y, p)
    hits = (p > 0.5) == (y == 1)
    np.testing.assert_allclose(found["accuracy"], hits.mean())
    np.testing.assert_allclose(found["all_labels_right"], hits.all(1).mean())
    areas = [pairs_in_order(y[:, k] == 1, p[:, k], np.ones(60)) for k in range(3)]
    np.testing.assert_allclose(found["auc"], np.mean(areas))


def test_metrics_of_numbers():
    y, fitted = RNG.normal(size=60), RNG.normal(size=60)
    found = metrics_of_numbers(y, fitted, WEIGHT)
    mean = (WEIGHT * y).sum() / WEIGHT.sum()
    square = (WEIGHT * (y - fitted) ** 2).sum()
    np.testing.assert_allclose(found["rmse"], np.sqrt(square / WEIGHT.sum()))
    np.testing.assert_allclose(found["r2"], 1 - square / (WEIGHT * (y - mean) ** 2).sum())
    np.testing.assert_allclose(found["mae"], (WEIGHT * abs(y - fitted)).sum() / WEIGHT.sum())


def test_a_fit_of_odds_has_metrics_of_classes():
    x = RNG.normal(size=(200, 2))
    y = (x[:, 0] + 0.3 * RNG.normal(size=200) > 0).astype(float)

    def odds(x, w, b):
        return x @ w + b

    fit = descend.fit(odds, x, y, start=dict(w=np.zeros(2), b=0.0), loss="bce_with_logits")
    shares = fit.predict_proba(x)
    np.testing.assert_allclose(shares[:, 1], 1 / (1 + np.exp(-fit.predict(x))))
    np.testing.assert_allclose(fit.metrics["accuracy"], np.mean((shares[:, 1] > 0.5) == y))
    np.testing.assert_allclose(fit.metrics["log_loss"], fit.loss)


def test_numbers_have_no_probabilities():
    fit = descend.fit(lambda x, a: a * x, [0.0, 1.0, 2.0], [0.0, 2.0, 4.1], start=dict(a=1.0))
    with pytest.raises(descend.UsageError, match="predicts numbers, and no probabilities"):
        fit.predict_proba([1.0])
    assert fit.classes is None and set(fit.metrics) == {"r2", "rmse", "mae"}


def test_metrics_of_every_epoch_are_means_over_its_rows(tmp_path):
    x = RNG.normal(size=(120, 3))
    y = np.array(["a", "b", "c"])[np.digitize(x[:, 0], [-0.5, 0.5])]
    seen = []
    options = dict(
        lr=0.05, batch_size=200, epochs=5, record=["params"], validation_data=(x[90:], y[90:]),
        metrics=["accuracy", "log_loss", "top_2"],
    )  # fmt: skip
    fit = descend.fit(
        descend.networks.mlp([6]), x[:90], y[:90], callback=lambda m: seen.append(m.metrics),
        **options,
    )  # fmt: skip
    number, net = np.searchsorted(fit.classes, y), descend.networks.mlp([6])
    mean, spread = x[:90].mean(0), x[:90].std(0)
    for epoch in range(5):
        after = {name: a[epoch] for name, a in fit.history["params"].items()}
        before = fit.start if epoch == 0 else {
            name: a[epoch - 1] for name, a in fit.history["params"].items()
        }  # fmt: skip
        for rows, params, begin in (
            (slice(0, 90), before, ""), (slice(90, 120), after, "validation_"),
        ):  # fmt: skip
            z = net((x[rows] - mean) / spread, params)
            p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            own = p[np.arange(len(p)), number[rows]]
            meant = {
                "accuracy": np.mean(p.argmax(1) == number[rows]), "log_loss": -np.mean(np.log(own)),
                "top_2": np.mean((p > own[:, None]).sum(1) < 2),
            }  # fmt: skip
            for name, value in meant.items():
                found = fit.history[begin + name][epoch]
                np.testing.assert_allclose(found, value, rtol=1e-5, err_msg=begin + name)
                assert seen[epoch][begin + name] == found
    fit.save(tmp_path / "net.descend")
    again = descend.load(tmp_path / "net.descend")
    np.testing.assert_array_equal(again.history["top_2"], fit.history["top_2"])


@pytest.mark.filterwarnings("ignore:(The accuracy|Every row)")
@covered("classes, columns", [2, 3], [False, True])
def test_tables_of_every_epoch_are_those_of_scikit_learn(classes, columns):
    scores = pytest.importorskip("sklearn.metrics")
    x = RNG.normal(size=(120, 3))
    number = np.digitize(x[:, 0], [-0.5, 0.7])
    number = number if classes == 3 else (number > 0).astype(int)
    y = np.eye(classes)[number] if columns else number
    names, seen = ["f1", "balanced_accuracy"], []
    options = dict(lr=0.03, validation_data=(x[90:], y[90:]), record=["params"])
    net = descend.networks.mlp([6])
    fit = descend.fit(
        net, x[:90], y[:90], batch_size=25, epochs=6, metrics=names,
        callback=lambda m: seen.append(m.metrics), **options,
    )  # fmt: skip
    more = {"average": "binary" if classes == 2 else "macro"}
    for epoch in (3, 6):
        found = descend.fit(net, x[:90], y[:90], batch_size=25, epochs=epoch, **options)
        held = found.predict(x[90:])
        meant = scores.f1_score(number[90:], held, **more)
        np.testing.assert_allclose(fit.history["validation_f1"][epoch - 1], meant)
        meant = scores.balanced_accuracy_score(number[90:], held)
        np.testing.assert_allclose(fit.history["validation_balanced_accuracy"][epoch - 1], meant)
    assert [m["f1"] for m in seen] == fit.history["f1"].tolist()
    whole = dict(lr=0.03, batch_size=90, metrics=names)
    before = descend.fit(net, x[:90], y[:90], **whole, epochs=5)
    after = descend.fit(net, x[:90], y[:90], **whole, epochs=6)
    for name in names:
        np.testing.assert_allclose(after.history[name][-1], before.metrics[name])


def test_tables_go_with_runs_however_they_are_made():
    x = RNG.normal(size=(120, 3))
    y = np.digitize(x[:, 0], [-0.5, 0.7])
    net, own = descend.networks.mlp([6]), dict(metrics=["f1"], lr=0.03, batch_size=32)
    whole = descend.fit(net, x, y, epochs=6, **own)
    half = descend.fit(net, x, y, epochs=3, **own)
    run = descend.start(net, x, y, epochs=6, **own).step(batches=7).step(epochs=9)
    for other in (
        descend.fit(net, x, y, epochs=6, resume=half, **own),
        descend.trainings(net, x, y, over={"seed": [0]}, epochs=6, **own)[0],
        descend.fit(net, x, y, epochs=6, engine="interpreted", **own), run.fit,
    ):  # fmt: skip
        np.testing.assert_allclose(other.history["f1"], whole.history["f1"], rtol=1e-6)


def test_metrics_of_numbers_are_in_the_units_of_the_target():
    x = RNG.normal(size=(120, 3))
    y = 100 * x[:, 0] + 5
    fit = descend.fit(
        descend.networks.mlp([6]), x, y, lr=0.01, epochs=50, batch_size=200,
        metrics=["r2", "rmse", "mae", "mse"],
    )  # fmt: skip
    again = descend.fit(
        descend.networks.mlp([6]), x, y, lr=0.01, epochs=49, batch_size=200
    )  # its parameters are those of the last epoch before its update
    for name in ("r2", "rmse", "mae"):
        np.testing.assert_allclose(fit.history[name][-1], again.metrics[name], rtol=1e-5)
    np.testing.assert_allclose(fit.history["mse"], fit.history["loss"], rtol=1e-6)


@pytest.mark.parametrize(("name", "y", "told"), [
    ("accuracy", np.arange(9.0) ** 0.5, "is of classes, and the loss mse tells no classes apart"),
    ("r2", ["a", "b", "c"] * 3, "is of numbers, and the loss cross_entropy tells classes apart"),
    ("f1", np.arange(9.0) ** 0.5, "is of classes, and the loss mse tells no classes apart"),
    ("f1", np.eye(9)[:, :3] + np.eye(9)[:, 1:4], "have no table of classes"),
    ([len], ["a", "b", "c"] * 3, r"is no name(.|\n)*takes fit.predict.x. and y"),
    ("accurcy", ["a", "b", "c"] * 3, r"no metric .accurcy. of every epoch .did you mean .accuracy"),
])  # fmt: skip
def test_metrics_that_do_not_belong_are_refused(name, y, told):
    with pytest.raises(descend.UsageError, match=told):
        descend.fit(descend.networks.mlp([3]), np.eye(9), y, metrics=name)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_column_of_zeros_and_ones_is_two_classes(optimizer):
    """A target (rows, 1) has the metrics, warnings and picture of (rows,)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2))
    y = (x[:, 0] + 0.5 * rng.normal(size=90) > 0).astype(float)
    tall, flat = (
        descend.fit(
            descend.networks.mlp(), x, target, loss="bce_with_logits", epochs=20,
            optimizer=optimizer, sample_weight=np.arange(1.0, 91.0),
        )
        for target in (y[:, None], y)
    )  # fmt: skip
    assert set(tall.metrics) == set(flat.metrics) >= {"log_loss", "base_rate", "f1"}
    for name, value in flat.metrics.items():
        np.testing.assert_allclose(tall.metrics[name], value, rtol=1e-5)


def test_what_classes_a_target_tells():
    several = np.array([[1.0, 1.0], [0.0, 1.0]])
    np.testing.assert_array_equal(class_numbers(several), several)
    shares = np.array([[0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_array_equal(class_numbers(shares), shares)
    for one in (np.eye(3)[[2, 0, 1]], np.array([2.0, 0.0, 1.0]), np.array([[2], [0], [1]])):
        found = class_numbers(one)
        assert found.dtype == np.int64 and found.tolist() == [2, 0, 1]

"""Metrics against their definitions, written out row by row."""

import itertools

import numpy as np
import pytest

import descend
from descend.trust.metrics import confusion, metrics_of_classes, metrics_of_numbers

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

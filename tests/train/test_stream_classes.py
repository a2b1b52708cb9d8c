"""How well classes are told apart, of rows that come."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

import descend
from descend.graph.blocks import BLOCK
from descend.trust.metrics import ClassSums

N = 2 * BLOCK + 777


def stream_of(**columns: Any) -> Any:
    def blocks() -> Iterator[dict[str, Any]]:
        yield columns

    return blocks


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("formula", ["t = a + b*x", "t = 1/(1 + exp(-a - b*x))"])
def test_two_classes_are_told_apart_in_all_rows(formula: str, weight: str | None) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=N)
    t = (rng.uniform(size=N) < special.expit(1 + 2 * x)).astype(float)
    own = {} if weight is None else {"sample_weight": weight}
    w = np.ones(N) if weight is None else rng.integers(0, 3, N).astype(float)
    fit = descend.fit(
        formula, stream_of(x=x, t=t, w=w), start={"a": 0, "b": 0}, stream=True,
        loss="bce_with_logits" if "exp" not in formula else "bce", **own,
    )  # fmt: skip
    p = special.expit(fit.params["a"] + fit.params["b"] * x)
    told, found = metrics_by_hand(t.astype(int), np.stack([1 - p, p], 1), w), dict(fit.metrics)
    assert found.pop("auc") == pytest.approx(told.pop("auc"), abs=1e-7)
    assert found == pytest.approx(told, rel=1e-9)
    assert any("ties whose probabilities p, or 1 - p, agree in 12 bits" in n for n in fit.warnings)
    assert "share of the rows that are told right" in str(fit)


def metrics_by_hand(y: Any, p: Any, w: Any) -> dict[str, float]:
    """As scikit-learn defines them."""
    of = {"sample_weight": w}
    chosen, two = p.argmax(1), p.shape[1] == 2
    return {
        "accuracy": metrics.accuracy_score(y, chosen, **of),
        "base_rate": max(np.sum(w[y == k]) for k in range(p.shape[1])) / np.sum(w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, chosen, **of),
        "f1": metrics.f1_score(y, chosen, average="binary" if two else "macro", **of),
        "auc": np.mean([
            metrics.roc_auc_score(y == k, p[:, k], **of) for k in range(int(two), p.shape[1])
        ]),
        "log_loss": metrics.log_loss(y, p, **of),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
def test_three_classes_are_told_apart_in_all_rows() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=N)
    y = (np.digitize(x + rng.logistic(size=N) / 2, [-0.5, 1.0])).astype(float)
    fit = descend.fit(
        lambda x, w, b: x[:, None] * w + b, stream_of(x=x, y=y), "y",
        start={"w": np.zeros(3), "b": np.zeros(3)}, loss="cross_entropy", stream=True,
        optimizer="lbfgs", epochs=10,
    )  # fmt: skip
    p = special.softmax(x[:, None] * fit.params["w"] + fit.params["b"], axis=1)
    told, found = metrics_by_hand(y.astype(int), p, np.ones(N)), dict(fit.metrics)
    assert found.pop("auc") == pytest.approx(told.pop("auc"), abs=1e-6)
    assert found == pytest.approx(told, rel=1e-9)


@pytest.mark.filterwarnings("ignore::descend.DescendWarning")
def test_of_shares_of_classes_no_metrics_are_told() -> None:
    """As of rows in memory: a probability is no class."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=N)
    t = np.round(special.expit(x))
    t[BLOCK + 3] = 0.25
    fit = descend.fit("t = a + b*x", stream_of(x=x, t=t), start={"a": 0, "b": 0}, stream=True,
                      loss="bce_with_logits", optimizer="lbfgs", epochs=3)  # fmt: skip
    assert fit.metrics == {}


def test_scores_that_are_nearly_zero_or_one_keep_their_order() -> None:
    p = np.array([0.0, 1e-300, 1e-12, 2e-12, 0.3, 0.5, 0.7, 1 - 2e-12, 1 - 1e-12, 1.0])
    y = np.array([0, 0, 1, 0, 1, 0, 1, 0, 1, 1])
    sums = ClassSums("identity")
    sums.add(p[:4], y[:4])
    sums.add(p[4:], y[4:])
    assert sums.told()["auc"] == metrics.roc_auc_score(y, p)

"""The gradients of the losses by backpropagation: right where smooth, finite at the extremes."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special as special

from descend.differentiate.reverse import reverse
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast
from descend.graph.source import const, input_node
from descend.methods.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    GaussianNLL,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Poisson,
    Quantile,
    SquaredError,
)
from descend.trace.tensor import wrap
from descend.trace.trace import trace_function


def slope(loss, prediction, target):
    """d Σ per_row / d prediction."""
    p, t = (input_node(n, a.shape, a.dtype) for n, a in (("p", prediction), ("t", target)))
    (rows,) = trace_function(loss.per_row, (wrap(p), wrap(t))).outputs
    seed = broadcast(const(1.0, rows.dtype), rows.shape, ())
    (gradient,) = reverse([rows], [seed], [p])
    return evaluate([gradient], {p: prediction, t: target})[0]


RNG = np.random.default_rng(11)
P, T = RNG.normal(size=20) * 3, RNG.normal(size=20)
UNIT = RNG.uniform(0.05, 0.95, size=20)
BITS = (np.arange(20) % 2).astype(float)
LOGITS = RNG.normal(size=(6, 4))
MIXED = RNG.dirichlet(np.ones(4), size=6)

SMOOTH = {
    "mse": (SquaredError(), P, T, 2 * (P - T)),
    "mae": (AbsoluteError(), P, T, np.sign(P - T)),
    "huber": (Huber(delta=0.75), P, T, np.clip(P - T, -0.75, 0.75)),
    "log_cosh": (LogCosh(), P, T, np.tanh(P - T)),
    "quantile": (Quantile(q=0.3), P, T, np.where(T > P, -0.3, 0.7)),
    "poisson": (Poisson(), UNIT, BITS, 1 - BITS / UNIT),
    "poisson log rate": (Poisson(log_rate=True), P, BITS, np.exp(P) - BITS),
    "gaussian_nll": (
        GaussianNLL(),
        np.stack([P, T / 2], 1),
        T,
        np.stack([(P - T) * np.exp(-T / 2), 0.5 - 0.5 * (T - P) ** 2 * np.exp(-T / 2)], 1),
    ),
    "bce": (BinaryCrossEntropy(), UNIT, BITS, (UNIT - BITS) / (UNIT * (1 - UNIT))),
    "bce logits": (BinaryCrossEntropy(from_logits=True), P, BITS, special.expit(P) - BITS),
    "bce logits soft": (BinaryCrossEntropy(from_logits=True), P, UNIT, special.expit(P) - UNIT),
    "cross_entropy": (
        CrossEntropy(),
        LOGITS,
        np.arange(6) % 4,
        special.softmax(LOGITS, 1) - np.eye(4)[np.arange(6) % 4],
    ),
    "cross_entropy smoothed": (
        CrossEntropy(label_smoothing=0.2),
        LOGITS,
        np.arange(6) % 4,
        special.softmax(LOGITS, 1) - 0.8 * np.eye(4)[np.arange(6) % 4] - 0.05,
    ),
    "hinge": (Hinge(), P, 2 * BITS - 1, np.where((2 * BITS - 1) * P < 1, 1 - 2 * BITS, 0)),
    "kl": (KLDivergence(), special.softmax(LOGITS, 1), MIXED, -MIXED / special.softmax(LOGITS, 1)),
    "kl logits": (
        KLDivergence(from_logits=True),
        LOGITS,
        MIXED,
        special.softmax(LOGITS, 1) - MIXED,
    ),
}


@pytest.mark.parametrize(("loss", "p", "t", "expected"), SMOOTH.values(), ids=SMOOTH.keys())
def test_gradients(loss, p, t, expected):
    np.testing.assert_allclose(slope(loss, p, t), expected, rtol=1e-11, atol=1e-14)


EXTREME = {
    "mae at zero": (AbsoluteError(), [0.0], [0.0], [0.0]),
    "huber": (Huber(), [0.0, 1e300, -1e300, 1e-300], [0.0] * 4, [0.0, 1.0, -1.0, 1e-300]),
    "log_cosh": (
        LogCosh(),
        [0.0, 1e300, -1e300, 1e-9, 1.0],
        [0.0] * 5,
        [0.0, 1.0, -1.0, 1e-9, np.tanh(1.0)],
    ),
    "bce logits": (
        BinaryCrossEntropy(from_logits=True),
        [0.0, 0.0, 800.0, 800.0, -800.0, -1e300],
        [0.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        [0.5, -0.5, 1.0, 0.0, -1.0, 0.0],
    ),
    "cross_entropy": (CrossEntropy(), [[1e4, -1e4, 0.0]], [1], [[1.0, -1.0, 0.0]]),
    "cross_entropy of equal logits": (CrossEntropy(), [[0.0, 0.0]], [1], [[0.5, -0.5]]),
    "kl logits": (
        KLDivergence(from_logits=True),
        [[1e4, 0.0]],
        [[0.0, 1.0]],
        [[1.0, -1.0]],
    ),
    "poisson of nothing": (Poisson(), [0.0, 2.0], [0.0, 0.0], [1.0, 1.0]),
}


@pytest.mark.parametrize(("loss", "p", "t", "expected"), EXTREME.values(), ids=EXTREME.keys())
def test_gradients_at_the_extremes(loss, p, t, expected):
    with np.errstate(all="ignore"):
        found = slope(loss, np.array(p), np.array(t))
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-200)


@pytest.mark.parametrize(
    ("loss", "p", "t"),
    [
        (BinaryCrossEntropy(), [0.0, 1.0, 0.0, 1.0, 1e-300], [1.0, 0.0, 0.0, 1.0, 1.0]),
        (KLDivergence(), [[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]),
    ],
    ids=["bce", "kl"],
)
def test_certain_predictions_have_finite_gradients(loss, p, t):
    with np.errstate(all="ignore"):
        assert np.all(np.isfinite(slope(loss, np.array(p), np.array(t))))

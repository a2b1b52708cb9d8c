"""Losses against SciPy's and mpmath's formulas, and their slopes at the extremes."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.special as special
import scipy.stats as stats

from descend.errors import DataError, UsageError
from descend.methods.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrossEntropy,
    GaussianNLL,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    Loss,
    Poisson,
    Quantile,
    SquaredError,
)

RNG = np.random.default_rng(5)
P, T = RNG.normal(size=40) * 3, RNG.normal(size=40)
UNIT = RNG.uniform(0.01, 0.99, size=40)
BITS = (np.arange(40) % 2).astype(float)
COUNTS = RNG.poisson(3.0, size=40).astype(float)
LOGITS = RNG.normal(size=(12, 4)) * 5
CLASSES = RNG.integers(0, 4, size=12)
MIXED = RNG.dirichlet(np.ones(4), size=12)
CHOSEN = np.arange(12), CLASSES

CASES = {
    "mse": (SquaredError(), P, T, (P - T) ** 2),
    "mae": (AbsoluteError(), P, T, abs(P - T)),
    "huber": (Huber(delta=0.75), P, T, special.huber(0.75, P - T)),
    "log_cosh": (LogCosh(), P, T, np.log(np.cosh(P - T))),
    "quantile": (Quantile(q=0.3), P, T, np.where(T > P, 0.3 * (T - P), 0.7 * (P - T))),
    "poisson": (
        Poisson(),
        UNIT * 9,
        COUNTS,
        -stats.poisson.logpmf(COUNTS, UNIT * 9) - special.gammaln(COUNTS + 1),
    ),
    "poisson log rate": (
        Poisson(log_rate=True),
        P,
        COUNTS,
        -stats.poisson.logpmf(COUNTS, np.exp(P)) - special.gammaln(COUNTS + 1),
    ),
    "gaussian_nll": (
        GaussianNLL(),
        np.stack([P, T / 2], axis=1),
        T,
        -stats.norm.logpdf(T, P, np.exp(T / 4)) - np.log(2 * np.pi) / 2,
    ),
    "bce": (BinaryCrossEntropy(), UNIT, BITS, -stats.bernoulli.logpmf(BITS, UNIT)),
    "bce soft": (
        BinaryCrossEntropy(),
        UNIT,
        UNIT[::-1],
        special.rel_entr(UNIT[::-1], UNIT)
        + special.rel_entr(1 - UNIT[::-1], 1 - UNIT)
        + special.entr(UNIT[::-1])
        + special.entr(1 - UNIT[::-1]),
    ),
    "bce logits": (
        BinaryCrossEntropy(from_logits=True),
        special.logit(UNIT),
        BITS,
        -stats.bernoulli.logpmf(BITS, UNIT),
    ),
    "cross_entropy": (CrossEntropy(), LOGITS, CLASSES, -special.log_softmax(LOGITS, 1)[CHOSEN]),
    "cross_entropy float classes": (
        CrossEntropy(),
        LOGITS,
        CLASSES.astype(float),
        -special.log_softmax(LOGITS, 1)[CHOSEN],
    ),
    "cross_entropy probabilities": (
        CrossEntropy(),
        LOGITS,
        MIXED,
        -np.sum(MIXED * special.log_softmax(LOGITS, 1), 1),
    ),
    "cross_entropy smoothed": (
        CrossEntropy(label_smoothing=0.2),
        LOGITS,
        CLASSES,
        -0.8 * special.log_softmax(LOGITS, 1)[CHOSEN]
        - 0.05 * np.sum(special.log_softmax(LOGITS, 1), 1),
    ),
    "hinge": (
        Hinge(),
        P,
        2 * BITS - 1,
        np.where(P * (2 * BITS - 1) < 1, 1 - P * (2 * BITS - 1), 0),
    ),
    "kl": (
        KLDivergence(),
        special.softmax(LOGITS, 1),
        MIXED,
        stats.entropy(MIXED, special.softmax(LOGITS, 1), axis=1),
    ),
    "kl logits": (
        KLDivergence(from_logits=True),
        LOGITS,
        MIXED,
        stats.entropy(MIXED, special.softmax(LOGITS, 1), axis=1),
    ),
}


@pytest.mark.parametrize(
    ("loss", "prediction", "target", "expected"), CASES.values(), ids=CASES.keys()
)
def test_values(loss, prediction, target, expected):
    found = loss.per_row(prediction, target)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    ("loss", "prediction", "target", "expected"), CASES.values(), ids=CASES.keys()
)
def test_single_precision_stays_single(loss, prediction, target, expected):
    target = target if target.dtype.kind == "i" else target.astype(np.float32)
    found = loss.per_row(prediction.astype(np.float32), target)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_the_square_of_the_residual_is_the_loss():
    for loss, prediction, target, expected in CASES.values():
        residual = loss.residual(prediction, target)
        if residual is None:
            assert not isinstance(loss, SquaredError)
        else:
            np.testing.assert_allclose(residual**2, expected, rtol=1e-14)


@pytest.mark.parametrize("r", [1e-200, 1e-9, 1e-3, 0.11, 0.999999, 1.0, 2.5, 40.0, 1e300])
def test_log_cosh_keeps_its_digits_everywhere(r):
    with mpmath.workdps(60):
        exact = mpmath.mpf(r) + mpmath.log1p(mpmath.exp(-2 * mpmath.mpf(r))) - mpmath.log(2)
        small = mpmath.mpf(r) ** 2 / 2
        exact = float(small if r < 1e-12 else exact)
    for sign in (1.0, -1.0):
        found = LogCosh().per_row(np.array([sign * r]), np.array([0.0]))[0]
        assert found == pytest.approx(exact, rel=4e-16, abs=0)


@pytest.mark.parametrize("z", [-1e4, -800.0, -40.0, -1e-20, 0.0, 1e-20, 35.0, 800.0, 1e4])
@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_bce_with_logits_is_exact_at_any_logit(z, t):
    with mpmath.workdps(60):
        no, yes = (mpmath.log1p(mpmath.exp(sign * mpmath.mpf(z))) for sign in (1, -1))
        exact = float((1 - mpmath.mpf(t)) * no + mpmath.mpf(t) * yes)
    with np.errstate(under="ignore"):
        found = BinaryCrossEntropy(from_logits=True).per_row(np.array([z]), np.array([t]))[0]
    assert found == pytest.approx(exact, rel=4e-16, abs=1e-300)


def test_large_logits_do_not_overflow():
    logits = np.array([[1e4, -1e4, 0.0]])
    assert CrossEntropy().per_row(logits, np.array([1])) == pytest.approx([2e4], rel=1e-15)
    found = KLDivergence(from_logits=True).per_row(logits, np.array([[0.0, 0.5, 0.5]]))
    assert found == pytest.approx([1.5e4 - np.log(2)], rel=1e-15)


def test_certain_predictions_that_are_wrong_cost_at_most_a_hundred():
    with np.errstate(divide="ignore"):
        found = BinaryCrossEntropy().per_row(np.array([0.0, 1.0, 0.0, 1.0]), np.array([1, 0, 0, 1]))
        assert found.tolist() == [100.0, 100.0, 0.0, 0.0]
        rows = KLDivergence().per_row(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]))
    assert rows.tolist() == [100.0]


def test_a_count_of_zero_needs_no_logarithm():
    assert Poisson().per_row(np.array([0.0, 2.0]), np.array([0.0, 0.0])).tolist() == [0.0, 2.0]


def test_gaussian_nll_takes_a_pair_too():
    loss, both = GaussianNLL(), np.stack([P, T], axis=1)
    np.testing.assert_array_equal(loss.per_row((P, T), COUNTS), loss.per_row(both, COUNTS))


def test_quantile_loss_is_least_at_the_quantile():
    values = np.sort(RNG.normal(size=101))
    costs = [np.mean(Quantile(q=0.8).per_row(np.full(101, v), values)) for v in values]
    assert np.argmin(costs) == 80


def test_numbers_of_a_loss_are_run_time_inputs():
    bound = Huber(delta=1.0).bind({"delta": np.array(0.75)})
    np.testing.assert_array_equal(bound.per_row(P, T), Huber(delta=0.75).per_row(P, T))
    assert Huber(delta=1.0).structure() == Huber(delta=0.75).structure()


@pytest.mark.parametrize(
    ("loss", "target", "words"),
    [
        (
            BinaryCrossEntropy(),
            [0, 1, 2, 3],
            r'"bce" needs targets in \[0, 1\]: row 2 has 2, and 1',
        ),
        (Hinge(), [1, -1, 0], '"hinge" needs targets -1 or 1: row 2 has 0'),
        (Poisson(), [-2.0], r"needs targets in \[0, inf\): row 0 has -2.0"),
    ],
)
def test_targets_that_a_loss_cannot_mean_are_refused(loss, target, words):
    with pytest.raises(DataError, match=words):
        loss.check(np.array(target))


def test_targets_that_a_loss_can_mean_pass():
    for loss, _, target, _ in CASES.values():
        loss.check(target)
    CrossEntropy().check(CLASSES, [(len(CLASSES), 4)])


@pytest.mark.parametrize("bad", [4, -1, 1.5])
def test_class_numbers_out_of_range_are_refused(bad):
    with pytest.raises(DataError, match=f"needs class numbers 0 to 3: row 1 has {bad}"):
        CrossEntropy().check(np.array([0, bad]), [(2, 4)])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Huber(delta=0.0), r"Huber: delta must lie in \(0, inf\)"),
        (lambda: Quantile(q=1.0), r"Quantile: q must lie in \(0, 1\)"),
        (lambda: CrossEntropy(label_smoothing=1.0), r"label_smoothing must lie in \[0, 1\)"),
        (lambda: Huber(detla=1.0), 'Huber has no option "detla" .did you mean "delta"'),
        (lambda: Hinge(margin=1.0), 'Hinge has no option "margin"'),
    ],
)
def test_wrong_options_are_refused_in_words(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_a_loss_without_per_row_says_so():
    with pytest.raises(NotImplementedError, match="has no per_row"):
        Loss().per_row(P, T)

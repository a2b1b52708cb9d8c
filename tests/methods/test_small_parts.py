"""Penalties, clipping, and the tables of names."""

from __future__ import annotations

import numpy as np
import pytest

from descend.errors import UsageError
from descend.methods.base import Optimizer
from descend.methods.clipping import clip_norm, clip_value
from descend.methods.first_order import SGD, Adam
from descend.methods.least_squares import LevenbergMarquardt
from descend.methods.losses import FunctionLoss, Huber, Loss, Quantile, SquaredError
from descend.methods.penalties import L1, L2
from descend.methods.table import LOSSES, OPTIMIZERS, as_loss, as_optimizer, as_penalty

LEAVES = [np.array([[1.0, -2.0], [0.5, 0.0]]), np.array(-3.0), np.array([4.0])]
FLAT = np.concatenate([leaf.ravel() for leaf in LEAVES])


def test_penalties_are_weighted_norms():
    assert L1(0.1).value(LEAVES) == pytest.approx(0.1 * np.linalg.norm(FLAT, 1), rel=1e-14)
    assert L2(0.1).value(LEAVES) == pytest.approx(0.1 * np.linalg.norm(FLAT) ** 2, rel=1e-14)
    assert L2(0.1).bind({"weight": 0.2}).value(LEAVES) == pytest.approx(2 * L2(0.1).value(LEAVES))


def test_clip_value_limits_each_element():
    limited = clip_value(1.5)(LEAVES)
    for found, leaf in zip(limited, LEAVES, strict=True):
        np.testing.assert_array_equal(found, np.clip(leaf, -1.5, 1.5))


@pytest.mark.parametrize("limit", [0.5, 5.0])
def test_clip_norm_scales_all_leaves_together(limit):
    limited = clip_norm(limit)(LEAVES)
    flat = np.concatenate([leaf.ravel() for leaf in limited])
    assert np.linalg.norm(flat) == pytest.approx(limit, rel=1e-14)
    np.testing.assert_allclose(flat / limit, FLAT / np.linalg.norm(FLAT), rtol=1e-14)
    assert [leaf.shape for leaf in limited] == [leaf.shape for leaf in LEAVES]


def test_clip_norm_leaves_short_gradients_alone_to_the_bit():
    for found, leaf in zip(clip_norm(100.0)(LEAVES), LEAVES, strict=True):
        np.testing.assert_array_equal(found, leaf)
    assert clip_norm(1.0)([np.zeros(2)])[0].tolist() == [0.0, 0.0]


def test_clip_norm_does_not_overflow():
    found = clip_norm(1.0)([np.array([3e300, 4e300])])[0]
    np.testing.assert_allclose(found, [0.6, 0.8], rtol=1e-14)
    single = clip_norm(1.0)([np.array([3e30, 4e30], np.float32)])[0]
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, [0.6, 0.8], rtol=1e-6)


def test_clipping_keeps_a_gradient_that_is_not_finite_visible():
    assert np.isnan(clip_norm(1.0)([np.array([np.nan, 1.0])])[0]).any()
    assert np.isnan(clip_value(1.0)([np.array([np.nan, 1.0])])[0][0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_its_name(name):
    assert isinstance(as_optimizer(name), Optimizer)
    assert as_optimizer(name.upper()) == as_optimizer(name)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_its_name(name):
    assert isinstance(as_loss(name), Loss)


def test_what_may_be_given_for_an_optimizer():
    assert as_optimizer("adam", lr=0.1, betas=[0.8, 0.9]) == Adam(lr=0.1, betas=(0.8, 0.9))
    assert as_optimizer(SGD, lr=0.1) == SGD(lr=0.1)
    given = SGD(lr=0.3)
    assert as_optimizer(given) is given
    assert as_optimizer("levenberg-marquardt") == LevenbergMarquardt()


def test_what_may_be_given_for_a_loss():
    def fourth(prediction, target):
        return (prediction - target) ** 4

    assert as_loss("huber(0.5)") == Huber(delta=0.5)
    assert as_loss(" quantile( 0.9 ) ") == Quantile(q=0.9)
    assert as_loss(Huber) == Huber()
    assert as_loss(SquaredError()) == SquaredError()
    assert as_loss(fourth) == FunctionLoss(fourth)
    assert as_loss(fourth).name == "fourth"
    assert as_loss(fourth).per_row(np.array([3.0]), np.array([1.0])).tolist() == [16.0]
    assert as_penalty("l1(0.5)") == L1(0.5)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: as_optimizer("adma"), 'no optimizer "adma" .did you mean "adam"'),
        (lambda: as_optimizer(3), 'no optimizer 3'),
        (lambda: as_optimizer("sgd", learning_rate=0.1), 'no option "learning_rate" .did you mean'),
        (lambda: as_optimizer(SGD(), lr=0.1), "given whole, so lr cannot be given beside it"),
        (lambda: as_loss("mze"), 'no loss "mze" .did you mean "mse"'),
        (lambda: as_loss("huber(x)"), "something other than numbers in its brackets"),
        (lambda: as_loss("mse(2)"), 'loss "mse" takes no number'),
        (lambda: as_loss("huber(1, 2)"), 'loss "huber" takes 1 number, not 2'),
        (lambda: as_loss(3), 'no loss 3'),
        (lambda: as_loss("huber(-1)"), r"Huber: delta must lie in \(0, inf\), not -1.0"),
        (lambda: as_penalty("l3"), 'no penalty "l3"'),
        (lambda: clip_norm(0.0), r"ClipNorm: limit must lie in \(0, inf\)"),
        (lambda: clip_value(-1.0), r"ClipValue: limit must lie in \(0, inf\)"),
        (lambda: L2(-1.0), r"L2: weight must lie in \[0, inf\)"),
    ],
)
def test_wrong_names_and_options_are_refused_in_words(make, words):
    with pytest.raises(UsageError, match=words):
        make()

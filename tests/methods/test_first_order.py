"""First-order methods against the published equations, worked with plain Python floats."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from descend.methods.first_order import SGD, Adagrad, Adam, AdamW, RMSprop

GRADIENTS = [2.0, -0.5, 1.25, 0.0, -3.0, 0.75]


def path(method, start=1.5, gradients=GRADIENTS):
    """The parameter after each update, for gradients that do not depend on it."""
    p, points = np.array([start]), []
    s = method.init(p)
    for t, gradient in enumerate(gradients, 1):
        h = method.hyper(method.numbers(), t=float(t))
        p, s = method.step(p, SimpleNamespace(gradient=np.array([gradient])), s, h)
        points.append(float(p[0]))
    return points


def sgd(p, lr, momentum=0.0, dampening=0.0, decay=0.0, nesterov=False, sign=1):
    buffer = None
    for g in GRADIENTS:
        g = sign * g + decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p -= lr * g
        yield p


def adagrad(p, lr, lr_decay=0.0, decay=0.0, total=0.0, eps=1e-10):
    for t, g in enumerate(GRADIENTS, 1):
        g += decay * p
        total += g**2
        p -= lr / (1 + (t - 1) * lr_decay) * g / (math.sqrt(total) + eps)
        yield p


def rmsprop(p, lr, alpha=0.99, eps=1e-8, decay=0.0, momentum=0.0, centered=False):
    square = mean = buffer = 0.0
    for g in GRADIENTS:
        g += decay * p
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        spread = square - mean**2 if centered else square
        buffer = momentum * buffer + g / (math.sqrt(spread) + eps)
        p -= lr * buffer
        yield p


def adam(p, lr, b1=0.9, b2=0.999, eps=1e-8, decay=0.0, decoupled=0.0, amsgrad=False):
    mean = square = largest = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        p -= lr * decoupled * p
        g += decay * p
        mean = b1 * mean + (1 - b1) * g
        square = b2 * square + (1 - b2) * g**2
        largest = max(largest, square)
        spread = (largest if amsgrad else square) / (1 - b2**t)
        p -= lr * (mean / (1 - b1**t)) / (math.sqrt(spread) + eps)
        yield p


CASES = {
    "sgd": (SGD(lr=0.1), sgd(1.5, 0.1)),
    "sgd momentum": (SGD(lr=0.1, momentum=0.9), sgd(1.5, 0.1, 0.9)),
    "sgd dampening": (
        SGD(lr=0.1, momentum=0.9, dampening=0.25, weight_decay=0.5),
        sgd(1.5, 0.1, 0.9, 0.25, 0.5),
    ),
    "sgd nesterov": (
        SGD(lr=0.1, momentum=0.9, nesterov=True),
        sgd(1.5, 0.1, 0.9, nesterov=True),
    ),
    # The sign turns before the decay is added, so that decay shrinks parameters either way.
    "sgd maximize": (
        SGD(lr=0.1, weight_decay=0.5, maximize=True),
        sgd(1.5, 0.1, decay=0.5, sign=-1),
    ),
    "adagrad": (Adagrad(lr=0.1), adagrad(1.5, 0.1)),
    "adagrad all": (
        Adagrad(lr=0.1, lr_decay=0.5, weight_decay=0.5, initial_accumulator_value=2.0, eps=0.1),
        adagrad(1.5, 0.1, 0.5, 0.5, 2.0, 0.1),
    ),
    "rmsprop": (RMSprop(), rmsprop(1.5, 0.01)),
    "rmsprop all": (
        RMSprop(lr=0.1, alpha=0.8, eps=0.1, weight_decay=0.5, momentum=0.7, centered=True),
        rmsprop(1.5, 0.1, 0.8, 0.1, 0.5, 0.7, True),
    ),
    "adam": (Adam(), adam(1.5, 0.001)),
    "adam all": (
        Adam(lr=0.1, betas=(0.8, 0.6), eps=0.1, weight_decay=0.5, amsgrad=True),
        adam(1.5, 0.1, 0.8, 0.6, 0.1, decay=0.5, amsgrad=True),
    ),
    "adamw": (AdamW(), adam(1.5, 0.001, decoupled=0.01)),
    "adamw all": (
        AdamW(lr=0.1, betas=(0.8, 0.6), weight_decay=0.5, amsgrad=True),
        adam(1.5, 0.1, 0.8, 0.6, decoupled=0.5, amsgrad=True),
    ),
}


@pytest.mark.parametrize(("method", "expected"), CASES.values(), ids=CASES.keys())
def test_follows_the_published_equations(method, expected):
    assert path(method) == pytest.approx(list(expected), rel=1e-14)


def test_two_updates_of_momentum_by_hand():
    # b = 2, p = 1.5 − 0.1·2 = 1.3; then b = 0.5·2 − 0.5 = 0.5, p = 1.3 − 0.05 = 1.25.
    assert path(SGD(lr=0.1, momentum=0.5))[:2] == pytest.approx([1.3, 1.25], rel=1e-15)


def test_two_updates_of_adam_by_hand():
    # m̂ = 3, v̂ = 9: p = 1 − 0.1·3/3 = 0.9. Then m = 0.5·1.5 + 0.5·0 = 0.75 and
    # v = 0.75·2.25 = 1.6875: m̂ = 0.75/0.75 = 1, v̂ = 1.6875/0.4375 = 27/7; p = 0.9 − 0.1/√(27/7).
    points = path(Adam(lr=0.1, betas=(0.5, 0.75), eps=0.0), 1.0, [3.0, 0.0])
    assert points == pytest.approx([0.9, 0.9 - 0.1 / math.sqrt(27 / 7)], rel=1e-15)


def test_the_first_adam_update_has_the_size_of_the_rate():
    for gradient in (1e-3, -40.0):
        moved = path(Adam(lr=0.01), 0.0, [gradient])[0]
        assert moved == pytest.approx(-math.copysign(0.01, gradient), rel=1e-4)


def test_adam_keeps_its_bias_correction_in_single_precision():
    p = np.array([1.0], np.float32)
    method = Adam(lr=0.125)
    h = method.hyper({k: np.float64(v) for k, v in method.numbers().items()}, t=np.float64(1))
    e = SimpleNamespace(gradient=np.array([2.0], np.float32))
    moved, _ = method.step(p, e, method.init(p), h)
    assert moved.dtype == np.float32
    assert moved[0] == pytest.approx(0.875, abs=2e-7)


def test_centred_rmsprop_survives_a_constant_gradient():
    assert np.all(np.isfinite(path(RMSprop(centered=True), 0.0, [0.1] * 3000)))


def test_the_lessons_update():
    # θ ← θ − α·∇J: at (1, 1, 1) the gradient of 3x² + 4y² + 5z² is (6, 8, 10).
    method = SGD(lr=0.05)
    e = SimpleNamespace(gradient=np.array([6.0, 8.0, 10.0]))
    moved, _ = method.step(np.ones(3), e, {}, method.hyper(method.numbers(), t=1.0))
    assert moved == pytest.approx([0.7, 0.6, 0.5], rel=1e-15)

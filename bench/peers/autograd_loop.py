"""HIPS autograd: a Python loop over batches around its `value_and_grad`."""

from __future__ import annotations

from collections.abc import Callable

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad
from cases import LEARNING_RATE, START, Case, data

LIMIT = 2_000


def parabola(w, x):
    return w[0] * x**2 + w[1] * x + w[2]


def exponential(w, x):
    return w[0] * anp.exp(-w[1] * x) + w[2]


MODELS = {"parabola": parabola, "exponential": exponential}


def refuses(case: Case) -> str | None:
    return None


def prepare(case: Case) -> Callable[[], list[float]]:
    x, y = data(case)
    model = MODELS[case.model]
    gradient = value_and_grad(lambda w, x, y: anp.mean((model(w, x) - y) ** 2))

    def call() -> list[float]:
        w = np.array(START[case.model])
        random = np.random.default_rng(0)
        for _ in range(case.epochs):
            order = random.permutation(case.rows) if case.shuffle else slice(None)
            xs, ys = x[order], y[order]
            for first in range(0, case.rows, case.batch):
                part = slice(first, first + case.batch)
                _, g = gradient(w, xs[part], ys[part])
                w = w - LEARNING_RATE * g
        return w.tolist()

    return call

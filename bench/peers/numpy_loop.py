"""NumPy by hand: a Python loop over batches, the gradient derived by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cases import LEARNING_RATE, START, Case, Column, data

LIMIT = 20_000


def parabola(w: list[float], x: Column, y: Column) -> tuple[list[float], float]:
    error = w[0] * x * x + w[1] * x + w[2] - y
    slope = error * x
    return [np.dot(slope, x), slope.sum(), error.sum()], np.dot(error, error)


def exponential(w: list[float], x: Column, y: Column) -> tuple[list[float], float]:
    decay = np.exp(-w[1] * x)
    error = w[0] * decay + w[2] - y
    return [np.dot(error, decay), -w[0] * np.dot(error * decay, x), error.sum()], error @ error


MODELS = {"parabola": parabola, "exponential": exponential}


def refuses(case: Case) -> str | None:
    return None


def prepare(case: Case) -> Callable[[], list[float]]:
    x, y = data(case)
    gradient = MODELS[case.model]

    def call() -> list[float]:
        w = list(START[case.model])
        random = np.random.default_rng(0)
        history = []
        for _ in range(case.epochs):
            order = random.permutation(case.rows) if case.shuffle else None
            xs, ys = (x, y) if order is None else (x[order], y[order])
            total = 0.0
            for first in range(0, case.rows, case.batch):
                part = slice(first, first + case.batch)
                g, loss = gradient(w, xs[part], ys[part])
                rate = 2 * LEARNING_RATE / len(xs[part])
                w = [p - rate * d for p, d in zip(w, g, strict=True)]
                total += loss
            history.append(total / case.rows)
        return [float(p) for p in w]

    return call

"""Numba: the descent written out as one loop, the gradient derived by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cases import LEARNING_RATE, START, Case, data
from numba import njit

LIMIT = None


@njit(fastmath=True)
def parabola(w, x, y, first, last):
    g0 = g1 = g2 = loss = 0.0
    for i in range(first, last):
        square = x[i] * x[i]
        error = w[0] * square + w[1] * x[i] + w[2] - y[i]
        g0 += error * square
        g1 += error * x[i]
        g2 += error
        loss += error * error
    return g0, g1, g2, loss


@njit(fastmath=True)
def exponential(w, x, y, first, last):
    g0 = g1 = g2 = loss = 0.0
    for i in range(first, last):
        decay = np.exp(-w[1] * x[i])
        error = w[0] * decay + w[2] - y[i]
        g0 += error * decay
        g1 -= error * decay * x[i]
        g2 += error
        loss += error * error
    return g0, w[0] * g1, g2, loss


def refuses(case: Case) -> str | None:
    return None


def compiled(gradient):
    @njit(fastmath=True)
    def run(w, x, y, batch, epochs, shuffle, lr, seed):
        np.random.seed(seed)
        history = np.empty(epochs)
        rows = x.shape[0]
        for epoch in range(epochs):
            if shuffle:
                order = np.random.permutation(rows)
                xs, ys = x[order], y[order]
            else:
                xs, ys = x, y
            total = 0.0
            for first in range(0, rows, batch):
                last = min(first + batch, rows)
                g0, g1, g2, loss = gradient(w, xs, ys, first, last)
                rate = 2 * lr / (last - first)
                w = (w[0] - rate * g0, w[1] - rate * g1, w[2] - rate * g2)
                total += loss
            history[epoch] = total / rows
        return w, history

    return run


RUNS = {"parabola": compiled(parabola), "exponential": compiled(exponential)}


def prepare(case: Case) -> Callable[[], list[float]]:
    x, y = data(case)
    run = RUNS[case.model]

    def call() -> list[float]:
        start = START[case.model]
        w, _ = run(start, x, y, case.batch, case.epochs, case.shuffle, LEARNING_RATE, 0)
        return list(w)

    return call

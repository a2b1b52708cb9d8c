"""descend: one call of `fit`, from arrays to the finished result, its compiled code cached."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cases import LEARNING_RATE, NAMES, START, Case, data

import descend

LIMIT = None


def parabola(x, w1, w2, w3):
    return w1 * x**2 + w2 * x + w3


def exponential(x, a, k, c):
    return a * np.exp(-k * x) + c


MODELS = {"parabola": parabola, "exponential": exponential}


def refuses(case: Case) -> str | None:
    return None


def prepare(case: Case) -> Callable[[], list[float]]:
    x, y = data(case)
    names = NAMES[case.model]

    def call() -> list[float]:
        fit = descend.fit(
            MODELS[case.model],
            x,
            y,
            start=dict(zip(names, START[case.model], strict=True)),
            optimizer=descend.SGD(lr=LEARNING_RATE),
            batch_size=case.batch,
            shuffle=case.shuffle,
            epochs=case.epochs,
        )
        return [float(fit.params[name]) for name in names]

    return call

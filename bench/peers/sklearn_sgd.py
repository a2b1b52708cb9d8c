"""scikit-learn's SGDRegressor: one row at a time, models that are linear in their parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from cases import LEARNING_RATE, START, Case, data
from sklearn.linear_model import SGDRegressor

LIMIT = 2_000_000


def refuses(case: Case) -> str | None:
    if case.model != "parabola":
        return "linear models only"
    return None if case.batch == 1 else "one row at a time only"


def prepare(case: Case) -> Callable[[], list[float]]:
    x, y = data(case)
    features = np.column_stack([x**2, x])
    w1, w2, w3 = START[case.model]

    def call() -> list[float]:
        # Its squared error is halved, hence twice the learning rate.
        model = SGDRegressor(
            penalty=None,
            learning_rate="constant",
            eta0=2 * LEARNING_RATE,
            max_iter=case.epochs,
            tol=None,
            shuffle=case.shuffle,
            random_state=0,
        )
        model.fit(features, y, coef_init=np.array([w1, w2]), intercept_init=np.array([w3]))
        return [*model.coef_.tolist(), float(model.intercept_[0])]

    return call

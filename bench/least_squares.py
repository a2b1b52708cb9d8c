"""Least squares as its users meet it: SciPy's curve_fit, lmfit, and `fit` with nothing else said.

usage: python bench/least_squares.py
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
REPEATS = 30
Fit = tuple[Callable[[], Any], Callable[[Any], float]]
"""What is timed, with all that a user reads of it, and the sum of squares of its result."""


def thurber(x, b1, b2, b3, b4, b5, b6, b7):
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def jobs() -> dict[str, tuple[Any, Any, Any, dict[str, float]]]:
    """Name: model, x, y, start."""
    path = HERE.parent / "examples" / "thurber.csv"
    density, mobility = np.loadtxt(path, delimiter=",", skiprows=1).T
    b = (1300, 1500, 500, 75, 1, 0.4, 0.05)
    second = {f"b{k}": float(v) for k, v in enumerate(b, 1)}
    x = np.linspace(0, 4, 50)
    y = decay(x, 2.5, 1.3, 0.5) + np.random.default_rng(0).normal(scale=0.05, size=50)
    return {
        "Thurber, second start": (thurber, density, mobility, second),
        "a·exp(−k·x) + c, 50 points": (decay, x, y, {"a": 1.0, "k": 1.0, "c": 0.0}),
    }


def with_scipy(model, x, y, start: dict[str, float]) -> Fit:
    from scipy.optimize import curve_fit

    p0 = list(start.values())

    def call() -> tuple[Any, Any]:
        best, covariance = curve_fit(model, x, y, p0=p0)
        return best, np.sqrt(np.diag(covariance))

    return call, lambda found: float(np.sum((y - model(x, *found[0])) ** 2))


def with_lmfit(model, x, y, start: dict[str, float]) -> Fit:
    import lmfit

    face = lmfit.Model(model)
    parameters = face.make_params(**start)
    return lambda: face.fit(y, parameters, x=x), lambda found: float(found.chisqr)


def with_descend(model, x, y, start: dict[str, float]) -> Fit:
    import descend

    def call() -> Any:
        fit = descend.fit(model, x, y, start=start)
        return fit, fit.params, fit.stderr, fit.status

    return call, lambda found: float(np.sum(found[0].residuals ** 2))


CONTESTANTS = {"descend": with_descend, "SciPy": with_scipy, "lmfit": with_lmfit}


def timed(call: Callable[[], Any], squares: Callable[[Any], float]) -> dict[str, float]:
    found = [call() for _ in range(3)][-1]
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return {"us": min(times) * 1e6, "squares": squares(found)}


def measure() -> list[dict[str, Any]]:
    """Each contestant's best time on each dataset, and the sum of squares it reached."""
    rows = []
    for data, job in jobs().items():
        for name, prepare in CONTESTANTS.items():
            try:
                result: dict[str, Any] = timed(*prepare(*job))
            except Exception as problem:
                result = {"error": f"{type(problem).__name__}: {problem}"[:80]}
            rows.append({"data": data, "name": name, **result})
    return rows


if __name__ == "__main__":
    os.chdir(HERE.parent)
    print(json.dumps(measure(), indent=2, ensure_ascii=False))

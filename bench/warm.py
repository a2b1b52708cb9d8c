"""One warm fit with a start, by every method that takes all rows, beside SciPy's of the same kind.

usage: python bench/warm.py [--rounds 400]

A fit is warm from the 20th call of the same task on. Each task is fitted by least squares with each
method, and by the absolute error; SciPy's curve_fit, or minimize with the same method and the exact
gradient, or for the absolute error its Nelder-Mead, begins at the same start. They take turns; the
best of all rounds of each counts, in microseconds, and of `descend` also the native descent alone.
The losses that both have come to must be the same, or descend's the lower one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import machine

for _name, _value in machine.environment().items():  # before NumPy loads its libraries
    os.environ[_name] = _value
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np  # noqa: E402
from scipy import optimize  # noqa: E402

import descend  # noqa: E402

HERE = Path(__file__).parent
WARM = 20
SAME = 1e-6  # a share of the loss by which ours may be higher: SciPy's tolerances are as wide
METHODS = {
    "lm": "", "bfgs": "BFGS", "lbfgs": "L-BFGS-B", "cg": "CG", "newton": "Newton-CG",
    "nelder_mead": "Nelder-Mead",
}  # fmt: skip
"""Ours, and what SciPy's minimize calls its own; curve_fit stands beside lm."""


class Task(NamedTuple):
    """A model with its derivatives, (rows, p), and where a fit to noisy data of it begins."""

    model: Callable[..., Any]
    slopes: Callable[..., Any]
    truth: tuple[float, ...]
    start: Mapping[str, float]
    x: Any


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def line(x, a, b):
    return a * x + b


def sine(x, a, w, p):
    return a * np.sin(w * x + p)


def peaks(x, a, m, s, b, n, t, c, o, u):
    """Three Gaussian peaks."""
    return (
        a * np.exp(-((x - m) ** 2) / (2 * s**2)) + b * np.exp(-((x - n) ** 2) / (2 * t**2))
        + c * np.exp(-((x - o) ** 2) / (2 * u**2))
    )  # fmt: skip


def decay_slopes(x, a, k, c):
    e = np.exp(-k * x)
    return np.stack([e, -a * x * e, np.ones_like(x)], axis=1)


def sine_slopes(x, a, w, p):
    across = a * np.cos(w * x + p)
    return np.stack([np.sin(w * x + p), x * across, across], axis=1)


def peaks_slopes(x, *p):
    columns = []
    for height, middle, width in zip(p[::3], p[1::3], p[2::3], strict=True):
        z = (x - middle) / width
        bell = np.exp(-0.5 * z * z)
        columns += [bell, height * bell * z / width, height * bell * z * z / width]
    return np.stack(columns, axis=1)


X = np.linspace(0.0, 5.0, 50)
TASKS = {
    "decay": Task(decay, decay_slopes, (2.5, 1.3, 0.5), {"a": 2.0, "k": 1.0, "c": 0.3}, X),
    "line": Task(
        line, lambda x, a, b: np.stack([x, np.ones_like(x)], axis=1), (3.0, 1.0),
        {"a": 1.0, "b": 0.5}, X,
    ),
    "sine": Task(sine, sine_slopes, (2.0, 1.7, 0.4), {"a": 1.5, "w": 1.6, "p": 0.3}, X),
    "peaks": Task(
        peaks, peaks_slopes, (1.0, 2.0, 0.5, 2.0, 5.0, 0.7, 1.5, 8.0, 0.6),
        dict(zip("amsbntcou", (0.8, 2.2, 0.6, 1.7, 4.8, 0.6, 1.3, 8.1, 0.7), strict=True)),
        np.linspace(0.0, 10.0, 120),
    ),
}  # fmt: skip


def data(task: Task) -> Any:
    noise = np.random.default_rng(0).normal(size=len(task.x))
    return task.model(task.x, *task.truth) + 0.02 * noise


def of_scipy(task: Task, y: Any, method: str, loss: str) -> Callable[[], float]:
    """SciPy's fit of the same kind: it returns its loss."""
    x, begin = task.x, list(task.start.values())

    def squares(p):
        r = task.model(x, *p) - y
        return r @ r / len(y), 2 / len(y) * (r @ task.slopes(x, *p))

    def absolute(p):
        return float(np.mean(np.abs(task.model(x, *p) - y)))

    if loss == "mae":
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 10_000}
        return lambda: optimize.minimize(absolute, begin, method="Nelder-Mead", options=options).fun
    if not METHODS[method]:
        fit = lambda: optimize.curve_fit(task.model, x, y, p0=begin, jac=task.slopes)[0]  # noqa: E731
        return lambda: squares(fit())[0]
    if method == "nelder_mead":
        return lambda: optimize.minimize(lambda p: squares(p)[0], begin, method="Nelder-Mead").fun
    return lambda: optimize.minimize(squares, begin, method=METHODS[method], jac=True).fun


def measured(name: str, method: str, loss: str, rounds: int) -> dict[str, Any]:
    """The best times of a task, in microseconds, and the losses."""
    task = TASKS[name]
    y = data(task)
    options: dict[str, Any] = {"loss": loss} if loss == "mae" else {"optimizer": method}
    ours = lambda: descend.fit(task.model, task.x, y, start=task.start, **options)  # noqa: E731
    theirs = of_scipy(task, y, method, loss)
    for _ in range(WARM):
        ours()
    best = {"descend": np.inf, "native": np.inf, "scipy": np.inf}
    for _ in range(rounds):
        begin = time.perf_counter()
        fit = ours()
        best["descend"] = min(best["descend"], time.perf_counter() - begin)
        best["native"] = min(best["native"], fit.seconds)
        begin = time.perf_counter()
        peer = theirs()
        best["scipy"] = min(best["scipy"], time.perf_counter() - begin)
    found = {n: 1e6 * float(t) for n, t in best.items()}
    return {
        "task": name, "method": method if loss == "mse" else "bfgs", "loss": loss, **found,
        "iterations": fit.epochs, "right": bool(fit.loss <= peer * (1 + SAME)),
    }  # fmt: skip


def report(rows: list[dict[str, Any]]) -> str:
    lines = ["| task | method | loss | µs | native | iterations | SciPy, µs | times |"]
    lines += ["|---|---|---|---:|---:|---:|---:|---:|"]
    for r in rows:
        ratio = f"{r['scipy'] / r['descend']:.1f}{'' if r['right'] else ' (a higher loss)'}"
        lines.append(
            f"| {r['task']} | {r['method']} | {r['loss']} | {r['descend']:.1f} | "
            f"{r['native']:.1f} | {r['iterations']} | {r['scipy']:.0f} | {ratio} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=400)
    rounds = parser.parse_args().rounds
    kinds = [(m, "mse") for m in METHODS] + [("bfgs", "mae")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [measured(name, *kind, rounds) for name in TASKS for kind in kinds]
    print(report(rows))
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    told = {"machine": machine.describe(), "rows": rows}
    (folder / "warm.json").write_text(json.dumps(told, indent=1) + "\n")
    return 0 if all(row["right"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())

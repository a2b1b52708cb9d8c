"""Calls of `minimize` and `maximize`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from tools.parity.calls import Call
from tools.parity.curves import anew

import descend

__all__ = ["minimize_calls"]

Function = Callable[..., Any]


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def long_rosenbrock(x):
    return np.sum((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2)


def beale(x):
    a, b = x[0], x[1]
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


FUNCTIONS: Mapping[str, tuple[Function | str, Any]] = {
    "square": (lambda x: (x - 2.0) ** 2, 5.0),
    "quadratic": (lambda x: 3 * x[0] ** 2 + 4 * x[1] ** 2 + 5 * x[2] ** 2, [1.0, 1.0, 1.0]),
    "quadratic-tiny": (
        lambda x: 1e-16 * (3 * (x[0] - 1) ** 2 + 4 * (x[1] + 2) ** 2), [5.0, 5.0]
    ),
    "quadratic-units": (
        lambda x: (x[0] - 1e5) ** 2 / 1e10 + (x[1] - 1e-6) ** 2 / 1e-12, [2e5, 3e-6]
    ),
    "quadratic-stiff": (lambda x: x[0] ** 2 + 1e8 * (x[1] - 1) ** 2, [1.0, 0.0]),
    "tilted": (lambda x: (x[0] + x[1] - 3) ** 2 + (x[0] - x[1] + 1) ** 2, [0.0, 0.0]),
    "at-the-minimum": (lambda x: x[0] ** 2 + x[1] ** 2, [0.0, 0.0]),
    "rosenbrock": (rosenbrock, [-1.2, 1.0]),
    "rosenbrock-10": (long_rosenbrock, np.linspace(-1, 1, 10)),
    "beale": (beale, [1.0, 1.0]),
    "quartic": (lambda x: (x[0] - 1) ** 4 + (x[1] + 2) ** 4, [3.0, 3.0]),
    "valley": (lambda x: (x[0] * x[1] - 1) ** 2, [2.0, 2.0]),
    "absolute": (lambda x: np.abs(x[0] - 1) + 2 * np.abs(x[1] + 1), [3.0, 2.0]),
    "largest": (lambda x: np.maximum(x[0] ** 2, np.abs(x[1] - 1)), [2.0, 3.0]),
    "falls": (lambda x: x[0] + x[1] ** 2, [1.0, 1.0]),
    "falls-cubed": (lambda x: x[0] ** 3, [1.0]),
    "falls-to-a-limit": (lambda x: np.exp(-x[0]), [0.0]),
    "falls-as-a-logarithm": (lambda x: -np.log(x[0]), [1.0]),
    "flat": (lambda x: 0.0 * x[0] + 3.0, [1.0]),
    "flat-in-one": (lambda x: (x[0] - 2) ** 2 + 0 * x[1], [0.0, 7.0]),
    "saddle": (lambda x: x[0] ** 2 - x[1] ** 2, [1.0, 0.0]),
    "waves": (lambda x: np.sin(3 * x[0]) + 0.1 * x[0] ** 2, [2.0]),
    "by-name": (lambda a, b: (a - 3) ** 2 + (b + a) ** 2, dict(a=0.0, b=0.0)),
    "by-name-unsaid": (lambda a, b: (a - 30) ** 2 + (b + 0.01) ** 2, None),
    "tree": (
        lambda p: (p["a"] - 1) ** 2 + np.sum((p["w"] - 2) ** 2), {"a": 0.0, "w": np.zeros(3)}
    ),
    "text": ("3*x1**2 + 4*x2**2 + 5*x3**2", dict(x1=1.0, x2=1.0, x3=1.0)),
    "text-unsaid": ("(u - 4)**2 + exp(v) - v", None),
    "infinite": (lambda x: 1 / x[0] ** 2, [0.0]),
    "not-a-number": (lambda x: np.log(x[0]) ** 2, [-1.0]),
}  # fmt: skip
METHODS = ("auto", "lbfgs", "cg", "newton", "nelder_mead")

OPTIONS: Mapping[str, dict[str, Any]] = {
    "max-iter-2": dict(max_iter=2),
    "max-iter-1-newton": dict(max_iter=1, optimizer="newton"),
    "xtol": dict(xtol=1e-2),
    "ftol": dict(ftol=1e-2),
    "gtol": dict(gtol=1e-1),
    "sgd": dict(optimizer="sgd", lr=1e-3),
    "sgd-too-fast": dict(optimizer="sgd", lr=1.0, max_iter=50),
    "adam": dict(optimizer="adam", lr=0.05),
    "adam-patience": dict(optimizer="adam", lr=0.1, patience=10),
    "rmsprop": dict(optimizer="rmsprop", lr=0.01, max_iter=100),
    "bounds": dict(bounds=[(-2, 0.5), (None, 2)]),
    "bounds-pair": dict(bounds=(-1.5, 0.8), start=[-1.2, 0.5]),
    "bounds-nelder": dict(bounds=(-1.5, 0.8), start=[-1.2, 0.5], optimizer="nelder_mead"),
    "fixed-number": dict(fixed=["x[1]"]),
    "starts-4": dict(starts=4),
    "start-outside": dict(bounds=(-1.5, 0.8)),
    "clipped": dict(optimizer="sgd", lr=0.01, clip=descend.clip_norm(0.5), max_iter=100),
    "callback-stops": dict(callback=lambda moment: moment.epoch >= 3),
    "recorded": dict(record="params", max_iter=5),
    "interpreted": dict(engine="interpreted"),
    "much-time": dict(max_seconds=1000.0),
}


def minimize_calls() -> Iterator[Call]:
    """Functions by methods, options on one function, maxima, and the same thrice."""
    for name, (function, start) in FUNCTIONS.items():
        for method in METHODS:
            yield Call(f"minimize/{name}/{method}", _made(function, start, optimizer=method))
    for name, options in OPTIONS.items():
        every = {"start": [-1.2, 1.0], **options}
        yield Call(f"minimize/rosenbrock/{name}", _made(rosenbrock, **every))
    for name in ("quadratic", "rosenbrock", "by-name", "text", "quadratic-units"):
        function, start = FUNCTIONS[name]
        yield Call(f"minimize/{name}/thrice", _made(function, start), 3)
    for name in ("square", "falls", "rosenbrock", "waves"):
        function, start = FUNCTIONS[name]
        yield Call(f"minimize/{name}/maximize", _made(_minus(anew(function)), start, up=True))
    yield Call(
        "minimize/by-name/tied", _made(FUNCTIONS["by-name"][0], dict(a=0.0), ties={"b": "2*a"})
    )


def _made(function: Any, start: Any, up: bool = False, **options: Any) -> Callable[[], Any]:
    again, entry = anew(function), descend.maximize if up else descend.minimize
    return lambda: entry(again, start, **options)


def _minus(function: Function) -> Function:
    return lambda x: -function(x)

"""Calls that cannot be meant: what is refused, by which class, in which words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from tools.parity.calls import Call

import descend
from descend import Dataset, Parameter

__all__ = ["refusal_calls"]

X = np.linspace(0, 4, 30)
Y = 2 * np.exp(-1.3 * X) + 0.5
START = dict(a=1.0, k=1.0, c=0.0)
HOLE = np.where(np.arange(30) == 4, np.nan, Y)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def line(x, a, b):
    return a * x + b


def _fit(x: Any = X, y: Any = Y, model: Any = decay, **options: Any) -> Callable[[], Any]:
    return lambda: descend.fit(model, x, y, **{"start": START, **options})


def _many(x: Any = X, y: Any = (Y, Y), **options: Any) -> Callable[[], Any]:
    return lambda: descend.fit_many(decay, x, np.asarray(y), **{"start": START, **options})


def _global(x: Any = (X, X), y: Any = (Y, Y), **options: Any) -> Callable[[], Any]:
    return lambda: descend.fit_global(decay, x, y, **options)


def _least(function: Any = lambda x: x[0] ** 2, start: Any = (1.0,), **options: Any) -> Any:
    return lambda: descend.minimize(function, list(start), **options)


def _branching(x, a):
    return a * x if a > 1 else x


def _singular(x, a):
    return a * np.linalg.inv(np.zeros((2, 2)))[0, 0] * x


CALLS: Mapping[str, Callable[[], Any]] = {
    "fit/unknown-option": _fit(optimiser="lm"),
    "fit/option-of-scipy": _fit(p0=[1, 1, 1]),
    "fit/option-of-keras": _fit(learning_rate=0.1),
    "fit/weights": _fit(weights=np.ones(30)),
    "fit/unknown-optimizer": _fit(optimizer="adm"),
    "fit/unknown-loss": _fit(loss="mean"),
    "fit/loss-of-scipy": _fit(loss="linear"),
    "fit/loss-number": _fit(loss="huber(x)"),
    "fit/loss-two-numbers": _fit(loss="huber(1, 2)"),
    "fit/start-wrong-name": _fit(start=dict(a=1, kk=1, c=0)),
    "fit/start-word": _fit(start="far"),
    "fit/start-nan": _fit(start=dict(a=np.nan, k=1, c=0)),
    "fit/start-text": _fit(start=dict(a="1", k=1, c=0)),
    "fit/start-complex": _fit(start=dict(a=1j, k=1, c=0)),
    "fit/start-list": _fit(start=[1, 1, 0]),
    "fit/shapes": _fit(y=Y[:-1]),
    "fit/column-y": _fit(y=Y[:, None]),
    "fit/no-y": _fit(y=None),
    "fit/empty": _fit(x=X[:0], y=Y[:0]),
    "fit/nan-in-y": _fit(y=HOLE),
    "fit/nan-in-x": _fit(x=HOLE),
    "fit/inf-in-y": _fit(y=np.where(X > 3.9, np.inf, Y)),
    "fit/all-missing": _fit(y=np.full(30, np.nan), missing="drop"),
    "fit/missing-word": _fit(missing="skip"),
    "fit/text-in-y": _fit(y=["a"] * 30),
    "fit/complex-y": _fit(y=Y + 1j),
    "fit/epochs-0": _fit(epochs=0),
    "fit/epochs-half": _fit(epochs=2.5),
    "fit/seed-negative": _fit(seed=-1),
    "fit/xtol-negative": _fit(xtol=-1e-3),
    "fit/max-seconds-0": _fit(max_seconds=0),
    "fit/lr-alone": _fit(lr=0.1),
    "fit/lr-of-lm": _fit(lr=0.1, optimizer="lm"),
    "fit/lr-negative": _fit(lr=-0.1, optimizer="sgd"),
    "fit/lm-in-batches": _fit(optimizer="lm", batch_size=4),
    "fit/lm-of-mae": _fit(optimizer="lm", loss="mae"),
    "fit/min-delta-alone": _fit(min_delta=0.1),
    "fit/keep-best-batches": _fit(optimizer="adam", lr=0.1, batch_size=4, keep_best=True),
    "fit/validation-too-large": _fit(validation_split=1.5),
    "fit/sigma-zero": _fit(sigma=np.zeros(30)),
    "fit/sigma-negative": _fit(sigma=-1.0),
    "fit/sigma-shape": _fit(sigma=np.ones(7)),
    "fit/sigma-not-definite": _fit(sigma=-np.eye(30)),
    "fit/sample-weight-negative": _fit(sample_weight=-np.ones(30)),
    "fit/bounds-unknown": _fit(bounds={"z": (0, 1)}),
    "fit/bounds-crossed": _fit(bounds={"a": (2, 1)}),
    "fit/bounds-exclude-start": _fit(bounds={"a": (2, 3)}),
    "fit/fixed-unknown": _fit(fixed=["z"]),
    "fit/fixed-all": _fit(fixed=["a", "k", "c"]),
    "fit/tie-circle": _fit(ties={"a": "k", "k": "a"}),
    "fit/tie-text": _fit(ties={"a": "2*"}),
    "fit/parameter-vary": lambda: Parameter(1.0, vary=False),
    "fit/array-without-start": _fit(model=lambda X, w: w[0] * X, start=None),
    "fit/no-parameters": _fit(model=lambda x: 2 * x, start=None),
    "fit/model-is-no-function": _fit(model=3),
    "fit/model-branches": _fit(model=_branching, start=dict(a=2.0)),
    "fit/model-singular": _fit(model=_singular, start=dict(a=2.0)),
    "fit/model-not-covered": _fit(model=lambda x, a: np.packbits(a * x), start=dict(a=1.0)),
    "fit/model-shape": _fit(model=lambda x, a: a * x[:5], start=dict(a=1.0)),
    "fit/model-raises": _fit(model=lambda x, a: {}[a], start=dict(a=1.0)),
    "fit/formula-caret": lambda: descend.fit("y = a*x^2", {"x": X, "y": Y}),
    "fit/formula-product": lambda: descend.fit("y = 2x + b", {"x": X, "y": Y}),
    "fit/formula-name": lambda: descend.fit("y = a*X", {"x": X, "y": Y}),
    "fit/formula-broken": lambda: descend.fit("y = a*(x", {"x": X, "y": Y}),
    "fit/formula-target": lambda: descend.fit("z = a*x", {"x": X, "y": Y}),
    "fit/coupled-in-batches": _fit(
        model=lambda x, a: a * x / x.max(), start=dict(a=1.0), optimizer="sgd", lr=0.1, batch_size=4
    ),
    "fit/class-numbers": _fit(
        model=lambda x, w: x[:, None] * w,
        y=(np.arange(30) % 3) + 0.5,
        start=dict(w=np.zeros(3)),
        loss="cross_entropy",
    ),
    "fit/bce-out-of-range": _fit(y=Y * 3, loss="bce"),
    "fit/poisson-negative": _fit(y=-Y, loss="poisson"),
    "fit/resume-other": _fit(resume=3),
    "many/one-row-of-y": lambda: descend.fit_many(decay, X, Y, start=START),
    "many/shapes": _many(y=(Y[:-1], Y[:-1])),
    "many/start-shape": _many(start=dict(a=[1, 2, 3], k=1, c=0)),
    "many/start-name": _many(start=dict(q=1, k=1, c=0)),
    "many/missing-raise": _many(y=(Y, HOLE), missing="raise"),
    "many/adam": _many(optimizer="adam"),
    "many/epochs": _many(epochs=5),
    "many/absolute-alone": _many(absolute_sigma=True),
    "many/empty": _many(y=np.zeros((0, 30))),
    "global/nothing-shared": _global(),
    "global/unknown-local": _global(local="z"),
    "global/both": _global(local="a", shared="a"),
    "global/lists": _global(y=(Y,), local="a"),
    "global/one-array": _global(x=X, y=Y, local="a"),
    "global/batches": _global(local="a", batch_size=4),
    "global/nan": _global(y=(Y, HOLE), local="a"),
    "global/start-name": _global(local="a", start=dict(z=1)),
    "global/names-twice": lambda: descend.fit_global(
        [Dataset(decay, X, Y, name="u"), Dataset(decay, X, Y, name="u")], local="a"
    ),
    "minimize/lm": _least(optimizer="lm"),
    "minimize/not-a-number": _least(lambda x: x, (1.0, 2.0)),
    "minimize/epochs": _least(epochs=5),
    "minimize/lr-alone": _least(lr=0.1),
    "minimize/start-nan": _least(start=(np.nan,)),
    "minimize/no-arguments": lambda: descend.minimize(lambda: 3.0),
    "minimize/no-function": lambda: descend.minimize(3.0, 1.0),
    "minimize/two-arguments": lambda: descend.minimize(lambda a, b: a + b, [1.0, 2.0]),
    "minimize/bounds-crossed": _least(bounds=[(2, 1)]),
    "minimize/max-iter-0": _least(max_iter=0),
}


def refusal_calls() -> Iterator[Call]:
    """About 100 calls; the few that are not refused are recorded with their answers."""
    for name, make in CALLS.items():
        yield Call(f"refusal/{name}", make)

"""Calls of `fit_many` and `fit_global`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from tools.parity.calls import Call
from tools.parity.curves import CURVES, READY, SCALARS, Curve, anew, rng_of
from tools.parity.fits import Given

import descend
from descend import Dataset

__all__ = ["global_calls", "many_calls"]

Array = np.ndarray[Any, np.dtype[Any]]
FITS = 5


def _rows(curve: Curve, label: str, fits: int = FITS, n: int | None = None) -> tuple[Any, Array]:
    """x in common, and y of as many datasets, whose noise differs."""
    x = curve.x(n or curve.n)
    return x, np.stack([curve.y(x, rng_of(f"{label}-{k}")) for k in range(fits)])


MANY: Mapping[str, Callable[[Given], dict[str, Any]]] = {
    "start-each": lambda g: dict(
        start={n: v * np.linspace(0.8, 1.2, FITS) for n, v in g.curve.truth.items()}
    ),
    "start-partly": lambda g: dict(start={g.names[0]: g.curve.truth[g.names[0]]}),
    "start-zero": lambda g: dict(start=dict.fromkeys(g.names, 0.0)),
    "start-far": lambda g: dict(start={n: 1e3 * v for n, v in g.curve.truth.items()}),
    "starts-4": lambda g: dict(start=None, starts=4),
    "seed-7": lambda g: dict(start=None, seed=7),
    "fixed-name": lambda g: dict(fixed=[g.names[-1]]),
    "fixed-each": lambda g: dict(fixed={g.names[-1]: np.linspace(0.5, 1.5, FITS)}),
    "bounds": lambda g: dict(bounds={g.names[0]: (0, 100)}),
    "bounds-active": lambda g: dict(bounds={g.names[0]: (None, 0.95 * g.curve.truth[g.names[0]])}),
    "tied": lambda g: dict(
        ties={g.names[-1]: f"{g.names[0]}/4"},
        start={n: 1.2 * g.curve.truth[n] for n in g.names[:-1]},
    ),
    "sigma-number": lambda g: dict(sigma=0.1),
    "sigma-absolute": lambda g: dict(sigma=0.1, absolute_sigma=True),
    "sigma-points": lambda g: dict(sigma=g.rng.uniform(0.05, 0.3, g.y.shape[1])),
    "sigma-fits": lambda g: dict(sigma=g.rng.uniform(0.05, 0.3, (FITS, 1)), absolute_sigma=True),
    "weights": lambda g: dict(sample_weight=g.rng.uniform(0, 2, g.y.shape)),
    "weights-zero": lambda g: dict(sample_weight=np.arange(g.y.shape[1]) % 3.0),
    **{
        f"by-{name}": lambda g, name=name: dict(optimizer=name)
        for name in ("lm", "gauss_newton", "bfgs", "lbfgs", "cg", "newton", "nelder_mead")
    },
    **{
        f"loss-{name.replace('(', '-').rstrip(')')}": lambda g, name=name: dict(loss=name)
        for name in ("mae", "huber(0.1)", "soft_l1", "cauchy", "log_cosh", "poisson")
    },
    "max-iter-3": lambda g: dict(max_iter=3),
    "loose": lambda g: dict(xtol=1e-2, ftol=1e-2),
    "covariance": lambda g: dict(covariance=True),
    "threads-1": lambda g: dict(threads=1),
}

DATA: Mapping[str, tuple[int | None, Callable[[Any, Array], tuple[Any, Any]], dict[str, Any]]] = {
    "rows3": (3, lambda x, y: (x, y), {}),
    "rows4": (4, lambda x, y: (x, y), {}),
    "rows500": (500, lambda x, y: (x, y), {}),
    "holes-skip": (None, lambda x, y: (x, _with_holes(y)), {}),
    "holes-drop": (None, lambda x, y: (x, _with_holes(y)), dict(missing="drop")),
    "y-nano": (None, lambda x, y: (x, 1e-9 * y), {}),
    "y-giga": (None, lambda x, y: (x, 1e9 * y), {}),
    "x-mega": (None, lambda x, y: (1e6 * x, y), {}),
    "constant": (None, lambda x, y: (x, np.full_like(y, 3.0)), {}),
    "float32": (None, lambda x, y: (x.astype(np.float32), y.astype(np.float32)), {}),
    "x-each": (None, lambda x, y: (np.stack([x + 0.01 * k for k in range(FITS)]), y), {}),
    "unlike-sizes": (None, lambda x, y: (_unlike_sizes(x, y), None), {}),
    "one-fit": (None, lambda x, y: (x, y[:1]), {}),
    "noise-alone": (None, lambda x, y: (x, rng_of("noise").normal(size=y.shape)), {}),
}  # fmt: skip


def _unlike_sizes(x: Array, y: Array) -> list[tuple[Array, Array]]:
    return [(x[: 20 + 5 * k], row[: 20 + 5 * k]) for k, row in enumerate(y)]


def _with_holes(y: Array) -> Array:
    y = y.copy()
    y[1, 3], y[3, :] = np.nan, np.nan
    return y


def _many(name: str, curve: Curve, x: Any, y: Any, options: Mapping[str, Any]) -> Call:
    model = curve.given()
    if isinstance(model, str):
        model = f"y = {model}"
        x = {**x, "y": y}
        y = "y"
    return Call(f"many/{name}", lambda: descend.fit_many(model, x, y, **options))


def many_calls() -> Iterator[Call]:
    """About 150 calls of five fits each."""
    for name, curve in CURVES.items():
        if name.startswith("text"):
            continue
        x, y = _rows(curve, name)
        if name in READY:
            yield _many(f"{name}/none", curve, x, y, {})
            continue
        yield _many(f"{name}/near", curve, x, y, dict(start=curve.near()))
        if curve.off != 0.1:
            yield _many(f"{name}/tenth", curve, x, y, dict(start=curve.near(0.1)))
        if name in SCALARS:
            yield _many(f"{name}/none", curve, x, y, {})
    for name in ("decay", "parabola"):
        curve = CURVES[name]
        for option, made in MANY.items():
            if name == "decay" or option.startswith(("by", "loss", "sigma")):
                x, y = _rows(curve, f"{name}/{option}")
                options = {"start": curve.near(), **made(Given(curve, x, y, rng_of(option)))}
                yield _many(f"{name}/{option}", curve, x, y, options)
    for name, start in (("decay", True), ("peak", False)):
        curve = CURVES[name]
        for variant, (n, change, options) in DATA.items():
            x, y = change(*_rows(curve, f"{name}/{variant}", n=n))
            begin = dict(start=curve.near()) if start else {}
            yield _many(f"{name}/{variant}", curve, x, y, {**begin, **options})
    yield from _tables()


def _tables() -> Iterator[Call]:
    curve = CURVES["bare-decay"]
    x, y = _rows(curve, "table", 4, 30)
    columns = {"x": np.tile(x, 4), "y": y.ravel(), "g": np.repeat([5, 3, 9, 1], 30)}
    for start in (None, curve.near()):
        for label, model in (("text", "y = a*exp(-k*x)"), ("function", anew(curve.model))):
            target = None if label == "text" else "y"
            kind = "none" if start is None else "near"
            yield Call(
                f"many/table-{label}/{kind}",
                lambda m=model, t=target, s=start: descend.fit_many(m, columns, t, by="g", start=s),
            )


GLOBAL: Mapping[str, Callable[[Given], dict[str, Any]]] = {
    "start-partly": lambda g: dict(start={g.names[0]: g.curve.truth[g.names[0]]}),
    "start-each": lambda g: dict(
        start={
            **g.curve.near(),
            g.names[0]: [g.curve.truth[g.names[0]] * f for f in (0.9, 1.1, 1.0)],
        }
    ),
    "start-zero": lambda g: dict(start=dict.fromkeys(g.names, 0.0)),
    "fixed": lambda g: dict(fixed=[g.names[-1]]),
    "fixed-unsaid": lambda g: dict(fixed={g.names[-1]: 1.0}, start=None),
    "bounds": lambda g: dict(bounds={g.names[1]: (-10, 10)}),
    "bounds-active": lambda g: dict(
        bounds={g.names[1]: (-5, g.curve.truth[g.names[1]] - 0.1)},
        start={n: 0.8 * v - 0.3 for n, v in g.curve.truth.items()},
    ),
    "bounds-exclude-start": lambda g: dict(
        bounds={g.names[1]: (5, 9)}, start=dict.fromkeys(g.names, 1.0)
    ),
    "sigma": lambda g: dict(sigma=[0.1, 0.2, 0.1]),
    "sigma-absolute": lambda g: dict(
        sigma=[g.rng.uniform(0.1, 0.2, g.y.shape[1]) for _ in range(3)], absolute_sigma=True
    ),
    "huber": lambda g: dict(loss="huber(0.1)"),
    "mae": lambda g: dict(loss="mae"),
    "cauchy": lambda g: dict(loss="cauchy"),
    "bfgs": lambda g: dict(optimizer="bfgs"),
    "adam": lambda g: dict(optimizer="adam", lr=0.05, epochs=100),
    "epochs-2": lambda g: dict(epochs=2),
    "seed-5": lambda g: dict(seed=5, start=None),
    "starts-3": lambda g: dict(starts=3, start=None),
    "names": lambda g: dict(names=["one", "two", "three"]),
    "loose": lambda g: dict(ftol=1e-2, xtol=1e-2),
}
TOGETHER = (
    "line", "parabola", "decay", "slow-decay", "tiny-decay", "bare-decay", "lifetime", "peak",
    "resonance", "wave", "logistic", "power", "michaelis", "michaelis-micro", "ratio", "hinge",
    "plane", "growth", "cooling", "hill", "line-over-years", "constant", "saddle-columns",
)  # fmt: skip


def global_calls() -> Iterator[Call]:
    """About 80 calls of three datasets each; the first or the last parameter is local."""
    for name in TOGETHER:
        curve = CURVES[name]
        x, y = _rows(curve, f"global-{name}", 3)
        first = next(iter(curve.truth))
        for kind, start in (("near", curve.near()), ("none", None)):
            yield _global(f"{name}/{kind}", curve, x, y, dict(local=first, start=start))
    for name in ("decay", "line"):
        curve = CURVES[name]
        for option, made in GLOBAL.items():
            if name == "line" and not option.startswith(("s", "b", "f")):
                continue
            x, y = _rows(curve, f"global-{name}-{option}", 3)
            options = {"start": curve.near(), **made(Given(curve, x, y, rng_of(option)))}
            local = next(iter(curve.truth))
            yield _global(f"{name}/{option}", curve, x, y, {"local": local, **options})
    yield from _unlike()


def _global(name: str, curve: Curve, x: Any, y: Array, options: Mapping[str, Any]) -> Call:
    model = anew(curve.model)
    every = {k: v for k, v in options.items() if k != "start" or v is not None}
    return Call(f"global/{name}", lambda: descend.fit_global(model, [x] * len(y), list(y), **every))


def _unlike() -> Iterator[Call]:
    """Datasets of unlike sizes, units and models."""
    decay, line = CURVES["decay"], CURVES["line"]
    x, y = _rows(decay, "unlike", 3)
    u, v = _rows(line, "unlike-line", 2)
    sizes = [60, 12, 30]
    made: dict[str, Callable[[], Any]] = {
        "sizes": lambda: descend.fit_global(
            anew(decay.model),
            [x[:n] for n in sizes],
            [r[:n] for r, n in zip(y, sizes, strict=True)],
            local="a",
        ),
        "units": lambda: descend.fit_global(
            anew(decay.model), [x, x], [y[0], 1e6 * y[1]], shared="k"
        ),
        "all-shared": lambda: descend.fit_global(anew(decay.model), [x] * 3, list(y), local=[]),
        "all-local": lambda: descend.fit_global(anew(decay.model), [x] * 3, list(y), shared=[]),
        "one-dataset": lambda: descend.fit_global(anew(decay.model), [x], [y[0]]),
        "two-models": lambda: descend.fit_global(
            [
                Dataset(lambda x, a, b: a * x + b, u, v[0]),
                Dataset(lambda x, a: a * x**2, u, 2 * u**2),
            ],
            shared="a",
        ),
        "sigmas": lambda: descend.fit_global(
            [Dataset(line.model, u, v[0], sigma=0.1), Dataset(line.model, u, v[1], sigma=0.5)],
            local="b",
            absolute_sigma=True,
        ),
        "weights": lambda: descend.fit_global(
            [
                Dataset(line.model, u, v[0], sample_weight=2.0),
                Dataset(line.model, u, v[1], sample_weight=np.arange(60.0)),
            ],
            local="b",
        ),
        "formulas": lambda: descend.fit_global(
            [
                Dataset("y = a*x + b", {"x": u, "y": v[0]}),
                Dataset("y = a*x + b", {"x": u, "y": v[1]}),
            ],
            local="b",
        ),
        "constant-set": lambda: descend.fit_global(
            anew(decay.model), [x, x], [y[0], np.full(60, 0.5)], local="a"
        ),
        "few-rows": lambda: descend.fit_global(
            anew(decay.model), [x, x[:2]], [y[0], y[1][:2]], local="a"
        ),
        "ready": lambda: descend.fit_global(
            descend.models.exponential(), [x, x], [y[0] - 0.5, y[1] - 0.5], local="amplitude"
        ),
    }
    for name, make in made.items():
        yield Call(f"global/unlike-{name}", make)

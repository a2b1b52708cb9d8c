"""Calls of `fit`: every model with three starts, other data, other options; and the same again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit
from tools.parity.calls import Call
from tools.parity.curves import CURVES, READY, SCALARS, Curve, anew, rng_of

import descend
from descend import Parameter

__all__ = ["Given", "again_calls", "fit_calls"]

Array = np.ndarray[Any, np.dtype[Any]]


class Given(NamedTuple):
    """What the options of a call may be made of; of many fits y is (fits, points)."""

    curve: Curve
    x: Any
    y: Array
    rng: np.random.Generator

    @property
    def names(self) -> list[str]:
        """The parameters."""
        return [*self.curve.truth]


def outliers(x: Any, y: Array, rng: np.random.Generator) -> tuple[Any, Array]:
    """Every eighth point far up."""
    y = y.copy()
    y[::8] += 6 * np.ptp(y)
    return x, y


def holes(x: Any, y: Array, rng: np.random.Generator) -> tuple[Any, Array]:
    """Missing values in x and y."""
    x, y = x.copy(), y.copy()
    y[[3, 11]], x[7] = np.nan, np.nan
    return x, y


DATA: Mapping[str, tuple[int | None, Callable[..., tuple[Any, Any]], dict[str, Any]]] = {
    "rows2": (2, lambda x, y, rng: (x, y), {}),
    "rows3": (3, lambda x, y, rng: (x, y), {}),
    "rows4": (4, lambda x, y, rng: (x, y), {}),
    "rows6": (6, lambda x, y, rng: (x, y), {}),
    "rows500": (500, lambda x, y, rng: (x, y), {}),
    "rows5000": (5000, lambda x, y, rng: (x, y), {}),
    "outliers": (None, outliers, {}),
    "holes": (None, holes, dict(missing="drop")),
    "y-nano": (None, lambda x, y, rng: (x, 1e-9 * y), {}),
    "y-giga": (None, lambda x, y, rng: (x, 1e9 * y), {}),
    "x-micro": (None, lambda x, y, rng: (1e-6 * x, y), {}),
    "x-mega": (None, lambda x, y, rng: (1e6 * x, y), {}),
    "integers": (None, lambda x, y, rng: (np.arange(len(x)), np.rint(5 * y).astype(int)), {}),
    "float32": (None, lambda x, y, rng: (x.astype(np.float32), y.astype(np.float32)), {}),
    "constant": (None, lambda x, y, rng: (x, np.full_like(y, 3.0)), {}),
    "zero": (None, lambda x, y, rng: (x, 0 * y), {}),
    "one-x": (None, lambda x, y, rng: (np.full_like(x, 1.5), y), {}),
    "noise-alone": (None, lambda x, y, rng: (x, rng.normal(size=y.shape)), {}),
    "shuffled": (None, lambda x, y, rng: (x[::-1].copy(), y[::-1].copy()), {}),
    "lists": (None, lambda x, y, rng: (x.tolist(), y.tolist()), {}),
    "offset": (None, lambda x, y, rng: (x, y + 1e6), {}),
    "upside-down": (None, lambda x, y, rng: (x, -y), {}),
}
"""Points, what is done to x and y, and what that asks of the call."""

OPTIONS: Mapping[str, Callable[[Given], dict[str, Any]]] = {
    **{
        f"by-{name}": lambda g, name=name: dict(optimizer=name)
        for name in ("lm", "gauss_newton", "bfgs", "lbfgs", "cg", "newton", "nelder_mead")
    },
    **{
        f"by-{name}": lambda g, name=name: dict(optimizer=name, lr=0.01, epochs=200)
        for name in ("sgd", "adam", "adamw", "rmsprop", "adagrad")
    },
    "by-sgd-too-fast": lambda g: dict(optimizer="sgd", lr=1.0, epochs=60),
    "by-sgd-slowly": lambda g: dict(optimizer="sgd", lr=1e-7, epochs=20),
    "by-momentum": lambda g: dict(
        optimizer=descend.SGD(lr=1e-3, momentum=0.9, nesterov=True), epochs=100
    ),
    "by-adam-batches": lambda g: dict(optimizer="adam", lr=0.02, batch_size=8, epochs=40),
    "by-sgd-one-by-one": lambda g: dict(
        optimizer="sgd", lr=1e-4, batch_size=1, shuffle=False, epochs=10
    ),
    "by-cosine": lambda g: dict(optimizer=descend.Adam(lr=descend.cosine(0.05, 100)), epochs=100),
    "by-warmup": lambda g: dict(
        optimizer=descend.Adam(lr=descend.warmup(10, descend.exponential(0.05))), epochs=60
    ),
    "batches-alone": lambda g: dict(batch_size=16, epochs=20),
    **{
        f"loss-{name.replace('(', '-').rstrip(')')}": lambda g, name=name: dict(loss=name)
        for name in (
            "mae",
            "huber(1)",
            "huber(0.05)",
            "log_cosh",
            "soft_l1",
            "cauchy",
            "arctan",
            "tukey",
            "quantile(0.9)",
            "poisson",
            "hinge",
        )
    },
    "loss-own": lambda g: dict(loss=lambda p, t: (p - t) ** 4),
    "loss-own-asymmetric": lambda g: dict(
        loss=lambda p, t: np.where(p > t, 2.0, 1.0) * (p - t) ** 2
    ),
    "mae-by-nelder": lambda g: dict(loss="mae", optimizer="nelder_mead"),
    "huber-by-lbfgs": lambda g: dict(loss="huber(0.1)", optimizer="lbfgs"),
    "sigma-number": lambda g: dict(sigma=0.1),
    "sigma-absolute": lambda g: dict(sigma=0.1, absolute_sigma=True),
    "sigma-rows": lambda g: dict(sigma=g.rng.uniform(0.05, 0.3, len(g.y))),
    "sigma-rows-absolute": lambda g: dict(
        sigma=g.rng.uniform(0.05, 0.3, len(g.y)), absolute_sigma=True
    ),
    "sigma-matrix": lambda g: dict(sigma=0.01 * np.eye(len(g.y)) + 0.005, absolute_sigma=True),
    "sigma-huber": lambda g: dict(sigma=0.1, loss="huber(1)"),
    "weights": lambda g: dict(sample_weight=g.rng.uniform(0, 2, len(g.y))),
    "weights-zero": lambda g: dict(sample_weight=np.arange(len(g.y)) % 3.0),
    "bounds-wide": lambda g: dict(bounds=dict.fromkeys(g.names, (-10000.0, 10000.0))),
    "bounds-one-side": lambda g: dict(bounds={g.names[0]: (0, None)}),
    "bounds-active": lambda g: dict(bounds={g.names[0]: (None, 0.95 * g.curve.truth[g.names[0]])}),
    "bounds-active-no-start": lambda g: dict(
        bounds={g.names[1]: (0, 0.5 * abs(g.curve.truth[g.names[1]]))}, start=None
    ),
    "bounds-pair": lambda g: dict(bounds=(-100, 100)),
    "fixed-name": lambda g: dict(fixed=[g.names[-1]]),
    "fixed-value": lambda g: dict(fixed={g.names[-1]: 1.0}),
    "fixed-all-but-one": lambda g: dict(fixed=g.names[1:]),
    "tied": lambda g: dict(
        ties={g.names[-1]: f"{g.names[0]}/4"},
        start={n: 1.2 * g.curve.truth[n] for n in g.names[:-1]},
    ),
    "log-scale": lambda g: dict(
        start={**g.curve.near(), g.names[0]: Parameter(g.curve.near()[g.names[0]], scale="log")}
    ),
    "logit-scale": lambda g: dict(
        start={
            **g.curve.near(),
            g.names[0]: Parameter(g.curve.near()[g.names[0]], min=0, max=50, scale="logit"),
        }
    ),
    "parameter-bounds": lambda g: dict(
        start={n: Parameter(v, min=-50, max=50) for n, v in g.curve.near().items()}
    ),
    "start-zero": lambda g: dict(start=dict.fromkeys(g.names, 0.0)),
    "start-integers": lambda g: dict(start=dict.fromkeys(g.names, 1)),
    "start-partly": lambda g: dict(start={g.names[0]: g.curve.truth[g.names[0]]}),
    "start-random": lambda g: dict(start="random", seed=3),
    "start-far": lambda g: dict(start={n: 1e3 * v for n, v in g.curve.truth.items()}),
    "start-far-alone": lambda g: dict(
        start={n: 1e3 * v for n, v in g.curve.truth.items()}, starts=1
    ),
    "start-negative": lambda g: dict(start={n: -v for n, v in g.curve.truth.items()}),
    "starts-5": lambda g: dict(start=None, starts=5),
    "starts-1": lambda g: dict(start=None, starts=1),
    "seed-7": lambda g: dict(start=None, seed=7),
    "epochs-1": lambda g: dict(epochs=1),
    "epochs-3": lambda g: dict(epochs=3),
    "epochs-3-bfgs": lambda g: dict(epochs=3, optimizer="bfgs"),
    "epochs-5-adam": lambda g: dict(epochs=5, optimizer="adam", lr=0.01),
    "tolerances-loose": lambda g: dict(xtol=1e-2, ftol=1e-2),
    "tolerances-tight": lambda g: dict(xtol=1e-15, ftol=0.0, gtol=0.0),
    "gtol-bfgs": lambda g: dict(gtol=1e-2, optimizer="bfgs"),
    "stop-loss": lambda g: dict(optimizer="adam", lr=0.05, stop_loss=0.5, epochs=500),
    "patience": lambda g: dict(optimizer="adam", lr=0.1, patience=5, min_delta=1e-3, epochs=500),
    "keep-best": lambda g: dict(optimizer="adam", lr=0.3, keep_best=True, epochs=60),
    "held-back": lambda g: dict(optimizer="adam", lr=0.05, validation_split=0.2, epochs=60),
    "held-back-patience": lambda g: dict(
        optimizer="adam", lr=0.1, validation_split=0.25, patience=8, epochs=300
    ),
    "held-back-lm": lambda g: dict(validation_split=0.2),
    "much-time": lambda g: dict(max_seconds=1000.0),
    "callback": lambda g: dict(callback=lambda moment: None),
    "callback-stops": lambda g: dict(
        callback=lambda moment: moment.epoch >= 4, optimizer="adam", lr=0.01
    ),
    "verbose": lambda g: dict(verbose=True, optimizer="adam", lr=0.01, epochs=5),
    "recorded": lambda g: dict(record=("params", "gradient"), optimizer="adam", lr=0.01, epochs=9),
    "standardized": lambda g: dict(standardize=True),
    "penalty-l2": lambda g: dict(penalty="l2(0.1)"),
    "penalty-l1": lambda g: dict(penalty="l1(0.1)"),
    "clipped": lambda g: dict(optimizer="sgd", lr=0.01, clip=descend.clip_norm(1.0), epochs=100),
    "threads-2": lambda g: dict(threads=2),
    "interpreted": lambda g: dict(engine="interpreted"),
}


def _call(
    road: str, name: str, curve: Curve, options: Mapping[str, Any], times: int = 1,
    data: tuple[Any, Any] | None = None,
) -> Call:  # fmt: skip
    label = f"{road}/{name}"
    x, y = curve.data(name) if data is None else data
    model, every = curve.given(), dict(options)
    if isinstance(model, str):
        x, y, model = {**x, "y": y}, None, f"y = {model}"
    return Call(label, lambda: descend.fit(model, x, y, **every), times)


def _made(model: Any, x: Any, y: Any, options: Mapping[str, Any]) -> Callable[[], Any]:
    return lambda: descend.fit(model, x, y, **options)


def _starts(curve: Curve) -> dict[str, Any]:
    starts = {"near": curve.near(), "ones": curve.ones(), "none": None}
    return starts if curve.off == 0.1 else {**starts, "tenth": curve.near(0.1)}


def _by_model(
    road: str, curves: Mapping[str, Curve], kinds: tuple[str, ...], times: int = 1
) -> Iterator[Call]:
    for name, curve in curves.items():
        for kind, start in _starts(curve).items():
            is_possible = name in SCALARS or kind != "none"
            if name in READY:
                if kind == "none":
                    yield _call(road, f"{name}/none", curve, {}, times)
            elif kind in kinds and is_possible:
                yield _call(road, f"{name}/{kind}", curve, dict(start=start), times)


def _by_data(road: str, models: Mapping[str, str], times: int = 1) -> Iterator[Call]:
    for name, kind in models.items():
        curve = CURVES[name]
        for variant, (n, change, options) in DATA.items():
            label = f"{name}/{kind}/{variant}"
            x, y = curve.data(label, n)
            data = change(x, y, rng_of(variant))
            start = _starts(curve)[kind]
            yield _call(road, label, curve, dict(start=start, **options), times, data)


def _by_option(
    road: str, models: tuple[str, ...], times: int = 1, chosen: Callable[[str], bool] = bool
) -> Iterator[Call]:
    for name in models:
        curve = CURVES[name]
        for option, made in OPTIONS.items():
            if chosen(option):
                label = f"{name}/{option}"
                x, y = curve.data(label)
                options = made(Given(curve, x, y, rng_of(option)))
                yield _call(road, label, curve, {"start": curve.near(), **options}, times, (x, y))


def _labels(road: str) -> Iterator[Call]:
    """Losses that need targets of their own kind."""
    x = np.linspace(-3, 3, 80)
    chance = expit(1.5 * x - 0.5)
    labels = (rng_of("labels").random(80) < chance).astype(float)
    counts = rng_of("counts").poisson(np.exp(0.5 * x + 1)).astype(float)
    classes = np.argmax(
        np.stack([0 * x, x, -x], axis=1) + rng_of("classes").gumbel(size=(80, 3)), axis=1
    )
    tasks: dict[str, tuple[Any, Array, dict[str, Any], Any]] = {
        "bce": (lambda x, a, b: expit(a * x + b), labels, dict(a=1.0, b=0.0), "bce"),
        "bce-logits": (lambda x, a, b: a * x + b, labels, dict(a=1.0, b=0.0), "bce_with_logits"),
        "bce-separated": (
            lambda x, a, b: a * x + b, (x > 0).astype(float), dict(a=1.0, b=0.0), "bce_with_logits",
        ),
        "poisson": (lambda x, a, b: np.exp(a * x + b), counts, dict(a=0.1, b=0.0), "poisson"),
        "poisson-log": (lambda x, a, b: a * x + b, counts, dict(a=0.1, b=0.0), "poisson_log_rate"),
        "hinge": (lambda x, a, b: a * x + b, 2 * labels - 1, dict(a=1.0, b=0.0), "hinge"),
        "classes": (
            lambda x, w, b: x[:, None] * w + b, classes.astype(float),
            dict(w=np.zeros(3), b=np.zeros(3)), "cross_entropy",
        ),
        "gaussian-nll": (
            lambda x, a, b, s: np.stack([a * x + b, s + 0 * x], axis=-1),
            2 * x + rng_of("nll").normal(size=80), dict(a=1.0, b=0.0, s=0.0), "gaussian_nll",
        ),
    }  # fmt: skip
    for name, (model, y, start, loss) in tasks.items():
        for by in (None, "bfgs", "adam"):
            options = dict(start=start, loss=loss, optimizer=by)
            if by == "adam":
                options |= dict(lr=0.05, epochs=100)
            label = f"{road}/labels-{name}/by-{by or 'auto'}"
            yield Call(label, _made(anew(model), x, y, options))


def _special(road: str) -> Iterator[Call]:
    """Calls that need more than a model, data and options."""
    decay = CURVES["decay"]
    x, y = decay.data("special")
    f, near = decay.model, decay.near()

    def defaults(x, a=1.0, k=1.0, c=0.0):
        return a * np.exp(-k * x) + c

    def declared(x, a=Parameter(1.0, min=0.0), k=Parameter(1.0, scale="log"), c=0.0):  # noqa: B008
        return a * np.exp(-k * x) + c

    def switched(x, a, k, c, kind="exp"):
        return a * np.exp(-k * x) + c if kind == "exp" else a * x + k + c

    adam = dict(optimizer="adam", lr=0.05, epochs=30)
    made: dict[str, Callable[[], Any]] = {
        "defaults": lambda: descend.fit(defaults, x, y),
        "declared": lambda: descend.fit(declared, x, y),
        "switch-by-default": lambda: descend.fit(switched, x, y, start=near),
        "constants": lambda: descend.fit(
            lambda x, a, k, c, n: a * np.exp(-k * x) + n * c, x, y, start=near, constants={"n": 2.0}
        ),
        "start-is-a-fit": lambda: descend.fit(
            anew(f), x, y, start=descend.fit(anew(f), x, y, start=near)
        ),
        "resumed-adam": lambda: descend.fit(
            f, x, y, resume=descend.fit(f, x, y, start=near, **adam), **{**adam, "epochs": 60}
        ),
        "resumed-batches": lambda: descend.fit(
            f, x, y, batch_size=8, **{**adam, "epochs": 45},
            resume=descend.fit(f, x, y, start=near, batch_size=8, **adam),
        ),
        "resumed-lm": lambda: descend.fit(
            f, x, y, resume=descend.fit(f, x, y, start=near, epochs=2)
        ),
        "target-by-name": lambda: descend.fit(anew(f), {"x": x, "z": y}, "z", start=near),
        "equal-to-zero": lambda: descend.fit(
            lambda x, z, r: x**2 + z**2 - r**2, (np.cos(x) * 3, np.sin(x) * 3.01), 0 * x,
            start=dict(r=1.0),
        ),
        "sum-of-ready": lambda: descend.fit("y = gaussian(x) + constant(x)", {"x": x, "y": y}),
        "time-gone": lambda: descend.fit(f, x, y, start=near, max_seconds=1e-9),
        "overflow": lambda: descend.fit(lambda x, a: np.exp(a * x), x, y, start=dict(a=1e3)),
        "not-finite-at-start": lambda: descend.fit(
            lambda x, a: np.log(a * x), x + 1, y, start=dict(a=-1.0)
        ),
        "two-parameters-one-direction": lambda: descend.fit(
            lambda x, a, b: (a + 2 * b) * x, x, 3 * x, start=dict(a=1.0, b=0.0)
        ),
    }  # fmt: skip
    for name, make in made.items():
        yield Call(f"{road}/special-{name}", make)


def fit_calls() -> Iterator[Call]:
    """About 400 calls of `fit`, each of something not met before."""
    yield from _by_model("fit", CURVES, ("near", "ones", "none", "tenth"))
    yield from _by_data("fit", {"line": "ones", "decay": "near", "peak": "none"})
    yield from _by_option("fit", ("decay",))
    yield from _by_option(
        "fit", ("parabola",), chosen=lambda o: o.startswith(("by", "loss", "start"))
    )
    yield from _by_option("fit", ("peak",), chosen=lambda o: o.startswith(("b", "f", "s", "t")))
    yield from _labels("fit")
    yield from _special("fit")


def again_calls() -> Iterator[Call]:
    """About 150 fits, each made three times: the second and third answer count as the first."""
    yield from _by_model("again", CURVES, ("near",), 3)
    few = {n: SCALARS[n] for n in ("line", "decay", "peak", "wave", "power", "hinge", "text-decay")}
    yield from _by_model("again-unsaid", few, ("none",), 3)
    yield from _by_data("again", {"decay": "near"}, 3)
    often = ("by", "sigma", "weights", "bounds", "fixed", "tied", "log", "loss", "epochs", "toler")
    yield from _by_option(
        "again", ("parabola",), 3, chosen=lambda o: o.startswith(often) and o != "loss-hinge"
    )
    for name in ("line", "decay", "peak", "wave", "matrix"):
        yield _call_in_turn(name)


def _call_in_turn(name: str) -> Call:
    """Three datasets and starts one after the other, by one model."""
    curve, model = CURVES[name], anew(CURVES[name].model)
    turns = iter(range(3))

    def make() -> Any:
        k = next(turns)
        x, y = curve.data(f"turn-{name}-{k}")
        start = {n: v * (1 + 0.1 * k) for n, v in curve.near().items()}
        return descend.fit(model, x, y, start=start)

    return Call(f"again/{name}/other-numbers", make, 3)

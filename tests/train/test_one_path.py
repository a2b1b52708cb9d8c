"""The first, second and third call of a kind give the same bits, verdict, message and warnings."""

import gc
import importlib
import threading
import warnings
import weakref
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import descend
from descend.records.record import FitRecord, Minimum, jsonable
from descend.train.plans import MINIMA, PLANS
from whole import covered

fit_module = importlib.import_module("descend.train.fit")
minimize_module = importlib.import_module("descend.train.minimize")

RNG = np.random.default_rng(21)
X = np.linspace(0.0, 4.0, 40)
NOISE = RNG.normal(size=40)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + 0.05 * NOISE
COUNTS = np.round(20 * np.exp(-X) + 3.0)
SIGMA, WEIGHT = 0.5 + X / 8, 1.0 + np.cos(X) ** 2
ZEROS = np.where(np.arange(40) % 7 == 0, 0.0, WEIGHT)
START = {"a": 1.0, "k": 1.0, "c": 0.0}
FAR = {"a": 1e4, "k": 30.0, "c": -1e4}
SGD = {"optimizer": "sgd", "lr": 0.05, "batch_size": 7, "epochs": 20, "seed": 3}
P = descend.Parameter


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def wave(x, a, w, p):
    return a * np.sin(w * x + p)


def flat(x, a, b):
    return (a + b) * x


def step(x, a, b):
    return a * np.where(x > b, 1.0, 0.0)


def unused(x, a, k, c, d):
    return a * np.exp(-k * x) + c


def roots(x, a, b):
    return np.sqrt(a - x) + b


def runaway(x, a, b):
    return a * x / (1 + x / b)


def line(x, a, b):
    return a + b * x


def parallel(x, a, b):
    return a + b * (1.7e9 + x)


def vector(x, w):
    return w[0] * np.exp(-w[1] * x) + w[2]


def with_defaults(x, a=1.0, k=1.0, c=0.0):
    return a * np.exp(-k * x) + c


def single(x, a, k, c):
    return np.float32(a) * np.exp(-k * x) + c


FITS: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "given": (decay, X, Y, {"start": START}),
    "without a start": (decay, X, Y, {}),
    "without a part of a start": (decay, X, Y, {"start": {"a": 1.0}}),
    "at random": (decay, X, Y, {"start": "random"}),
    "defaults": (with_defaults, X, Y, {}),
    "starts": (decay, X, Y, {"start": START, "starts": 4}),
    "one start": (decay, X, Y, {"start": FAR, "starts": 1}),
    "far": (decay, X, Y, {"start": FAR}),
    "side minimum": (wave, X, np.sin(5 * X), {"start": {"a": 1.0, "w": 1.0, "p": 0.0}}),
    "vector": (vector, X, Y, {"start": {"w": [1.0, 1.0, 0.0]}}),
    "bounds": (decay, X, Y, {"start": START, "bounds": {"a": (0, 2), "k": (0, None)}}),
    "bounds of all": (decay, X, Y, {"start": START, "bounds": (-1, 9)}),
    "bounds without a start": (decay, X, Y, {"bounds": {"k": (0.1, 9)}}),
    "ties": (decay, X, Y, {"start": {"a": 1.0, "k": 1.0}, "ties": {"c": "a/5"}}),
    "fixed": (decay, X, Y, {"start": START, "fixed": ["c"]}),
    "fixed at": (decay, X, Y, {"start": {"a": 1, "k": 1}, "fixed": {"c": 0.5}}),
    "all fixed": (decay, X, Y, {"start": START, "fixed": ["a", "k", "c"]}),
    "scales": (decay, X, Y, {"start": {"a": P(1.0, scale="log"), "k": 1.0, "c": 0.0}}),
    "sigma": (decay, X, Y, {"start": START, "sigma": SIGMA}),
    "absolute": (decay, X, Y, {"start": START, "sigma": SIGMA, "absolute_sigma": True}),
    "one sigma": (decay, X, Y, {"start": START, "sigma": 0.1}),
    "weights": (decay, X, Y, {"start": START, "sample_weight": WEIGHT}),
    "weights of zero": (decay, X, Y, {"start": START, "sample_weight": ZEROS}),
    "batches": (decay, X, Y, {"start": START, **SGD}),
    "batches recorded": (decay, X, Y, {"start": START, **SGD, "record": ("params", "gradient")}),
    "adam": (decay, X, Y, {"start": START, "optimizer": "adam", "lr": 0.1, "patience": 5}),
    "bfgs": (decay, X, Y, {"start": START, "optimizer": "bfgs"}),
    "nelder-mead": (decay, X, Y, {"start": START, "optimizer": "nelder_mead"}),
    "huber": (decay, X, Y, {"start": START, "loss": "huber(0.1)"}),
    "mae": (decay, X, Y, {"start": START, "loss": "mae"}),
    "counts": (line, X, COUNTS, {"start": {"a": 1, "b": 0}, "loss": "poisson_log_rate"}),
    "few epochs": (decay, X, Y, {"start": START, "epochs": 2}),
    "few iterations": (wave, X, Y, {"start": {"a": 1.0, "w": 30.0, "p": 0.0}, "epochs": 3}),
    "diverging": (decay, X, Y, {"start": START, "optimizer": "sgd", "lr": 1e3, "epochs": 50}),
    "long": (decay, X, Y, {"start": START, "optimizer": "sgd", "lr": 1e-6, "epochs": 60_000}),
    "flat": (flat, X, Y, {"start": {"a": 1.0, "b": 1.0}}),
    "threshold": (step, X, Y, {"start": {"a": 1.0, "b": 1.0}}),
    "unused": (unused, X, Y, {"start": {**START, "d": 1.0}}),
    "not finite": (roots, X, Y, {"start": {"a": 1.0, "b": 0.0}}),
    "running away": (runaway, X, 2 * X, {"start": {"a": 1.0, "b": 1.0}}),
    "nearly parallel": (parallel, X, Y, {"start": {"a": 0.0, "b": 1e-9}}),
    "too few rows": (decay, X[:2], Y[:2], {"start": START}),
    "all the same x": (line, 0 * X + 1, Y, {"start": {"a": 1.0, "b": 0.0}}),
    "all the same y": (line, X, 0 * X + 2, {"start": {"a": 1.0, "b": 0.0}}),
    "exact": (decay, X, decay(X, 2.0, 1.0, 0.5), {"start": START}),
    "formula": ("y = a*exp(-k*x) + c", {"x": X, "y": Y}, None, {"start": START}),
    "formula of y": ("y = a*a", {"x": X, "y": Y}, None, {"start": {"a": 1.0}}),
    "ready": ("y = exponential(x)", {"x": X, "y": Y}, None, {}),
    "float32": (single, X.astype(np.float32), Y.astype(np.float32), {"start": START}),
    "mixed": (line, X, Y, {"start": {"a": np.float32(1), "b": 1.0}}),
    "lists": (decay, X.tolist(), Y.tolist(), {"start": START}),
    "minus zero": (decay, X, Y, {"start": {**START, "c": -0.0}}),
    "NaN": (decay, X, np.where(X == 0, np.nan, Y), {"start": START}),
    "dropped": (decay, X, np.where(X == 0, np.nan, Y), {"start": START, "missing": "drop"}),
    "validation": (decay, X, Y, {"start": START, **SGD, "validation_split": 0.2}),
    "standardized": (decay, X, Y, {"start": START, "standardize": True, **SGD}),
    "keep best": (decay, X, Y, {"start": START, "keep_best": True, "optimizer": "adam"}),
    "interpreted": (decay, X, Y, {"start": START, "engine": "interpreted", "epochs": 5}),
    "no start": (decay, X, Y, {"start": {"a": np.nan, "k": 1.0, "c": 0.0}}),
    "outside": (decay, X, Y, {"start": START, "bounds": {"a": (2, 3)}}),
    "misspelt": (decay, X, Y, {"start": START, "epoch": 3}),
}


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def bowl(a, b):
    return (a - 1) ** 2 + 3 * (b - 2) ** 2


def edge(x):
    return (x - 3.0) ** 2


MINIMISATIONS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "array": (rosenbrock, [-1.0, 2.0, 1.0], {}),
    "names": (bowl, {"a": 0.0, "b": 0.0}, {}),
    "number": (edge, 1.0, {}),
    "bounds": (edge, 1.0, {"bounds": (0, 2)}),
    "bounds inside": (edge, 1.0, {"bounds": (0, 9)}),
    "pairs": (rosenbrock, [0.5, 0.5], {"bounds": [(0, 2), (None, 0.75)]}),
    "pairs of bounds": (rosenbrock, [0.5, 0.5], {"bounds": ([0, 0], [9, 9])}),
    "arrays of bounds": (rosenbrock, np.full(2, 0.5), {"bounds": (np.zeros(2), np.full(2, 9.0))}),
    "bounds by name": (bowl, {"a": 0.0, "b": 0.0}, {"bounds": {"a": (-1, 9)}}),
    "no room": (bowl, {"a": 0.0, "b": 0.0}, {"bounds": {"a": (0, 0)}}),
    "outside": (edge, 1.0, {"bounds": (2, 9)}),
    "no pairs": (rosenbrock, [0.5, 0.5], {"bounds": [1, 2, 3]}),
    "ties": (bowl, {"a": 0.0}, {"ties": {"b": "2*a"}}),
    "scales": (bowl, {"a": P(1.0, scale="log"), "b": 0.0}, {}),
    "fixed": (bowl, {"a": 0.0, "b": 0.0}, {"fixed": ["b"]}),
    "fixed at": (bowl, {"a": 0.0}, {"fixed": {"b": 1.0}}),
    "no start": (edge, None, {}),
    "epochs": (rosenbrock, [-1.0, 2.0], {"optimizer": "adam", "lr": 0.01, "max_iter": 30}),
    "recorded": (bowl, {"a": 0.0, "b": 0.0}, {"record": "params", "optimizer": "sgd", "lr": 0.1}),
    "formula": ("(a - 1)**2 + b**2", {"a": 3.0, "b": 1.0}, {}),
    "falling": (lambda x: x, 1.0, {"max_iter": 10_000}),
    "falling far": (lambda x: np.exp(-x), 1.0, {}),
    "diverging": (edge, 1.0, {"optimizer": "sgd", "lr": 3.0}),
    "growing": (edge, 1.0, {"optimizer": "sgd", "lr": 1.1, "max_iter": 9}),
    "few iterations": (rosenbrock, [-1.0, 2.0, 1.0], {"max_iter": 3}),
    "by values": (rosenbrock, [-1.0, 2.0], {"optimizer": "nelder_mead"}),
    "kink": (lambda x: abs(x - 1.0), 4.0, {}),
    "not finite": (edge, np.inf, {}),
    "starts": (rosenbrock, [-1.0, 2.0], {"starts": 3}),
}


def said(record: Any, kind: type[Any]) -> dict[str, str]:
    """All fields but the times, for comparison bit by bit, and what is printed."""
    values = {f.name: getattr(record, f.name) for f in fields(kind)}
    told = {n: repr(jsonable(v)) for n, v in values.items() if not n.endswith("seconds")}
    return told | {"printed": str(record).split("time")[0]}


def outcome(call: Callable[[], Any], kind: type[Any]) -> dict[str, Any]:
    """What a call returns or raises, and what it warns of."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = said(call(), kind)
        except descend.errors.DescendError as error:
            found = {"refused": str(error)}
    return {**found, "warned": [(w.category.__name__, str(w.message)) for w in heard]}


def fitted(case: str) -> dict[str, Any]:
    model, x, y, options = FITS[case]
    return outcome(lambda: descend.fit(model, x, y, **options), FitRecord)


def found(case: str, find: Any = descend.minimize) -> dict[str, Any]:
    function, start, options = MINIMISATIONS[case]
    return outcome(lambda: find(function, start, **options), Minimum)


@pytest.mark.parametrize("case", FITS)
def test_first_second_and_third_fit_are_the_same(case, monkeypatch):
    PLANS.clear()
    first = fitted(case)
    assert [fitted(case), fitted(case)] == [first, first]
    PLANS.clear()
    monkeypatch.setattr(fit_module, "planned", lambda *given: None)
    assert fitted(case) == first  # as by the descents that all other calls take


@covered("case, find", MINIMISATIONS, [descend.minimize, descend.maximize])
def test_first_second_and_third_minimisation_are_the_same(case, find, monkeypatch):
    MINIMA.clear()
    first = found(case, find)
    assert [found(case, find), found(case, find)] == [first, first]
    MINIMA.clear()
    monkeypatch.setattr(minimize_module, "planned", lambda *given: None)
    assert found(case, find) == first


PLANNED = (
    "given", "without a start", "without a part of a start", "defaults", "vector", "bounds", "ties",
    "fixed", "sigma", "weights", "batches", "adam", "bfgs", "huber", "counts", "formula", "far",
    "diverging", "long", "flat", "running away", "nearly parallel", "few iterations",
)  # fmt: skip


@pytest.mark.parametrize("case", PLANNED)
def test_a_plan_is_entered_at_the_first_call_and_serves_all(case, monkeypatch):
    PLANS.clear()
    fitted(case)
    assert len(PLANS) == 1
    monkeypatch.setattr(fit_module, "Reading", None)
    fitted(case)


@pytest.mark.parametrize(
    "case", ["array", "names", "number", "formula", "bounds inside", "bounds", "pairs", "fixed",
             "bounds by name", "ties", "epochs", "few iterations", "growing"],
)  # fmt: skip
def test_a_plan_serves_minimisations_too(case, monkeypatch):
    MINIMA.clear()
    found(case)
    assert len(MINIMA) == 1
    monkeypatch.setattr(minimize_module, "_read", None)
    found(case)


NUMBERS = [(20, 3), (1, 3), (20, 4), (3000, 0), (7, 2**62), (20, 3)]


@pytest.mark.parametrize("case", ["batches", "adam", "given", "without a start", "long", "huber"])
def test_epochs_and_seeds_are_values_of_a_call(case, monkeypatch):
    model, x, y, options = FITS[case]

    def calls() -> list[dict[str, Any]]:
        asked = [{**options, "epochs": epochs, "seed": seed} for epochs, seed in NUMBERS]
        return [outcome(lambda o=o: descend.fit(model, x, y, **o), FitRecord) for o in asked]

    PLANS.clear()
    found = calls()
    assert len(PLANS) == 1
    for wrong in ({"epochs": 0}, {"epochs": True}, {"seed": -1}, {"seed": 0.5}):
        with pytest.raises(descend.UsageError, match="must be a whole number"):
            descend.fit(model, x, y, **{**options, **wrong})
    PLANS.clear()
    monkeypatch.setattr(fit_module, "planned", lambda *given: None)
    assert calls() == found


def test_iterations_of_a_minimisation_are_values_of_a_call(monkeypatch):
    def calls() -> list[dict[str, Any]]:
        asked = [{"max_iter": most, "seed": seed} for most, seed in NUMBERS]
        start = [-1.0, 2.0, 1.0]
        return [
            outcome(lambda o=o: descend.minimize(rosenbrock, start, **o), Minimum) for o in asked
        ]

    MINIMA.clear()
    found = calls()
    assert len(MINIMA) == 1
    MINIMA.clear()
    monkeypatch.setattr(minimize_module, "planned", lambda *given: None)
    assert calls() == found


def test_the_order_in_which_fields_are_looked_at_changes_nothing():
    names = [f.name for f in fields(FitRecord)]
    for case in ("given", "bounds", "counts", "huber", "flat", "diverging"):
        model, x, y, options = FITS[case]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            forward, backward = (descend.fit(model, x, y, **options) for _ in range(2))
        there = {n: repr(jsonable(getattr(forward, n))) for n in names}
        back = {n: repr(jsonable(getattr(backward, n))) for n in reversed(names)}
        for name in names:
            assert there[name] == back[name] or name.endswith("seconds"), (case, name)


def test_what_a_model_captures_is_looked_at_at_every_call():
    power, shift = 1.0, np.zeros(3)

    def model(x, a, k, c):
        return a * np.exp(-k * x**power) + c + shift[0]

    def call() -> dict[str, Any]:
        return outcome(lambda: descend.fit(model, X, Y, start=START), FitRecord)

    before = call()
    assert call() == before
    power = 1.25
    after = call()
    assert call() == after and after["params"] != before["params"]
    shift[0] = 0.5
    moved = call()
    assert call() == moved and moved["params"] != after["params"]
    power, shift[0] = 1.0, 0.0
    assert call() == before


def test_calls_at_the_same_time_have_memory_of_their_own():
    cases = ["given", "bounds", "batches", "far", "without a start", "long"]
    expected = {case: {n: v for n, v in fitted(case).items() if n != "warned"} for case in cases}
    seen: list[tuple[str, dict[str, str]]] = []

    def work(case: str) -> None:
        model, x, y, options = FITS[case]
        for _ in range(4):
            seen.append((case, said(descend.fit(model, x, y, **options), FitRecord)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        workers = [threading.Thread(target=work, args=(case,)) for case in cases * 3]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert len(seen) == 4 * 3 * len(cases)
    for case, record in seen:
        assert record == expected[case], case


@pytest.mark.parametrize("options", [{}, {"start": START}, {"start": START, "bounds": (-9, 9)}])
def test_a_model_is_not_kept_alive_by_its_plan(options):
    PLANS.clear()
    offset = np.zeros(3)

    def fit_twice() -> weakref.ref[Any]:
        def model(x, a, k, c=0.25):
            return a * np.exp(-k * x) + c + offset[0]

        for _ in range(2):
            assert descend.fit(model, X, Y, **options).success
        return weakref.ref(model)

    model = fit_twice()
    gc.collect()
    assert model() is None and not len(PLANS)


WARNED = {
    "fit": lambda: descend.fit(lambda x, a: a * x, np.ones(3), [2.0, 2.0, 3.0], start={"a": 1}),
    "an end": lambda: descend.fit(
        lambda x, a, b: a * x + b, X, X, start={"a": 1e6, "b": 1}, epochs=2, optimizer="sgd", lr=9
    ),
    "minimum": lambda: descend.minimize(lambda x: x, start=1.0),
    "formula": lambda: descend.fit("y = a + b", {"y": [1.0, 2.0]}, start={"a": 1, "b": 1}),
}


@pytest.mark.parametrize("case", WARNED)
def test_warnings_point_to_the_line_of_the_call(case):
    for _ in range(2):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            WARNED[case]()
        assert told
        assert {w.filename for w in told} == {__file__}

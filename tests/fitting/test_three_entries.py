"""`fit`, `fit_many` of one and `fit_global` of one: one fit, so one verdict and one minimum."""

import inspect
import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import descend
from fitting.everyday import TASKS
from whole import sampled, whole_alone

FARTHER = {"none": None, "near": 1.2, "far": 3.0}
ROBUST = ["huber", "mae", "cauchy"]
NO_START = [(name, "mse", "none") for name in TASKS]
SLICE = [
    (name, ROBUST[i % 3], [*FARTHER][i // 3 % 3]) if i % 2 else (name, "mse", "far")
    for i, name in enumerate(TASKS)
]
ALL = [(name, loss, start) for name in TASKS for loss in ["mse", *ROBUST] for start in FARTHER]
SEVERAL = {
    ("logistic over years", "cauchy"), ("power", "cauchy"), ("langmuir", "mae"),
    ("retention", "mae"), ("hinge", "mae"),
}  # fmt: skip
"""Losses with several minima: each entry may keep to one of its own, a kink among kinks."""


def of_all_three(model: Any, x: Any, y: Any, **options: Any) -> tuple[list[Any], Any]:
    """(verdict, success, loss, parameters) by each entry, and the standard errors of the first."""
    names = list(inspect.signature(model).parameters)[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        one = descend.fit(model, x, y, **options)
        many = descend.fit_many(model, x, y[None], **options)
        whole = descend.fit_global(model, [x], [y], shared=names, **options)
    first = {n: values[0] for n, values in many.params.items()}
    ends = [(one, one.params), (many[0], first), (whole, whole.params)]
    return [
        (str(end.verdict), bool(end.success), float(end.loss), {n: float(p[n]) for n in names})
        for end, p in ends
    ], one.stderr


def agrees(name: str, loss: str, start: str, seed: int = 0) -> None:
    task = TASKS[name]
    names = list(inspect.signature(task.model).parameters)[1:]
    options: dict[str, Any] = {"loss": loss}
    if (times := FARTHER[start]) is not None:
        options["start"] = {n: times * v for n, v in zip(names, task.truth, strict=True)}
    y = task.data(seed)
    (first, *others), stderr = of_all_three(task.model, task.x, y, **options)
    verdict, success, least, params = first
    prediction = task.model(task.x, **params)
    for own, succeeds, height, found in others:
        assert (own, succeeds) == (verdict, success)
        if (name, loss) in SEVERAL:
            continue
        assert height == pytest.approx(least, rel=1e-6)
        same = all(abs(found[n] - params[n]) <= 1e-6 * stderr[n] for n in params)
        if not same:  # its mirror image, which predicts the same; a kink is known less well
            apart = 1e-3 if loss == "mae" else 1e-6
            far = np.abs(task.model(task.x, **found) - prediction).max()
            assert far <= apart * np.std(y - prediction)


@sampled("name, loss, start", NO_START + SLICE, 5)
def test_all_entries_end_at_the_same_minimum(name: str, loss: str, start: str) -> None:
    agrees(name, loss, start)


@whole_alone
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "loss", "start"), ALL)
def test_all_entries_end_at_the_same_minimum_of_other_data(
    name: str, loss: str, start: str, seed: int
) -> None:
    agrees(name, loss, start, seed)


X = np.linspace(0.0, 4.0, 40)


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def product(x, a, b, c):
    return a * b * np.exp(-x) + c


def lorentzian(x, a, m, w):
    return a / (1 + ((x - m) / w) ** 2)


def line(x, a, b):
    return a * x + b


def saturation(x, v, k):
    return v * x / (k + x)


def bent(x, knot, level, left, right):
    return level + left * np.minimum(x - knot, 0) + right * np.maximum(x - knot, 0)


def stairs(x, low, high, p):
    return np.where(x < p, low, high)


TRUTHS = [
    (decay, dict(a=2.5, k=1.3, c=0.5)), (product, dict(a=2.0, b=1.2, c=0.5)),
    (lorentzian, dict(a=2.0, m=1.7, w=0.4)), (line, dict(a=1.0, b=0.3)),
    (saturation, dict(v=2.0, k=0.8)), (bent, dict(knot=2.05, level=1.0, left=-1.0, right=0.5)),
    (stairs, dict(low=1.0, high=2.0, p=2.1)),
]  # fmt: skip
LOSSES = ["mse", "mae", "huber(0.1)", "soft_l1(0.1)", "quantile(0.3)", "cauchy(0.1)"]


def number(model: Any, loss: str) -> int:
    return LOSSES.index(loss) + 10 * [m for m, _ in TRUTHS].index(model)


CELLS = itertools.product(TRUTHS, LOSSES, (0.0, 0.05), ("no start", "near", "bounded"))


@sampled("made, loss, noise, begun", CELLS, 31)
def test_exact_data_bounds_and_what_is_not_determined_too(made, loss, noise, begun):
    model, truth = made
    rng = np.random.default_rng(number(model, loss))
    y = model(X, **truth) + noise * rng.normal(size=X.size)
    near, second = {n: 1.2 * v for n, v in truth.items()}, [*truth][1]
    options = {
        "no start": {}, "near": dict(start=near),
        "bounded": dict(start={**near, second: 0.7 * truth[second]},
                        bounds={second: (None, 0.8 * truth[second])}),
    }[begun]  # fmt: skip
    (first, *others), stderr = of_all_three(model, X, y, loss=loss, **options)
    verdict, success, _, params = first
    for own, succeeds, _, found in others:
        assert succeeds == success
        if model is product:  # its factors are determined by a bound alone, if one ends there
            assert {own, verdict} <= {"flat", "bound"}
            np.testing.assert_allclose(model(X, **found), model(X, **params), rtol=0, atol=1e-7)
            continue
        assert own == verdict
        for name, value in params.items():
            error = stderr.get(name, np.nan) if noise else np.nan
            size = error if np.isfinite(error) and error > 0 else 0.1 * abs(value)
            same = abs(abs(found[name]) - abs(value)) if name == "w" else found[name] - value
            assert abs(same) <= 1e-6 * size


def test_a_global_fit_finds_what_its_datasets_show_where_a_start_is_far_out():
    y = 1.5 * np.sin(3.0 * X + 0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = descend.fit_global(
            lambda x, a, f, p: a * np.sin(f * x + p), [X], [y], local=["a"],
            start=dict(a=6.0, f=12.0, p=0.14),
        )  # fmt: skip
    assert fit.success and fit.loss < 1e-20

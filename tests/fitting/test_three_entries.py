"""`fit`, `fit_many` of one and `fit_global` of one: one fit, so one verdict and one minimum."""

import inspect
import os
import warnings
from typing import Any

import numpy as np
import pytest

import descend
from fitting.everyday import TASKS

FARTHER = {"none": None, "near": 1.2, "far": 3.0}
WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
ROBUST = ["huber", "mae", "cauchy"]
NO_START = [(name, "mse", "none") for name in TASKS]
SLICE = [
    (name, loss, start)
    for i, name in enumerate(TASKS)
    for loss, start in [("mse", "far"), (ROBUST[i % 3], ("none", "near", "far")[i // 3 % 3])]
]
ALL = [(name, loss, start) for name in TASKS for loss in ["mse", *ROBUST] for start in FARTHER]
SEVERAL = {
    ("logistic over years", "cauchy"), ("power", "cauchy"), ("langmuir", "mae"),
}  # fmt: skip
"""Losses with several minima of nearly one height: each entry may keep to one of its own."""


def ends(name: str, loss: str, start: str, seed: int) -> tuple[Any, dict[str, float]]:
    """(verdict, loss, parameters) by each entry, and the standard errors of the first."""
    task = TASKS[name]
    x, y, names = task.x, task.data(seed), list(inspect.signature(task.model).parameters)[1:]
    options: dict[str, Any] = {"loss": loss}
    if (times := FARTHER[start]) is not None:
        options["start"] = {n: times * v for n, v in zip(names, task.truth, strict=True)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", descend.DescendWarning)
        one = descend.fit(task.model, x, y, **options)
        many = descend.fit_many(task.model, x, y[None], **options)
        whole = descend.fit_global(task.model, [x], [y], shared=names, **options)
    first = {n: values[0] for n, values in many.params.items()}
    found = [(one.verdict, one.loss, one.params), (many.verdict[0], many.loss[0], first),
             (whole.verdict, whole.loss, whole.params)]  # fmt: skip
    return [(str(v), float(f), {n: float(p[n]) for n in names}) for v, f, p in found], one.stderr


def agrees(name: str, loss: str, start: str, seed: int = 0) -> None:
    task = TASKS[name]
    ((verdict, least, params), *others), stderr = ends(name, loss, start, seed)
    prediction = task.model(task.x, **params)
    spread = np.std(task.data(seed) - prediction)
    for own, height, found in others:
        assert own == verdict
        if (name, loss) in SEVERAL:
            continue
        assert height == pytest.approx(least, rel=1e-6)
        same = all(abs(found[n] - params[n]) <= 1e-6 * stderr[n] for n in params)
        if not same:  # its mirror image, which predicts the same; a kink is known less well
            apart = 1e-3 if loss == "mae" else 1e-6
            assert np.abs(task.model(task.x, **found) - prediction).max() <= apart * spread


@pytest.mark.parametrize(("name", "loss", "start"), NO_START + SLICE)
def test_all_entries_end_at_the_same_minimum(name: str, loss: str, start: str) -> None:
    agrees(name, loss, start)


@pytest.mark.fuzz
@pytest.mark.skipif(not WHOLE, reason="`make fuzz` alone")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "loss", "start"), ALL)
def test_all_entries_end_at_the_same_minimum_of_other_data(
    name: str, loss: str, start: str, seed: int
) -> None:
    agrees(name, loss, start, seed)

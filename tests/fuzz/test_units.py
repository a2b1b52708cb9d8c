"""The whole table of units: methods × losses × decades, on every task; no cell may be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fitting.units import LOSSES, METHODS, TASKS, suits, units, wrong
from whole import whole_alone


def cells(single: bool = False) -> list[Any]:
    """Task, loss and method of every cell, for all units together."""
    methods = [m for m in METHODS if not single or m != "nelder_mead"]
    return [
        (task, loss, method)
        for task in TASKS
        for loss in LOSSES
        for method in methods
        if suits(TASKS[task], method, LOSSES[loss]) and not (single and LOSSES[loss].kinked)
    ]


@whole_alone
@pytest.mark.parametrize(("task", "loss", "method"), cells())
def test_the_same_fit_in_other_units(task: str, loss: str, method: str) -> None:
    found = {
        unit: told
        for unit in units((-12, -5, 7, 12), TASKS[task].counts)
        if (told := wrong(TASKS[task], method, LOSSES[loss], *unit))
    }
    assert not found


@whole_alone
@pytest.mark.parametrize(("task", "loss", "method"), cells(single=True))
def test_the_same_fit_in_single_precision(task: str, loss: str, method: str) -> None:
    found = {
        unit: told
        for unit in units((-6, 6), TASKS[task].counts)
        if 1.0 in unit
        and (told := wrong(TASKS[task], method, LOSSES[loss], *unit, dtype=np.float32))
    }
    assert not found

"""The numbers of a step, in their order: each is the right one, and follows from those before."""

import csv
import io
import re

import numpy as np
import pytest

import descend
from descend.studio.walk import Answer, Step, answers_csv, is_right, number_in, steps_of

X = np.arange(100) / 100
Y = 4 * X**2 + 5 * X + 6
POINT = {"w1": 1.5, "w2": -0.5, "w3": 2.0}
MODELS = {
    "parabola": lambda x, w1, w2, w3: w1 * x**2 + w2 * x + w3,
    "exponential": lambda x, w1, w2, w3: w1 * np.exp(-w2 * x) + w3,
    "used twice": lambda x, w1, w2, w3: (w1 * x + w2) ** 2 + w1 * w3,
    "ratio": lambda x, w1, w2, w3: (w1 + w2 * x) / (1 + w3 * x),
}
ROW = 25


def explained(name: str, **options: object) -> descend.Fit:
    return descend.explain(MODELS[name], X, Y, start=POINT, row=ROW, loss="mse", **options)


def complex_step(name: str, parameter: str) -> float:
    """The derivative of the row's loss, independent of any rule."""
    point = {**POINT, parameter: POINT[parameter] + 1e-30j}
    return float(((MODELS[name](X[ROW], **point) - Y[ROW]) ** 2).imag / 1e-30)


@pytest.mark.parametrize("name", MODELS)
def test_derivatives_by_the_parameters_are_right(name: str) -> None:
    steps = steps_of(explained(name))
    for parameter in POINT:
        (found,) = [s for s in steps if s.name == f"∂loss/∂{parameter}"]
        assert found.value == pytest.approx(complex_step(name, parameter), rel=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_mathematics_gives_its_number(name: str) -> None:
    checked = 0
    for step in steps_of(explained(name)):
        if step.kind != "backward" or not step.numbers:
            continue
        text = step.numbers.replace("·", "*").replace("−", "-")
        assert re.fullmatch(r"[-+*/(). 0-9e]+", text), text
        assert eval(text) == pytest.approx(step.value, rel=1e-8)
        checked += 1
    assert checked > 4


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_used_before_it_is_known(name: str) -> None:
    known = {"x", "y", *POINT}
    for step in steps_of(explained(name)):
        for used in re.findall(r"∂loss/∂\w+|\bv\d+\b", step.rule):
            if step.kind == "forward" or used.startswith("∂"):
                assert used in known, (step, used)
        known.add(step.name)


def test_updates_end_it() -> None:
    steps = steps_of(explained("parabola", lr=0.1))
    assert [s.kind for s in steps][-3:] == ["update"] * 3
    (last,) = [s for s in steps if s.name == "w1 ←"]
    assert last.value == pytest.approx(1.5 - 0.1 * complex_step("parabola", "w1"), rel=1e-12)
    assert last.rule == "w1 - 0.1 · ∂loss/∂w1"


def test_arrays_are_shown_and_not_asked_for() -> None:
    told = descend.explain(
        lambda x, w: x @ w, np.ones((4, 2)), np.ones(4), start={"w": np.ones(2)}, row=0
    )
    (step,) = [s for s in steps_of(told) if s.name == "∂loss/∂w"]
    assert step.value is None
    assert step.shown


@pytest.mark.parametrize("text", ["", "a", "1/0", "nan", "inf", "1 2", "__import__('os')"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert number_in(text) is None


def test_zero_is_met_by_zero_alone() -> None:
    step = Step("forward", "v1", "v1", "", "", 0.0, "0")
    assert is_right(step, 0.0)
    assert not is_right(step, 0.001)


def test_answers_are_saved_as_a_table() -> None:
    kept = [Answer(26, "forward", "v1", "-x·w, \"q\"", 1.5, 1.5, True)]
    head, row = csv.reader(io.StringIO(answers_csv(kept)))
    assert head == [*Answer._fields]
    assert row[3] == "'-x·w, \"q\""  # which no spreadsheet takes for a formula
    assert row[-1] == "True"

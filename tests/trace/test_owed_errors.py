"""Errors that others raise because of a stand-in: remembered, though a handler takes them."""

import decimal
import fractions
import json
import math
import statistics
import sys
from typing import Any

import numpy as np
import pytest

import descend


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: float(decimal.Decimal(x)),
        lambda x: float(fractions.Fraction(x)),
        lambda x: json.loads(json.dumps(x)),
        lambda x: statistics.mean([x, x]),
        lambda x: {2.0: 5.0}[x],
        lambda x: x in {2.0, 3.0},
        lambda x: x.is_integer(),
        lambda x: float(f"{x:.3f}"),
        lambda x: float(str(x)),
        lambda x: x.sum(),
        lambda x: x.shape[0],
        lambda x: np.average([x, 1.0], weights=[x, -x]),
    ],
)
def test_an_error_that_a_stand_in_gives_rise_to_is_not_swallowed(ask: Any) -> None:
    def model(x: Any) -> Any:
        try:
            return ask(x) * x
        except (AttributeError, TypeError, ValueError, KeyError, ZeroDivisionError):
            return 0.0 * x

    with pytest.raises(descend.TraceError) as caught:
        descend.grad(model)(2.0)
    assert "test_owed_errors.py" in str(caught.value)


def test_whoever_traces_goes_on() -> None:
    seen = []

    def tracer(frame: Any, event: str, arg: Any) -> None:
        seen.append(frame.f_code.co_name)

    def model(x: Any) -> Any:
        try:
            return json.dumps(x)
        except TypeError:
            return inner(x)

    def inner(x: Any) -> Any:
        return 2 * x

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        with pytest.raises(descend.TraceError, match=r"json\.dumps cannot be part of a model"):
            descend.grad(model)(2.0)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "model" in seen and "inner" in seen


def test_a_model_that_tries_again_is_stopped() -> None:
    def model(x: Any) -> Any:
        shift = 0.0
        while True:
            try:
                return math.sqrt(x + shift)
            except ValueError:
                shift += 1.0

    with pytest.raises(descend.TraceError, match="never raises: `except ValueError` around math"):
        descend.grad(model)(-2.0)


@pytest.mark.parametrize(
    "model",
    [
        lambda x: np.sum(x @ np.ones((2, 2))),
        lambda x: np.sum(x.reshape(2, 2)),
        lambda x: {x: 1.0}[x],
    ],
)
def test_errors_of_shapes_that_plain_numpy_raises_too(model: Any) -> None:
    def tried(x: Any) -> Any:
        try:
            return model(x)
        except (ValueError, TypeError):
            return np.sum(3 * x)

    assert descend.value_and_grad(tried)(np.ones(3))[0] == tried(np.ones(3)) == 9.0

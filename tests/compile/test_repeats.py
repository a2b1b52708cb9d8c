"""Long programs: what repeats is written once, and means what it meant."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compile.test_graphs import R, agree
from descend.compile.function_text import write_function
from descend.graph.source import input_node
from descend.trace.trace import trace_function

STEPS = 60
Array = Any


def products(x: Array, w: Array) -> Array:
    h = np.zeros((x.shape[0], 4))
    for _ in range(STEPS):
        h = np.tanh(h @ w + x[:, None])
    return h


def other_numbers(x: Array, w: Array) -> Array:
    for k in range(20 * STEPS):
        x = np.maximum(x * (0.999 - 1e-4 * k), -k)
    return x + w[0, 0]


def moving_windows(x: Array, w: Array) -> Array:
    total = np.zeros((2, 20))
    for k in range(STEPS):
        total = np.sin(total + w.reshape(-1)[k % 7 : k % 7 + 2, None]) * np.arange(k, k + 20)
        total = total[:, ::-1] - np.flip(total, 1).sum(axis=1, keepdims=True)
    return total


def sums_to_numbers(x: Array, w: Array) -> Array:
    for k in range(STEPS):
        x = x * 0.5 + np.sum(x * x) / (1 + np.max(np.abs(x))) + np.float64(k)
    return x


def picks(x: Array, w: Array) -> Array:
    for k in range(STEPS):
        order = np.argsort(x)
        x = np.where(x > np.median(w), x[order] * 0.9, x - 0.01 * k)
    return x


def single_precision(x: Array, w: Array) -> Array:
    x = x.astype(np.float32)
    for k in range(8 * STEPS):
        x = np.where(x > 0, x * np.float32(0.9), -x) + np.float32(k)
    return x


def whole_numbers(x: Array, w: Array) -> Array:
    i = np.floor(x * 10).astype(np.int64)
    for k in range(8 * STEPS):
        i = (i * 3 + k) % (7 + k % 5) ** 2
    return i


MODELS = (
    products, other_numbers, moving_windows, sums_to_numbers, picks, single_precision,
    whole_numbers,
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        pytest.param(model, rows, id=f"{model.__name__}-{rows}")
        for model in MODELS
        for rows in (None, 37)
        if model is not picks or rows  # sorting asks for the number of rows
    ],
)
def test_repeated_nests_mean_the_same(model: Callable[..., Any], rows: int | None) -> None:
    x, w = input_node("x", (rows or R,)), input_node("w", (4, 4))
    traced = trace_function(model, [x, w])
    rng = np.random.default_rng(0)
    inputs, values = [x, w], [rng.normal(size=37), rng.normal(size=(4, 4)) * 0.3]
    for node, array in traced.captured:
        inputs.append(node)
        values.append(np.asarray(array, node.dtype))
    agree(traced.outputs, inputs, values)


def products_in_text(steps: int) -> int:
    def model(x: Array, w: Array) -> Array:
        for k in range(steps):
            x = np.tanh(x * 0.5 + np.sum(x)) * (1 + k)
        return x

    x, w = input_node("x", (100,)), input_node("w", (4, 4))
    text, _ = write_function(trace_function(model, [x, w]).outputs, [x, w])
    return text.count("fmul")


def test_text_grows_with_what_differs() -> None:
    """Ten times the steps are no more arithmetic: only calls are added."""
    assert products_in_text(600) == products_in_text(60) > 0

"""Derivatives of every supported name: both modes and second order, against differences of NumPy.

The differences know nothing of the rules: the first derivative is compared with those of NumPy's
own values, the second with those of the first.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from table_cases import CASES

from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.evaluate import evaluate
from descend.graph.node import Node
from descend.graph.source import const, input_node
from descend.trace.trace import trace_function
from descend.trace.tree import flatten

STEP = 1e-3
Arrays = list[Any]


def is_smooth_input(arrays: Any) -> bool:
    floats = [a for a in arrays if np.asarray(a).dtype == np.float64]
    return bool(floats) and all(np.isfinite(a).all() for a in floats)


# Steps of rounding are wider than the differences' step: they would see the jumps.
JUMPS = ("numpy.round", "numpy.around", "builtins.round")
DIFFERENTIABLE = [c for c in CASES if is_smooth_input(c[2]) and c[0] not in JUMPS]


def difference(function: Callable[[float], Any]) -> Any:
    """The derivative at 0, of fourth order in the step."""
    near = function(STEP) - function(-STEP)
    far = function(2 * STEP) - function(-2 * STEP)
    return (8 * near - far) / (12 * STEP)


def moved(arrays: Arrays, directions: Arrays, t: float) -> Arrays:
    return [a + t * d if d is not None else a for a, d in zip(arrays, directions, strict=True)]


def numpy_value(model: Any, arrays: Arrays, weights: Arrays) -> float:
    with np.errstate(all="ignore"):
        leaves, _ = flatten(model(*arrays))
    kept = [np.asarray(v) for v in leaves if np.asarray(v).dtype == np.float64]
    return float(sum(np.sum(w * v) for w, v in zip(weights, kept, strict=True)))


def inner(cotangents: list[Any], directions: Arrays) -> float:
    return float(sum(np.sum(g * d) for g, d in zip(cotangents, directions, strict=True)))


@pytest.mark.parametrize(
    ("name", "model", "arrays"), DIFFERENTIABLE, ids=[c[0] for c in DIFFERENTIABLE]
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
def test_derivatives(name: str, model: Any, arrays: Any) -> None:
    rng = np.random.default_rng(1)
    values = [
        np.float64(a) if np.ndim(a) == 0 and isinstance(a, float) else np.asarray(a) for a in arrays
    ]
    nodes = [input_node(f"a{i}", v.shape, v.dtype) for i, v in enumerate(values)]
    traced = trace_function(model, nodes)
    outputs = [o for o in traced.outputs if o.dtype == np.float64]
    wanted = [n.dtype == np.float64 for n in nodes]
    inputs = [n for n, w in zip(nodes, wanted, strict=True) if w]
    weights = [rng.normal(size=o.shape) for o in outputs]
    directions = [
        rng.normal(size=v.shape) if w else None for v, w in zip(values, wanted, strict=True)
    ]
    along = [d for d in directions if d is not None]

    def run(results: list[Node], t: float = 0.0) -> list[Any]:
        bound = zip(nodes, moved(values, directions, t), strict=True)
        return evaluate(results, dict(bound) | dict(traced.captured))

    seeds = [const(w) for w in weights]
    gradient = reverse(outputs, seeds, inputs)
    tangents = forward(outputs, inputs, [const(d) for d in along])
    backward = inner(run(gradient), along)
    forwards = inner(run(tangents), weights)
    expected = difference(lambda t: numpy_value(model, moved(values, directions, t), weights))
    scale = 1 + abs(expected)
    assert abs(backward - forwards) < 1e-10 * scale, f"reverse {backward}, forward {forwards}"
    assert abs(backward - expected) < 2e-7 * scale, f"{backward}, differences {expected}"

    bent = inner(run(forward(gradient, inputs, [const(d) for d in along])), along)
    slope = difference(lambda t: inner(run(gradient, t), along))
    assert abs(bent - slope) < 2e-6 * (1 + abs(slope)), f"second {bent}, differences {slope}"

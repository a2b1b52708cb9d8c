"""One way of checking a trace: NumPy runs the model, the interpreter runs its graph, both agree."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from descend.graph.check import check_graph
from descend.graph.evaluate import evaluate
from descend.graph.node import Dim
from descend.graph.source import input_node
from descend.trace.trace import Traced, trace_function
from descend.trace.tree import flatten

# The cases are shared by several tests; pytest's importlib mode finds no neighbours by itself.
sys.path.insert(0, str(Path(__file__).parent))

TOLERANCE = {"float16": 2e-3, "float32": 2e-5, "float64": 5e-13}


def traced(model: Callable[..., Any], *arrays: Any, rows: bool = False) -> tuple[Traced, Any]:
    """The trace over inputs of the arrays' shapes, and the values of its outputs.

    With `rows`, the first extent of every array of at least one axis is symbolic.
    """
    values = [np.asarray(a) for a in arrays]
    dim = Dim()
    nodes = []
    for i, v in enumerate(values):
        shape = (dim, *v.shape[1:]) if rows and v.ndim else v.shape
        nodes.append(input_node(f"a{i}", shape, v.dtype))
    done = trace_function(model, nodes)
    check_graph(done.outputs)
    bindings = dict(zip(nodes, values, strict=True)) | dict(done.captured)
    return done, evaluate(done.outputs, bindings)


def agreement(model: Callable[..., Any], *arrays: Any, rows: bool = False) -> list[Any]:
    """Compare values, dtypes and shapes; gives the traced values."""
    with np.errstate(all="ignore"):
        expected, form = flatten(model(*(np.array(a) if np.ndim(a) else a for a in arrays)))
    done, got = traced(model, *arrays, rows=rows)
    assert done.tree == form, f"{done.tree} is not {form}"
    for want, have, node in zip(expected, got, done.outputs, strict=True):
        array = np.asarray(want)
        assert have.shape == array.shape, f"shape {have.shape}, NumPy has {array.shape}"
        assert node.dtype == array.dtype, f"dtype {node.dtype}, NumPy has {array.dtype}"
        tolerance = TOLERANCE.get(array.dtype.name, 0)
        np.testing.assert_allclose(have, array, rtol=tolerance, atol=tolerance)
    return got


@pytest.fixture
def agree() -> Callable[..., list[Any]]:
    return agreement


@pytest.fixture
def run_traced() -> Callable[..., tuple[Traced, Any]]:
    return traced

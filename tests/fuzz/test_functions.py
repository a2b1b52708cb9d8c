"""Random Python functions: NumPy's result, the trace's, the compiled one's, and derivatives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.compile.function import compile_graph
from descend.compile.native import NotNative
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.errors import TraceError
from descend.graph.check import check_graph
from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, Node, RowsAsked, postorder
from descend.graph.source import const, input_node
from descend.simplify.driver import simplify
from descend.trace.trace import Traced, trace_function
from fuzz.complex_step import slopes
from fuzz.functions import Source, functions
from fuzz.last import remember
from fuzz.rounding import Expected, check_close, expect, mismatch

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.filterwarnings("ignore::descend.errors.DescendWarning"),
]
ROWS = 4


def traced(source: Source, with_rows: bool) -> tuple[dict[Node, Any], Traced]:
    """The trace and its bindings; with symbolic rows where the function lets them be."""
    rows = Dim()
    nodes = []
    for name, value in source.arguments.items():
        array = np.asarray(value)
        symbolic = with_rows and array.ndim > 0 and len(array) == ROWS
        shape = (rows, *array.shape[1:]) if symbolic else array.shape
        nodes.append(input_node(name, shape, array.dtype))
    try:
        found = trace_function(source.function(), nodes)
    except (RowsAsked, TraceError):
        if not with_rows:
            raise
        return traced(source, False)
    given_values = dict(zip(nodes, map(np.asarray, source.arguments.values()), strict=True))
    return given_values | dict(found.captured), found


def near(expected: Expected) -> Expected:
    """Room for NumPy, whose own sequence of operations a composed function need not follow."""
    value = expected.value
    eps = float(np.finfo(value.dtype).eps) if value.dtype.kind == "f" else 0.0
    room = 4 * expected.allowed + 64 * eps * np.max(np.abs(value), initial=0.0)
    return Expected(value, room, expected.decided)


@given(functions(), st.booleans())
def test_functions_are_traced_and_compiled(source: Source, with_rows: bool) -> None:
    remember(source)
    with np.errstate(all="ignore"):
        result = source.function()(*(np.array(v)[()] for v in source.arguments.values()))
    truth = result if isinstance(result, tuple) else (result,)
    bindings, found = traced(source, with_rows)
    check_graph(found.outputs)
    simple = simplify(found.outputs)
    check_graph(simple)
    want = expect(found.outputs, bindings, also=[simple])
    for number, (value, expected) in enumerate(zip(truth, want, strict=True)):
        text = mismatch(np.asarray(value), near(expected))
        assert not text, f"result {number} of NumPy and of the graph: {text}"
    check_close(evaluate(simple, bindings), want)
    try:
        compiled = compile_graph(simple, list(bindings))
    except NotNative:
        return
    check_close(compiled(list(bindings.values())), want)


@given(functions())
def test_functions_are_differentiated(source: Source) -> None:
    bindings, found = traced(source, False)
    inputs = [n for n in bindings if n.dtype == np.float64]
    outputs = [o for o in found.outputs if o.dtype == np.float64]
    short = (np.float16, np.float32)  # their tangents are rounded as they are
    if not inputs or any(n.dtype in short for n in postorder(outputs)):
        return
    rng = np.random.default_rng(5)
    along = {n: rng.normal(size=n.shape) for n in inputs}
    seeds = [rng.normal(size=o.shape) for o in outputs]
    ahead = forward(outputs, inputs, [const(along[n], n.dtype) for n in inputs])
    back = reverse(outputs, [const(s) for s in seeds], inputs)
    check_graph([*ahead, *back])
    want = expect([*ahead, *back], bindings)
    for expected, (step, error) in zip(want, slopes(outputs, bindings, along), strict=False):
        judged = expected.decided & np.isfinite(expected.value) & np.isfinite(step)
        room = 8 * expected.allowed + 16 * np.nan_to_num(error) + 1e-13 * np.abs(step) + 1e-300
        text = mismatch(expected.value, Expected(step, np.nan_to_num(room), judged))
        assert not text, f"forward mode and complex step: {text}"
    if not all(np.all(np.isfinite(w.value) & w.decided) for w in want):
        return
    pairs = [
        *zip(seeds, want[: len(outputs)], [1.0] * len(outputs), strict=True),
        *zip((along[n] for n in inputs), want[len(outputs) :], [-1.0] * len(inputs), strict=True),
    ]
    gap = abs(sum(sign * np.sum(w * x.value) for w, x, sign in pairs))
    room = sum(np.sum(np.abs(w) * (x.allowed + 1e-13 * np.abs(x.value))) for w, x, _ in pairs)
    assert gap <= room, f"forward and reverse mode differ by {gap}, {room} allowed"

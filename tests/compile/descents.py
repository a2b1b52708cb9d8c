"""Programs to be run, and a plain reading of what a program means.

`reference` is written from the description of a Program alone: batches, order of rows, guards,
ends of epochs. With a generator it makes the roundings of a correct program (see fuzz.rounding),
so that several runs tell how far two correct runs may lie apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call, cast, select
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast, broadcast_like, reduce_sum
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node
from descend.graph.program import (
    DIVERGED,
    EPOCHS_SPENT,
    Bindings,
    EpochGraph,
    Plan,
    Program,
    Slot,
    StepGraph,
    permutation,
)
from descend.graph.source import const, input_node, row_count
from descend.simplify.driver import simplify
from fuzz.rounding import MARGIN, Errors, perturbed

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Descent:
    """A program with the arrays that it starts from."""

    program: Program
    state: list[Array]
    data: list[Array]
    fixed: list[Array]

    def bindings(self) -> Bindings:
        rows = len(self.data[0])
        return Bindings([a.copy() for a in self.state], list(self.data), list(self.fixed), rows)


def scalar_model(rows: Dim, dtype: Any) -> tuple[list[Node], list[Node], Node]:
    """Three scalars: a parabola through points."""
    x, y = (input_node(n, (rows,), dtype) for n in "xy")
    w = [input_node(f"w{i}", (), dtype) for i in range(3)]
    a, b, c = (broadcast_like(v, x) for v in w)
    curve = call("add", call("mul", call("add", call("mul", a, x), b), x), c)
    return [x, y], w, call("sub", curve, y)


def vector_model(rows: Dim, dtype: Any) -> tuple[list[Node], list[Node], Node]:
    """A short vector and a scalar: a bounded response to three columns."""
    x, y = input_node("x", (rows, 3), dtype), input_node("y", (rows,), dtype)
    w, b = input_node("w", (3,), dtype), input_node("b", (), dtype)
    total = call("add", contract(x, w, (0, 1), (1,), (0,)), broadcast(b, (rows,), ()))
    return [x, y], [w, b], call("sub", call("tanh", total), y)


def matrix_model(rows: Dim, dtype: Any) -> tuple[list[Node], list[Node], Node]:
    """A hidden layer of 17 units over 5 columns, and its readout."""
    x, y = input_node("x", (rows, 5), dtype), input_node("y", (rows,), dtype)
    w, b = input_node("w", (5, 17), dtype), input_node("b", (17,), dtype)
    v = input_node("v", (17,), dtype)
    sums = call("add", contract(x, w, (0, 1), (1, 2), (0, 2)), broadcast(b, (rows, 17), (1,)))
    hidden = call("max", sums, call("mul", sums, 0.1))
    return [x, y], [w, b, v], call("sub", contract(hidden, v, (0, 1), (1,), (0,)), y)


def network_model(rows: Dim, dtype: Any) -> tuple[list[Node], list[Node], Node]:
    """Two hidden layers of 17 and 11 units over 9 columns, whose rows are fetched one by one."""
    x, y = input_node("x", (rows, 9), dtype), input_node("y", (rows,), dtype)
    w, b = input_node("w", (9, 17), dtype), input_node("b", (17,), dtype)
    v, u = input_node("v", (17, 11), dtype), input_node("u", (11,), dtype)
    first = contract(x, w, (0, 1), (1, 2), (0, 2))
    first = call("tanh", call("add", first, broadcast(b, (rows, 17), (1,))))
    second = contract(first, v, (0, 1), (1, 2), (0, 2))
    second = call("max", second, call("mul", second, 0.1))
    return [x, y], [w, b, v, u], call("sub", contract(second, u, (0, 1), (1,), (0,)), y)


def matrices_model(rows: Dim, dtype: Any) -> tuple[list[Node], list[Node], Node]:
    """A matrix of 8 x 8 in each row, by one that is learnt, and by what comes of it turned."""
    x, y = input_node("x", (rows, 8, 8), dtype), input_node("y", (rows,), dtype)
    w, u = input_node("w", (8, 9), dtype), input_node("u", (8,), dtype)
    keys = call("tanh", contract(x, w, (0, 1, 2), (2, 3), (0, 1, 3)))
    scores = contract(keys, keys, (0, 1, 3), (0, 4, 3), (0, 1, 4))
    sums = reduce_sum(call("tanh", scores), (1,))
    return [x, y], [w, u], call("sub", contract(sums, u, (0, 1), (1,), (0,)), y)


def slots(state: Sequence[Node], step: Sequence[Node], epoch: Sequence[Node]) -> tuple[Slot, ...]:
    """States that begin with what they are bound to."""
    rows = zip(state, step, epoch, strict=True)
    return tuple(Slot(str(i), "method", s, s, a, b) for i, (s, a, b) in enumerate(rows))


MODELS = {
    "scalars": scalar_model, "vector": vector_model, "matrix": matrix_model,
    "network": network_model,
}  # fmt: skip
DEAR = {"matrices": matrices_model}  # to be worked out by the letter


def descent(
    model: str = "scalars",
    batch: int | None = 7,
    shuffle: bool = False,
    rows: int = 45,
    dtype: Any = np.float64,
    guard: float | None = None,
    lr: float = 0.05,
    stop_below: float = 0.0,
) -> Descent:
    """Momentum descent with counters, a rate that decays by the epoch, and many records."""
    n = Dim()
    data, weights, residual = (MODELS | DEAR)[model](n, dtype)
    loss = call("div", reduce_sum(call("mul", residual, residual), (0,)), row_count(n, dtype))
    gradients = reverse([loss], [const(1.0, dtype)], weights)
    speeds = [input_node(f"v{i}", w.shape, dtype) for i, w in enumerate(weights)]
    rate, count = input_node("rate", (), dtype), input_node("count", (), np.int64)
    best, lower = input_node("best"), input_node("lower", (), np.bool_)
    decay, limit = input_node("decay", (), dtype), input_node("limit")
    moved = [call("add", call("mul", v, 0.5), g) for v, g in zip(speeds, gradients, strict=True)]
    new = [
        call("sub", w, call("mul", broadcast_like(rate, w), m))
        for w, m in zip(weights, moved, strict=True)
    ]
    state = (*weights, *speeds, rate, count, best, lower)
    heads = [*new, *moved, rate, call("add", count, 1), best, lower, loss]
    *new_state, loss = simplify(heads)
    ok = None if guard is None else call("lt", loss, guard)
    index, mean = input_node("index"), input_node("mean")
    stop = select(call("lt", mean, limit), const(3), const(0))
    after = (
        *weights, *speeds, call("mul", rate, decay), count, call("min", best, mean),
        call("lt", mean, best),
    )  # fmt: skip
    end = EpochGraph(index, mean, stop, (mean, *weights, count, lower, cast(index, np.int64)))
    program = Program(
        slots(state, new_state, after),
        tuple(data),
        (decay, limit),
        n,
        StepGraph(loss, ok),
        end,
        Plan(batch, shuffle),
    )
    rng = np.random.default_rng(3)
    columns = [rng.uniform(-1, 1, (rows, *d.shape[1:])).astype(d.dtype) for d in data]
    start = [np.asarray(rng.uniform(-0.5, 0.5, w.shape), dtype) for w in weights]
    still = [np.zeros(w.shape, dtype) for w in weights]
    rest: list[Any] = [np.asarray(lr, dtype), np.int64(0), np.float64(np.inf), np.bool_(False)]
    fixed = [np.asarray(0.9, dtype), np.float64(stop_below)]
    return Descent(program, [*start, *still, *map(np.asarray, rest)], columns, fixed)


@dataclass
class Outcome:
    """Where a run has come to: the state, the records of its epochs, its counters."""

    state: list[Array]
    records: list[Array]
    status: int
    epoch: int
    steps: int


def reference(d: Descent, epochs: int, seed: int = 0, errors: Errors | None = None) -> Outcome:
    """Run a descent to its end by the letter."""
    p, n = d.program, len(d.data[0])
    state, records, steps = list(d.state), [], 0

    def values(outputs: Sequence[Node], inputs: Sequence[Node], arrays: Sequence[Any],
               rows: int) -> list[Array]:  # fmt: skip
        bound = {k: np.asarray(v) for k, v in zip(inputs, arrays, strict=True)}
        if errors is None:
            return evaluate(outputs, bound, {p.rows: rows})
        return perturbed(outputs, bound, errors, {p.rows: rows})

    size = p.plan.batch_size or n
    inputs = (*p.state, *p.fixed)
    for epoch in range(epochs):
        order = permutation(n, seed, epoch) if p.plan.shuffle else np.arange(n)
        total = 0.0
        for first in range(0, n, size):
            rows = order[first : first + size]
            columns = [a[rows] for a in d.data]
            got = values(p.step_heads, (*inputs, *p.data), (*state, *d.fixed, *columns), len(rows))
            steps += 1
            if p.step.ok is not None and not got.pop():
                return Outcome(state, _stacked(records), DIVERGED, epoch, steps)
            total += float(got.pop()) * len(rows)
            state = got
        heads = (*inputs, p.epoch.index, p.epoch.loss)
        got = values(p.epoch_heads, heads, (*state, *d.fixed, float(epoch), total / n), n)
        k = len(state)
        state, code = got[:k], int(got[k])
        records.append(got[k + 1 :])
        if code:
            return Outcome(state, _stacked(records), code, epoch + 1, steps)
    return Outcome(state, _stacked(records), EPOCHS_SPENT, epochs, steps)


def _stacked(records: Sequence[Sequence[Array]]) -> list[Array]:
    return [np.stack(column) for column in zip(*records, strict=True)]


def distance(a: Array, b: Array) -> Array:
    """|a − b| of numbers of any kind; equal infinities are no distance apart."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(np.subtract(a, b, dtype=float, casting="unsafe"))
    return np.where(np.equal(a, b), 0.0, apart)


def allowed_distances(d: Descent, epochs: int, seed: int, exact: Outcome) -> Iterator[list[Array]]:
    """How far the state, then the records, of two correct runs may lie apart.

    What is yielded grows with every run with errors: what is near enough once, remains so.
    """
    exact_arrays = [*exact.state, *exact.records]
    allowed = [np.zeros(a.shape) for a in exact_arrays]
    yield allowed
    for number in range(6):
        run = reference(d, epochs, seed, Errors(np.random.default_rng(number)))
        assert (run.status, run.epoch, run.steps) == (exact.status, exact.epoch, exact.steps)
        for bound, a, b in zip(allowed, exact_arrays, [*run.state, *run.records], strict=True):
            np.maximum(bound, distance(a, b), out=bound)
        yield [MARGIN * a for a in allowed]

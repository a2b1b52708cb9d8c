"""Whole descents: native code does what a Program means, in one go or in pieces."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from compile.descents import (
    MODELS,
    Descent,
    Outcome,
    allowed_distances,
    descent,
    distance,
    reference,
    slots,
)
from descend.compile.program import NativeProgram, compile_program
from descend.graph.elementwise import call, cast
from descend.graph.linear import (
    broadcast,
    broadcast_like,
    concatenate,
    cumsum,
    flip,
    pad,
    reduce_sum,
    reshape,
    set_slice,
    slice_,
    transpose,
)
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node
from descend.graph.program import (
    DIVERGED,
    EPOCHS_SPENT,
    RUNNING,
    Bindings,
    Control,
    EpochGraph,
    Plan,
    Program,
    StepGraph,
    interpret,
)
from descend.graph.selection import argmax, argsort, put_add, reduce_max, take
from descend.graph.source import const, input_node, iota, row_count
from whole import covered, sampled

BATCHES = (1, 7, 10, 15, 45, 64, None)


def outcome(bound: Bindings, control: Control) -> Outcome:
    blocks = zip(*control.records, strict=True)
    records = [np.concatenate(column) for column in blocks]
    return Outcome(bound.state, records, control.status, control.epoch, control.steps)


def whole(d: Descent, epochs: int, seed: int = 0, program: NativeProgram | None = None) -> Outcome:
    bound, control = d.bindings(), Control(max_epochs=epochs, seed=seed)
    (program or compile_program(d.program)).run(bound, control, 10**9)
    return outcome(bound, control)


def check_near(got: Outcome, d: Descent, epochs: int, seed: int = 0) -> None:
    """The outcome is that of the reference, as far as rounding lets it be known."""
    exact = reference(d, epochs, seed)
    assert (got.status, got.epoch, got.steps) == (exact.status, exact.epoch, exact.steps)
    pairs = [*zip([*got.state, *got.records], [*exact.state, *exact.records], strict=True)]
    for a, b in pairs:
        assert (np.shape(a), np.asarray(a).dtype) == (b.shape, b.dtype)
    apart = [distance(np.asarray(a), b) for a, b in pairs]
    for bounds in allowed_distances(d, epochs, seed, exact):
        far = [i for i, bound in enumerate(bounds) if not np.all(apart[i] <= bound)]
        if not far:
            return
    raise AssertionError(
        "; ".join(f"number {i}: {np.max(apart[i] - bounds[i])} too far" for i in far)
    )


def check_same_bits(got: Outcome, want: Outcome) -> None:
    assert (got.status, got.epoch, got.steps) == (want.status, want.epoch, want.steps)
    for a, b in zip([*got.state, *got.records], [*want.state, *want.records], strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.asarray(a).dtype == np.asarray(b).dtype


@sampled("model, shuffle, batch", itertools.product(MODELS, [False, True], BATCHES), 5)
def test_a_descent_is_what_it_means(model: str, shuffle: bool, batch: int | None) -> None:
    d = descent(model, batch, shuffle)
    check_near(whole(d, 3, seed=5), d, 3, seed=5)


@sampled("model, rows, batch", itertools.product(MODELS, [1, 2, 6, 8, 21], [1, 7, None]), 7)
def test_few_rows(model: str, rows: int, batch: int | None) -> None:
    d = descent(model, batch, True, rows)
    check_near(whole(d, 3), d, 3)


@pytest.mark.parametrize("model", MODELS)
def test_many_rows_of_float32(model: str) -> None:
    d = descent(model, 64, True, 1000, np.float32, lr=0.01)
    check_near(whole(d, 2, seed=2**63 + 11), d, 2, seed=2**63 + 11)


@pytest.mark.parametrize("batch", [1, 7, None])
def test_the_interpreter_means_the_same(batch: int | None) -> None:
    d = descent("vector", batch, True)
    bound, control = d.bindings(), Control(max_epochs=3)
    while control.status == RUNNING:
        interpret(d.program, bound, control, 5)
    check_same_bits(outcome(bound, control), reference(d, 3))


# --- in pieces ----------------------------------------------------------------------------------


def budgets(kind: str) -> Iterator[int]:
    rng = np.random.default_rng(1)
    while True:
        yield {"ones": 1, "primes": int(rng.choice([2, 3, 5, 7, 11])), "tens": 10}[kind]


PIECES = itertools.product(MODELS, [False, True], [1, 7, 10, None], ["ones", "primes", "tens"])


@sampled("model, shuffle, batch, kind", PIECES, 5)
def test_pieces_give_the_same_bits(model: str, shuffle: bool, batch: int | None, kind: str) -> None:
    d = descent(model, batch, shuffle)
    program = compile_program(d.program)
    bound, control = d.bindings(), Control(max_epochs=3, seed=9)
    for budget in budgets(kind):
        if control.status != RUNNING:
            break
        before = control.steps
        program.run(bound, control, budget)
        assert control.steps - before <= budget
    check_same_bits(outcome(bound, control), whole(d, 3, 9, program))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
def test_a_run_is_taken_up_from_what_was_written_down(model: str, shuffle: bool) -> None:
    """After every piece everything is copied and given to a program compiled anew."""
    d = descent(model, 7, shuffle)
    bound, control = d.bindings(), Control(max_epochs=3, seed=4)
    while control.status == RUNNING:
        compile_program(d.program).run(bound, control, 4)
        bound = replace(d.bindings(), state=[a.copy() for a in bound.state])
        control = replace(control)
    check_same_bits(outcome(bound, control), whole(d, 3, 4))


@pytest.mark.parametrize("model", MODELS)
def test_two_runs_take_turns_with_one_program(model: str) -> None:
    d, other = descent(model, 7, True), descent(model, 7, True, lr=0.02)
    program = compile_program(d.program)
    runs = [(x.bindings(), Control(max_epochs=3, seed=s)) for x, s in ((d, 1), (other, 2))]
    while any(control.status == RUNNING for _, control in runs):
        for bound, control in runs:
            program.run(bound, control, 3)
    for (bound, control), (x, seed) in zip(runs, ((d, 1), (other, 2)), strict=True):
        check_same_bits(outcome(bound, control), whole(x, 3, seed))


def test_one_run_after_another_with_the_same_arrays() -> None:
    d = descent("vector", 7, True)
    program, bound = compile_program(d.program), d.bindings()
    program.run(bound, Control(max_epochs=5, seed=1), 18)
    for array, start in zip(bound.state, d.state, strict=True):
        array[...] = start
    control = Control(max_epochs=3, seed=2)
    program.run(bound, control, 10**9)
    check_same_bits(outcome(bound, control), whole(d, 3, 2))


def test_other_data_in_the_same_arrays_and_in_others() -> None:
    d = descent("scalars", 7, True)
    program, bound = compile_program(d.program), d.bindings()
    program.run(bound, Control(max_epochs=1), 10**9)
    doubled = replace(d, data=[2 * a for a in d.data], state=[a.copy() for a in bound.state])
    want = whole(doubled, 2)
    bound.data[:] = doubled.data
    control = Control(max_epochs=2)
    program.run(bound, control, 10**9)
    check_same_bits(outcome(bound, control), want)


# --- ends ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 7, None])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
def test_a_stop_code_ends_the_run(batch: int | None, shuffle: bool) -> None:
    d = descent("scalars", batch, shuffle, lr=5e-4 * (batch or 45), stop_below=0.348)
    got = whole(d, 1000)
    assert got.status == 3 and 1 < got.epoch < 1000
    check_near(got, d, 1000)


@sampled("model, batch", itertools.product(MODELS, [1, 7, 64, None]), 3)
def test_a_step_that_is_not_ok_is_not_taken(model: str, batch: int | None) -> None:
    d = descent(model, batch, True, guard=1.2 if model == "vector" else 50.0, lr=30.0)
    got = whole(d, 100)
    assert got.status == DIVERGED
    check_near(got, d, 100)
    pieces, control = d.bindings(), Control(max_epochs=100)
    while control.status == RUNNING:
        compile_program(d.program).run(pieces, control, 1)
    check_same_bits(outcome(pieces, control), got)


def test_nothing_to_do() -> None:
    d = descent("vector", 7)
    program = compile_program(d.program)
    for epochs, budget, status in ((0, 100, EPOCHS_SPENT), (3, 0, RUNNING)):
        bound, control = d.bindings(), Control(max_epochs=epochs)
        program.run(bound, control, budget)
        assert (control.status, control.steps, control.records) == (status, 0, [])
        for a, b in zip(bound.state, d.state, strict=True):
            np.testing.assert_array_equal(a, b)
    control.status = DIVERGED
    program.run(bound, control, 100)
    assert control.steps == 0


def test_more_epochs_than_records_have_room_for() -> None:
    d = descent("scalars", None, rows=3)
    d.fixed[0][...] = 1.0
    got = whole(d, 40_000)
    assert got.epoch == 40_000
    assert all(len(column) == 40_000 for column in got.records)
    np.testing.assert_array_equal(got.records[-1], np.arange(40_000))
    np.testing.assert_array_equal(got.records[4], np.arange(1, 40_001))


# --- forms --------------------------------------------------------------------------------------


def small_program(new_state: Any, state: Any, data: Any, rows: Dim, batch: int | None) -> Program:
    index, mean = input_node("index"), input_node("mean")
    loss = reduce_sum(data[0], tuple(range(data[0].ndim)))
    end = EpochGraph(index, mean, const(0), (mean,))
    return Program(
        slots(state, new_state, state),
        tuple(data),
        (),
        rows,
        StepGraph(loss),
        end,
        Plan(batch, False),
    )


@pytest.mark.parametrize("shape", [(), (3,), (40,)], ids=str)
@pytest.mark.parametrize("batch", [1, 3, None])
def test_states_that_change_places(shape: tuple[int, ...], batch: int | None) -> None:
    """Every new state is computed from the old ones, whatever the order of writing."""
    n = Dim()
    x = input_node("x", (n,))
    a, b, c = (input_node(name, shape) for name in "abc")
    new = [b, c, call("add", a, broadcast_like(reduce_sum(x, (0,)), a))]
    program = small_program(new, [a, b, c], [x], n, batch)
    start = [np.full(shape, v) for v in (1.0, 2.0, 4.0)]
    d = Descent(program, start, [np.arange(7.0)], [])
    check_same_bits(whole(d, 2), reference(d, 2))


@pytest.mark.parametrize("batch", [1, 3, None])
def test_states_of_every_dtype(batch: int | None) -> None:
    n = Dim()
    x = input_node("x", (n,))
    kinds = ("f8", "f4", "i8", "i4", "i2", "u1", "?")
    state = [input_node(f"{k}{s}", s, k) for k in kinds for s in ((), (3,), (40,))]
    new = [call("not", v) if v.dtype.kind == "b" else call("add", v, 1) for v in state]
    start = [np.ones(v.shape, v.dtype) for v in state]
    d = Descent(small_program(new, state, [x], n, batch), start, [np.arange(7.0)], [])
    check_same_bits(whole(d, 2), reference(d, 2))


@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
@pytest.mark.parametrize("dtype", ["f4", "i8", "i4", "i2", "u1", "?"])
def test_columns_of_every_dtype(dtype: str, shuffle: bool) -> None:
    n = Dim()
    for width in (1, 3, 40):
        x, y = input_node("x", (n, width), dtype), input_node("y", (n,))
        s, t = input_node("s", (width,), dtype), input_node("t", (), dtype)
        join = "xor" if dtype == "?" else "sub"
        first = reduce_sum(x, (0, 1))
        new = [call(join, reduce_sum(x, (0,)), s), call(join, first, t)]
        program = small_program(new, [s, t], [y, x], n, 3)
        program = replace(program, plan=Plan(3, shuffle))
        columns = [np.arange(8.0), np.arange(8 * width).reshape(8, width).astype(dtype)]
        d = Descent(program, [np.zeros(width, dtype), np.zeros((), dtype)], columns, [])
        check_same_bits(whole(d, 2), reference(d, 2))


def long_descent(links: int) -> Descent:
    """A step of so many operations that it is cut into several native functions."""
    n = Dim()
    x = input_node("x", (n,))
    w, v = input_node("w"), input_node("v", (40,))
    a, b, c = w, v, call("mul", broadcast_like(w, x), x)
    for i in range(links):
        a = call("add", call("mul", a, 0.99), reduce_sum(c, (0,)) if i % 50 == 0 else 1e-3)
        b = call("sub", b, call("mul", b, 1.0 / (i + 2)))
        c = call("add", c, broadcast_like(a, c)) if i % 50 == 0 else call("mul", c, 0.5)
    program = small_program([a, b], [w, v], [x], n, 3)
    return Descent(program, [np.array(0.1), np.linspace(-1, 1, 40)], [np.linspace(0, 1, 8)], [])


@pytest.mark.parametrize("links", [100, 400])
def test_long_programs(links: int) -> None:
    d = long_descent(links)
    got = whole(d, 2)
    check_near(got, d, 2)
    program, bound, control = compile_program(d.program), d.bindings(), Control(max_epochs=2)
    while control.status == RUNNING:
        program.run(bound, control, 1)
    check_same_bits(outcome(bound, control), got)


# --- several at once ----------------------------------------------------------------------------


def at_once(jobs: list[Any]) -> None:
    errors: list[BaseException] = []

    def guarded(job: Any) -> None:
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_two_threads_compile_and_run_different_programs() -> None:
    descents = [descent(m, b, True) for m in MODELS for b in (1, 10)]
    wanted = [whole(d, 3, i) for i, d in enumerate(descents)]

    def job(i: int, d: Descent) -> None:
        for _ in range(3):
            check_same_bits(whole(d, 3, i), wanted[i])

    at_once([lambda i=i, d=d: job(i, d) for i, d in enumerate(descents)])


def test_two_threads_run_one_program_in_pieces() -> None:
    d = descent("matrix", 7, True)
    program = compile_program(d.program)
    wanted = [whole(d, 4, seed) for seed in range(4)]

    def job(seed: int) -> None:
        for _ in range(5):
            bound, control = d.bindings(), Control(max_epochs=4, seed=seed)
            while control.status == RUNNING:
                program.run(bound, control, 2)
            check_same_bits(outcome(bound, control), wanted[seed])

    at_once([lambda s=s: job(s) for s in range(4)])


# --- what a step may do with its columns --------------------------------------------------------


def uses_of_columns(n: Dim) -> tuple[list[Node], list[Node], list[Node]]:
    """Columns, validation columns of another length, and one use of each kind."""
    m = Dim("validation")
    x, y = input_node("x", (n, 4)), input_node("y", (n,))
    k = input_node("k", (n,), "i8")
    held = input_node("held", (m, 4))
    order = argsort(y, 0)
    uses = [
        take(x, order, 0), take(y, argsort(call("neg", y), 0), 0), cumsum(x, 0), cumsum(y, 0, True),
        flip(x, (0,)), transpose(x, (1, 0)), reshape(x, (n, 2, 2)), argmax(y, 0), argmax(x, 1),
        reduce_max(x, (0,)), contract(x, x, (0, 1), (0, 2), (1, 2)), concatenate([x, x], 1),
        contract(x, x, (0, 1), (2, 1), (0, 2)), put_add(y, call("mod", k, 3), 0, 3), iota((n, 2)),
        slice_(x, (0, 1), (n, 4), (1, 2)), pad(x, (0, 1), (0, 0), (0, 1)), row_count(n),
        set_slice(x, slice_(call("neg", x), (0, 2), (n, 4), (1, 1)), (0, 2), (1, 1)),
        contract(held, held, (0, 1), (0, 2), (1, 2)), take(held, call("mod", k, 2), 1),
        reduce_sum(held, (0, 1)), row_count(m), broadcast(x, (n, 4, n), (0, 1)),
    ]  # fmt: skip
    return [x, y, k], [held], uses


@covered("shuffle, batch", [False, True], [1, 3, 20, None])
def test_every_use_of_columns(shuffle: bool, batch: int | None) -> None:
    n = Dim()
    data, fixed, uses = uses_of_columns(n)
    state, new = [], []
    for i, use in enumerate(uses):
        total = cast(use, np.float64)
        if use.ndim:
            total = call("mul", total, call("add", cast(iota(use.shape, 0), np.float64), 0.5))
        state.append(input_node(f"s{i}"))
        new.append(call("add", state[-1], reduce_sum(total, tuple(range(use.ndim)))))
    program = replace(
        small_program(new, state, data, n, batch), fixed=tuple(fixed), plan=Plan(batch, shuffle)
    )
    rng = np.random.default_rng(2)
    columns = [rng.normal(size=(37, 4)), rng.normal(size=37), rng.integers(0, 9, 37)]
    d = Descent(program, [np.zeros(()) for _ in state], columns, [rng.normal(size=(11, 4))])
    check_near(whole(d, 2, seed=3), d, 2, seed=3)

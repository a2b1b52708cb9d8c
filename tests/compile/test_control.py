"""Control flow as statements: read by the letter it means what is compiled, in any order."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import descend
from compile.descents import MODELS, Descent, Outcome, descent
from compile.interpreter import Machine, together
from compile.test_many import job, results
from compile.test_programs import check_near, check_same_bits, outcome, whole
from descend.compile.descent import DescentFlow
from descend.compile.entry import CONTROL
from descend.compile.loops import block_text
from descend.compile.many import ManyFlow
from descend.compile.many_program import CONTROL as MANY
from descend.compile.memory import control_words
from descend.compile.places import named_words
from descend.compile.program import NativeProgram
from descend.graph.blocks import combined, split
from descend.graph.program import RUNNING, Bindings, Control, Plan, interpret
from descend.methods import SGD, SquaredError
from descend.methods.damped import LeanLevenbergMarquardt
from descend.program.epochs import EndOfEpoch
from descend.program.pipeline import descent as build
from descend.program.recipe import Recipe
from descend.program.stopping import Rules
from descend.run.drive import Interpreted
from descend.trace.model import Spec, trace_model
from whole import WHOLE, sampled

SMALL = 8


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of 8 rows, and of arrays 3 rows at a time, so that a few rows are many of each."""
    modules = "graph.program", "compile.descent", "compile.passes", "compile.memory"
    for module in (*modules, "compile.program"):
        monkeypatch.setattr(f"descend.{module}.BLOCK", SMALL)
    monkeypatch.setattr("descend.compile.passes.LEAST_ROWS", 3)
    monkeypatch.setattr("descend.compile.passes.CACHE", 1)
    return


def by_the_letter(
    d: Descent, epochs: int, seed: int = 0, order: int = 0, threads: int = 1
) -> Outcome:
    """The outcome of the loops of a descent, read statement by statement."""
    bound, control = d.bindings(), Control(max_epochs=epochs, seed=seed)
    n = bound.n_rows
    variant = NativeProgram(d.program)._variant(n)
    flow = DescentFlow(d.program, variant, threads > 1 and variant != "blocks")
    flow.write()
    held = control_words(bound, control, 10**6, epochs, True)
    arrays: dict[tuple[str, int], Any] = named_words(CONTROL, held)
    for role, own in (("state", bound.state), ("data", bound.data), ("fixed", bound.fixed)):
        arrays |= {(role, i): np.array(a) for i, a in enumerate(own)}
    arrays |= {("epoch", i): np.zeros(1) for i in range(2)} | {("order", 0): np.zeros(n, int)}
    arrays |= {("shuffled", i): np.zeros_like(a) for i, a in enumerate(bound.data)}
    arrays |= {("record", p.number): np.zeros((epochs, *p.shape), p.dtype) for p in flow.records}
    arrays |= {
        ("part", p.number): np.zeros((-(-n // SMALL), *p.shape), p.dtype) for p in flow.parts
    }
    extents = {d.program.rows: n}
    machine = Machine(arrays, extents, order)
    for place in flow.scratch.values():
        machine.arrays[place.role, place.number] = np.zeros(machine.cells(place.shape), place.dtype)
    kept = {place.key for place in flow.kept}
    others = [Machine(machine.arrays, extents, order + n) for n in range(1, threads)]
    for other in others:
        other.arrays |= {key: a.copy() for key, a in machine.arrays.items() if key in kept}
    together([machine, *others], flow.block, order)
    state = [machine.arrays["state", i].reshape(a.shape) for i, a in enumerate(bound.state)]
    done = int(held[8])
    records = [machine.arrays["record", p.number][:done] for p in flow.records]
    return Outcome(state, records, int(held[7]), int(held[3]), int(held[6]))


@sampled("model, shuffle, batch", itertools.product(MODELS, [False, True], [1, 7, 15, None]), 5)
def test_the_loops_mean_the_program(model: str, shuffle: bool, batch: int | None) -> None:
    d = descent(model, batch, shuffle, rows=16)
    check_near(by_the_letter(d, 2, seed=5), d, 2, seed=5)


def dropout(x, w, u):
    h = np.tanh(x @ w)
    kept = descend.running("mean", h.mean(0))
    return ((h - kept) * descend.random.bernoulli(0.5, h.shape)) @ u + descend.random.normal()


def network(batch: int | None, shuffle: bool) -> Descent:
    """A network that draws and keeps, as a program with its arrays."""
    number, rng = Spec((), np.dtype(float)), np.random.default_rng(0)
    specs = {"w": Spec((3, 5), number.dtype), "u": Spec((5,), number.dtype)}
    model = trace_model(
        dropout, lambda data, leaves: ([*data.values(), *leaves.values()], {}),
        {"x": Spec((3,), number.dtype)}, specs,
    )  # fmt: skip
    recipe = Recipe(
        SGD(lr=0.1), SquaredError(), EndOfEpoch(Rules({})), target=number,
        plan=Plan(batch, shuffle and batch is not None),
    )  # fmt: skip
    made = build(model, recipe)
    start = {f"moved {n}": rng.normal(size=s.shape) for n, s in specs.items()}
    fixed = {"optimizer.lr": np.array(0.1), "random seed": np.array(11)}
    own = [fixed[n] for n in made.fixed]
    state = made.program.beginning([*(start[n] for n in made.start), *own], {made.program.rows: 1})
    columns = {"x": rng.normal(size=(16, 3)), "target": rng.normal(size=16),
               "row number": np.arange(16, dtype=np.uint32)}  # fmt: skip
    return Descent(made.program, [np.array(a) for a in state], [columns[n] for n in made.data], own)


@pytest.mark.parametrize("batch", [1, 5, 16, None])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "shuffled"])
def test_draws_and_running_values_by_the_letter(shuffle: bool, batch: int | None) -> None:
    d = network(batch, shuffle)
    check_near(by_the_letter(d, 2, seed=5), d, 2, seed=5)


@pytest.mark.parametrize("guard", [1e9, 0.0])
def test_a_step_that_is_not_taken(guard: float) -> None:
    d = descent("vector", 5, True, rows=16, guard=guard)
    got, want = by_the_letter(d, 2), whole(d, 2)
    assert (got.status, got.epoch, got.steps) == (want.status, want.epoch, want.steps)


@pytest.mark.usefixtures("small_blocks")
@sampled("model, rows", itertools.product(MODELS, [9, 16, 23, 45]), 3)
def test_sums_of_blocks_mean_the_program(model: str, rows: int) -> None:
    d = descent(model, None, False, rows)
    assert d.program.in_blocks(rows)
    check_near(by_the_letter(d, 2), d, 2)
    check_near(whole(d, 2), d, 2)
    bound, control = d.bindings(), Control(max_epochs=2)
    interpret(d.program, bound, control, 10)
    check_near(outcome(bound, control), d, 2)


@pytest.mark.usefixtures("small_blocks")
def test_matrices_of_rows_in_blocks() -> None:
    def larger(x, a, b):
        m = np.stack([np.stack([a + x, b * x], -1), np.stack([b * x, a - x], -1)], -2)
        return np.linalg.eigvalsh(m)[:, 1]

    x = np.linspace(0, 1, 3 * SMALL + 2)
    fit = descend.fit(larger, x, 2 + np.hypot(x, 0.5 * x), start={"a": 1.0, "b": 0.4})
    assert fit.engine == "native" and fit.params == pytest.approx({"a": 2.0, "b": 0.5}, rel=1e-9)


@pytest.mark.fuzz
@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("model", MODELS)
def test_no_order_of_blocks_changes_a_bit(model: str) -> None:
    d = descent(model, None, False, 45 if WHOLE else 23)
    first = by_the_letter(d, 1)
    for order in range(1, 4):
        check_same_bits(by_the_letter(d, 1, order=order), first)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("rows", [9, 45, 64])
@pytest.mark.parametrize("model", MODELS)
def test_no_number_of_threads_changes_a_bit(model: str, rows: int) -> None:
    d = descent(model, None, False, rows)
    program = NativeProgram(d.program)
    one = whole(d, 20, program=program)
    for threads in (2, 3, 5):
        bound, control = d.bindings(), Control(max_epochs=20, threads=threads)
        while control.status == RUNNING:
            program.run(bound, control, 3)
        check_same_bits(outcome(bound, control), one)


class Coming:
    """Rows that come block by block, in two buffers that are used again."""

    def __init__(self, columns: Sequence[Any]) -> None:
        self.columns = columns
        self.buffers = [[np.empty_like(a[:SMALL]) for a in columns] for _ in range(2)]

    def blocks(self) -> Iterator[tuple[int, Sequence[Any]]]:
        for number, first in enumerate(range(0, len(self.columns[0]), SMALL)):
            rows = min(SMALL, len(self.columns[0]) - first)
            buffers = self.buffers[number % 2]
            for buffer, column in zip(buffers, self.columns, strict=True):
                buffer[:rows] = column[first : first + rows]
                buffer[rows:] = np.nan
            yield first, [buffer[:rows] for buffer in buffers]


def coming(d: Descent) -> Bindings:
    """A run on rows that come."""
    bound = d.bindings()
    stream = Coming(bound.data)
    return replace(bound, data=[a[:0] for a in bound.data], stream=stream)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("native", [True, False], ids=["native", "interpreted"])
@pytest.mark.parametrize("rows", [9, 45, 55, 64])
@pytest.mark.parametrize("model", MODELS)
def test_rows_that_come_give_the_bits_of_rows_that_are_there(
    model: str, rows: int, native: bool
) -> None:
    d = descent(model, None, False, rows)
    runner = NativeProgram(d.program) if native else Interpreted(d.program)
    ends = []
    for bound in (d.bindings(), coming(d)):
        control = Control(max_epochs=7)
        while control.status == RUNNING:
            runner.run(bound, control, 3)
        ends.append(outcome(bound, control))
    check_same_bits(*ends)


@pytest.mark.usefixtures("small_blocks")
def test_of_rows_that_come_few_sums_are_held_and_once_for_all_entries() -> None:
    d = descent("vector", None, False, 200)
    runner, bound, control = NativeProgram(d.program), coming(d), Control(max_epochs=3)
    kept = []
    while control.status == RUNNING:
        runner.run(bound, control, 1)
        kept.append(runner._own.memory[1])
    assert all(memory is kept[0] and memory.bound.stream is None for memory in kept)
    lengths = {len(held) for key, held in kept[0].where.items() if key[0] == "part"}
    assert lengths == {5}  # of 25 blocks
    check_same_bits(outcome(bound, control), whole(d, 3))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("native", [True, False], ids=["native", "interpreted"])
def test_a_pass_that_is_left_has_not_begun(native: bool) -> None:
    d = descent("vector", None, False, 45)
    runner = NativeProgram(d.program) if native else Interpreted(d.program)
    bound, control = coming(d), Control(max_epochs=7)
    runner.run(bound, control, 2)
    before = outcome(bound, control)
    told: list[int] = []

    def leaves(rows: int) -> bool:
        told.append(rows)
        return rows >= 24

    control.leaves = leaves
    runner.run(bound, control, 2)
    assert told == [8, 16, 24]
    check_same_bits(outcome(bound, control), before)
    control.leaves = None
    while control.status == RUNNING:
        runner.run(bound, control, 3)
    check_same_bits(outcome(bound, control), whole(d, 7) if native else interpreted(d, 7))


def interpreted(d: Descent, epochs: int) -> Outcome:
    bound, control = d.bindings(), Control(max_epochs=epochs)
    interpret(d.program, bound, control, 1000)
    return outcome(bound, control)


def test_blocks_are_combined_by_neighbours() -> None:
    """With 2**53 + 1 + 1 = 2**53, but 2**53 + 2 > 2**53, the order shows."""
    big = np.array(2.0**53)
    ones = [np.array(1.0)] * 3
    assert combined([big, *ones], "add") == 2.0**53 + 2  # (big + 1) + (1 + 1)
    assert combined([*ones[:2], big, ones[0]], "add") == 2.0**53 + 2
    assert combined([*ones, big], "max") == 2.0**53


@pytest.mark.usefixtures("small_blocks")
def test_rows_that_know_of_one_another_are_not_split() -> None:
    from descend.graph.elementwise import call
    from descend.graph.linear import cumsum, flip, reduce_sum
    from descend.graph.node import Dim
    from descend.graph.selection import argsort
    from descend.graph.source import input_node, iota

    n = Dim()
    x = input_node("x", (n,))
    counted = call("mul", x, iota((n,), 0, x.dtype))
    for mixed in (cumsum(x, 0, False), flip(x, (0,)), argsort(x, 0), counted):
        assert split([reduce_sum(mixed, (0,))], n) is None
    assert split([reduce_sum(call("exp", x), (0,))], n) is not None


def test_lanes_are_fits_by_themselves() -> None:
    """Fits in lanes, read one by one, come to what the compiled lanes come to."""
    made = job([12, 9, 7, 12, 10])
    method = LeanLevenbergMarquardt()
    built = made.built(method)
    arrays = made.arrays(built, method, 40)
    program, width = built.program, 4
    flow = ManyFlow(program, width)
    flow.write()
    held: dict[tuple[str, int], Any] = named_words(MANY, np.array([0, 5, 40, 0, 0]))
    held |= {("offsets", -1): arrays.offsets, ("codes", -1): arrays.codes}
    held |= {("iterations", -1): arrays.iterations, ("fresh", -1): np.zeros(width, np.bool_)}
    held["code", -1] = np.zeros(width, np.int64)
    held |= {
        (f"{role} {name}", -1): np.zeros(width, np.int64)
        for role in ("lane", "final") for name in ("fit", "steps", "counts", "code")
    }  # fmt: skip
    extents = {program.rows: arrays.longest}
    machine = Machine(held, extents, 1, width, lambda place: place.role == "constant")
    machine.rows, machine.ragged = (program.rows,), True
    for role, nodes in (("state", program.state), ("final", program.state),
                        ("result", program.results), ("own", program.own),
                        ("data", program.data)):  # fmt: skip
        for i, node in enumerate(nodes):
            shape = machine.cells(node.shape), width
            machine.arrays[role, i] = np.zeros(shape, node.dtype)
    for role, own in (("given", arrays.own), ("column", arrays.columns), ("fixed", arrays.fixed),
                      ("out", [a.copy() for a in arrays.results])):  # fmt: skip
        machine.arrays |= {(role, i): a for i, a in enumerate(own)}
    sizes = [a[0].size if len(a) > 1 else 0 for a in arrays.own]
    machine.arrays["strides", -1] = np.array(sizes)
    shared = {("fixed", i) for i in range(len(arrays.fixed))}
    shared |= {("data", i) for i, s in enumerate(program.shared) if s}
    machine.shared = lambda place: (
        place.role == "constant" or (place.role, place.number) in shared
    )
    machine.run(flow.block)
    want = results(made, width, [(0, 5)])
    got = [machine.arrays["out", i] for i in range(len(arrays.results))]
    for one, other in zip([*got, arrays.codes], want[:-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_loops_are_printed() -> None:
    flow = DescentFlow(descent("scalars", 7, True, guard=1.0).program, "remainder")
    flow.write()
    text = block_text(flow.block)
    for line in ("loop:", "  while", "if ", "else:", "rows from", "budget[] = "):
        assert line in text

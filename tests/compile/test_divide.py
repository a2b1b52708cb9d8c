"""A step divided among threads: the same bits for any number of them, in any order."""

import itertools
import os
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

import descend
from compile.descents import Descent, descent
from compile.test_control import by_the_letter, network
from compile.test_programs import check_same_bits, outcome, whole
from descend import networks as nn
from descend.compile import divide as dividing
from descend.compile import memory
from descend.compile.descent import DescentFlow, write_descent
from descend.compile.legalise import legal_program
from descend.compile.loops import Barrier, Block, Nest, Product, Serial
from descend.compile.program import NativeProgram
from descend.graph.program import RUNNING, Control
from whole import WHOLE, covered, sampled

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 40)).astype(np.float32)
LABELS = (X[:, 0] + X[:, 1] ** 2 > 1).astype(int) + (X[:, 2] > 0.5)
TRAINED = {"loss": "cross_entropy", "epochs": 3, "batch_size": 128, "seed": 3, "lr": 1e-2}


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even short axes are divided, and next to nothing is done twice."""
    monkeypatch.setattr(dividing, "PART", 2)
    monkeypatch.setattr(dividing, "LITTLE", 4)
    monkeypatch.setattr(dividing, "PRODUCTS", 2)


DESCENTS = {
    "batches": lambda: descent("network", 5, True, rows=12),
    "all rows": lambda: descent("network", None, False, rows=16),
    "matrix": lambda: descent("matrix", 8, True, rows=16),
    "a step that is not taken": lambda: descent("network", 5, True, rows=12, guard=0.3),
    "draws and running values": lambda: network(5, True),
    "a matrix in each row": lambda: descent("matrices", 3, True, rows=5),
}


@pytest.mark.fuzz
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("make", DESCENTS.values(), ids=DESCENTS)
def test_no_order_of_threads_changes_a_bit(make: Any) -> None:
    d, epochs = make(), 2 if WHOLE else 1
    one = by_the_letter(d, epochs, seed=5)
    for threads, order in ((2, 0), (2, 1), (3, 2)):
        check_same_bits(by_the_letter(d, epochs, seed=5, order=order, threads=threads), one)


@pytest.mark.usefixtures("eager")
def test_without_barriers_the_order_of_threads_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the check above can fail."""
    d = descent("network", 5, True, rows=12)
    one = by_the_letter(d, 1, seed=5)
    divide = dividing.divide

    def without(*args: Any) -> list[Any]:
        return [s for s in divide(*args) if not isinstance(s, Barrier)]

    monkeypatch.setattr("descend.compile.descent.divide", without)
    with pytest.raises(AssertionError):
        for order in range(4):
            check_same_bits(by_the_letter(d, 1, seed=5, order=order, threads=2), one)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("make", DESCENTS.values(), ids=DESCENTS)
def test_no_number_of_threads_changes_a_bit(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    d = make()
    plain = whole(d, 20, program=NativeProgram(d.program))
    monkeypatch.setattr("descend.graph.program.LEAST", 1)
    program = NativeProgram(d.program)
    for threads in (1, 2, 3, 5):
        check_same_bits(in_pieces(d, program, threads), plain)
    assert program.variant(len(d.data[0])).text.threads


def in_pieces(d: Descent, program: NativeProgram, threads: int) -> Any:
    """The outcome of many entries, each of which ends in the middle of an epoch."""
    bound, control = d.bindings(), Control(max_epochs=20, threads=threads)
    while control.status == RUNNING:
        program.run(bound, control, 3)
    return outcome(bound, control)


def same(a: Any, b: Any) -> None:
    for name, value in a.params.items():
        np.testing.assert_array_equal(value, b.params[name])
    assert a.history.loss.tobytes() == b.history.loss.tobytes()


MODELS = {
    "mlp": lambda: nn.mlp((100, 60)),
    "normalised": lambda: nn.Sequential(
        nn.Linear(70), nn.BatchNorm(), nn.relu,
        nn.Dropout(0.3), nn.Linear(),
    ),
    "tanh": lambda: nn.mlp((64,), activation="tanh"),
    "so deep that it is cut into pieces": lambda: nn.mlp((40,) * 12, activation="tanh"),
}  # fmt: skip
OPTIONS = {
    "Adam": {},
    "momentum": {"optimizer": descend.SGD(lr=0.1, momentum=0.9), "lr": None},
    "clipped": {"clip": descend.clip_norm(0.1)},
    "penalty": {"penalty": "l2(1e-3)"},
    "validation": {"validation_split": 0.2, "patience": 2, "epochs": 6},
    "weights": {"sample_weight": np.linspace(0, 1, len(X))},
    "all rows": {"batch_size": len(X)},
    "double": {"dtype": "float64"},
    "accumulated": {"accumulate": 2, "batch_size": 64},
    "averaged": {"ema": 0.9, "lr_factors": {"0": 0.5}},
}


@pytest.mark.filterwarnings("ignore:Every row is taken for")
@pytest.mark.parametrize("option", OPTIONS)
def test_a_network(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_trainings("mlp", option, monkeypatch)


@covered("model, option", [model for model in MODELS if model != "mlp"], ["Adam", "momentum"])
def test_networks(model: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_trainings(model, option, monkeypatch)


def check_trainings(model: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {**TRAINED, **OPTIONS[option]}
    given = {name: value for name, value in chosen.items() if value is not None}
    dtype = given.pop("dtype", "float32")
    x = X.astype(dtype)
    plain = descend.fit(MODELS[model](), x, LABELS, **given)
    monkeypatch.setattr("descend.graph.program.LEAST", 1000)
    for threads in (1, 2, 3):
        same(plain, descend.fit(MODELS[model](), x, LABELS, threads=threads, **given))


SMALL_PARAMETERS = {
    "a few": (nn.Linear(16), nn.BatchNorm(), nn.Sigmoid(), nn.Linear()),
    "so many that the step is cut into pieces": (
        nn.Linear(3), nn.BatchNorm(), nn.ELU(), nn.Linear(5), nn.BatchNorm(), np.tanh,
        nn.Linear(1), nn.BatchNorm(), nn.LayerNorm(), nn.Softplus(), nn.Linear(2), nn.BatchNorm(),
        nn.LayerNorm(), nn.relu, nn.Linear(16), nn.Mish(), nn.Linear(17), nn.BatchNorm(), nn.relu,
        nn.Linear(64), nn.LayerNorm(), np.tanh, nn.Linear(),
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:every row has the same", "ignore:Dead are")
@sampled("size, rows", itertools.product(SMALL_PARAMETERS, [2, 17]), 3)
def test_single_numbers_have_the_bits_of_one_thread(
    size: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Barriers and pieces come between products and sums, which LLVM would fuse elsewhere."""
    layers = SMALL_PARAMETERS[size]
    x, y = X[:rows, :16], X[:rows, 16:18]
    given = {"loss": "huber", "epochs": 3, "lr": 0.1}
    plain = descend.fit(nn.Sequential(*layers), x, y, **given)
    monkeypatch.setattr("descend.graph.program.LEAST", 1)
    for threads in (1, 2, 3):
        same(plain, descend.fit(nn.Sequential(*layers), x, y, threads=threads, **given))


def test_what_is_between_the_barriers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows go through all layers without waiting; then come the weights' gradients; then checks."""
    monkeypatch.setattr("descend.graph.program.LEAST", 1000)
    monkeypatch.setenv("DESCEND_CACHE", "off")
    write, flows = DescentFlow.write, []
    monkeypatch.setattr(DescentFlow, "write", lambda self: flows.append(self) or write(self))
    descend.fit(nn.mlp((63, 47)), X, LABELS, threads=2, **TRAINED)
    (flow,) = flows
    rounds: list[list[Any]] = [[]]
    for statement in flow.blocks["batch"].statements:
        if isinstance(statement, Barrier):
            rounds.append([])
        else:
            rounds[-1].append(statement)
    products = [[s for s in r if isinstance(s, Product)] for r in rounds]
    # Three forward, one backward (the other is of three terms, and written out); gradients.
    assert [len(p) for p in products] == [4, 3, 0, 0]
    assert all(p.divided is p.axes[0] and p.by_rows for p in products[0])
    assert all(p.divided is not None and p.in_place for p in products[1])
    alone = [s for s in rounds[2] if isinstance(s, Serial)]
    assert {s.thread % 2 for s in alone} == {0, 1}
    assert not any(isinstance(s, Nest | Serial | Block) for s in rounds[3])


def test_two_runs_at_once_have_the_bits_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("descend.graph.program.LEAST", 1000)
    given = {**TRAINED, "epochs": 60, "threads": 2}
    one = descend.fit(nn.mlp((100, 60)), X, LABELS, **given)
    found: dict[int, Any] = {}

    def fit(number: int) -> None:
        found[number] = descend.fit(nn.mlp((100, 60)), X, LABELS, **given)

    runs = [threading.Thread(target=fit, args=(number,)) for number in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    for other in found.values():
        same(one, other)


def test_numbers_are_flushed_where_one_thread_has_all_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dividing, "_divisible", lambda nest: None)
    program = legal_program(descent("matrix", 8, True, rows=16).program)
    one, two = (write_descent(program, "whole", divided) for divided in (False, True))
    flow = two.blocks["batch"].statements
    assert not any(isinstance(s, Product) for s in flow)
    assert any(isinstance(s, Serial) and isinstance(s.block.statements[0], Product) for s in flow)
    for word in ("ldmxcsr", "set.fpcr"):
        assert (word in two.text) == (word in one.text)


@pytest.mark.parametrize("call", range(12))
def test_what_a_signal_raises_leaves_no_thread_waiting(call: int) -> None:
    """A handler may raise whenever a call returns; here it is the one of this number."""
    meeting, ended, seen = threading.Barrier(2), list[int](), list[str]()
    tables = [np.zeros(2, np.int64) for _ in range(2)]
    before = threading.active_count()

    def function(_table: int, number: int, _count: int) -> int:
        meeting.wait(5)
        ended.append(number)
        return 0

    def at_return(frame: Any, event: str, _what: Any) -> None:
        caller = frame if event == "c_return" else frame.f_back if event == "return" else None
        if caller is not None and caller.f_code is memory._together.__code__:
            seen.append(event)
            if len(seen) == call + 1:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(at_return)
    try:
        memory.on_threads(function, tables, [1])
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.001)
    assert threading.active_count() == before
    assert sorted(ended) in ([], [0, 1])
    assert not memory._several[0].locked()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_after_a_fork_there_are_threads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("descend.graph.program.LEAST", 1000)
    one = descend.fit(nn.mlp((100,)), X, LABELS, threads=2, **TRAINED)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            same(one, descend.fit(nn.mlp((100,)), X, LABELS, threads=2, **TRAINED))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

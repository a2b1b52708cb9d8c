"""The facts at the end of a run, worked out by one compiled graph that reads the run's memory.

It is made where a program is used again and again, since most are used once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import numpy as np

from descend.compile.function import BoundFunction, NativeFunction, compile_graph
from descend.compile.native import NotNative
from descend.differentiate.batch import batch
from descend.differentiate.gauss_newton import normal_equations
from descend.errors import UsageError
from descend.graph.elementwise import cast
from descend.graph.linear import reshape, slice_
from descend.graph.node import Node, RowsAsked, postorder, substitute
from descend.graph.source import input_node
from descend.methods.least_squares import LevenbergMarquardt
from descend.parameters.space import LOWER, UPPER
from descend.parameters.vector import joined, pieces
from descend.program.objective import entries
from descend.program.pipeline import DescentBuilder
from descend.run.build import Built
from descend.run.job import Job
from descend.run.look import CLEAR, MOST_NUMBERS, MOVED, UNCLEAR, VAGUE, Formulas, Look
from descend.simplify.driver import simplify
from descend.task.columns import SIGMA, TARGET, WEIGHT

__all__ = ["MANY_ROWS", "WARM", "BoundEnds", "Ends", "kept_ends", "spread_of"]

Array = np.ndarray[Any, np.dtype[Any]]
Nodes = dict[str, Node]
Key = tuple[str, str]
WARM = 6  # runs of a program from which on the graphs of an end are worth their making
MOST_SOON = 32  # numbers up to which a graph need not be fast
MANY_ROWS = 50_000  # that take about as long to look at by J as the making of a graph, by six
EQUATIONS = ("jtj", "jtr", "loss")
OF_MANY = {Look.SQUARES: Look.MANY_SQUARES, Look.CURVED: Look.MANY_CURVED}


class _Compiled(NamedTuple):
    """A compiled graph, what its inputs are (of which role, and called what), and constants."""

    native: NativeFunction
    keys: list[Key]
    constants: dict[Key, Array]

    def bind(self, arrays: Mapping[Key, Array]) -> BoundFunction:
        known = {**arrays, **self.constants}
        return self.native.bind([known[key] for key in self.keys])


class Arrays(Protocol):
    """The arrays of a run, each in the order of its program."""

    state: list[Array]
    data: list[Array]
    fixed: list[Array]


class BoundEnds:
    """The graphs of an end in the memory of a run.

    Args:
        memory: of the run.
        begin: (p,) where it will be written where the run began.
    """

    def __init__(self, ends: Ends, built: Built, memory: Arrays, count: int) -> None:
        made = built.descent
        self.begin, self._who, self._factor = np.zeros(count), np.zeros(count), np.zeros(())
        own = {"begin": self.begin, "who": self._who, "factor": self._factor}
        self._ends, self._built = ends, built
        self._tried: BoundFunction | None = None
        self._arrays: dict[Key, Array] = {("own", name): array for name, array in own.items()}
        for role, names, arrays in (
            ("state", made.state, memory.state), ("data", made.data, memory.data),
            ("fixed", made.fixed, memory.fixed),
        ):  # fmt: skip
            self._arrays |= {(role, n): a for n, a in zip(names, arrays, strict=True)}
        self._facts = ends.facts.bind(self._arrays)
        flat: Any = self._facts.results[0].reshape(-1)
        self._code = memoryview(flat)

    def code(self) -> float:
        """What is said of the end where the run stands now."""
        self._facts.run()
        code = float(self._code[0])
        if code != VAGUE:
            return code
        if self._built.extras.get("is linear"):
            return CLEAR  # there each number has a best value
        vague = [i for i, is_vague in enumerate(self._code[1:]) if is_vague]
        return CLEAR if all(map(self._rises, vague)) else UNCLEAR

    def _rises(self, i: int) -> bool:
        """Whether the loss is larger where a number is some times as large, the others best."""
        trial = self._ends.trial
        if trial is None:
            return False
        if self._tried is None:
            self._tried = trial.bind(self._arrays)
        self._who[:] = 0.0
        self._who[i] = 1.0
        for factor in self._ends.formulas.factors:
            self._factor[...] = factor
            self._tried.run()
            if not self._tried.results[0].item():
                return False
        return True


class Ends:
    """The graphs at the end of a program's runs.

    Args:
        reads: the state and the first number in it of each leaf that is moved.
        equations: whether the method's last state holds the normal equations of the residuals.
        soon: whether the graphs are to be had soon rather than to be fast.

    Raises:
        NotNative, RowsAsked: there can be no such graph.
    """

    def __init__(
        self, job: Job, built: Built, look: Look, formulas: Formulas,
        reads: Sequence[tuple[str, int]], equations: bool, soon: bool = True,
    ) -> None:  # fmt: skip
        self._soon = soon
        recipe = replace(job.recipe(None), optimizer=LevenbergMarquardt())
        self._builder = b = DescentBuilder(built.model, recipe)
        self._states = dict(zip(built.descent.state, built.descent.program.state, strict=True))
        self._inputs: dict[Key, Node] = {}
        self._of_model = set(b.captured)
        b.loss()
        natural = self._natural(job, reads)
        b.vary(scaled=False)
        self._own = list(b.leaves.values())
        self._inputs |= {("data", name): node for name, node in b.data.items()}
        self.formulas, self._facts = formulas, SimpleNamespace(lower=None, upper=None)
        x = self._facts.x = joined([natural[name] for name in b.leaves], np.dtype(np.float64))
        begin = self._facts.begin = self._inputs["own", "begin"] = input_node("begin", x.shape)
        if look is Look.BATCHES:
            self._facts.before, self._facts.loss = self._loss(begin), self._loss(x)
        else:
            self._enter(job, look, equations)
        many = look in OF_MANY and x.size > MOST_NUMBERS
        self._soon = self._soon and x.size <= MOST_SOON
        self.facts = self._compiled(self._said(formulas.codes[OF_MANY[look] if many else look]))
        self._tries = look is Look.SQUARES and not many and not (job.space and job.space.scales)

    def _natural(self, job: Job, reads: Sequence[tuple[str, int]]) -> Nodes:
        """The model's leaves where the method stands."""
        b, space = self._builder, job.space
        entered = None if space is None else space.enter(b.model.leaves)
        moved = b.model.leaves if entered is None else entered.leaves
        values: Nodes = {}
        for (key, leaf), (state, at) in zip(moved.items(), reads, strict=True):
            node = self._inputs.setdefault(("state", state), self._states[state])
            flat = reshape(node, (node.size,))
            values[key] = reshape(slice_(flat, (at,), (at + leaf.size,), (1,)), leaf.shape)
        if entered is None:
            return values
        self._inputs |= {("fixed", name): node for name, node in entered.fixed.items()}
        return entered.natural(b.model.leaves, values)

    def _enter(self, job: Job, look: Look, equations: bool) -> None:
        """The facts that a look goes by, as nodes."""
        b, facts, space = self._builder, self._facts, job.space
        facts.moved = facts.x
        if space is not None and any(map(space.bounded, b.model.leaves)):
            equations = False
            for name, side in (("lower", LOWER), ("upper", UPPER)):
                node = self._inputs["fixed", side] = input_node(side, facts.x.shape)
                setattr(facts, name, node)
            if space.scales:
                (facts.moved,) = (n for (role, _), n in self._inputs.items() if role == "state")
        measured = b.model.nodes[0] if b.residual is None else b.residual
        facts.n, facts.loss = entries(measured, b.rows), self._loss(facts.x)
        if look is Look.SQUARES:
            columns = [b.data[TARGET], facts.n, b.data.get(WEIGHT), b.data.get(SIGMA)]
            facts.spread, facts.level = b.run(spread_of, *columns)
        else:
            facts.farther, facts.constant = self._farther(), self._constant(job)
        if look is not Look.PLAIN:
            b.normal_equations(self._own)
            facts.jtj, facts.jtr, _ = self._equations(facts.x)
        if look is Look.CURVED and b.curvature is not None:
            c = b.curvature
            square = b.run(lambda slope: slope * slope, c.slope)
            scatter, _ = normal_equations(c.prediction, self._own, c.slope, square)
            (facts.scatter,) = self._placed([scatter], facts.x)
            facts.is_likelihood = bool(job.settings.loss and job.settings.loss.is_likelihood)
        if equations:
            for name in EQUATIONS:
                node = self._inputs["state", f"method/{name}"] = self._states[f"method/{name}"]
                setattr(facts, name, node)

    def _farther(self) -> Node:
        """(p + 1,) the loss as far again along the way: of each number by itself, then of all.

        What has hardly moved may have begun far out: its way is that from 0.
        """
        count = self._facts.x.size

        def places(f: Any) -> Any:
            alone = np.concatenate([np.eye(count), np.ones((1, count))])
            way = np.where(np.abs(f.x - f.begin) > MOVED * np.abs(f.x), f.x - f.begin, f.x)
            found = f.x[None, :] + alone * way[None, :]
            return found if f.lower is None else np.clip(found, f.lower[None], f.upper[None])

        whole, many, at = self._said(places), {}, 0
        for leaf in self._own:
            part = slice_(whole, (0, at), (count + 1, at + leaf.size), (1, 1))
            many[leaf] = cast(reshape(part, (count + 1, *leaf.shape)), leaf.dtype)
            at += leaf.size
        return batch([self._builder.objective], many, count + 1)[0]

    @functools.cached_property
    def trial(self) -> _Compiled | None:
        """Whether the loss rises as a number grows and the others follow; made when first asked."""
        if not self._tries:
            return None
        who = self._inputs["own", "who"] = input_node("who", self._facts.x.shape)
        factor = self._inputs["own", "factor"] = input_node("factor")
        place = self._said(self.formulas.place, who, factor)
        there = self._equations(place)
        return self._compiled(self._said(self.formulas.risen, who, place, *there))

    # --- graphs

    def _said(self, formula: Callable[..., Any], *nodes: Node) -> Node:
        """What a formula in traced NumPy makes of the facts and of other nodes."""
        named = {n: value for n, value in vars(self._facts).items() if isinstance(value, Node)}
        plain = {n: value for n, value in vars(self._facts).items() if n not in named}

        def said(*values: Any) -> Any:
            facts = dict(zip(named, values, strict=False))
            return formula(SimpleNamespace(**facts, **plain), *values[len(named) :])

        found: Node = self._builder.run(said, *named.values(), *nodes)
        return found

    def _placed(self, nodes: Sequence[Node], x: Node) -> list[Node]:
        return list(substitute(nodes, dict(zip(self._own, pieces(x, self._own), strict=True))))

    def _constant(self, job: Job) -> Node | None:
        """The loss with the target's mean as every prediction; None where that has no say."""
        b, loss = self._builder, job.settings.loss
        if loss is None or not loss.of_residual or len(b.model.nodes) != 1:
            return None
        prediction = b.model.nodes[0]
        if prediction.shape != b.data[TARGET].shape:
            return None
        mean = b.run(lambda y: 0 * y + np.mean(y), b.data[TARGET])
        (found,) = substitute([b.objective], {prediction: cast(mean, prediction.dtype)})
        numbers = {*b.model.leaves.values(), *self._own}
        return None if numbers & {*postorder([found])} else found

    def _loss(self, x: Node) -> Node:
        return self._placed([self._builder.objective], x)[0]

    def _equations(self, x: Node) -> list[Node]:
        b = self._builder
        return self._placed([b.equations["jtj"], b.equations["jtr"], b.objective], x)

    def _compiled(self, node: Node) -> _Compiled:
        outputs = simplify([cast(node, np.dtype(np.float64))], final=True)
        b, used = self._builder, set(postorder(outputs))
        # What formulas capture has names of its own: the program may call other arrays the same.
        constants: dict[Key, Array] = {
            ("own", name): np.ascontiguousarray(array, b.fixed[name].dtype)
            for name, array in b.captured.items() if name not in self._of_model
        }  # fmt: skip
        for name, node in b.fixed.items():
            role = "own" if ("own", name) in constants else "fixed"
            self._inputs[role, name] = node
        inputs = {key: node for key, node in self._inputs.items() if node in used}
        native = compile_graph(outputs, list(inputs.values()), self._soon)
        return _Compiled(native, list(inputs), constants)


def kept_ends(
    job: Job, built: Built, look: Look, formulas: Formulas, reads: Sequence[tuple[str, int]],
    equations: bool, rows: int = 0,
) -> Ends | None:  # fmt: skip
    """The graphs of a program, made once; None for its first runs, and where there are none.

    Args:
        rows: of a run by which they are asked for; many count as several runs.
    """
    kept = built.extras
    uses = kept["uses"] = kept.get("uses", 0) + 1 + rows // MANY_ROWS
    if uses < WARM:
        return None
    if "ends" not in kept:
        try:
            soon = rows < MANY_ROWS
            kept["ends"] = Ends(job, built, look, formulas, reads, equations, soon)
        except (NotNative, RowsAsked, UsageError):
            kept["ends"] = None
    found: Ends | None = kept["ends"]
    return found


def spread_of(y: Any, n: Any, weight: Any = None, sigma: Any = None) -> tuple[Any, Any]:
    """The mean squares of n targets about their mean and about zero, weighted as residuals are.

    >>> tuple(map(float, spread_of(np.array([1.0, 3.0]), 2.0)))
    (1.0, 5.0)
    """
    given = weight, None if sigma is None else 1.0 / (sigma * sigma)
    columns = [column for column in given if column is not None]
    if not columns:
        apart = y - np.sum(y) / n
        return np.sum(apart * apart) / n, np.sum(y * y) / n
    w = np.ones_like(y)
    for column in columns:
        w = w * column[(slice(None), *(None,) * (y.ndim - 1))]
    apart = y - np.sum(w * y) / np.sum(w)
    return np.sum(w * apart * apart) / n, np.sum(w * y * y) / n

"""From a model to the graphs of many fits: what begins, steps and ends a single one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.compile.many_program import ManyProgram
from descend.differentiate.gauss_newton import (
    half_hessian,
    jacobian_columns,
    normal_equations,
)
from descend.differentiate.reverse import reverse
from descend.graph.elementwise import call, cast
from descend.graph.linear import broadcast_like, concatenate, reduce_sum, reshape
from descend.graph.node import Dim, Node, postorder, substitute
from descend.graph.source import const, input_node, row_count
from descend.lean import dataclass
from descend.methods.damped import whole
from descend.parameters.vector import joined, pieces
from descend.program.building import FLOAT
from descend.program.many_errors import judged, judged_curved
from descend.program.objective import entries
from descend.program.pipeline import MOST_EXACT, DescentBuilder
from descend.program.recipe import Recipe
from descend.simplify.driver import simplify
from descend.task.columns import WEIGHT
from descend.trace.context import Trace
from descend.trace.model import Model
from descend.trace.tensor import wrap

__all__ = ["ManyBuilt", "ManyGraphs", "assembled", "build_many", "neighbours"]

Nodes = dict[str, Node]
INT = np.dtype(np.int64)


@dataclass
class ManyBuilt:
    """The graphs of many fits with the names of what must be bound to them.

    Attributes:
        data, fixed, results: the names of the program's inputs and results, in its order.
        captured: name of a fixed input → the array that the model captured.
        dtype: of the vector of all parameters.
        compares: whether a parameter is compared with the data.
        model: what was traced.
    """

    program: ManyProgram
    data: tuple[str, ...]
    fixed: tuple[str, ...]
    results: tuple[str, ...]
    captured: dict[str, Any]
    dtype: np.dtype[Any]
    rows: Dim | int
    traces: tuple[Trace, ...] = ()
    runner: Any = None
    compares: bool = False
    model: Model | None = None

    def serves(self, counts: Any) -> bool:
        """Whether the graphs are still the right ones: the same captures, any or these rows."""
        if isinstance(self.rows, int) and not np.all(counts == self.rows):
            return False
        return all(trace.unchanged() for trace in self.traces)


def build_many(
    model: Model, recipe: Recipe, shared: Sequence[str], held: Sequence[str],
    absolute: bool, covariance: bool,
) -> ManyBuilt:  # fmt: skip
    """Build the graphs of many fits.

    Args:
        recipe: with an optimizer of scope "vector".
        shared: the names of the columns that all fits have in common.
        held: the names of fixed parameters that each fit has a value of its own for.
        absolute: whether sigmas are in the unit of y.
        covariance: whether the covariance of each fit is a result.
    """
    b = DescentBuilder(model, recipe)
    b.loss()
    b.vary()
    b.derivatives()
    b.update_vector()
    return ManyGraphs(b, shared, held, absolute, covariance, True).assemble()


def assembled(
    b: DescentBuilder, shared: Sequence[str], held: Sequence[str], own: Sequence[Node],
    first: Callable[[Node], Node],
) -> ManyBuilt:  # fmt: skip
    """Build the graphs of many fits that are not judged, of stages that have been gone through.

    Args:
        own: further inputs that each fit has of its own, after the start.
        first: where a fit begins, of its start.
    """
    return ManyGraphs(b, shared, held, False, False, False, own, first).assemble()


def _has_own_functions(recipe: Recipe) -> bool:
    """Whether a loss or an optimizer is code of the user's, which may capture things."""
    parts = (recipe.loss, recipe.optimizer)
    return any(
        not type(part).__module__.startswith("descend.") or hasattr(part, "function")
        for part in parts
    )


def by_reciprocals(roots: Sequence[Node]) -> list[Node]:
    """Divisions of a small array by one number as products with its reciprocal.

    The arrays of a method, whose divisions would cost as much as the model; a result may be off by
    one more rounding. What has the rows in its shape is left as the user wrote it.
    """
    image: dict[Node, Node] = {}
    for node in postorder(roots):
        args = tuple(image[a] for a in node.args)
        same = all(a is b for a, b in zip(args, node.args, strict=True))
        made = node if same else node.op.apply(*args, **node.attrs)
        if _divides_by_one(made):
            a, b = made.args
            inverse = call("div", const(1, a.dtype), b.args[0])
            made = call("mul", a, broadcast_like(inverse, a))
        image[node] = made
    return [image[r] for r in roots]


def _divides_by_one(node: Node) -> bool:
    if node.op.name != "div" or not node.shape or any(isinstance(n, Dim) for n in node.shape):
        return False
    divisor = node.args[1]
    return divisor.op.name == "broadcast" and divisor.args[0].shape == () and node.size > 1


def _inner(each: Node) -> int:
    """How many entries a row has."""
    return math.prod(n for n in each.shape[1:] if isinstance(n, int))


class ManyGraphs:
    """The stages that follow the step."""

    def __init__(
        self, b: DescentBuilder, shared: Sequence[str], held: Sequence[str], absolute: bool,
        covariance: bool, errors: bool, own: Sequence[Node] = (),
        first: Callable[[Node], Node] | None = None,
    ) -> None:  # fmt: skip
        self.b, self.shared, self.held = b, set(shared), list(held)
        self.absolute, self.covariance, self.errors = absolute, covariance, errors
        self.recipe = b.recipe
        self.start = b.start["moved"]
        self.own, self.first = own, first

    def begin(self) -> Nodes:
        """Every state before the first step."""
        begun = {name: cast(b, self.b.state[name].dtype) for name, b in self.b.begin.items()}
        if self.first is not None:
            begun["all parameters"] = self.first(self.start)
        return begun

    def own_state(self, values: Nodes) -> Nodes:
        prefix = "method/"
        return {n.removeprefix(prefix): s for n, s in values.items() if n.startswith(prefix)}

    def code(self, new: Nodes) -> Node:
        """The optimizer's own verdict after a step: 0 to go on."""
        status = self.b.run(self.b.optimizer.status, self.own_state(new))
        return const(0, INT) if status is None else cast(status, INT)

    def results(self) -> Nodes:
        """What is handed out of each fit, from its state after the last step."""
        b, own = self.b, self.own_state(self.b.state)
        answer = b.run(b.optimizer.answer, b.state["all parameters"], own)
        leaves = list(b.leaves.values())
        natural = self.natural(answer)
        found: Nodes = {f"params.{name}": node for name, node in natural.items()}
        there = dict(zip(leaves, pieces(answer, leaves), strict=True))
        loss = own.get("loss")
        if loss is None or ("loss" in b.equations and self.errors):
            (loss,) = substitute([b.objective], there)
        found["loss"] = cast(loss, FLOAT)
        judge = self.judged if b.residual is not None else self.judged_curved
        made = judge(answer, loss, own, there) if self.errors else {}
        if not made:
            return found
        found |= {n: cast(made[n], FLOAT) for n in ("chi2", "pivot") if n in made}
        found["arrived"] = made["arrived"]
        errors = pieces(made["stderr"], list(natural.values()))
        found |= {f"stderr.{name}": node for name, node in zip(natural, errors, strict=True)}
        if self.covariance:
            found["covariance"] = made["covariance"]
        return found

    def judged(
        self, answer: Node, loss: Node, own: Nodes, there: Mapping[Node, Node]
    ) -> Nodes:
        """chi², errors and all that goes with them, of a sum of squares."""
        b = self.b
        assert b.residual is not None
        known = self.known(answer, loss, b.residual)
        more = self.slopes(answer), self.box(answer)
        made: Nodes = b.run(judged, known, *self.equations(own, there), self.absolute, *more)
        return made

    def judged_curved(
        self, answer: Node, loss: Node, own: Nodes, there: Mapping[Node, Node]
    ) -> Nodes:
        """The same of a loss with two derivatives; nothing of others."""
        b, curved, own_loss = self.b, self.b.curvature, self.b.recipe.loss
        if own_loss is None:
            return {}
        leaves = list(b.leaves.values())
        likelihood = own_loss.is_likelihood
        if likelihood and not own_loss.curved:
            return self.judged_observed(answer, loss, there)
        if curved is None:
            return {}
        matrix, side = normal_equations(curved.prediction, leaves, curved.slope, curved.expected)
        count = entries(curved.prediction, b.rows)
        if not likelihood and sum(leaf.size for leaf in leaves) <= MOST_EXACT:
            exact = half_hessian(b.objective, leaves)
            matrix = call("mul", exact, broadcast_like(cast(count, exact.dtype), exact))
        square = call("mul", curved.slope, curved.slope)
        scatter, _ = normal_equations(curved.prediction, leaves, curved.slope, square)
        matrix, side, scatter = substitute([matrix, side, scatter], there)
        known = self.known(answer, loss, curved.prediction)
        rest = (None if likelihood else scatter, self.slopes(answer), self.box(answer))
        made: Nodes = b.run(judged_curved, known, matrix, side, *rest)
        return made

    def judged_observed(self, answer: Node, loss: Node, there: Mapping[Node, Node]) -> Nodes:
        """The same of a likelihood, by its second derivatives; nothing of many numbers."""
        b, leaves = self.b, list(self.b.leaves.values())
        if sum(leaf.size for leaf in leaves) > MOST_EXACT or b.recipe.penalty is not None:
            return {}
        losses = b.each_loss()
        exact, count = half_hessian(b.objective, leaves), entries(losses, b.rows)
        slopes = joined(reverse([b.objective], [const(1, b.objective.dtype)], leaves), exact.dtype)
        sums = [call("mul", x, broadcast_like(cast(count, x.dtype), x)) for x in (exact, slopes)]
        matrix, side = substitute(sums, there)
        known = self.known(answer, loss, losses)
        rest = (None, self.slopes(answer), self.box(answer))
        made: Nodes = b.run(judged_curved, known, matrix, call("mul", side, 0.5), *rest)
        return made

    def known(self, answer: Node, loss: Node, each: Node) -> SimpleNamespace:
        """What an evaluation of a fit's errors looks at."""
        whole = counted = entries(each, self.b.rows)
        weight = self.b.data.get(WEIGHT)
        if weight is not None:  # rows of weight zero do not count
            rows = reduce_sum(call("sign", weight), (0,))
            counted = call("mul", cast(rows, whole.dtype), const(_inner(each), whole.dtype))
        count, some = (wrap(cast(node, loss.dtype)) for node in (whole, counted))
        return SimpleNamespace(x=wrap(answer), loss=wrap(loss), entries=count, counted=some)

    def box(self, answer: Node) -> tuple[Node, Node] | None:
        """The bounds of what is varied, if there are any."""
        return None if self.recipe.space is None else self.b.bounds.of_all(answer)

    def natural(self, answer: Node) -> Nodes:
        """Every parameter of the model, where what is varied has these values."""
        b = self.b
        own = zip(b.leaves, pieces(answer, list(b.leaves.values())), strict=True)
        return b.natural(dict(own))

    def slopes(self, answer: Node) -> Node | None:
        """d parameters / d varied numbers (q, p); None where they are the same."""
        if self.recipe.space is None:
            return None
        at = input_node("varied", answer.shape, answer.dtype)
        flat = joined(list(self.natural(at).values()), answer.dtype)
        columns = [reshape(c, (*c.shape, 1)) for c in jacobian_columns(flat, [at])]
        return substitute([concatenate(columns, 1)], {at: answer})[0]

    def equations(self, own: Nodes, there: Mapping[Node, Node]) -> tuple[Node, Node]:
        """JᵀJ and Jᵀr of the mean square at the answer, from the state where it has them."""
        if "half" in own and "jtr" in own:
            return self.b.run(whole, own["half"], own["jtr"].shape[0]), own["jtr"]
        if {"jtj", "jtr"} <= set(own):
            return own["jtj"], own["jtr"]
        residual = self.b.residual
        assert residual is not None
        sums = normal_equations(residual, list(self.b.leaves.values()))
        matrix, side = substitute(list(sums), there)
        share = cast(entries(residual, self.b.rows), matrix.dtype)
        parts = (call("div", sum_, broadcast_like(share, sum_)) for sum_ in (matrix, side))
        return next(parts), next(parts)

    def assemble(self) -> ManyBuilt:
        b = self.b
        step = {name: b.new.get(name, node) for name, node in b.state.items()}
        begin, code, results = self.begin(), self.code(step), self.results()
        roots = [*step.values(), *begin.values(), *results.values(), code]
        places = {b.leaves[name]: piece for name, piece in b.pieces.items()}
        done = iter(simplify(by_reciprocals(substitute(roots, places)), final=True))
        step = {name: next(done) for name in step}
        begin = {name: next(done) for name in begin}
        results = {name: next(done) for name in results}
        code = next(done)
        kept = self.needed(step, [*results.values(), code])
        names = [name for name in b.state if name in kept]
        ends = [*(step[n] for n in names), *(begin[n] for n in names), *results.values(), code]
        used = set(postorder(ends))
        data = {name: node for name, node in b.data.items() if node in used}
        inputs = (*(b.model.leaves[name] for name in self.held), *self.own)
        fixed = {n: node for n, node in b.fixed.items() if node in used and node not in inputs}
        program = ManyProgram(
            tuple(b.state[n] for n in names), (self.start, *inputs), tuple(data.values()),
            tuple(name in self.shared for name in data), tuple(fixed.values()),
            b.rows if isinstance(b.rows, Dim) else Dim("rows"),
            tuple(begin[n] for n in names), tuple(step[n] for n in names), code,
            tuple(results.values()),
        )  # fmt: skip
        captured = {name: array for name, array in b.captured.items() if name in fixed}
        return ManyBuilt(
            program, tuple(data), tuple(fixed), tuple(results), captured, self.start.dtype,
            b.rows, tuple(b.traces) if _has_own_functions(b.recipe) else tuple(b.traces[:1]),
        )

    def needed(self, step: Nodes, ends: Sequence[Node]) -> set[str]:
        """The states that the verdict and the results depend on."""
        names = {node: name for name, node in self.b.state.items()}
        kept: set[str] = set()
        waiting = [names[n] for n in postorder(ends) if n in names]
        while waiting:
            name = waiting.pop()
            if name not in kept:
                kept.add(name)
                waiting += [names[n] for n in postorder([step[name]]) if n in names]
        return kept




def neighbours(
    model: Model, recipe: Recipe, shared: Sequence[str], held: Sequence[str]
) -> ManyBuilt:
    """The graphs that tell how residuals of neighbouring rows go together, of many fits.

    The data are ordered, and given twice: as they are, and moved on by one row. `follows` is 0 in
    the last row of a fit and 1 elsewhere. Of the result, `correlation` is that of the residuals
    with their neighbours, and `size` the sum of their squares around their mean.
    """
    b = DescentBuilder(model, recipe)
    b.loss()
    b.vary()
    leaves = list(b.leaves.values())
    dtype = np.result_type(*(leaf.dtype for leaf in leaves))
    vector = input_node("end", (sum(leaf.size for leaf in leaves),), dtype)
    state = input_node("state", vector.shape, dtype)
    (prediction,) = model.nodes if b.entered is None else b.entered.placed(list(model.nodes))
    target = b.data["target"]
    if prediction.shape != target.shape:
        prediction = broadcast_like(prediction, target)
    residual = cast(call("sub", prediction, cast(target, prediction.dtype)), FLOAT)
    places = dict(zip(leaves, pieces(state, leaves), strict=True))
    (residual,) = substitute([residual], places)
    used = set(postorder([residual]))
    data = {name: node for name, node in b.data.items() if node in used}
    moved = {
        name: input_node(f"next {name}", node.shape, node.dtype) for name, node in data.items()
    }
    (following,) = substitute([residual], {data[name]: moved[name] for name in data})
    follows = input_node("follows", (b.rows,), FLOAT)
    made = b.run(
        _correlation, residual, following, follows, cast(row_count(b.rows), FLOAT)
    )
    results = {name: cast(made[name], FLOAT) for name in ("correlation", "size")}
    names = {**data, **{f"next {name}": node for name, node in moved.items()}, "follows": follows}
    own = [b.model.leaves[name] for name in held]
    done = simplify(list(results.values()), final=True)
    below = set(postorder(done))
    fixed = {n: node for n, node in b.fixed.items() if node in below and node not in own}
    columns = {n: node for n, node in names.items() if node in below}
    program = ManyProgram(
        (state,), (vector, *own), tuple(columns.values()),
        tuple(n in shared for n in columns), tuple(fixed.values()),
        b.rows if isinstance(b.rows, Dim) else Dim("rows"), (vector,), (state,), const(1, INT),
        tuple(done),
    )  # fmt: skip
    captured = {name: array for name, array in b.captured.items() if name in fixed}
    return ManyBuilt(
        program, tuple(columns), tuple(fixed), tuple(results), captured, vector.dtype, b.rows,
        tuple(b.traces) if _has_own_functions(b.recipe) else tuple(b.traces[:1]),
    )  # fmt: skip


def _correlation(residual: Any, following: Any, follows: Any, count: Any) -> dict[str, Any]:
    """Return the correlation of residuals with their neighbours, and the size of all."""
    mean = np.sum(residual) / count
    level, beside = residual - mean, following - mean
    size = np.sum(level * level)
    both = np.sum(follows * level * beside)
    return {"correlation": both / np.where(size > 0, size, 1.0), "size": size}

"""The last steps of many fits by J itself, where JᵀJ has lost too many digits.

J is taken apart as Q·R by the modified Gram–Schmidt process, whose R is as good as that of
Householder (Björck, "Numerical Methods for Least Squares Problems", 1996, section 2.4): every entry
is a sum over the rows, so that it runs in the lanes like everything else. The normal equations have
the square of J's condition; columns such as 1 and a time of 1.7e9 seconds need more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.graph.elementwise import call, cast, select
from descend.graph.linear import broadcast_like, concatenate, reduce_sum, reshape
from descend.graph.node import Node
from descend.graph.source import const
from descend.lean import dataclass
from descend.methods.base import FTOL, NOT_FINITE, STALLED, Array, Optimizer, State
from descend.program.lanes import ManyBuilt, ManyGraphs
from descend.program.many_errors import judged_by_triangle
from descend.program.objective import entries
from descend.program.pipeline import DescentBuilder
from descend.program.recipe import Recipe
from descend.trace.model import Model

__all__ = ["MOST_STEPS", "LastSteps", "last_steps"]

MOST_STEPS = 100
SETTLED = 1e-20  # a predicted fall, as a share of the loss
DROWNED = 64 * float(np.finfo(np.float64).eps)
NEARLY = 1e-8  # the same, where floating point knows no smaller step
SLACK = 10.0  # times the number of parameters and ε: a column's rest that is only rounding
Nodes = dict[str, Node]


@dataclass(frozen=True)
class LastSteps(Optimizer):
    """Gauss–Newton steps from a triangle R and Qᵀr, halved until the loss falls.

    `e.inverse` is R⁻¹ for columns as they are, 0 where a column depends on others, `e.side` is Qᵀr,
    and `e.pivot` the smallest entry on the diagonal of R for columns of length one.
    """

    scope: ClassVar[str] = "vector"
    needs: ClassVar[str] = "columns"
    bounded: ClassVar[bool] = True

    def init(self, p: Array) -> State:
        zero, zeros = np.zeros((), p.dtype), np.zeros_like(p)
        return {
            "x": p + zero, "loss": zero + np.inf, "move": zeros, "predicted": zero, "side": zeros,
            "inverse": np.zeros((p.shape[0], p.shape[0]), p.dtype), "pivot": zero,
            "status": zero,
        }  # fmt: skip

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        first = ~np.isfinite(s["loss"])
        sound = np.isfinite(e.loss) & np.all(np.isfinite(e.inverse))
        lower = sound & (e.loss < s["loss"])
        move = -np.sum(e.inverse * e.side[None, :], axis=1)
        new = {
            "x": np.where(lower, p, s["x"]),
            "loss": np.where(lower, e.loss, s["loss"]),
            "inverse": np.where(lower, e.inverse, s["inverse"]),
            "side": np.where(lower, e.side, s["side"]),
            "pivot": np.where(lower, e.pivot, s["pivot"]),
            "move": np.where(lower, move, 0.5 * s["move"]),
            "predicted": np.where(lower, np.sum(e.side * e.side), s["predicted"]),
        }
        still = new["predicted"] <= SETTLED * new["loss"]
        drowned = ~lower & (new["predicted"] <= DROWNED * new["loss"])
        short = np.all(new["x"] + new["move"] == new["x"])
        still = still | (short & (new["predicted"] <= NEARLY * new["loss"]))
        code = np.where(still | drowned, FTOL, np.where(short, STALLED, 0))
        new["status"] = np.where(first & ~sound, NOT_FINITE, code) + 0 * e.loss
        return new["x"] + new["move"], new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]


class _ByColumns(DescentBuilder):
    """The stages of a descent whose steps come from the columns of J."""

    def derivatives(self) -> None:
        """R and Qᵀr, each number a sum over the rows."""
        assert self.residual is not None
        residual = cast(self.residual, np.float64)
        columns = jacobian_columns(residual, list(self.leaves.values()))
        share = call("sqrt", cast(entries(residual, self.rows), np.float64))
        self.equations = _taken_apart(columns, residual, share)


def _taken_apart(columns: Sequence[Node], residual: Node, share: Node) -> Nodes:
    """R⁻¹ (p, p), Qᵀr (p,), both of the mean square, and the smallest pivot."""
    p = len(columns)
    least = const(SLACK * p * float(np.finfo(np.float64).eps))
    lengths = [call("sqrt", _dot(c, c)) for c in columns]
    units = [
        call("mul", column, broadcast_like(_inverse(length), column))
        for column, length in zip(columns, lengths, strict=True)
    ]
    triangle: dict[tuple[int, int], Node] = {}
    bases: list[Node] = []
    rest, side, pivots = residual, [], []
    for j, column in enumerate(units):
        for _ in range(2):  # the second time takes away what rounding has left
            for i, base in enumerate(bases):
                part = _dot(base, column)
                triangle[i, j] = call("add", triangle[i, j], part) if (i, j) in triangle else part
                column = call("sub", column, call("mul", base, broadcast_like(part, base)))
        size = call("sqrt", _dot(column, column))
        known = call("lt", least, size)
        triangle[j, j] = select(known, size, 0.0)
        base = call("mul", column, broadcast_like(_inverse(triangle[j, j]), column))
        part = _dot(base, rest)
        rest = call("sub", rest, call("mul", base, broadcast_like(part, base)))
        bases.append(base)
        side.append(call("div", part, share))
        pivots.append(triangle[j, j])
    pivot = pivots[0]
    for other in pivots[1:]:
        pivot = call("min", pivot, other)
    inverse = _inverted(triangle, p)
    flat = [
        call("mul", call("mul", inverse[i, j], _inverse(lengths[i])), share)
        for i in range(p) for j in range(p)
    ]  # fmt: skip
    matrix = reshape(concatenate([reshape(n, (1,)) for n in flat], 0), (p, p))
    return {
        "inverse": matrix, "side": concatenate([reshape(n, (1,)) for n in side], 0),
        "pivot": pivot,
    }  # fmt: skip


def _dot(a: Node, b: Node) -> Node:
    return reduce_sum(call("mul", a, b), tuple(range(a.ndim)))


def _inverse(x: Node) -> Node:
    """1/x; 0 where x is 0."""
    zero = call("eq", x, 0.0)
    return select(zero, 0.0, call("div", const(1.0), select(zero, 1.0, x)))


def _inverted(triangle: Mapping[tuple[int, int], Node], p: int) -> dict[tuple[int, int], Node]:
    """R⁻¹, entry by entry, with zeros for what has no pivot."""
    found: dict[tuple[int, int], Node] = {}
    for j in range(p):
        for i in range(p):
            found[i, j] = const(0.0)
        found[j, j] = _inverse(triangle[j, j])
        for i in reversed(range(j)):
            total: Node = const(0.0)
            for k in range(i + 1, j + 1):
                total = call("add", total, call("mul", triangle[i, k], found[k, j]))
            found[i, j] = call("neg", call("mul", _inverse(triangle[i, i]), total))
    return found


class _LastGraphs(ManyGraphs):
    """The stages that follow the step: errors from R as it is, never from JᵀJ."""

    def judged(
        self, answer: Node, loss: Node, own: Nodes, there: Mapping[Node, Node]
    ) -> Nodes:
        b = self.b
        assert b.residual is not None
        known = self.known(answer, loss, b.residual)
        made: Nodes = b.run(
            judged_by_triangle, known, own["inverse"], own["side"], own["pivot"], self.absolute,
            self.slopes(answer),
        )
        return made


def last_steps(
    model: Model, recipe: Recipe, shared: Sequence[str], held: Sequence[str], absolute: bool,
    covariance: bool,
) -> ManyBuilt:  # fmt: skip
    """The program of the last steps of many fits; the results are those of `build_many`."""
    b = _ByColumns(model, recipe)
    b.loss()
    b.vary()
    b.derivatives()
    b.update_vector()
    return _LastGraphs(b, shared, held, absolute, covariance, True).assemble()

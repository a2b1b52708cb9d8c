"""The search for a start, as a program: one candidate after the other, the best is the answer.

A candidate costs one evaluation, and so does what is best for the parameters that enter linearly:
there one Gauss–Newton step, restricted to them, is exact, and the loss where it leads follows from
JᵀJ and Jᵀr. Candidates come from what the columns are, fit by fit, and never from absolute numbers,
so that in another unit the same draws lead to the same minimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.graph.node import Node, postorder
from descend.graph.source import input_node
from descend.lean import dataclass
from descend.methods.base import FTOL, Array, Optimizer, State
from descend.methods.losses import SquaredError
from descend.parameters.space import Space
from descend.program.lanes import ManyBuilt, assembled
from descend.program.objective import loss_graph
from descend.program.pipeline import DescentBuilder
from descend.program.recipe import Recipe
from descend.program.scales import TARGET, Role, roles_of
from descend.program.small_squares import change_of, least_moves
from descend.simplify.driver import simplify
from descend.trace.model import Model
from descend.trace.tensor import wrap

__all__ = [
    "SPAN", "PlainSearch", "StartSearch", "TwofoldSearch", "Unknown", "search_program",
    "unknowns_of",
]  # fmt: skip

SPAN = (
    "lowest", "highest", "at_highest", "at_lowest", "step", "mean_step", "range", "far",
)  # fmt: skip
"""What is known of a column: where it goes from and to, and where the target is highest and
lowest; the logarithms of its short steps, of its mean step, of its range, and of how far it goes
from 0."""
MOST_LINEAR = 32
NUMBERS = math.log(10.0)  # the logarithm of a number without unit lies this far around 0
OFFSETS = math.log(30.0)
OPEN = math.log(100.0)
NEAR = 0.7  # by so much, in logarithms or shares, what is kept of the best candidate moves
POSITIVE = 0.75  # the share of sizes that are positive
KEPT = 0.5  # the share of numbers that later candidates keep from the best one
ROUNDING = 64 * float(np.finfo(np.float64).eps)
FOLDS = 97.0  # a share holds another one in its later digits
MIDDLE = 0.5 / FOLDS


class Unknown(NamedTuple):
    """A number without a start.

    Attributes:
        role: what kind it is. linear: whether it is solved for.
        scale: that it is moved on, `log` or `logit`; empty for none.
    """

    name: str
    role: Role
    linear: bool
    scale: str


def unknowns_of(
    model: Model, recipe: Recipe, missing: Sequence[str], solves: bool
) -> tuple[Unknown, ...]:
    """What is known of the numbers without a start, in the order in which they are moved.

    Args:
        solves: whether what enters linearly is to be solved for.
    """
    space = recipe.space or Space()
    entered = space.enter(model.leaves, scaled=False)
    outputs = entered.placed(list(model.nodes))
    leaves = {name: model.leaves[name] for name in model.leaves if name in missing}
    columns = dict(model.data)
    if recipe.target is not None and recipe.target.dtype.kind == "f":
        columns[TARGET] = input_node(TARGET)
    roles = roles_of(outputs, columns, leaves)
    linear = _linear(model, recipe, list(leaves)) if solves else ()
    return tuple(
        Unknown(n, roles[n], n in linear, space.scales.get(n, "")) for n in leaves
    )


def _linear(model: Model, recipe: Recipe, names: Sequence[str]) -> tuple[str, ...]:
    """Which of the parameters the residual is linear in, all together."""
    b = DescentBuilder(model, replace(recipe, loss=SquaredError()))
    b.loss()
    b.vary()
    keys = {n: n if recipe.space is None else recipe.space.key(n) for n in names}
    if b.residual is None or b.residual.dtype.kind != "f" or len(names) > MOST_LINEAR:
        return ()
    leaves = {name: b.leaves[keys[name]] for name in names}
    slopes = simplify(jacobian_columns(b.residual, list(leaves.values())), final=True)
    below = {name: set(postorder([slope])) for name, slope in zip(names, slopes, strict=True)}
    against = {
        one: {n for n in names if leaves[n] in below[one] or leaves[one] in below[n]}
        for one in names
    }
    chosen: list[str] = []
    for name in sorted(names, key=lambda n: (len(against[n]), names.index(n))):
        if name not in against[name] and not against[name] & set(chosen):
            chosen.append(name)
    return tuple(n for n in names if n in chosen)


@dataclass(frozen=True)
class StartSearch(Optimizer):
    """Evaluates one candidate after the other and answers with the best.

    The first candidates lie evenly over all that the columns suggest: they follow the additive
    recurrence of Roberts, "The unreasonable effectiveness of quasirandom sequences" (2018), of
    which every stretch is even by itself. The others keep some of the numbers of the best one
    nearly as they are, and draw the rest anew. Where some only move a wave along, the first are
    ranked as if these were solved for too, which tells how good the frequency is.

    Args:
        unknowns: what is searched for. names: of the columns that `h.spans` tells of, in order.
        first: the number of the first candidate, so that searches have none in common.
        shift: where the sequence of each number begins, between 0 and 1.
        decades: by how many powers of ten sizes may be off either way.
    """

    unknowns: tuple[Unknown, ...] = ()
    names: tuple[str, ...] = ()
    first: float = 0.0
    decades: float = 0.0
    shift: tuple[float, ...] = ()
    scope: ClassVar[str] = "vector"
    needs: ClassVar[str] = "gauss_newton"
    bounded: ClassVar[bool] = True
    takes: ClassVar[int] = 1
    """Evaluations of the model for a candidate."""

    def structure(self) -> tuple[Any, ...]:
        return type(self).__name__, self.unknowns, self.names

    def numbers(self) -> dict[str, float]:
        shifts = {f"shift.{i}": float(value) for i, value in enumerate(self.shift)}
        return {"first": float(self.first), "decades": float(self.decades), **shifts}

    def bind(self, values: Mapping[str, Array]) -> Self:
        """A copy with these numbers, which may be traced."""
        shift = tuple(values[f"shift.{i}"] for i in range(len(self.shift)))
        bound = {"first": values["first"], "decades": values["decades"], "shift": shift}
        copy = object.__new__(type(self))
        for field in fields(self):
            value = bound.get(field.name, getattr(self, field.name))
            object.__setattr__(copy, field.name, value)
        return copy

    def init(self, p: Array) -> State:
        zero = np.zeros((), p.dtype)
        return {"x": p + zero, "loss": zero + np.inf, "tried": zero, "status": zero}

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        tried = s["tried"] + 1
        early = s["tried"] < h.fresh
        x, loss = self.solved(p, e, h, early)
        better = loss < s["loss"]
        best: Array = np.where(better, x, s["x"])
        least: Array = np.where(better, loss, s["loss"])
        if any(u.role.settles for u in self.unknowns):  # from now on by the losses themselves
            least = np.where(tried == h.fresh, np.inf, least)
        new = {"x": best, "loss": least, "tried": tried}
        new["status"] = np.where(tried >= h.count, FTOL, 0 * tried)
        return self.candidate(best, tried, tried < h.fresh, h), new

    def answer(self, p: Array, s: State) -> Array:
        return s["x"]

    # --- what is best for the linear ones

    def solved(self, p: Array, e: Any, h: Any, early: Array) -> tuple[Array, Array]:
        """The candidate with its linear parameters solved for, and the loss there."""
        cells = [p[i] for i in range(p.shape[0])]
        exact = [i for i, u in enumerate(self.unknowns) if u.linear]
        moves = least_moves(e, exact) if exact else []
        for i, move in zip(exact, moves, strict=True):
            cells[i] = _within(cells[i] + move, i, h)
        moved = [cells[i] - p[i] for i in exact]
        loss = e.loss + change_of(e, exact, moved) if exact else e.loss
        along = [i for i, u in enumerate(self.unknowns) if u.linear or u.role.settles]
        if len(along) > len(exact) and self.needs == "gauss_newton":
            ranked = e.loss + change_of(e, along, least_moves(e, along))
            loss = np.where(early, ranked, loss)
        # What is left of the loss is known up to the rounding of what it was worked out from.
        return np.stack(cells), np.maximum(loss, ROUNDING * e.loss)

    # --- candidates

    def candidate(self, best: Array, number: Array, early: Array, h: Any) -> Array:
        """The candidate of this number: anew, or like the best one but for some of its numbers."""
        at = number + h.first
        count = len(self.unknowns)
        drawn = [i for i, u in enumerate(self.unknowns) if not u.linear]
        ratio = _root(max(len(drawn), 1))
        cells = [best[i] for i in range(count)]
        for k, i in enumerate(drawn):
            role = self.unknowns[i].role
            share = _fraction(h.shift[i] + at * ratio ** -(k + 1.0))
            other = _fraction(h.shift[count + i] + at * _fraction((k + 1.0) * math.sqrt(2.0)))
            fresh = self._drawn(i, share, other, h)
            near = self._near(i, best[i], share, h)
            kept = 0.0 if role.settles else 1.0 if role.kind == "frequency" else KEPT
            cells[i] = _within(np.where(early | (other >= kept), fresh, near), i, h)
        for i in range(count):
            if self.unknowns[i].linear:
                cells[i] = _within(np.where(early, self._plain(i, h), 0.0) + 0 * best[i], i, h)
        return np.stack(cells)

    def _plain(self, i: int, h: Any) -> Any:
        """Where a linear parameter stands before it is solved for: a wave must not vanish."""
        if not any(u.role.settles for u in self.unknowns):
            return 0.0
        return np.exp(self._log_size(self.unknowns[i].role, h.spans[0] * 0 + 0.5, MIDDLE, h))

    def _span(self, column: str, what: str, h: Any) -> Array:
        return h.spans[self.names.index(column) * len(SPAN) + SPAN.index(what)]

    def _drawn(self, i: int, share: Array, other: Array, h: Any) -> Array:
        """A number by two shares between 0 and 1, on the scale that it is moved on."""
        unknown = self.unknowns[i]
        role = unknown.role
        sign = np.where(other < POSITIVE, 1.0, -1.0)
        if role.kind == "phase":
            value = 2 * math.pi * share / abs(role.factor)
        elif role.kind in ("place", "shift"):
            value = self._place(role, share, other, h)
        elif role.kind == "frequency":
            value = self._frequency(role, share, h)
        else:
            if role.kind in ("offset", "open"):
                sign = np.where(other < 0.5, 1.0, -1.0)
            value = sign * np.exp(self._log_size(role, share, other, h))
        value = _inside(value, share, i, h)
        return _to_scale(unknown.scale, value, i, h)

    def _log_size(self, role: Role, share: Array, other: Array, h: Any) -> Array:
        """The logarithm of a size by what it is a product of."""
        if role.kind in ("number", "offset", "open"):
            spread = {"number": NUMBERS, "offset": OFFSETS, "open": OPEN}[role.kind]
            size = spread * (2 * share - 1)
        else:
            size = 0 * share
            columns = [name for name, _ in role.powers if name != TARGET]
            for name, power in role.powers:
                if name == TARGET:
                    own = self._span(name, "range", h)
                    own = own if columns else own + OFFSETS * (2 * share - 1)
                else:
                    low, high = self._span(name, "step", h), self._span(name, "range", h)
                    if power > 0 and not self._has_place(name):
                        high = self._span(name, "far", h)
                    low = low - (math.log(math.pi) if power < 0 else 0.0)
                    own = low + share * (high - low)
                size = size + power * own
        wide = math.log(10.0) * h.decades * (2 * _fraction(other * FOLDS) - 1)
        return math.log(role.factor) + size + wide

    def _has_place(self, column: str) -> bool:
        """Whether the model sees a column only from a place on it, so that its 0 means nothing."""
        roles = [u.role for u in self.unknowns]
        return any(r.kind == "place" and r.powers[0][0] == column for r in roles)

    def _place(self, role: Role, share: Array, other: Array, h: Any) -> Array:
        """A place on a column; some of them where the target is highest or lowest."""
        (column, _), *_rest = role.powers
        low, high = self._span(column, "lowest", h), self._span(column, "highest", h)
        value = low + share * (high - low)
        if role.kind == "place" and not role.settles:
            value = np.where(other < 0.15, self._span(column, "at_highest", h), value)
            value = np.where(other > 0.9, self._span(column, "at_lowest", h), value)
        value = role.factor * value
        if role.kind == "shift":
            sized = role._replace(kind="size", factor=abs(role.factor))
            value = np.where(other < 0.7, np.exp(self._log_size(sized, share, other, h)), value)
        return value

    def _frequency(self, role: Role, share: Array, h: Any) -> Array:
        """A frequency, or a period: even between half a turn over all and two points a turn."""
        (column, power), *_rest = role.powers
        least = 0.5 * math.pi * np.exp(-self._span(column, "range", h))
        most = math.pi * np.exp(-self._span(column, "mean_step", h))
        return role.factor * (least + share * (most - least)) ** -power

    def _near(self, i: int, best: Array, share: Array, h: Any) -> Array:
        """A number close to that of the best candidate."""
        role, scale = self.unknowns[i].role, self.unknowns[i].scale
        if role.kind == "frequency":
            return best
        if role.kind in ("place", "shift"):
            span = np.exp(self._span(role.powers[0][0], "range", h)) * abs(role.factor)
            return best + 0.1 * span * (2 * share - 1)
        if scale:
            return best + NEAR * (2 * share - 1)
        return best * np.exp(NEAR * (2 * share - 1))


@dataclass(frozen=True)
class TwofoldSearch(StartSearch):
    """`StartSearch` for losses that are no squares and yet least where residuals are: for each
    candidate the squares are solved, and then the loss itself is looked at where that leads.

    While a frequency is sought whose phase is not solved for, the squares alone tell how good it
    is: where they lead the phase is still wrong.
    """

    takes: ClassVar[int] = 2

    def step(self, p: Array, e: Any, s: State, h: Any) -> tuple[Array, State]:
        tried = s["tried"]
        number = np.floor(0.5 * tried)
        solves, early = tried < 2 * number + 0.5, number < h.fresh
        squares = SimpleNamespace(loss=e.squares, jtj=e.jtj, jtr=e.jtr)
        x, ranked = self.solved(p, squares, h, early)
        settles = any(u.role.settles for u in self.unknowns)
        rough = early if settles else tried < 0
        loss: Array = np.where(solves, ranked, e.loss)
        better = (solves == rough) & (loss < s["loss"])
        best: Array = np.where(better, np.where(solves, x, p), s["x"])
        least: Array = np.where(better, loss, s["loss"])
        if settles:
            least = np.where(~solves & (number + 1 == h.fresh), np.inf, least)
        new = {"x": best, "loss": least, "tried": tried + 1}
        new["status"] = np.where(~solves & (number + 1 >= h.count), FTOL, 0 * tried)
        following = self.candidate(best, number + 1, number + 1 < h.fresh, h)
        return np.where(solves, x, following), new


@dataclass(frozen=True)
class PlainSearch(StartSearch):
    """`StartSearch` for losses without residuals that would make them least: nothing is solved."""

    needs: ClassVar[str] = "value"

    def solved(self, p: Array, e: Any, h: Any, early: Array) -> tuple[Array, Array]:
        return p, e.loss


def _fraction(value: Any) -> Any:
    return value - np.floor(value)


def _root(n: int) -> float:
    """The root of g^(n+1) = g + 1, whose powers fill n dimensions evenly."""
    g = 2.0
    for _ in range(64):
        g = (1.0 + g) ** (1.0 / (n + 1.0))
    return g


def _within(value: Array, i: int, h: Any) -> Array:
    if h.lower is None:
        return value
    return np.minimum(np.maximum(value, h.lower[i]), h.upper[i])


def _inside(value: Array, share: Array, i: int, h: Any) -> Array:
    """The value, or where it is out of bounds one that is not."""
    if h.natural_lower is None:
        return value
    low, high = h.natural_lower[i], h.natural_upper[i]
    known = np.isfinite(low), np.isfinite(high)
    safe = np.where(known[0], low, 0.0), np.where(known[1], high, 0.0)
    size = np.abs(value)
    one = np.where(known[0], safe[0] + size, safe[1] - size)
    other = np.where(known[0] & known[1], safe[0] + share * (safe[1] - safe[0]), one)
    return np.where((value < low) | (value > high), other, value)


def _to_scale(scale: str, value: Array, i: int, h: Any) -> Array:
    if scale == "log":
        return np.log(np.abs(value))
    if scale == "logit":
        low, high = h.natural_lower[i], h.natural_upper[i]
        share = (value - low) / (high - low)
        share = np.minimum(np.maximum(share, 1e-3), 1 - 1e-3)
        return np.log(share / (1 - share))
    return value


# --- the program


class _Searching(DescentBuilder):
    """The stages of a search: what a fit's columns are is an input of the fit."""

    def __init__(self, model: Model, recipe: Recipe, search: StartSearch) -> None:
        super().__init__(model, recipe)
        bounds = 2 * len(search.unknowns)
        self.spans = input_node("spans", (len(search.names) * len(SPAN) + bounds + 2,))
        self.squares: Node | None = None

    def loss(self) -> None:
        """The loss, and the squares beside it where they are what is solved."""
        super().loss()
        if isinstance(self.optimizer, TwofoldSearch):
            self.curvature, square = None, SquaredError()
            made = loss_graph(self.model, 1, self.data, square, self.run)
            self.squares, self.residual = made

    def normal_equations(self, leaves: Sequence[Node]) -> str:
        """JᵀJ and Jᵀr, and the squares."""
        if self.squares is not None:
            self.equations["squares"] = self.squares
        return super().normal_equations(leaves)

    def hyperparameters(self) -> Any:
        """`h` with the columns of the fit, the bounds as the user gave them, and the counts."""
        search, h = self.optimizer, super().hyperparameters()
        assert isinstance(search, StartSearch)
        at, count = len(search.names) * len(SPAN), len(search.unknowns)
        h.spans = wrap(self.spans)
        h.fresh, h.count = h.spans[-2], h.spans[-1]
        h.natural_lower, h.natural_upper, h.lower, h.upper = None, None, None, None
        if self.recipe.space is not None and self.recipe.space.lower:
            h.natural_lower = h.spans[at : at + count]
            h.natural_upper = h.spans[at + count : at + 2 * count]
        self.known = h
        return h

    def first(self, start: Node) -> Node:
        """The first candidate, where the vector is still to be filled."""
        search = self.bound
        assert isinstance(search, StartSearch)

        def begin(p: Array) -> Array:
            zero = 0 * p[0]
            return search.candidate(p, zero, zero == 0, self.known)

        found: Node = self.run(begin, start)
        return found


def search_program(
    model: Model, recipe: Recipe, shared: Sequence[str], held: Sequence[str]
) -> ManyBuilt:
    """The program of a search for many fits; `recipe.optimizer` is the `StartSearch`."""
    search = recipe.optimizer
    assert isinstance(search, StartSearch)
    b = _Searching(model, recipe, search)
    b.loss()
    b.vary()
    b.derivatives()
    b.update_vector()
    return assembled(b, shared, held, (b.spans,), b.first)

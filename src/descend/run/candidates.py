"""The start of scalars that have none: the search as it runs, for one fit and for many.

One fit is many of one. What the program is told of each fit is where its columns lie; the
candidates follow from that, in the program itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend.compile.many_native import ManyArrays, NativeMany, Worker
from descend.graph.evaluate import Prepared
from descend.graph.node import sizes
from descend.lean import dataclass
from descend.methods.base import Optimizer
from descend.methods.losses import Loss
from descend.parameters.space import Space
from descend.program.lanes import ManyBuilt
from descend.program.recipe import Recipe
from descend.program.scales import TARGET
from descend.program.search import (
    SPAN,
    PlainSearch,
    StartSearch,
    TwofoldSearch,
    Unknown,
    search_program,
    unknowns_of,
)
from descend.task.columns import SIGMA, WEIGHT, WHITENING, column_key
from descend.trace.context import Trace
from descend.trace.model import Model

__all__ = [
    "DECADES", "MOST_ROWS", "OneFit", "SearchPlan", "constant_losses", "explained", "interpreted",
    "search_plan", "solves_linear", "spans_of", "thinned",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]
MOST_ROWS = 2000  # of a fit that candidates are tried on
FRESH, LATER = 20, 12  # candidates that are drawn anew, and that follow the best of these
HARDER = 3.0  # times as many for each number to be searched for beyond two
MOST_FRESH = 180
WAVES, MOST_WAVES = 2, 512  # of waves: so many a row are drawn anew, and at most
DECADES = 12.0  # by so many either way sizes may be off, where nothing else has led anywhere
LOST = 1e-6  # the share of a mean square below which a variance is not told from it
EXPLAINED = 0.98  # the share of a constant's loss that candidates must stay below
SHORT = 0.1  # the share of a column's steps that are shorter than a short one


@dataclass(frozen=True)
class SearchPlan:
    """A search as a program, with what it must be told.

    Attributes:
        unknowns: what is searched for. columns: what it asks to know of, by key in the data.
    """

    built: ManyBuilt
    search: StartSearch
    unknowns: tuple[Unknown, ...]
    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What is solved for."""
        return tuple(u.name for u in self.unknowns if u.linear)

    @property
    def waves(self) -> bool:
        """Whether there is a frequency to be found."""
        return any(u.role.kind == "frequency" for u in self.unknowns)

    @property
    def is_searched(self) -> bool:
        """Whether there is anything to be searched for besides what is solved for."""
        return any(not u.linear for u in self.unknowns)

    def counts(self, rows: Array) -> tuple[Array, Array]:
        """(fits,) how many candidates are drawn anew, and how many there are, by the rows."""
        if not self.is_searched:
            return np.ones(len(rows)), np.ones(len(rows))
        numbers = sum(not u.linear for u in self.unknowns)
        times = HARDER ** max(numbers - 2, 0)
        fresh = np.full(len(rows), min(FRESH * times, MOST_FRESH))
        later = min(LATER * times, MOST_FRESH)
        if self.waves:
            fresh = np.clip(WAVES * rows, fresh, MOST_WAVES).astype(np.float64)
        return fresh, fresh + later

    @property
    def takes(self) -> int:
        """Evaluations of the model for a candidate."""
        return self.search.takes

    def method(self, seed: int, attempt: int, decades: float = 0.0) -> StartSearch:
        """The search with its numbers.

        Args:
            attempt: which search this is; no two have a candidate in common.
        """
        rng = np.random.default_rng(seed)
        shift = tuple(float(s) for s in rng.random(2 * len(self.unknowns)))
        first = float(attempt) * (MOST_WAVES + MOST_FRESH)
        return replace(self.search, shift=shift, first=first, decades=decades)

    def spans(self, columns: Mapping[str, Array], offsets: Array, space: Space | None) -> Array:
        """(fits, …) what the program is told of each fit.

        Args:
            columns: by key, the rows of all fits one after the other; of a shared one those of one.
        """
        fits, rows = len(offsets) - 1, np.diff(offsets)
        parts = [spans_of(columns[key], columns["target"], offsets) for key in self.columns]
        edges = np.zeros((2, len(self.unknowns)))
        if space is not None and space.lower:
            edges[:] = np.transpose([
                [float(edge) for edge in space.edges(u.name)] for u in self.unknowns
            ])  # fmt: skip
        bounds = np.broadcast_to(edges.reshape(1, -1), (fits, edges.size))
        counts = np.stack(self.counts(rows), axis=1)
        return np.ascontiguousarray(np.concatenate([*parts, bounds, counts], axis=1))

    def arrays(
        self, own: Sequence[Array], columns: Mapping[str, Array], offsets: Array,
        fixed: Mapping[str, Any], most: int,
    ) -> ManyArrays:  # fmt: skip
        """The numbers of all fits, as the program wants them."""
        built, p, fits = self.built, self.built.program, len(offsets) - 1
        return ManyArrays(
            own=own,
            columns=[
                np.ascontiguousarray(columns[name], node.dtype)
                for name, node in zip(built.data, p.data, strict=True)
            ],
            offsets=np.ascontiguousarray(offsets, np.int64),
            fixed=[
                np.asarray(fixed[name], node.dtype, order="C")
                for name, node in zip(built.fixed, p.fixed, strict=True)
            ],
            results=[np.full((fits, *sizes(n.shape)), np.nan, n.dtype) for n in p.results],
            codes=np.zeros(fits, np.int64), iterations=np.zeros(fits, np.int64),
            most_steps=most * self.takes,
        )  # fmt: skip

    def read(self, arrays: ManyArrays) -> tuple[dict[str, Array], Array]:
        """(fits,) the best candidates by name, and their losses."""
        made = dict(zip(self.built.results, arrays.results, strict=True))
        return {u.name: made[f"params.{u.name}"] for u in self.unknowns}, made["loss"]

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What captures something of the user's."""
        return self.built.traces

    def serves(self, counts: Any) -> bool:
        """Whether the program is still the right one."""
        return self.built.serves(counts)


def search_plan(
    model: Model, recipe: Recipe, missing: Sequence[str], space: Space, shared: Sequence[str],
    held: Sequence[str], solves: bool,
) -> SearchPlan:  # fmt: skip
    """The search for the missing scalars of a model.

    Args:
        space: in which nothing but these is varied.
        held: the fixed parameters that each fit has a value of its own for.
        solves: whether what enters linearly is to be solved for.
    """
    recipe = replace(recipe, space=space, wants_gradient=False, clip=None)
    unknowns = unknowns_of(model, replace(recipe, optimizer=PlainSearch()), missing, solves)
    used = dict.fromkeys(name for u in unknowns for name, _ in u.role.powers)
    kind: type[StartSearch] = PlainSearch
    if solves:
        kind = StartSearch if recipe.loss is None or recipe.loss.is_square else TwofoldSearch
    shift = (0.0,) * (2 * len(unknowns))
    search = kind(unknowns=unknowns, names=tuple(used), shift=shift)
    built = search_program(model, replace(recipe, optimizer=search), shared, held)
    keys = tuple("target" if name == TARGET else column_key(name) for name in used)
    return SearchPlan(built, search, unknowns, keys)


def solves_linear(optimizer: Optimizer, loss: Loss | None) -> bool:
    """Whether a search solves for what enters linearly: not where the descent itself is watched."""
    if loss is None or optimizer.scope != "vector":
        return False
    return optimizer.needs == "gauss_newton" if loss.is_square else loss.of_residual


# --- what columns are


def spans_of(column: Array, target: Array, offsets: Array) -> Array:
    """(fits, 8) where a column goes in each fit, in the order of `SPAN`.

    >>> told = spans_of(np.array([3.0, 1.0, 2.0]), np.array([1.0, 9.0, 5.0]), np.array([0, 3]))
    >>> dict(zip(SPAN, told[0].round(3).tolist()))
    {'lowest': 1.0, 'highest': 3.0, 'at_highest': 1.0, 'at_lowest': 3.0, 'step': 0.0,
     'mean_step': 0.0, 'range': 0.693, 'far': 1.504}
    """
    counts = np.diff(offsets)
    found = np.zeros((len(counts), len(SPAN)))
    shared = len(column) != int(offsets[-1]) or len(counts) == 1
    for count in np.unique(counts):
        if not count:
            continue
        chosen = np.flatnonzero(counts == count)
        level = _of_fits(target, offsets, chosen, count)
        if column is target:
            found[chosen] = _spans(level, level, False)
        elif shared:
            found[chosen] = _spans(column[:count].reshape(1, -1), level, column.ndim == 1)
        else:
            own = _of_fits(column, offsets, chosen, count)
            found[chosen] = _spans(own, level, column.ndim == 1)
    return found


def _of_fits(column: Array, offsets: Array, chosen: Array, count: int) -> Array:
    """(fits, …) the numbers of some fits, all of the same number of rows."""
    if len(chosen) == len(offsets) - 1:
        return column.reshape(len(chosen), -1)
    rows = offsets[chosen][:, None] + np.arange(count)
    return column[rows].reshape(len(chosen), -1)


def _spans(x: Array, y: Array, stepped: bool) -> Array:
    """(fits, 8) of equally long columns x (fits or 1, rows) and targets y (fits, rows).

    Args:
        stepped: whether the steps from row to row mean anything.
    """
    fits = len(y)
    x = x.astype(np.float64, copy=False)
    low, high = x.min(axis=1), x.max(axis=1)
    width = high - low
    far = np.maximum(np.abs(low), np.abs(high))
    unit = np.where(width > 0, width, np.where(far > 0, far, 1.0))
    mean = unit / max(x.shape[1] - 1, 1)
    short = _short(x, mean) if stepped and x.shape[1] > 2 else mean
    far = np.where(far > unit, far * np.maximum(far / unit, 1.0), unit)
    tops = [low + 0.5 * width] * 2
    if stepped and x.shape[1] == y.shape[1]:
        own = np.arange(fits) if len(x) == fits else np.zeros(fits, np.intp)
        tops = [x[own, np.argmax(y, axis=1)], x[own, np.argmin(y, axis=1)]]
    with np.errstate(all="ignore"):
        parts = [low, high, *tops, *(np.log(a) for a in (short, mean, unit, far))]
    return np.stack([np.broadcast_to(part, (fits,)) for part in parts], axis=1)


def _short(x: Array, mean: Array) -> Array:
    """(fits,) a short step of x from one value to the next; the mean one where there is none."""
    steps = np.diff(x, axis=1)
    if (steps < 0).any():
        steps = np.diff(np.sort(x, axis=1), axis=1)
    at = int(SHORT * (steps.shape[1] - 1))
    own = np.partition(np.where(steps > 0, steps, np.inf), at, axis=1)[:, at]
    return np.where(np.isfinite(own) & (own > 0), own, mean)


def thinned(
    columns: Mapping[str, Array], shared: Sequence[str], offsets: Array
) -> tuple[dict[str, Array], Array]:
    """The columns and offsets of at most `MOST_ROWS` evenly spread rows of each fit."""
    counts = np.diff(offsets)
    if counts.max(initial=0) <= MOST_ROWS:
        return dict(columns), offsets
    fewer = np.minimum(counts, MOST_ROWS)
    kept = [np.linspace(0, n - 1, m).astype(np.intp) for n, m in zip(counts, fewer, strict=True)]
    rows = np.concatenate([first + own for first, own in zip(offsets, kept, strict=False)])
    thin = {n: a[kept[0]] if n in shared else a[rows] for n, a in columns.items()}
    return thin, np.concatenate([[0], np.cumsum(fewer)]).astype(np.int64)


# --- the search as it runs


def interpreted(built: ManyBuilt, arrays: ManyArrays) -> None:
    """Run all fits by the reference interpreter, one after the other."""
    p = built.program
    begin = Prepared(list(p.begin), [*p.own, *p.fixed])
    step = Prepared([*p.step, p.code], [*p.state, *p.own, *p.data, *p.fixed])
    ends = Prepared(list(p.results), [*p.state, *p.own, *p.data, *p.fixed])
    for fit, code in enumerate(arrays.codes):
        rows = slice(int(arrays.offsets[fit]), int(arrays.offsets[fit + 1]))
        own = [a[fit if len(a) > 1 else 0] for a in arrays.own]
        data = [c if s else c[rows] for c, s in zip(arrays.columns, p.shared, strict=True)]
        extents = {p.rows: rows.stop - rows.start}
        state = begin([*own, *arrays.fixed], extents)
        while not code and arrays.iterations[fit] < arrays.most_steps:
            *state, code = step([*state, *own, *data, *arrays.fixed], extents)
            arrays.iterations[fit] += 1
        arrays.codes[fit] = code
        made = ends([*state, *own, *data, *arrays.fixed], extents)
        for array, value in zip(arrays.results, made, strict=True):
            array[fit] = value


def constant_losses(
    loss: str, columns: Mapping[str, Array], shared: Sequence[str], offsets: Array
) -> Array:
    """(fits,) the least loss that a constant has; NaN where that is not told.

    >>> y = np.array([1.0, 3.0, 5.0, 5.0])
    >>> constant_losses("mse", {"target": y}, (), np.array([0, 2, 4]))
    array([1., 0.])
    """
    fits, target = len(offsets) - 1, columns.get("target", np.zeros(0))
    if loss != "mse" or target.ndim != 1 or WHITENING in columns or not target.size:
        return np.full(fits, np.nan)
    counts = np.diff(offsets)
    weights = [name for name in (WEIGHT, SIGMA) if name in columns]
    if not weights and (counts == counts[0]).all():
        return _variances(target.reshape(fits, -1))
    weight = np.ones(len(target))
    with np.errstate(all="ignore"):
        for name in weights:
            own = columns[name] if name == WEIGHT else columns[name].astype(np.float64) ** -2.0
            weight = weight * (np.tile(own, fits) if name in shared else own)
        first = np.minimum(offsets[:-1], len(target) - 1)
        total = np.add.reduceat(weight, first)
        mean = np.add.reduceat(weight * target, first) / total
        apart = target - np.repeat(mean, counts)
        return np.asarray(np.add.reduceat(weight * apart**2, first) / counts)


def _variances(y: Array) -> Array:
    """(fits,) the variance of each row; in a second pass only where the first has lost digits."""
    n = y.shape[1]
    with np.errstate(all="ignore"):
        mean = np.einsum("ij->i", y) / n
        square = np.einsum("ij,ij->i", y, y) / n
        found = square - mean * mean
        again = np.flatnonzero(~(found > LOST * square))
        apart = y[again] - y[again].mean(axis=1)[:, None]
        found[again] = np.einsum("ij,ij->i", apart, apart) / n
    return np.asarray(found)


def explained(losses: Array, constant: Array) -> Array:
    """(fits,) whether losses are lower than that of a constant; finite, where that is not told."""
    with np.errstate(invalid="ignore"):
        better = losses < EXPLAINED * constant
    return np.where(np.isnan(constant) | (constant == 0), np.isfinite(losses), better)


class OneFit:
    """The search of one fit, in memory of its own that serves again for other numbers.

    Args:
        plan: with no bounds that change.
        leaves: every parameter, 0 for what is missing. columns: of as many rows as the fit has.
        fixed: the program's fixed inputs by name, without those of the method.
        native: whether the program is compiled.
    """

    def __init__(
        self, plan: SearchPlan, leaves: Mapping[str, Array], columns: Mapping[str, Array],
        fixed: Mapping[str, Any], space: Space, native: bool,
    ) -> None:  # fmt: skip
        self.plan, self.leaves, self.space, self.native = plan, leaves, space, native
        built = plan.built
        self.columns = {name: np.array(array) for name, array in columns.items()}
        rows = len(next(iter(columns.values()))) if columns else 1
        self.offsets = np.array([0, rows], np.int64)
        with np.errstate(all="ignore"):
            moved = space.moved(leaves)
        start = np.concatenate([np.reshape(a, -1) for a in moved.values()])[None]
        self.spans = plan.spans(self.columns, self.offsets, space)
        self.most = int(self.spans[0, -1])
        method = {f"optimizer.{n}": v for n, v in plan.method(0, 0).numbers().items()}
        own = [start.astype(built.dtype), self.spans]
        self.arrays = plan.arrays(own, self.columns, self.offsets, {**fixed, **method}, self.most)
        at = {name: i for i, name in enumerate(built.fixed) if name in method}
        self.numbers = {name.removeprefix("optimizer."): i for name, i in at.items()}
        for i in self.numbers.values():
            self.arrays.fixed[i] = np.array(self.arrays.fixed[i])  # type: ignore[index]
        self.worker: Worker | None = None

    def enter(self, columns: Mapping[str, Array]) -> None:
        """Take the numbers of another call, in columns of the same sizes."""
        for name, array in self.columns.items():
            array[...] = columns[name]
        self.spans[...] = self.plan.spans(self.columns, self.offsets, self.space)

    def best(self, seed: int, attempt: int, loss: str) -> tuple[dict[str, Array], int]:
        """The best candidate, and after how many evaluations of the model.

        Args:
            loss: what the loss is called.
        """
        found, lowest = self._run(self.plan.method(seed, attempt))
        level = constant_losses(loss, self.columns, (), self.offsets)
        if not self.plan.is_searched or explained(lowest, level)[0]:
            return found, self.most * self.plan.takes
        other, lower = self._run(self.plan.method(seed, attempt, DECADES))
        better = lower[0] < lowest[0] and explained(lower, level)[0]
        return (other if better else found), 2 * self.most * self.plan.takes

    def candidate(self, seed: int, attempt: int) -> dict[str, Array]:
        """The first candidate of a search, as it is."""
        self.spans[0, -2:] = 1.0
        return self._run(self.plan.method(seed, attempt))[0]

    def _run(self, method: StartSearch) -> tuple[dict[str, Array], Array]:
        arrays, built = self.arrays, self.plan.built
        for name, value in method.numbers().items():
            if name in self.numbers:
                arrays.fixed[self.numbers[name]][...] = value
        arrays.codes[...], arrays.iterations[...] = 0, 0
        if self.native:
            if self.worker is None:
                if built.runner is None:
                    built.runner = NativeMany(built.program, width=1)
                self.worker = built.runner.worker(arrays)
            self.worker.run(0, 1)
        else:
            try:
                interpreted(built, arrays)
            except IndexError:  # told of before the run, with its place
                return {u.name: self.leaves[u.name] for u in self.plan.unknowns}, np.array([np.inf])
        found, losses = self.plan.read(arrays)
        return {n: a[0].copy() for n, a in found.items()}, losses.copy()

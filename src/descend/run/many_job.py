"""Many fits as a job: the program that serves them, its numbers, and what is read off it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from descend.compile.many_native import ManyArrays, NativeMany
from descend.data.validate import check_prediction
from descend.errors import DataError, UsageError
from descend.graph.breaks import compares
from descend.graph.node import Dim, RowsAsked, sizes
from descend.lean import dataclass
from descend.methods.base import NOT_FINITE, RUNNING, STATUS, Optimizer
from descend.methods.losses import Loss
from descend.parameters.space import Space
from descend.program.lanes import ManyBuilt, build_many, neighbours
from descend.program.orthogonal import LastSteps, last_steps
from descend.program.recipe import Recipe
from descend.program.search import PlainSearch
from descend.records.many import BAD_DATA, SINGULAR, SPENT, TOO_FEW
from descend.run.candidates import SearchPlan, constant_losses, search_plan
from descend.run.job import traced
from descend.run.kept import Store, program_key
from descend.run.outside import check_whole
from descend.task.columns import column_key
from descend.task.coupling import coupling
from descend.task.datasets import ManyData
from descend.task.problem import Problem
from descend.task.starts import ManyStart
from descend.task.stochastic import check_effects
from descend.trace.model import Model, Spec

__all__ = ["CONVERGED", "LEAST_PIVOT", "UNSOLVED", "ManyJob", "among", "statuses"]

Array = np.ndarray[Any, np.dtype[Any]]

T = TypeVar("T")

CONVERGED = tuple(code for code, outcome in STATUS.items() if outcome.success)
UNSOLVED = tuple(c for c, outcome in STATUS.items() if not outcome.success and c != NOT_FINITE)
MOST_BY_COLUMNS = 8  # numbers: J of more is not taken apart in lanes
LEAST_PIVOT = 1e-13  # below, standard errors would have less than three digits
BUILT: Store[ManyBuilt] = Store(32)
SEARCHES: Store[SearchPlan] = Store(32)


@dataclass(frozen=True)
class ManyJob:
    """The data of many fits with their starts, and what is asked of them."""

    data: ManyData
    start: ManyStart
    loss: Loss
    absolute: bool = False
    covariance: bool = False
    seed: int = 0

    @functools.cached_property
    def level(self) -> Array:
        """(fits,) the least loss that a constant has; NaN where that is not told."""
        d = self.data
        return constant_losses(self.loss.name, d.columns, d.shared, d.offsets)

    @property
    def problem(self) -> Problem:
        """The model, with the parameters that ties add to it."""
        return self.start.problem

    @property
    def has_equations(self) -> bool:
        """Whether the loss is a sum of squares, or has two derivatives that stand for one."""
        return self.is_square or self.loss.curved

    @property
    def is_square(self) -> bool:
        """Whether the loss is a sum of squares."""
        return self.loss.is_square

    @property
    def is_linear(self) -> bool:
        """Whether all that is varied enters linearly, so that no minimum is beside another."""
        names = self.start.scalars() if self.is_square else ()
        return bool(names) and not self.search_plan(names, True)[0].is_searched

    def dof(self) -> Array:
        """(fits,) numbers in y minus those that are varied."""
        start, leaves = self.start, self.start.leaves()
        space, each = start.space, int(np.prod(self.data.columns["target"].shape[1:]))
        p = sum(a.size for a in leaves.values()) if space is None else space.count(leaves)
        return np.asarray(self.data.weighty() * each - p)

    # --- the program

    def key(self, optimizer: Optimizer) -> Hashable | None:
        """What the program depends on, or None if that cannot be told."""
        d = self.data
        return program_key(
            d.problem, tuple(self.problem.parameters),
            tuple((n, a.shape[1:], a.dtype.str, n in d.shared) for n, a in d.columns.items()),
            tuple((n, a.shape, a.dtype.str) for n, a in self.start.leaves().items()),
            tuple(self.start.sample.trees.items()), self.loss.structure(), optimizer.structure(),
            self.absolute, self.covariance, tuple(self.start.held()),
            None if self.start.space is None else self.start.space.structure(),
        )  # fmt: skip

    def built(self, optimizer: Optimizer) -> ManyBuilt:
        """The graphs, from the store of built ones if the model has not changed.

        Raises:
            UsageError: the model asks for the number of rows, and the fits have unequal ones.
        """
        key = self.key(optimizer)

        def made(model: Model) -> ManyBuilt:
            return self._made(model, optimizer)

        built, fresh = BUILT.once(key, lambda: self._of_model(made), self.data.counts)
        if not fresh and built.model is not None:
            self._check(built.model)
        return built

    def _of_model(self, made: Callable[[Model], T]) -> T:
        """What is made of the model, which is traced again where it asks for the number of rows."""
        try:
            return made(self._traced(known=False))
        except RowsAsked:
            return made(self._traced(known=True))

    def refuse_coupling(self) -> None:
        """Refuse to leave out points of a model whose rows know of one another.

        Raises:
            UsageError: they do.
        """
        try:
            model = self._traced(known=False)
            why = coupling(model)
        except RowsAsked as asked:
            why = asked.why
        if why:
            raise UsageError(
                f"points are missing, and the model's rows know of one another ({why}): without "
                "these points the others would be other rows",
                remedy='fill in the values, or leave such fits out with missing="skip"',
            )

    def search_plan(
        self, missing: Sequence[str], solves: bool
    ) -> tuple[SearchPlan, Space]:
        """The search for some scalars as a program, and the space in which nothing else varies."""
        own = self.start.space or Space()
        leaves = self.start.leaves()
        names = [n for n in missing if own.varies(n)]
        rest = frozenset(n for n in leaves if n not in names and own.varies(n))
        space = replace(own, fixed=own.fixed | rest)
        held = list(self.start._replace(space=space).held())
        key = self.key(PlainSearch())

        def made(model: Model) -> SearchPlan:
            self._check_rows(model)
            recipe = self._recipe(PlainSearch())
            plan = search_plan(model, recipe, names, space, self.data.shared, held, solves)
            plan.built.runner = NativeMany(plan.built.program)
            return plan

        whole = None if key is None else (key, tuple(names), tuple(held), solves)
        return SEARCHES.once(whole, lambda: self._of_model(made), self.data.counts)[0], space

    def starting(self, start: ManyStart) -> ManyJob:
        """The job with another start."""
        return replace(self, start=start)

    def part(self, some: Array) -> ManyJob:
        """The job of some fits alone."""
        if len(some) == self.data.n_fits:
            return self
        each = {name: array[some] for name, array in self.start.each.items()}
        return replace(self, data=self.data.some(some), start=self.start._replace(each=each))

    def _check_rows(self, model: Model) -> None:
        d = self.data
        if not isinstance(model.rows, Dim) and np.any(d.counts != model.rows):
            raise UsageError(
                f"the model asks for the number of rows ({model.why_rows}), and the fits have "
                f"{d.counts.min()} to {d.counts.max()} points",
                remedy="write the model without the number of rows, or fit equally long ones",
            )
        self._check(model)

    def _recipe(self, optimizer: Optimizer) -> Recipe:
        d = self.data
        return Recipe(
            optimizer, self.loss, lambda _: None,
            target=Spec.of(d.columns["target"], rows=True), scaled="sigma" in d.columns,
            weighted="sample_weight" in d.columns, space=self.start.space,
        )  # fmt: skip

    def _made(self, model: Model, optimizer: Optimizer) -> ManyBuilt:
        self._check_rows(model)
        d, recipe, held = self.data, self._recipe(optimizer), list(self.start.held())
        built = build_many(
            model, recipe, d.shared, held, self.absolute, self.covariance
        )
        built.runner, built.model = NativeMany(built.program), model
        built.compares = compares(model.nodes, model.data.values(), model.leaves.values())
        return built

    def _check(self, model: Model) -> None:
        """Refuse predictions of another shape than y, indices that are no whole numbers, draws."""
        remedy = 'fit one after the other: descend.fit(…, optimizer="adam")'
        check_effects(model, "each method of fit_many", remedy)
        for name in model.whole:
            check_whole(name, self.data.columns[column_key(name)])
        target, rows = self.data.columns["target"], int(self.data.counts[0])
        if self.loss.axis == "kept":
            check_prediction(model.outputs(rows)[0], (rows, *target.shape[1:]))
        try:
            self.loss.check(target, model.outputs(len(target)))
        except DataError as error:
            if error.row is None:
                raise
            ends = np.cumsum(self.data.counts)
            fit = int(np.searchsorted(ends, error.row, "right"))
            row = error.row - int(ends[fit] - self.data.counts[fit])
            raise error.renumbered(f"row {row} of fit {fit}") from None

    def _traced(self, known: bool) -> Model:
        sample, problem = self.start.sample, self.problem
        leaves = {name: Spec.of(a) for name, a in self.start.leaves().items()}
        first, columns = self.data.one(0), self.data.columns
        try:
            return traced(
                problem, sample, first.columns, leaves, first.n_rows, known,
                lambda name: check_whole(name, columns[column_key(name)]),
            )
        except UsageError as error:
            error.remedy = error.remedy or self._start_told()
            raise

    def _start_told(self) -> str | None:
        """What the shapes of the start may have to do with a model that does not work out."""
        fits, each = self.data.n_fits, self.start.each
        for name, array in self.start.leaves().items():
            if name in each and not array.shape and name not in self.start.sample.missing:
                return (
                    f"the start of {name}, {each[name].shape}, is read as one number for each of "
                    f"the {fits} fits; write np.tile({name}, ({fits}, 1)) for an array in each"
                )
            if array.shape and name not in each:
                return (
                    f"the start of {name}, {array.shape}, is read as an array that all fits begin "
                    f"with; values for each fit have the shape ({fits}, …)"
                )
        return None

    def neighbours(
        self, run: Callable[[ManyBuilt, ManyArrays, Array | None], None],
        ends: Mapping[str, Array],
    ) -> Array:  # fmt: skip
        """(fits,) the correlation of the residuals of neighbouring rows, along the only column.

        Args:
            ends: every parameter, (fits, …).
        """
        built = self._neighbours_built()
        free = {name: ends[name] for name in self.start.free() if name in ends}
        start = self.start._replace(each={**self.start.each, **free})
        n, d = self.data.n_fits, self.data
        fixed = self.fixed(built)
        if start.space is not None:
            fixed |= start.space.inputs(start.leaves())
        columns = _ordered(d)
        p = built.program
        arrays = ManyArrays(
            own=[start.matrix(n, built.dtype), *start.held().values()],
            columns=[
                np.ascontiguousarray(columns[name], node.dtype)
                for name, node in zip(built.data, p.data, strict=True)
            ],
            offsets=np.ascontiguousarray(d.offsets, np.int64),
            fixed=[
                np.asarray(fixed[name], node.dtype, order="C")
                for name, node in zip(built.fixed, p.fixed, strict=True)
            ],
            results=[np.full(n, np.nan) for _ in p.results],
            codes=np.zeros(n, np.int64), iterations=np.zeros(n, np.int64), most_steps=1,
        )  # fmt: skip
        run(built, arrays, None)
        return dict(zip(built.results, arrays.results, strict=True))["correlation"]

    def _neighbours_built(self) -> ManyBuilt:
        key, held = self.key(PlainSearch()), list(self.start.held())

        def made(model: Model) -> ManyBuilt:
            shared = [*self.data.shared, *(f"next {name}" for name in self.data.shared)]
            built = neighbours(model, self._recipe(PlainSearch()), shared, held)
            built.runner = NativeMany(built.program)
            return built

        whole = None if key is None else (key, "neighbours")
        return BUILT.once(whole, lambda: self._of_model(made), self.data.counts)[0]

    def by_columns(self) -> ManyBuilt | None:
        """The last steps by J itself; None where they do not serve."""
        space, leaves = self.start.space, self.start.varied()
        size = sum(a.size for a in leaves.values())
        bound = space is not None and bool(space.lower or space.scales)
        if not self.is_square or bound or size > MOST_BY_COLUMNS:
            return None
        key, held = self.key(LastSteps()), list(self.start.held())

        def made(model: Model) -> ManyBuilt:
            recipe = self._recipe(LastSteps())
            built = last_steps(
                model, recipe, self.data.shared, held, self.absolute, self.covariance
            )
            built.runner = NativeMany(built.program)
            return built

        return BUILT.once(key, lambda: self._of_model(made), self.data.counts)[0]

    # --- the numbers

    def fixed(self, built: ManyBuilt) -> dict[str, Any]:
        """What is the same for all fits, by name: the loss's numbers and what was captured."""
        return {f"loss.{n}": v for n, v in self.loss.numbers().items()} | built.captured

    def arrays(
        self, built: ManyBuilt, optimizer: Optimizer, most: int, like: ManyArrays | None = None
    ) -> ManyArrays:
        """The numbers of all fits, as the program wants them.

        Args:
            most: after how many steps a fit is left.
            like: what another program of the same results has been filling.
        """
        d, p = self.data, built.program
        fixed = self.fixed(built)
        fixed |= {f"optimizer.{n}": v for n, v in optimizer.numbers().items()}
        if self.start.space is not None:
            fixed |= self.start.space.inputs(self.start.leaves())
        columns = [
            np.ascontiguousarray(d.columns[name], node.dtype)
            for name, node in zip(built.data, p.data, strict=True)
        ]
        made = [np.full((d.n_fits, *sizes(n.shape)), *_empty(n.dtype)) for n in p.results]
        return ManyArrays(
            own=[self.start.matrix(d.n_fits, built.dtype), *self.start.held().values()],
            columns=columns,
            offsets=np.ascontiguousarray(d.offsets, np.int64),
            fixed=[
                np.asarray(fixed[name], node.dtype, order="C")
                for name, node in zip(built.fixed, p.fixed, strict=True)
            ],
            results=made if like is None else like.results,
            codes=np.zeros(d.n_fits, np.int64) if like is None else like.codes,
            iterations=np.zeros(d.n_fits, np.int64) if like is None else like.iterations,
            most_steps=most,
        )


def _ordered(data: ManyData) -> dict[str, Array]:
    """The columns in the order of the only one that is no target, and moved on by one row."""
    (name,) = (n for n in data.columns if n not in ("target", "sigma", "sample_weight"))
    x, target, offsets = data.columns[name], data.columns["target"], data.offsets
    if name in data.shared:
        if np.any(np.diff(x) < 0):
            order = np.argsort(x, kind="stable")
            x, target = x[order], target.reshape(-1, len(x))[:, order].reshape(-1)
        next_x = np.append(x[1:], x[-1:])
    else:
        back = np.flatnonzero(np.diff(x) < 0) + 1
        if not np.isin(back, offsets).all():
            fits = np.repeat(np.arange(data.n_fits), data.counts)
            order = np.lexsort((x, fits))
            x, target = x[order], target[order]
        next_x = np.append(x[1:], x[-1:])
    follows = np.ones(len(target))
    follows[offsets[1:][data.counts > 0] - 1] = 0.0
    return {
        name: x, "target": target, "follows": follows, f"next {name}": next_x,
        "next target": np.append(target[1:], target[-1:]),
    }  # fmt: skip


def _empty(dtype: Any) -> tuple[Any, Any]:
    return (np.nan if dtype.kind == "f" else 0), dtype


# --- what is read off ---------------------------------------------------------------------------


def among(status: Array, codes: Iterable[int]) -> Array:
    """Where the status is one of a few codes."""
    table = np.zeros(128, bool)
    table[list(codes)] = True
    return table[status]


def statuses(
    job: ManyJob, codes: Array, iterations: Array, made: Mapping[str, Array]
) -> Array:
    """The codes of the optimizer, with what only all of a fit can tell."""
    status, done = codes.copy(), iterations > 0
    status[done & (status == RUNNING)] = SPENT
    if "pivot" in made:
        status[among(status, CONVERGED) & ~(made["pivot"] > LEAST_PIVOT)] = SINGULAR
    for fit in np.flatnonzero(status == NOT_FINITE):
        if not all(np.isfinite(a).all() for a in job.data.one(int(fit)).all().values()):
            status[fit] = BAD_DATA
    status[done & (job.dof() < 0)] = TOO_FEW
    return status

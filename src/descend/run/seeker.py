"""Where the descents of a job begin: given, drawn around that, or the best of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend.graph.node import Dim
from descend.graph.program import Plan
from descend.parameters.space import Space
from descend.program.recipe import Recipe
from descend.run.build import Built
from descend.run.candidates import (
    MOST_ROWS,
    OneFit,
    SearchPlan,
    search_plan,
    solves_linear,
    thinned,
)
from descend.task.problem import Problem
from descend.task.rows import Rows
from descend.task.start import Start, around, draw, farther
from descend.trace.model import Model

__all__ = ["Seeker"]

Array = np.ndarray[Any, np.dtype[Any]]


class Seeker:
    """The part of a job that finds starts.

    Attributes:
        candidates: how many the search for the first start has tried.
        evaluations: of the model, in all searches so far.
    """

    problem: Problem
    settings: Any
    start: Start
    rows: Rows | None
    space: Space | None
    candidates: int
    evaluations: int

    def leaf_arrays(self) -> dict[str, Array]:
        """The start, leaf by leaf in the order of the signature; 0 for what is still missing."""
        raise NotImplementedError

    def n_rows(self) -> int:
        """How many rows there are; one where a function is minimised."""
        raise NotImplementedError

    def recipe(self, validation: Model | None) -> Recipe:
        """All that decides the program, apart from the model."""
        raise NotImplementedError

    def numbers(self) -> dict[str, float]:
        """The run-time numbers by the names of the program's inputs."""
        raise NotImplementedError

    def loss_at(
        self, built: Built, leaves: Mapping[str, Array]
    ) -> Callable[[Mapping[str, Array]], float]:
        """The loss at other values of some leaves."""
        raise NotImplementedError

    def find_start(
        self, built: Built, random: bool, attempt: int, wide: bool = False
    ) -> dict[str, Array]:
        """The start; what has none is drawn, or is the best candidate of a search.

        Attempts after the first are drawn around the given values as well.

        Args:
            wide: whether they are drawn from many decades around, as where the given ones fail.
        """
        leaves, missing, space = self.leaf_arrays(), self.start.missing, self.space
        if not (missing or attempt):
            return leaves
        if attempt and self.problem.draws is not None:
            (seed,) = np.random.SeedSequence([self.settings.seed, attempt]).generate_state(1)
            drawn = self.problem.draws(int(seed))
            return leaves | {n: drawn[n] for n in drawn if space is None or space.varies(n)}
        rng = np.random.default_rng([self.settings.seed, attempt])
        if attempt:
            given = {n: a for n, a in leaves.items() if n not in missing}
            if space is not None:
                given = {n: a for n, a in given.items() if space.varies(n)}
            if wide and not random and not missing and self._can_search(given):
                found, count = self.searched(built, leaves, tuple(given), attempt)
                leaves |= found
                self.evaluations += count
            elif wide:
                loss = None if random or missing else self._counted(self.loss_at(built, leaves))
                leaves |= farther(given, rng, space, loss, attempt)
            else:
                near = {name: around(a, rng) for name, a in given.items()}
                leaves |= near if space is None else {n: space.inside(n, near[n]) for n in near}
        if missing and random:
            leaves |= draw(missing, rng, space)
        elif missing:
            leaves |= self._best_candidate(built, leaves, attempt)
        return leaves if space is None else space.completed(leaves)

    def glanced(self, built: Built, attempt: int) -> dict[str, Array]:
        """A place to look at the model: a candidate of a search, or a draw where that cannot be."""
        leaves, space = self.leaf_arrays(), self.space or Space()
        varied = {n: a for n, a in leaves.items() if space.varies(n)}
        if not varied or self.rows is None or not self._can_search(varied):
            return self.find_start(built, True, attempt, wide=True)
        one = self.search_of(built, leaves, tuple(varied))
        return space.completed({**leaves, **one.candidate(self.settings.seed, attempt)})

    def _can_search(self, given: Mapping[str, Array]) -> bool:
        """Whether a search can go on as if nothing had been given."""
        plain = all(a.ndim == 0 and a.dtype == np.float64 for a in given.values())
        return plain and self.settings.optimizer.scope == "vector"

    def _counted(
        self, loss: Callable[[Mapping[str, Array]], float]
    ) -> Callable[[Mapping[str, Array]], float]:
        """The loss, whose evaluations are counted."""

        def counted(changed: Mapping[str, Array]) -> float:
            self.evaluations += 1
            return loss(changed)

        return counted

    def _best_candidate(
        self, built: Built, leaves: Mapping[str, Array], attempt: int
    ) -> dict[str, Array]:
        """The best of the search for what is missing; see `run.candidates`."""
        found, count = self.searched(built, leaves, self.start.missing, attempt)
        self.evaluations += count
        if not attempt:
            self.candidates = count
        return found

    def how_found(self, built: Built) -> str:
        """How what had no start was found, in words."""
        plan, _ = self._search_plan(built, self.start.missing)
        if not plan.is_searched:
            return "solved for"
        solved = f"{', '.join(plan.names)} solved for" if plan.names else ""
        how = f"the best of {self.candidates} candidates"
        return f"{how}, {solved}" if solved else how

    def searched(
        self, built: Built, leaves: Mapping[str, Array], missing: Sequence[str], attempt: int
    ) -> tuple[dict[str, Array], int]:
        """The best candidate for some scalars, and after how many evaluations of the model."""
        return self.search_of(built, leaves, missing).best(
            self.settings.seed, attempt, self.loss_name
        )

    def search_of(
        self, built: Built, leaves: Mapping[str, Array], missing: Sequence[str],
        columns: Mapping[str, Array] | None = None,
    ) -> OneFit:  # fmt: skip
        """The search for some scalars; in other columns than the job's, where they are given."""
        plan, space = self._search_plan(built, missing)
        if columns is None:
            columns = {} if self.rows is None else self.rows.all()
        columns = self.search_columns(built, columns)
        fixed = {**self.numbers(), **plan.built.captured, **space.inputs(leaves)}
        return OneFit(plan, leaves, columns, fixed, space, built.engine == "native")

    def search_columns(self, built: Built, columns: Mapping[str, Array]) -> Mapping[str, Array]:
        """The rows that candidates are tried on."""
        n_rows = self.n_rows()
        if n_rows <= MOST_ROWS or not isinstance(built.model.rows, Dim):
            return columns
        return thinned(columns, list(columns), np.array([0, n_rows]))[0]

    @property
    def loss_name(self) -> str:
        """What the loss is called; an empty string where a function is minimised."""
        return "" if self.settings.loss is None else self.settings.loss.name

    def _search_plan(self, built: Built, missing: Sequence[str]) -> tuple[SearchPlan, Space]:
        """The search as a program, and the space in which it varies nothing else.

        Nothing is solved for where somebody wants to see the descent itself.
        """
        own = self.space or Space()
        names = [n for n in missing if own.varies(n)]
        rest = frozenset(n for n in self.leaf_arrays() if n not in names and own.varies(n))
        space = replace(own, fixed=own.fixed | rest)
        key = tuple(names)
        plans = built.extras.setdefault("searches", {})
        if key not in plans:
            loss = None if self.rows is None else self.settings.loss
            solves = solves_linear(self.settings.optimizer, loss)
            recipe = replace(self.recipe(None), plan=Plan())
            plans[key] = search_plan(
                built.model, recipe, key, space, [*built.descent.inputs], (), solves
            )
        return plans[key], space

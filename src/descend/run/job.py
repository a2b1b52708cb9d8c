"""One fit as a sequence of stages: read, check, build, start, run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.data.validate import check_prediction
from descend.errors import UsageError, warn
from descend.graph.blocks import split
from descend.graph.evaluate import Again
from descend.graph.node import Dim, Node, RowsAsked
from descend.graph.program import Bindings
from descend.lean import dataclass
from descend.parameters.flat import flat
from descend.parameters.space import Space
from descend.program.epochs import EndOfEpoch
from descend.program.pipeline import descent
from descend.program.recipe import Recipe
from descend.program.stopping import OF_LOSS
from descend.run.build import BUILT, Built, make_runner, settled
from descend.run.kept import program_key
from descend.run.outside import check_whole
from descend.run.passes import Coming, totals
from descend.run.seeker import Seeker
from descend.run.settings import Evaluation, Settings
from descend.task.beyond import Beyond
from descend.task.columns import EPOCH_ROWS, ROW, SEED, WHITENING
from descend.task.coupling import coupling
from descend.task.missing_start import without_start
from descend.task.problem import Problem
from descend.task.rows import Rows
from descend.task.start import Start
from descend.task.stochastic import check_effects
from descend.task.warned import warn_of_links, warn_of_unused
from descend.trace.indexing import WholeAsked
from descend.trace.model import Model, Spec, trace_model

if TYPE_CHECKING:
    from descend.task.scaling import Scaling

__all__ = ["Job", "traced"]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_ROWS_FOR_CANDIDATES = 2000
PLACES = 1024  # from which rows are read, where a part of them stands for all
WHITENED = "sigma is a covariance matrix"


@dataclass
class Job(Seeker):
    """A problem with its rows, its start and its settings; `build` and `bindings` make the run.

    Attributes:
        space: which parameters are varied, and how; None for all as they are.
        candidates: how many the search for the first start has tried.
        evaluations: of the model, in all searches so far.
        threads: how many may work on many rows; None for one a core.
    """

    problem: Problem
    settings: Settings
    start: Start
    rows: Rows | None = None
    held: Rows | None = None
    scaling: Scaling | None = None
    notes: list[str] = field(default_factory=list)
    space: Space | None = None
    candidates: int = 0
    evaluations: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.idle:
            self.settings = self.settings.bare(Evaluation())

    @property
    def loss_factor(self) -> float:
        """By what the program's losses become those of the original units."""
        if self.scaling is None or self.rows is None:
            return 1.0
        return self.scaling.loss_factor("sigma" in self.rows.extra)

    @property
    def beyond(self) -> Beyond | None:
        """All the rows, where they come in passes, and those in memory are some of them."""
        return None if self.rows is None else self.rows.beyond

    @property
    def idle(self) -> bool:
        """Whether there is nothing to vary: every parameter is fixed or tied."""
        return self.space is not None and not any(map(self.space.varies, self.leaf_arrays()))

    # --- the program

    def key(self) -> Hashable | None:
        """What the program depends on, or None if that cannot be told."""
        columns = {} if self.rows is None else self.rows.all()
        specs = tuple((name, a.shape[1:], a.dtype.str) for name, a in columns.items())
        leaves = tuple((name, a.shape, a.dtype.str) for name, a in self.leaf_arrays().items())
        held = self.held.n_rows if self.held else 0
        return program_key(
            self.problem, specs, leaves, tuple(self.start.trees.items()), held,
            self.settings.structure(), None if self.space is None else self.space.structure(),
        )  # fmt: skip

    def leaf_arrays(self) -> dict[str, Array]:
        """The start, leaf by leaf in the order of the signature; 0 for what is still missing."""
        arrays = self.start.arrays
        return {leaf: arrays.get(leaf, _ZERO) for own in self.start.names.values() for leaf in own}

    def build(self) -> tuple[Built, bool]:
        """The program, from the store of built ones if the model has not changed."""
        built, fresh = BUILT.once(self.key(), self._build, self.n_rows())
        for text in () if fresh else built.said:
            warn(text)
        for name in built.model.whole:
            self._check_whole(name)
        if not fresh:  # what was just built has been checked on the way
            self._check_targets(built.model)
        return built, fresh

    def _check_targets(self, model: Model) -> None:
        """Refuse targets that the loss cannot mean beside what the model returns."""
        for rows in (self.rows, self.held):
            if rows is not None and self.settings.loss is not None:
                rows.check(self.settings.loss, model.outputs(rows.n_rows))

    def _check_whole(self, name: str) -> None:
        """Refuse numbers that are not whole in a column that the model uses as an index."""
        assert self.rows is not None
        if self.scaling is not None:
            raise UsageError(
                f"standardize=True rescales {name}, and the model uses it as an index",
                remedy="leave standardize out, or rescale the other columns before the fit",
            )
        check_whole(name, self.rows.columns[name])

    def n_rows(self) -> int:
        """How many rows there are; one where a function is minimised."""
        return 1 if self.rows is None else self.rows.total

    def _build(self) -> Built:
        leaves = {name: Spec.of(a) for name, a in self.leaf_arrays().items()}
        data = {} if self.rows is None else self.rows.columns
        n_rows = self.n_rows()
        try:
            model = self._trace(data, leaves, n_rows)
        except (IndexError, ValueError, TypeError) as error:
            better = without_start(error, self.start.missing, data, leaves, self._fits)
            if better is error:
                raise
            raise better.with_traceback(error.__traceback__) from None
        free = model
        if self.rows is not None and WHITENING in self.rows.extra:
            known = self._trace(data, leaves, n_rows, known=True)
            model = replace(known, why_rows=WHITENED)
        self._check(model)
        validation = None
        if self.held is not None:
            validation = self._trace(self.held.columns, leaves, self.held.n_rows, known=True)
        recipe = self.recipe(validation)
        made = None
        try:
            made = descent(model, recipe)
        except RowsAsked as asked:
            why = asked.why
        if made is None:
            model = replace(self._trace(data, leaves, n_rows, known=True), why_rows=why)
            self._check(model)
            made = descent(model, recipe)
        runner, engine, note, seconds = make_runner(made, self.settings.engine, n_rows)
        watched = made.traces if self.settings.has_own_functions() else made.traces[:1]
        told = model.why_rows and model.why_rows != WHITENED
        notes = [_made_for(model.why_rows, n_rows)] if told else []
        unused, s = warn_of_unused(model, self.space), self.settings.loss
        notes += unused
        links = [] if s is None or self.rows is None else warn_of_links(model, s, self.rows)
        notes += links
        notes += [note] if note else []
        extras = {"free": free} if model.why_rows == WHITENED else {}
        said = (*model.trace.notices.values(), *unused, *links)
        built = Built(model, made, runner, engine, tuple(notes), seconds, watched, extras, said)
        return settled(built)

    def _fits(self, leaves: Mapping[str, Spec]) -> bool:
        """Whether the model works out with parameters of these shapes."""
        try:
            self._trace({} if self.rows is None else self.rows.columns, leaves, self.n_rows())
        except (IndexError, ValueError, TypeError):
            return False
        return True

    def _trace(
        self, data: Mapping[str, Array], leaves: Mapping[str, Spec], n_rows: int,
        known: bool = False,
    ) -> Model:  # fmt: skip
        return traced(self.problem, self.start, data, leaves, n_rows, known, self._check_whole)

    def _check(self, model: Model) -> None:
        """Refuse predictions of another shape than y, and coupled rows in small batches."""
        settings, rows = self.settings, self.rows
        if rows is None:
            (value,) = model.nodes
            self._check_effects(model)
            if value.shape != ():
                raise UsageError(
                    f"the function returns the shape {value.shape}; a minimum needs one number",
                    remedy="return a scalar, for instance with np.sum or np.mean",
                )
            return
        target = rows.extra["target"]
        if settings.loss is not None and settings.loss.axis == "kept":
            if len(model.nodes) > 1:
                raise UsageError(
                    f"the model returns {len(model.nodes)} arrays, and y is one",
                    remedy="return one prediction, or choose loss=\"gaussian_nll\" for a mean and "
                    "a log variance",
                )
            check_prediction(model.outputs(rows.n_rows)[0], target.shape)
        self._check_targets(model)
        self._check_effects(model)
        whole = settings.batch_size is None or settings.batch_size >= rows.n_rows
        why = model.why_rows or coupling(model)
        if why and not whole:
            raise UsageError(
                f"the model couples the rows with one another ({why}), so a batch of "
                f"{settings.batch_size} rows is another model than all {rows.n_rows}",
                where=None,
                remedy="leave out batch_size, or compute such numbers before the fit",
            )

    def _check_effects(self, model: Model) -> None:
        """Refuse methods that take the model for one and the same function."""
        optimizer = self.settings.optimizer
        if optimizer.scope == "vector":
            remedy = 'choose a method of first order, such as optimizer="adam" or descend.SGD(lr=…)'
            check_effects(model, type(optimizer).__name__, remedy)

    def couples(self) -> bool:
        """Whether the model's rows know of one another, or of how many there are."""
        model = self.build()[0].model
        asked = model.why_rows and model.why_rows != WHITENED
        return bool(asked or coupling(model))

    def recipe(self, validation: Model | None) -> Recipe:
        """All that decides the program, apart from the model."""
        s, rows = self.settings, self.rows
        extra = rows.extra if rows is not None else {}
        return Recipe(
            optimizer=s.optimizer,
            loss=s.loss,
            end_of_epoch=EndOfEpoch(s.rules, validation),
            wants_gradient=s.rules.needs("gradient"),
            target=Spec.of(extra["target"], rows=True) if "target" in extra else None,
            weighted="sample_weight" in extra,
            scaled="sigma" in extra,
            whitened=WHITENING in extra,
            penalty=s.penalty,
            clip=s.clip,
            accumulation=s.accumulation,
            averaging=s.averaging,
            rates=s.rates,
            plan=s.plan,
            sign=s.sign,
            space=self.space,
        )

    # --- the numbers

    def numbers(self) -> dict[str, float]:
        """The run-time numbers by the names of the program's inputs."""
        return self.settings.numbers()

    def with_batches(self, longest: int) -> Job:
        """The same, of a program that takes batches of any size up to this one."""
        if self.settings.batch_size is None:
            return self
        longest = min(longest, self.n_rows())
        return replace(self, settings=replace(self.settings, longest=longest))

    def with_number(self, name: str, value: float, inputs: Sequence[str]) -> Job | None:
        """The same with another number, in the user's units; see `Settings.with_number`."""
        own = float(value) / (self.loss_factor if name in OF_LOSS else 1.0)
        settings = self.settings.with_number(name, own, inputs)
        return None if settings is None else replace(self, settings=settings)

    def fixed(self, built: Built) -> dict[str, Any]:
        """The fixed inputs by name."""
        found: dict[str, Any] = {**self.numbers(), **built.descent.captured}
        found |= {SEED: self.settings.seed, EPOCH_ROWS: self.n_rows()}
        if self.held is not None:
            found |= {f"validation.{name}": a for name, a in self.held.all().items()}
        if self.space is not None:
            found |= self.space.inputs(self.leaf_arrays())
        return found

    def moved(self, leaves: Mapping[str, Array]) -> dict[str, Array]:
        """What the method moves, by the names of its states."""
        return dict(leaves) if self.space is None else self.space.moved(leaves)

    def natural(self, moved: Mapping[str, Array]) -> dict[str, Array]:
        """Every parameter where the method stands."""
        if self.space is None:
            return dict(moved)
        return self.space.natural(moved, self.leaf_arrays())

    def starts(self, built: Built, leaves: Mapping[str, Array]) -> list[Array]:
        """What the program's slots begin with: parameters as they are, and as they are moved."""
        moved = self.moved(leaves)
        found = {f"start {name}": array for name, array in leaves.items()}
        found |= {f"moved {name}": array for name, array in moved.items()}
        found["moved"] = flat(moved)
        rows = zip(built.descent.start, built.descent.program.start, strict=True)
        return [np.asarray(found[name], node.dtype) for name, node in rows]

    def first_state(self, built: Built, leaves: Mapping[str, Array]) -> dict[str, Any]:
        """Every slot before the first step, by name."""
        program, fixed = built.descent.program, self.fixed(built)
        rows = zip(built.descent.fixed, program.fixed, strict=True)
        given = [np.asarray(fixed[name], node.dtype) for name, node in rows]
        begun = program.beginning([*self.starts(built, leaves), *given], {program.rows: 1})
        return {s.name: np.array(a) for s, a in zip(program.slots, begun, strict=True)}

    def bindings(self, built: Built, state: Mapping[str, Any]) -> Bindings:
        """The arrays of a run, in the program's order; the state is ours to change."""
        program, made = built.descent.program, built.descent
        columns = {} if self.rows is None else self.rows.all()
        if self.rows is not None and ROW in made.data:
            columns[ROW] = self.rows.numbers()
        stream, elsewhere, beyond = None, None, self.beyond
        if beyond is not None:
            columns = {name: a[:0] for name, a in columns.items()}
            kinds = {n: node.dtype for n, node in zip(made.data, program.data, strict=True)}
            if beyond.workers is not None:
                elsewhere = partial(beyond.workers.sums, beyond.assembly, kinds)
            stream = Coming(beyond, kinds, self.settings.seed if beyond.shuffles else None)
        fixed = self.fixed(built)
        return Bindings(
            state=[
                np.array(state[name], node.dtype)
                for name, node in zip(made.state, program.state, strict=True)
            ],
            data=[columns[name] for name in made.data],
            fixed=[
                np.asarray(fixed[name], node.dtype)
                for name, node in zip(made.fixed, program.fixed, strict=True)
            ],
            n_rows=self.n_rows(),
            batch_size=self.settings.batch_size,
            stream=stream,
            elsewhere=elsewhere,
        )

    # --- the loss elsewhere

    def inputs_at(
        self, built: Built, leaves: Mapping[str, Array], most: int | None = None
    ) -> tuple[dict[Node, Array], dict[Dim, int]]:
        """The values of all inputs, and the number of rows: at most so many, evenly spread.

        Of rows that come they are those in memory.
        """
        made = built.descent
        columns = {} if self.rows is None else self.rows.all()
        rows: Any = slice(None)
        count = 1 if self.rows is None else self.rows.n_rows
        if most is not None and count > most and isinstance(built.model.rows, Dim):
            rows = spread_rows(count, most)
            count = len(rows)
        bound = {node: columns[name][rows] for name, node in made.inputs.items() if name in columns}
        fixed = self.fixed(built)
        bound |= {n: np.asarray(fixed[name]) for name, n in made.inputs.items() if name in fixed}
        bound |= {built.model.leaves[name]: a for name, a in leaves.items()}
        return bound, {built.model.rows: count} if isinstance(built.model.rows, Dim) else {}

    def apart(
        self, built: Built, leaves: Mapping[str, Array]
    ) -> tuple[dict[Node, Array], dict[str, Node]]:
        """The values of the inputs that are no columns, and the columns by name."""
        inputs, own = built.descent.inputs, {} if self.rows is None else self.rows.all()
        columns = {name: inputs[name] for name in own if name in inputs}
        bound, _ = self.inputs_at(built, leaves)
        return {n: a for n, a in bound.items() if n not in {*columns.values()}}, columns

    def _loss_by_passes(
        self, built: Built, leaves: Mapping[str, Array], beyond: Beyond
    ) -> Callable[[Mapping[str, Array]], float]:
        """The loss at other values of some leaves, on all rows that come."""
        rows, (known, columns) = built.model.rows, self.apart(built, leaves)
        assert isinstance(rows, Dim)
        parted = split([built.descent.objective], rows)
        assert parted is not None

        def loss(changed: Mapping[str, Array]) -> float:
            if self.space is not None:
                changed = self.space.completed({**leaves, **changed})
            values = {**known, **{built.model.leaves[n]: a for n, a in changed.items()}}
            (value,) = totals(parted, values, columns, rows, beyond.n_rows, beyond.blocks, beyond)
            return float(value)

        return loss

    def loss_at(
        self, built: Built, leaves: Mapping[str, Array], most: int = MOST_ROWS_FOR_CANDIDATES
    ) -> Callable[[Mapping[str, Array]], float]:
        """The loss at other values of some leaves, on at most so many evenly spread rows.

        Of rows that come these are among those in memory, unless all are wanted.
        """
        beyond = self.beyond
        if beyond is not None and most >= beyond.n_rows:
            return self._loss_by_passes(built, leaves, beyond)
        known, extents = self.inputs_at(built, leaves, most)
        begin = {node: known.pop(node) for node in map(built.model.leaves.__getitem__, leaves)}
        again = Again(built.prepared_loss([*known, *begin]), known, extents)

        def loss(changed: Mapping[str, Array]) -> float:
            if self.space is not None:
                changed = self.space.completed({**leaves, **changed})
            values = {built.model.leaves[n]: a for n, a in changed.items()}
            try:
                (value,) = again({**begin, **values})
            except IndexError:
                return np.nan
            return float(value)

        return loss


def spread_rows(n_rows: int, most: int) -> Array:
    """The numbers of at most so many of the rows: pieces at even distances.

    Pieces that lie together are read as fast as memory gives them.

    >>> spread_rows(10, 4), spread_rows(1 << 20, 4096)[:6]
    (array([0, 3, 6, 9]), array([   0,    1,    2,    3, 1024, 1025]))
    """
    together = max(1, most // PLACES)
    begins = np.linspace(0, n_rows - together, most // together).astype(np.intp)
    return np.add.outer(begins, np.arange(together)).reshape(-1)


def _made_for(why: str, n_rows: int) -> str:
    return (
        f"The model asks for the number of rows ({why}): the program is made for {n_rows} rows."
    )


_ZERO = np.zeros(())


def traced(
    problem: Problem, start: Start, data: Mapping[str, Array], leaves: Mapping[str, Spec],
    n_rows: int, known: bool = False, check_whole: Callable[[str], None] | None = None,
) -> Model:  # fmt: skip
    """The model of a problem as a graph.

    Args:
        check_whole: is told of each column that the model uses as an index, and may refuse it.
    """
    arrange = problem.arrange(start.trees, start.names)
    specs = {name: Spec.of(a, rows=True) for name, a in data.items()}
    whole: frozenset[str] = frozenset()
    while True:
        try:
            return trace_model(problem.function, arrange, specs, leaves, n_rows, known, whole)
        except WholeAsked as asked:
            if asked.column is None:
                raise
            if check_whole is not None:
                check_whole(asked.column)
            whole |= {asked.column}

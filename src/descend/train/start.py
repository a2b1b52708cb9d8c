"""`start`: a run that goes as far as it is told, and whose numbers may change on the way."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from descend.errors import UsageError, ends_at_users_line, suggest
from descend.graph.program import RUNNING
from descend.records.record import History
from descend.result.finish import finish
from descend.result.fit import Fit
from descend.result.story import history_of
from descend.run.build import settled
from descend.run.drive import Ending, Watch, drive
from descend.run.finished import Finished
from descend.run.indices import check_indices
from descend.run.predictor import Predictor
from descend.task.columns import AVERAGED
from descend.task.start import leaves_of
from descend.train.descents import Descents
from descend.train.fit import read_call

__all__ = ["SteppedRun", "start"]

Array = np.ndarray[Any, np.dtype[Any]]
ENDLESS = 1 << 40
_UNWATCHED = Watch()


class SteppedRun:
    """A run between two steps; `start` makes it.

    Where it stands is where `fit` would have been after as many updates, to the last bit.
    """

    def __init__(self, descents: Descents, run: Finished) -> None:
        self._descents, self._run = descents, run
        self._serves: Predictor | None = None

    def __repr__(self) -> str:
        where = f"epoch {self.epoch}, {self.updates} updates"
        return f"<SteppedRun of {self._run.job.problem.name}: {where}, loss {self.loss:.6g}>"

    # --- where it stands

    @property
    def epoch(self) -> int:
        """How many epochs are complete."""
        return self._run.control.epoch

    @property
    def updates(self) -> int:
        """How many updates were made."""
        return self._run.updates

    @property
    def ended(self) -> bool:
        """Whether a stopping rule, or the last epoch, has ended it."""
        return self._run.control.status != RUNNING

    @property
    def loss(self) -> float:
        """The loss at the parameters as they are, on all rows, evaluated now."""
        job, built = self._run.job, settled(self._run.built, self._run.state())
        return job.loss_at(built, self._run.leaves(False), most=1 << 62)({}) * job.loss_factor

    @property
    def history(self) -> History:
        """What the epochs so far have left."""
        return history_of(self._run)

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as they are, or with `ema` their average.

        What is set of them, all or some, takes their places, and those of the average.
        """
        return self._run.trees(self._run.leaves(False))

    @params.setter
    def params(self, values: Mapping[str, Any]) -> None:
        run = self._run
        unknown = [name for name in values if name not in run.job.start.names]
        if unknown:
            known = ", ".join(run.job.start.names)
            raise UsageError(
                f'params names "{unknown[0]}", which is no parameter'
                f"{suggest(unknown[0], run.job.start.names)}",
                remedy=f"the parameters are {known}",
            )
        leaves, given = run.leaves(False), leaves_of(values)[0]
        for name, array in given.items():
            if name not in leaves or array.shape != leaves[name].shape:
                wanted = leaves[name].shape if name in leaves else "another form"
                raise UsageError(f"{name} is given the shape {array.shape}, and has {wanted}")
            leaves[name] = array.astype(leaves[name].dtype)
        assert run.bound is not None
        space = run.job.space
        if space is not None:
            leaves = space.completed(leaves)
        first, names = run.job.first_state(run.built, leaves), run.built.descent.state
        whole = "all parameters" in names  # such a method knows the place where it stands
        moved = {*given} if space is None else {space.key(leaf) for leaf in given}
        for name, array in zip(names, run.bound.state, strict=True):
            if whole or name.removeprefix(AVERAGED) in moved:
                array[...] = first[name]

    @property
    def under_way(self) -> Finished:
        """Its job, program and state, for what shows a run."""
        return self._run

    @ends_at_users_line
    def predict(self, x: Any) -> Any:
        """The model's prediction for new rows, with the parameters as they are, as `Fit.predict`.

        Raises:
            UsageError: columns are missing, or the shapes are not those of the run.
        """
        found = self.serving()
        return found.answer.of(found(found.bind(x), self._run.leaves(False)))

    @ends_at_users_line
    def predict_proba(self, x: Any) -> Array:
        """How probable each class is for new rows, (rows, classes), as `Fit.predict_proba`.

        Raises:
            UsageError: the loss tells no classes apart, or as `predict`.
        """
        found = self.serving()
        return found.answer.probabilities(found(found.bind(x), self._run.leaves(False)))

    def serving(self) -> Predictor:
        """The model as it predicts, for what shows a run; the same one as long as it stays so."""
        run = self._run
        built = settled(run.built, run.state())
        if built is not run.built:  # it serves with running values, which every step changes
            return dataclasses.replace(run, built=built).predictor()
        if self._serves is None:
            self._serves = run.predictor()
        return self._serves

    # --- going on

    @ends_at_users_line
    def step(
        self, *, examples: int | None = None, batches: int | None = None, epochs: int | None = None
    ) -> Self:
        """Go on by so many rows, batches (mostly updates), or epochs; by one batch by default.

        Ctrl-C ends it after the batch that it meets. A run that has ended stays as it is.

        Returns:
            the run itself.

        Raises:
            UsageError: rows that are no whole number of batches.
        """
        counts = dict(examples=examples, batches=batches, epochs=epochs)
        for name, value in counts.items():
            if value is not None and (isinstance(value, bool) or value != int(value)):
                raise UsageError(f"step goes on by whole numbers of {name}, not by {value!r}")
        said = [name for name, value in counts.items() if value]
        if len(said) > 1:
            raise UsageError(
                f"step goes on by {said[0]} or by {said[1]}", remedy=f"leave out {said[1]}"
            )
        run, n_rows = self._run, self._run.job.n_rows()
        size = run.job.settings.batch_size or n_rows
        each = -(-n_rows // size)
        if examples:
            count = self._batches_of(int(examples), n_rows, size, each)
        else:
            count = int(epochs) * each if epochs else int(1 if batches is None else batches)
        if count < 0:
            raise UsageError(f"a run goes forwards only, not by {count}")
        assert run.bound is not None
        if count and not self.ended:
            quiet = run.options.callback is None
            watch = _UNWATCHED if quiet else Watch(callback=self._told())
            ending = drive(
                run.built.runner, run.bound, run.control, run.course, each, watch, count, count
            )
            self._run.ending = None
            self._seconds += ending.seconds
        return self

    _seconds = 0.0

    def _told(self) -> Any:
        return self._run.moment(self._run.options.callback)

    def _batches_of(self, examples: int, n_rows: int, size: int, each: int) -> int:
        """How many batches so many rows are from here on; the last one of an epoch is shorter."""
        count, batch, left = 0, self._run.control.batch, examples
        while left > 0:
            rows = min(size, n_rows - batch * size)
            if rows > left:
                raise UsageError(
                    f"{examples} rows end within a batch of {rows}",
                    remedy=f"write step(batches=1), or start with batch_size={examples}",
                )
            left -= rows
            count, batch = count + 1, (batch + 1) % each
        return count

    @ends_at_users_line
    def set(self, **numbers: float) -> Self:
        """Change numbers of the method, the loss, the penalty or the stopping rules.

        Such as `lr`, `momentum`, `betas.0`, `weight`, `stop_loss`. Nothing is compiled anew.

        Raises:
            UsageError: there is no such number, or it is a part of the program.
        """
        run = self._run
        assert run.bound is not None
        job, inputs = run.job, run.built.descent.fixed
        for name, value in numbers.items():
            found = job.with_number(name, value, inputs)
            if found is None:
                known = job.settings.names(inputs)
                raise UsageError(
                    f'the program has no number "{name}"{suggest(name, known)}: what is 0 or not '
                    "said at the start is no part of it",
                    remedy=f"its numbers are {', '.join(known)}; or start with {name}={value!r}",
                )
            job = found
        run.job, values = job, job.numbers()
        for name, array in zip(inputs, run.bound.fixed, strict=True):
            if name in values:
                array[...] = values[name]
        return self

    def copy(self) -> SteppedRun:
        """A run that stands at the same place and goes its own way."""
        run = self._run
        bound = run.bound
        assert bound is not None
        own = dataclasses.replace(
            bound, state=[a.copy() for a in bound.state],
            fixed=[np.array(a) for a in bound.fixed],
        )  # fmt: skip
        control = dataclasses.replace(run.control, records=[])
        other = dataclasses.replace(
            run, bound=own, control=control, course=copy.deepcopy(run.course), ending=None
        )
        found = SteppedRun(self._descents, other)
        found._seconds = self._seconds
        return found

    @property
    def fit(self) -> Fit:
        """The fit as it is now, which the run does not change when it goes on."""
        own = self.copy()
        run = own._run
        run.ending = Ending(run.control.status, "" if self.ended else "paused", self._seconds)
        if not self.ended:
            return finish(run)
        d = self._descents
        again = Descents(run.job, run.built, run.fresh, d.options, d.whole, d.original)
        return again.result(finish, run)


@ends_at_users_line
def start(model: Any, x: Any = None, y: Any = None, **options: Any) -> SteppedRun:
    """Read and compile a fit, and stop before its first update.

    Args:
        model, x, y, options: as of `fit`. `start` is its option of that name; `epochs`, where it
            is given, is where the run ends at last.

    Raises:
        UsageError, DataError: as `fit`.

    >>> x = np.linspace(0.0, 1.0, 20)
    >>> def line(x, a, b): return a * x + b
    >>> options = dict(start=dict(a=0.0, b=0.0), optimizer="sgd", lr=0.1, batch_size=5)
    >>> run = start(line, x, 2 * x + 1, **options)
    >>> run.step(epochs=30).set(lr=0.05).step(batches=2).updates
    122
    >>> run.params = dict(a=2.0, b=1.0)
    >>> run.loss, run.predict([0.5])
    (0.0, array([2.]))
    """
    descents, _ = read_call(model, x, y, options)
    if descents.original is not None and descents.original.beyond is not None:
        raise UsageError(
            "a run in steps needs all the rows in memory, and they are gone through in passes",
            remedy="hold them in memory: stream=False; or fit in passes: descend.fit(…)",
        )
    o = descents.options
    if "epochs" not in options:
        o = o.but(epochs=ENDLESS)
    if "starts" not in options:
        o = o.but(starts=1)
    own = Descents(
        descents.job, descents.built, descents.fresh, o, descents.whole, descents.original
    )
    leaves = own.job.find_start(own.built, o.start == "random", 0, False)
    check_indices(own.built, own.columns, leaves)
    return SteppedRun(own, own.begun(leaves))

"""`fit` over a source of rows: held in memory where there is room, else gone through in passes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend.data.streams.named import named
from descend.data.streams.opened import judge, open_stream
from descend.data.streams.stream import Stream
from descend.data.streams.survey import Survey
from descend.errors import DataError, UsageError
from descend.graph.blocks import BLOCK
from descend.methods.losses import Loss
from descend.methods.targets import ANY
from descend.models.reading import parse_formula
from descend.result.finish import finish_plainly
from descend.run.build import Built
from descend.run.job import Job
from descend.task.beyond import Beyond
from descend.task.columns import SIGMA, TARGET, WEIGHT, column_key
from descend.task.options import Options
from descend.task.problem import signature_of
from descend.task.rows import WEIGHTS
from descend.trace.formula import Formula
from descend.trace.model import Model
from descend.train.descents import Descents
from descend.train.reading import Reading

__all__ = ["columns_used", "in_passes", "read_source"]

Array = np.ndarray[Any, np.dtype[Any]]
SAMPLE = 10_000  # rows that stay in memory
NOT_YET = {
    "validation_split": "has no rows apart to judge by",
    "validation_data": "has no rows apart to judge by",
    "class_weight": "has no classes",
    "standardize": "leaves columns in their units",
}
"""Options that a fit in passes does not take, and what it does instead."""


def read_source(given: Mapping[str, Any], options: Options) -> tuple[Mapping[str, Any], Any]:
    """The arguments of `fit` with rows in memory, and all the rows if they are only a sample.

    Returns:
        the arguments, with arrays for the columns; a `Beyond`, or None where all are in memory.

    Raises:
        UsageError: an option that a fit in passes does not take.
        DataError: columns that are absent or hold no numbers, rows that cannot be meant.
    """
    model, (source, known, where), y = given["model"], named(given["x"]), given["y"]
    weights = {n: getattr(options, n) for n in WEIGHTS if getattr(options, n) is not None}
    for name, value in weights.items():
        if not isinstance(value, str):
            raise UsageError(
                f"{name} is given as {type(value).__name__}, and the rows come from a source",
                remedy=f'name its column: {name}="w"',
            )
    data, target = columns_used(model, y, known, where)
    names = [*dict.fromkeys([*data, target, *weights.values()])]
    scratch = None if options.scratch is None else os.fspath(options.scratch)
    stream = open_stream(source, names, scratch=scratch)
    positive = {column: name == WEIGHT for name, column in weights.items()}
    survey = stream.survey(options.missing, int(options.seed), SAMPLE, positive=positive)
    judged = judge(stream)
    passes = judged.stream if options.stream is None else options.stream
    passes = passes and survey.n_rows > BLOCK  # one block is held in any case
    rows = survey.sample if passes else _whole(stream, survey.n_rows)
    own = {**given, **{name: rows[column] for name, column in weights.items()}}
    own |= {"x": {name: rows[name] for name in dict.fromkeys([*data, target])}, "missing": "raise"}
    if not passes:
        return {**own, "stream": None, "scratch": None}, None
    for name, instead in NOT_YET.items():
        if getattr(options, name):
            raise UsageError(
                f"a fit in passes over the rows {instead}, and {name} is given",
                remedy=f"leave out {name}, or hold the rows in memory: stream=False",
            )
    names_of = {column_key(name): name for name in data} | {TARGET: target}
    names_of |= {key: weights[key] for key in (WEIGHT, SIGMA) if key in weights}
    said = (judged.said,) if judged.said and options.stream is None else ()
    return own, _beyond(stream, survey, names_of, (*said, *stream.said))


def _beyond(
    stream: Stream, survey: Survey, names: Mapping[str, str], said: tuple[str, ...]
) -> Beyond:
    """All the rows."""
    weight = survey.columns[names[WEIGHT]].min if WEIGHT in names else 1.0
    counted = survey.n_rows
    if weight == 0:
        at = list(stream.names).index(names[WEIGHT])
        counted = sum(int(np.count_nonzero(piece.columns[at])) for piece in stream.blocks())
    target = survey.columns[names[TARGET]]
    return Beyond(
        stream, names, survey.n_rows, counted, target.mean, target.squares / survey.n_rows, weight,
        survey.n_dropped, said,
    )  # fmt: skip


def columns_used(
    model: Any, y: Any, known: Sequence[str], where: str
) -> tuple[list[str], str]:
    """The columns that a model takes as data, and that of the target."""
    if isinstance(model, str | Formula):
        formula = parse_formula(model) if isinstance(model, str) else model
        target = formula.target if y is None else y
        names: Sequence[str] = [n for n in formula.names if n not in formula.own]
    elif callable(model) and not hasattr(model, "as_layer"):
        names, target = signature_of(model).names, y
    else:
        raise UsageError(
            f"{type(model).__name__} is not fitted in passes over a source",
            remedy="read the table: descend.read(path), and give its columns",
        )
    if not isinstance(target, str):
        raise UsageError(
            "the target is not named, and the rows come from a source",
            remedy='name its column: y="y", or write "y = …" as the formula',
        )
    data = [name for name in names if name in known and name != target]
    if not data:
        raise UsageError(
            f"the model takes none of the columns of {where}: {', '.join(known[:12])}",
            remedy="call its arguments as the columns are called",
        )
    return data, target


def _whole(stream: Stream, n_rows: int) -> dict[str, Array]:
    """All the rows in memory."""
    arrays = [np.empty(n_rows) for _ in stream.names]
    for piece in stream.blocks():
        for array, column in zip(arrays, piece.columns, strict=True):
            array[piece.first : piece.first + piece.rows] = column
    return dict(zip(stream.names, arrays, strict=True))


def _check_model(job: Job, built: Built) -> None:
    """Refuse models whose rows cannot come block by block, or would not be checked as they come."""
    why = ""
    if job.couples():
        why = "couples the rows with one another"
    elif built.model.whole:
        why = f"uses {', '.join(sorted(built.model.whole))} as an index"
    elif job.settings.batch_size is None and built.descent.program.split is None:
        why = "has a gradient that is no sum over the rows"
    if why:
        raise UsageError(
            f"the model {why}, so its rows cannot come block by block",
            remedy="hold the rows in memory: stream=False",
        )


def _check_targets(loss: Loss | None, beyond: Beyond, model: Model) -> None:
    """Refuse targets that the loss cannot mean beside what the model returns, wherever they are."""
    for first, (target,) in beyond.blocks([TARGET]):
        if loss is None:
            return
        try:
            loss.check(target, model.outputs(len(target)))
        except DataError as error:
            if error.row is None:
                raise
            raise error.renumbered(f"row {first + error.row}") from None
        if loss.domain == ANY:
            return


def in_passes(own: Reading, beyond: Beyond) -> Descents:
    """The descent over all rows, from where the sample's own fit has come to if no start is given.

    Raises:
        UsageError: the model's rows know of one another, or index its parameters.
        DataError: a target that the loss cannot mean.
    """
    job, held = own.job, own.rows.n_rows
    assert job.rows is not None
    built = job.build()[0]
    _check_model(job, built)
    _check_targets(job.settings.loss, beyond, built.model)
    notes = [
        *job.notes,
        *beyond.said,
        f"the rows are gone through in passes: a search for a start, pictures and what is looked "
        f"at row by row go by {held:,} of {beyond.n_rows:,} rows, drawn by the seed",
    ]
    size = job.settings.batch_size
    if size is not None and job.settings.shuffle:
        window = max(1, BLOCK // size) * size
        beyond = replace(beyond, shuffles=True)
        notes.append(
            f"batches are of rows that were shuffled within windows of {window:,}, which follow "
            "one another as they come: rows that are sorted should be shuffled before"
        )
    start = job.start
    if start.missing or own.options.starts is not None or job.problem.ready is not None:
        start = start._replace(arrays=_from_sample(own), missing=())
    settings = replace(job.settings, shuffle=False)
    rows, original = (
        r._replace(beyond=beyond, n_dropped=beyond.n_dropped) for r in (job.rows, own.original)
    )
    job = own.job = replace(job, rows=rows, settings=settings, start=start, notes=notes)
    return Descents(job, *job.build(), own.options.but(starts=None), rows, original)


def _from_sample(own: Reading) -> dict[str, Array]:
    """Where the fit of the sample by itself has come to, from as many starts as it takes."""
    rows, original = (r._replace(beyond=None) for r in (own.rows, own.original))
    settings = own.job.settings
    if settings.batch_size is not None and settings.batch_size >= rows.n_rows:
        settings = replace(settings, batch_size=None, shuffle=False)
    job = replace(own.job, rows=rows, settings=settings)
    quiet = own.options.but(progress=None, verbose=False, callback=None, checkpoint=None)
    fit = Descents(job, *job.build(), quiet, rows, original).result(finish_plainly)
    return dict(fit._evidence.leaves)

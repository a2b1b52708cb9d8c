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
from descend.data.validate import check_members
from descend.errors import DataError, UsageError, warn
from descend.graph.blocks import BLOCK
from descend.methods.losses import Loss
from descend.methods.targets import ANY
from descend.models.reading import parse_formula
from descend.result.finish import finish_plainly
from descend.run.build import Built
from descend.run.job import Job
from descend.task.assembly import Assembly
from descend.task.beyond import Beyond, Workers
from descend.task.columns import SIGMA, TARGET, WEIGHT, column_key
from descend.task.options import Options
from descend.task.problem import signature_of
from descend.task.rows import WEIGHTS, Rows
from descend.task.start import Start
from descend.trace.formula import Formula
from descend.trace.model import Model
from descend.train.descents import Descents
from descend.train.held_back import held_back, labels_of
from descend.train.reading import Reading
from descend.trust.metrics import score_bits

__all__ = ["columns_used", "in_passes", "read_source", "weights_named"]

Array = np.ndarray[Any, np.dtype[Any]]
SAMPLE = 10_000  # rows that stay in memory


def read_source(
    given: Mapping[str, Any], options: Options
) -> tuple[Mapping[str, Any], Beyond | None, int]:
    """The arguments of `fit` with rows in memory, and all the rows if they are only a sample.

    Returns:
        the arguments, with arrays for the columns; all the rows, or None where they are in memory;
        how many were left out.

    Raises:
        UsageError: an option that a fit in passes does not take.
        DataError: columns that are absent or hold no numbers, rows that cannot be meant.
    """
    model, (source, known, where), y = given["model"], named(given["x"]), given["y"]
    weights = weights_named(options)
    data, target = columns_used(model, y, known, where, [*weights.values()])
    names = [*dict.fromkeys([*data, target, *weights.values()])]
    scratch = None if options.scratch is None else os.fspath(options.scratch)
    positive = {column: name == WEIGHT for name, column in weights.items()}
    try:
        stream = open_stream(source, names, scratch=scratch, keeps=options.on is None)
        workers = None if options.on is None else _workers(stream, options)
        survey = (workers or stream).survey(
            options.missing, int(options.seed), SAMPLE, positive=positive
        )
    except DataError as error:
        raise _of_words(error) if hasattr(model, "as_layer") else error from None
    judged = judge(stream)
    passes = judged.stream if options.stream is None else options.stream
    passes = passes or workers is not None
    passes = passes and survey.n_rows > BLOCK  # one block is held in any case
    beyond = None
    if passes:
        labels = labels_of(model, stream, target, options)
        survey, apart, labels = held_back(model, stream, survey, target, labels, options)
        passes = survey.n_rows > BLOCK
        if not passes:  # what is left is no more than a block: all is held, and divided there
            survey = stream.hold_back(None)
    if passes:
        said = (judged.said,) if judged.said and options.stream is None else ()
        said = (*said, *stream.said, *(() if workers is None else workers.said))
        beyond = _beyond(stream, survey, _names_of(model, data, target, weights), said)
        beyond = replace(beyond, apart=apart, counts=labels, workers=workers)
    rows = survey.sample if passes else _whole(stream, survey.n_rows)
    own = {**given, **{name: rows[column] for name, column in weights.items()}}
    own |= {"x": {name: rows[name] for name in dict.fromkeys([*data, target])}, "missing": "raise"}
    if not passes and workers is not None:
        warn(
            f"the source has {survey.n_rows:,} rows, no more than one block: they are fitted in "
            "this process, and the workers have nothing to do"
        )
    if not passes:
        own |= {"stream": None, "scratch": None, "on": None}
    return own, beyond, survey.n_dropped


def weights_named(options: Options) -> dict[str, str]:
    """`sigma` and `sample_weight`, where they are given, by their columns.

    Raises:
        UsageError: one is no name of a column.
    """
    found = {n: getattr(options, n) for n in WEIGHTS if getattr(options, n) is not None}
    for name, value in found.items():
        if not isinstance(value, str):
            raise UsageError(
                f"{name} is given as {type(value).__name__}, and the rows come from a source",
                remedy=f'name its column: {name}="w"',
            )
    return found


def _workers(stream: Stream, options: Options) -> Any:
    """The workers of a cluster, for the rows of a source."""
    if options.validation_split:
        raise UsageError(
            "validation_split numbers the rows that remain anew, and on= has workers read them by "
            "their numbers",
            remedy="give rows to judge by as validation_data=(x, y), or leave out on",
        )
    from descend.cluster.passes import passes_of

    return passes_of(options.on, stream, options)


def _of_words(error: DataError) -> DataError:
    """What to do where a network's columns or labels are words."""
    if "holds text" not in error.message:
        return error
    return DataError(
        f"{error.message}; a network takes numbers",
        remedy="choose the columns and number the words by a query, and hand over what it gives: "
        "duckdb.sql(\"SELECT x, (kind = 'up')::INT AS kind FROM 'rows.parquet'\")",
    )


def _names_of(
    model: Any, data: Sequence[str], target: str, weights: Mapping[str, str]
) -> dict[str, str | tuple[str, ...]]:
    """What the program calls a column → what the source calls it."""
    found: dict[str, str | tuple[str, ...]] = {column_key(name): name for name in data}
    if hasattr(model, "as_layer"):
        found = {"x": tuple(data)}
    found[TARGET] = target
    return found | {key: weights[key] for key in (WEIGHT, SIGMA) if key in weights}


def _beyond(
    stream: Stream, survey: Survey, names: Mapping[str, Any], said: tuple[str, ...]
) -> Beyond:
    """All the rows."""
    weight = survey.columns[names[WEIGHT]].min if WEIGHT in names else 1.0
    counted = survey.n_rows
    if weight == 0:
        at = list(stream.names).index(names[WEIGHT])
        counted = sum(int(np.count_nonzero(piece.columns[at])) for piece in stream.blocks())
    target = survey.columns[names[TARGET]]
    assembly = Assembly(tuple(stream.names), names)
    variance = target.squares / survey.n_rows
    return Beyond(
        stream, assembly, survey.n_rows, counted, target.mean, variance, weight, survey.n_dropped,
        said, columns=survey.columns,
    )  # fmt: skip


def columns_used(
    model: Any, y: Any, known: Sequence[str], where: str, weights: Sequence[str] = ()
) -> tuple[list[str], str]:
    """The columns that a model takes as data, and that of the target; a network takes all."""
    if hasattr(model, "as_layer"):
        names, target = [name for name in known if name not in weights], y
    elif isinstance(model, str | Formula):
        formula = parse_formula(model) if isinstance(model, str) else model
        target = formula.target if y is None else y
        names = [n for n in formula.names if n not in formula.own]
    elif callable(model):
        names, target = [*signature_of(model).names], y
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


def _check_rows(loss: Loss | None, beyond: Beyond, model: Model, indices: int) -> None:
    """Refuse what the loss cannot mean beside what the model returns, or no index can, anywhere.

    Args:
        indices: how many whole numbers the columns of a network may hold; 0 for any numbers.
    """
    any_target = loss is None or loss.domain == ANY
    for first, (target, *columns) in beyond.blocks([TARGET, *(["x"] if indices else [])]):
        try:
            if loss is not None:
                loss.check(target, model.outputs(len(target)))
            for column in columns:
                check_members(column, indices, "x")
        except DataError as error:
            if error.row is None:
                raise
            left = beyond.n_dropped or beyond.apart is not None
            where = f"row {first + error.row}{' of those that remain' if left else ''}"
            raise error.renumbered(where) from None
        if any_target and not columns:
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
    seen = own.original.beyond
    assert seen is not None
    _check_rows(job.settings.loss, seen, built.model, own.problem.network_indices)
    notes = [
        *job.notes,
        *beyond.said,
        f"the rows are gone through in passes: a search for a start, pictures and what is looked "
        f"at row by row go by {held:,} of {beyond.n_rows:,} rows, drawn by the seed"
        + ", those without weight last" * (beyond.least_weight == 0),
    ]
    loss = job.settings.loss
    if loss is not None and loss.tells_classes:
        (shape,) = built.model.outputs(1)
        bits = score_bits(int(shape[-1]) if len(shape) > 1 else 2)
        notes.append(
            f"to the AUC rows are ties whose probabilities p, or 1 - p, agree in {bits} bits"
        )
    size = job.settings.batch_size
    if size is not None and job.settings.shuffle:
        window = max(1, BLOCK // size) * size
        notes.append(
            f"batches are of rows that were shuffled within windows of {window:,}, which follow "
            "one another as they come: rows that are sorted should be shuffled before"
        )
    start = job.start
    asked = own.options.starts is not None and job.problem.network is None
    if start.missing or asked or job.problem.ready is not None:
        start = _from_sample(own, start)
    settings = replace(job.settings, shuffle=False)
    shuffles = size is not None and job.settings.shuffle
    rows, original = _coming(job.rows, shuffles), _coming(own.original, shuffles)
    job = own.job = replace(job, rows=rows, settings=settings, start=start, notes=notes)
    options = own.options if own.problem.network is not None else own.options.but(starts=None)
    built, fresh = job.build()
    if job.beyond is not None and job.beyond.workers is not None:
        _check_workers(job.beyond.workers, built, size)
    return Descents(job, built, fresh, options, rows, original)


def _check_workers(workers: Workers, built: Built, size: int | None) -> None:
    """Refuse what workers cannot do."""
    if size is not None:
        raise UsageError(
            f"batches of {size} rows follow one another, each from where the last has led, so that "
            "one process goes through them, and on= is given",
            remedy='choose steps on all rows, optimizer="lbfgs" for a network, or leave out on',
        )
    workers.check(built.engine, built.notes)


def _coming(rows: Rows, shuffles: bool) -> Rows:
    """The same rows, as they are gone through."""
    assert rows.beyond is not None
    beyond = replace(rows.beyond, shuffles=shuffles)
    return rows._replace(beyond=beyond, n_dropped=beyond.n_dropped)


def _from_sample(own: Reading, start: Start) -> Start:
    """Where the fit of the sample by itself has come to, from as many starts as it takes."""
    rows, original = (r._replace(beyond=None) for r in (own.rows, own.original))
    settings = own.job.settings
    if settings.batch_size is not None and settings.batch_size >= rows.n_rows:
        settings = replace(settings, batch_size=None, shuffle=False)
    job = replace(own.job, rows=rows, settings=settings)
    quiet = own.options.but(progress=None, verbose=False, callback=None, checkpoint=None)
    fit = Descents(job, *job.build(), quiet, rows, original).result(finish_plainly)
    source = f"the fit of {rows.n_rows:,} of the rows, whose start: {fit.start_source}"
    tried = fit.n_starts, fit.n_agreed
    return start._replace(
        arrays=dict(fit._evidence.leaves), missing=(), sources=(source,), tried=tried
    )

"""`descend fit`: a formula over a table."""

from __future__ import annotations

import os
from typing import Any

from descend.cli.method import build_optimizer
from descend.cli.options import (
    DataOptions,
    FileOptions,
    Flag,
    MethodOptions,
    OutputOptions,
    StopOptions,
    Text,
    given,
    names,
    numbers,
)
from descend.cli.output import Told, check_places, write_files
from descend.data.tables import TableFile, open_table
from descend.errors import UsageError
from descend.trace.formula import Binding, Formula
from descend.train.fit import fit as run_fit
from descend.train.load import load

__all__ = ["fit", "open_bound"]


def fit(
    table: Text,
    formula: Text,
    /,
    *,
    start: Text | None = None,
    params: str | None = None,
    loss: str | None = None,
    penalty: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    shuffle: bool | None = None,
    stop_loss: float | None = None,
    keep_best: Flag = None,
    validation_split: float | None = None,
    sigma: str | None = None,
    absolute_sigma: Flag = None,
    sample_weight: str | None = None,
    starts: int | None = None,
    record: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
    method: MethodOptions = MethodOptions(),  # noqa: B008 (frozen)
    stopping: StopOptions = StopOptions(),  # noqa: B008
    data: DataOptions = DataOptions(),  # noqa: B008
    files: FileOptions = FileOptions(),  # noqa: B008
    output: OutputOptions = OutputOptions(),  # noqa: B008
) -> int:
    """Fit a formula to a table: columns are data, every other name is a parameter.

    Without --optimizer: Levenberg-Marquardt on all rows, for sums of squares; else BFGS.

    Args:
        table: CSV, TSV, Parquet or JSON; - is CSV on standard input.
        formula: Such as "y = a*exp(-k*x) + c"; columns with spaces stand in backticks.
        start: Where to begin: a=1,b=2, "random", or a saved fit (.descend).
        params: Names that are parameters although a column has nearly the same name.
        loss: mse, mae, huber(1), log_cosh, quantile(0.9), poisson, bce, ….
        penalty: l2(0.001) or l1(0.001), added to the loss.
        epochs: How often all rows are used, at most.
        batch_size: Rows used for one update; all where not given.
        shuffle: Batches in a new order each epoch; they are where smaller than the data.
        stop_loss: Stop when an epoch's running mean of the loss is below this.
        keep_best: Return the best parameters met instead of the last.
        validation_split: Keep this share of the rows aside and show their loss.
        sigma: The column with the standard deviations of the target.
        absolute_sigma: Sigma is in the target's units, not only relative.
        sample_weight: The column by which each row's loss is multiplied.
        starts: Fit from this many starts, and keep the best.
        record: What --history keeps besides the loss: params, gradient.
        seed: Decides shuffling and random starts; 0 where not given.
        threads: How many threads may work.
    """
    told = Told(output)
    options = given(stopping)
    optimizer = build_optimizer(method, options)
    check_places(files)
    begin = read_start(start)
    wanted = {"sigma": sigma, "sample_weight": sample_weight}
    extra = {option: column for option, column in wanted.items() if column is not None}
    source, binding = open_bound(table, formula, data.sql, params, begin)
    assert binding.target is not None
    columns = source.read([*binding.data, binding.target, *extra.values()])
    told.line(str(binding))
    options |= {option: columns[column] for option, column in extra.items()}
    rest = {
        "start": begin,
        "loss": loss,
        "penalty": penalty,
        "starts": starts,
        "record": names(record) or None,
        "params": names(params) or None,
        "optimizer": optimizer,
        "epochs": epochs,
        "batch_size": batch_size,
        "shuffle": shuffle,
        "stop_loss": stop_loss,
        "keep_best": keep_best,
        "validation_split": validation_split,
        "absolute_sigma": absolute_sigma,
        "missing": data.missing,
        "seed": seed,
        "threads": threads,
        "checkpoint": files.checkpoint,
        "resume": read_resume(files.resume),
        "progress": told.meter(),
    }
    options |= {name: value for name, value in rest.items() if value is not None}

    needed = {name: columns[name] for name in (*binding.data, binding.target)}
    result = run_fit(formula, needed, **options)
    told.result(result.report, lambda: result.to_json_dict(rows=False))
    write_files(result, files, told)
    return int(result.exit_code)


def open_bound(
    table: str, text: str, sql: str | None, params: str | None, start: Any
) -> tuple[TableFile, Binding]:
    """Read the formula, open the table, and decide which name is what."""
    formula = Formula.parse(text)
    source = open_table(table, sql)
    begin = start if isinstance(start, dict) else None
    return source, formula.bind(source.columns, params=names(params), start=begin)


def read_start(text: str | None) -> Any:
    """Numbers, "random", or a saved fit."""
    if text is None or text == "random":
        return text
    if "=" not in text:
        if text.endswith(".descend") or os.path.exists(text):
            return read_resume(text)
        raise UsageError(
            f'--start "{text}" is neither numbers nor a saved fit',
            remedy="write --start a=1,b=2, --start random or --start saved.descend",
        )
    return numbers(text, "--start")


def read_resume(path: str | None) -> Any:
    """Load a saved fit or checkpoint."""
    if path is None:
        return None
    return load(path)

"""`descend fit --by COLUMN`: one formula fitted to every group of rows, held or as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.cli.output import WRITTEN, Told
from descend.cli.streams import complain
from descend.data.table import TableFile
from descend.errors import DescendError, UsageError
from descend.result.groups import GroupFits
from descend.result.many import ManyFits
from descend.show.many import group_lines
from descend.show.output import check_output_path
from descend.task.option_table import names_of
from descend.task.rows import WEIGHTS
from descend.train.fit_many import fit_many

__all__ = ["fit_groups", "stream_groups"]

NOT_CONVERGED, INTERRUPTED = 4, 130
RENAMED = {"epochs": "max_iter"}


def fit_groups(
    formula: str, source: TableFile, columns: Mapping[str, Any], by: Sequence[str],
    options: Mapping[str, Any], written: Mapping[str, Any], told: Told,
) -> int:  # fmt: skip
    """Fit each group, print the summary, and write the results to the file of --save.

    Args:
        columns: those that the formula needs.
        options: of the fit, by their names in Python; `sigma` and `sample_weight` name columns.

    Raises:
        UsageError: an option that many fits do not have.
    """
    save, given = _read(options, written)
    if save is not None:
        check_output_path(save, "results of the fits")
    table = {**columns, **{name: source.labels(name) for name in by}}
    apart = [options[name] for name in WEIGHTS if name in options]
    if apart:
        table |= source.read(apart)
    fits = fit_many(formula, table, by=by[0] if len(by) == 1 else by, **given)
    assert isinstance(fits, ManyFits)
    failure = None
    if save is not None:
        try:
            fits.save(save)
        except DescendError as error:  # the results are not lost: they are printed
            failure = error
    told.result(lambda: f"{group_lines(fits)}\n\n{fits.report()}", fits.to_json_dict)
    if failure is not None:
        complain(f"error: {failure}")
        return failure.exit_code
    if save is not None:
        told.line(f"wrote {save}")
    if fits.interrupted:
        return INTERRUPTED
    return 0 if np.any(fits.success) else NOT_CONVERGED


def stream_groups(
    formula: str, source: TableFile, by: Sequence[str], options: Mapping[str, Any],
    written: Mapping[str, Any], told: Told,
) -> int:  # fmt: skip
    """Fit each group as its rows come, into the Parquet file of --save.

    Args:
        options: of the fit, by their names in Python; `sigma` and `sample_weight` name columns.

    Raises:
        UsageError: an option that many fits do not have, or no file.
    """
    save, given = _read(options, written)
    if save is None:
        raise UsageError(
            "--stream --by writes what each group came to into a file, and none is named",
            remedy="add --save fits.parquet",
        )
    fits = fit_many(formula, source, by=list(by), to=save, **given)
    assert isinstance(fits, GroupFits)
    told.result(fits.report, fits.to_json_dict)
    if fits.interrupted:
        return INTERRUPTED
    told.line(f"wrote {save}")
    return 0 if fits.n_success else NOT_CONVERGED


def _read(
    options: Mapping[str, Any], written: Mapping[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """Where results go, and the options of `fit_many`."""
    for name in (*WRITTEN, "resume"):
        if name in written and name != "save":
            raise UsageError(
                f"--{name.replace('_', '-')} is for a single fit, and --by makes many",
                remedy="write --save fits.parquet for the results of all of them",
            )
    given = {RENAMED.get(name, name): value for name, value in options.items()}
    given.pop("stream", None)
    for name in given:
        if name not in names_of("fit_many"):
            option = name.replace("_", "-")
            raise UsageError(f"--{option} has no meaning with --by", remedy="leave it out")
    return written.get("save"), given

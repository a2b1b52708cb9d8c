"""`descend fit --by COLUMN --shared k`: the groups of rows fitted together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.cli.options import names
from descend.cli.output import Told, check_places, tell
from descend.cli.pictures import of_the_way
from descend.data.table import TableFile
from descend.errors import UsageError
from descend.train.fit_global import Dataset, fit_global

__all__ = ["fit_shared"]

REFUSED = ("checkpoint", "resume", "plot_race", "plot_rates", "plot_batch_sizes")


def fit_shared(
    formula: str, source: TableFile, columns: Mapping[str, Any], by: str, shared: str,
    options: Mapping[str, Any], given: Mapping[str, Any], told: Told,
) -> int:  # fmt: skip
    """Fit all groups at once, with parameters that they share, and print the report.

    Args:
        columns: those that the formula needs.
        shared: the names of the shared parameters, between commas.
        options: of the fit, by their names in Python; `sigma` and `sample_weight` name columns.

    Raises:
        UsageError: an option that datasets side by side do not have.
    """
    for name in REFUSED:
        if name in given:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} has no meaning with --shared", remedy="leave it out")
    check_places(given)
    if options.get("params") is not None:
        raise UsageError("--params has no meaning with --shared", remedy="give --start instead")
    own = {name: value for name, value in options.items() if name not in ("sigma", "sample_weight")}
    weights = {
        name: source.read([options[name]])[options[name]]
        for name in ("sigma", "sample_weight") if name in options
    }  # fmt: skip
    labels = np.asarray(source.labels(by))
    groups = list(dict.fromkeys(labels.tolist()))
    sets = []
    for group in groups:
        rows = labels == group
        table = {name: np.asarray(column)[rows] for name, column in columns.items()}
        own_weights = {name: np.asarray(column)[rows] for name, column in weights.items()}
        sets.append(Dataset(formula, table, name=str(group), **own_weights))
    found = fit_global(sets, shared=names(shared), **own)
    return tell(
        found, given, told, lambda: found.to_json_dict(rows=False), of_the_way(found, given)
    )

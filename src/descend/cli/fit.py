"""`descend fit`: a formula over a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from descend.cli.bonds import bonds, used_by_ties
from descend.cli.journal import keep
from descend.cli.method import build_optimizer
from descend.cli.options import Text, names, numbers, of_method, passed_on
from descend.cli.output import Told, Writers, check_places, tell
from descend.cli.tables import (
    asked_of,
    goes_in_passes,
    in_order,
    named_shortly,
    refuse_bare,
    tell_notes,
)
from descend.data.read import open_table
from descend.data.table import TableFile
from descend.errors import FormulaError, UsageError, suggest
from descend.models.reading import parse_formula
from descend.trace.formula import Binding
from descend.train.fit import fit as run_fit

__all__ = ["fit", "open_bound"]

OF_THE_WAY = ("plot_surface", "plot_paths", "plot_gradients", "animate")
"""Pictures for which the epochs keep the parameters."""
DRAWN = (
    *OF_THE_WAY, "plot_boundary", "plot_race", "plot_rates", "plot_batch_sizes", "plot_map",
)  # fmt: skip
NEEDS = {
    "over": ("plot_surface", "plot_boundary"), "race": ("plot_race",), "rates": ("plot_rates",),
    "map": ("plot_map",),
}  # fmt: skip
"""What says something of a picture, and nothing without it."""
ASKED = {
    "plot_race": ("race", "several runs", "--race sgd,adam,rmsprop or --race lr=0.001,0.01,0.1"),
    "plot_map": ("map", "trainings over two numbers", "--map lr=0.001:1,batch_size=1:64"),
}
"""What a picture cannot do without."""


def fit(table: Text, formula: Text, /, **given: Any) -> int:
    """Fit a formula to a table: columns are data, every other name is a parameter.

    Without --optimizer: Levenberg-Marquardt on all rows, for sums of squares; else BFGS.

    Args:
        table: CSV and other text, Excel, OpenDocument, Parquet or JSON; - is standard input.
        formula: Such as "y = a*exp(-k*x) + c"; columns with spaces stand in backticks.
    """
    told = Told(given)
    if "cluster" not in given:
        return fitted(table, formula, given, told)
    if given.get("shared"):
        raise UsageError(
            "--shared fits all groups together in one process, and --cluster has several",
            remedy="leave out --cluster, or --shared",
        )
    from descend.cli.clusters import workers_at

    with workers_at(given["cluster"], told) as client:
        return fitted(table, formula, given, told, client)


def fitted(
    table: str, formula: str, given: Mapping[str, Any], told: Told, client: Any = None
) -> int:
    """The same, perhaps on the workers of a cluster."""
    table, formula = in_order(table, formula)
    options = passed_on("fit", given) | bonds(given)
    options |= {} if client is None else {"on": client}
    by, shared = options.pop("by", None), options.pop("shared", None)
    optimizer = build_optimizer(of_method("fit", given), options)
    if by is None:
        check_places(given)
    if {*OF_THE_WAY} & {*given}:
        options["record"] = [*dict.fromkeys([*options.get("record", ()), "params"])]
    check_words(given, options)
    options["start"] = read_start(given.get("start"))
    source, binding = open_bound(table, formula, given, options)
    assert binding.target is not None
    needed = [*binding.data, binding.target]
    by_row = {name: options[name] for name in ("sigma", "sample_weight") if name in options}
    asked = [*dict.fromkeys([*needed, *by_row.values()])]
    passes = shared is None and by is None and client is not None
    passes = passes or (shared is None and goes_in_passes(source, asked, given, told))
    columns = {} if passes else source.read(asked)
    keys = () if by is None else keys_of(by, source.columns)
    check_bound(binding, needed, keys, options)
    check_restart(given, bool(passes and keys))
    told.line(str(binding))
    loaded = {"optimizer": optimizer, "resume": read_resume(given.get("resume"))}
    options = {n: v for n, v in (options | loaded).items() if v is not None}
    options["progress"] = told.meter()
    rows = {name: columns[name] for name in needed if name in columns}
    if keys or shared is not None:
        groups = None if passes else rows
        return grouped(formula, source, groups, (keys, shared), options, given, told)
    options |= {name: columns[column] for name, column in by_row.items() if column in columns}
    if given.get("watch"):
        options |= watching(formula, rows, binding)
    if passes and client is None:
        options["stream"] = True
    result = run_fit(formula, source if passes else rows, **options)
    if passes:
        rows = {**result.x, result.target: np.asarray(result.y)}
        seen = result._evidence.completion
        options |= {name: seen.original.extra[name] for name in by_row if seen is not None}
    pictures: Writers = ()
    if {*DRAWN} & {*given}:
        from descend.cli.pictures import pictures_of

        pictures = pictures_of(result, given, formula, rows, options)
    code = tell(result, given, told, lambda: result.to_json_dict(rows=False), pictures)
    return keep("fit", formula, table, given, result, code)


def watching(formula: str, rows: Mapping[str, Any], binding: Binding) -> dict[str, Any]:
    """The options by which a fit is drawn on the terminal while it goes on."""
    from descend.show.watched import Watched

    read, curve = parse_formula(formula), None
    assert binding.target is not None
    if len(binding.data) == 1 and rows:
        (name,) = binding.data
        x, y = (np.asarray(rows[n]) for n in (name, binding.target))
        if x.ndim == y.ndim == 1 and x.dtype.kind in "iuf":
            curve = x, y, lambda grid, **params: read.evaluate({name: grid, **params})
    meter = Watched(sys.stderr, curve)
    return {"progress": meter, "callback": meter.see}


def grouped(
    formula: str, source: TableFile, rows: Mapping[str, Any] | None,
    groups: tuple[Sequence[str], str | None],
    options: dict[str, Any], given: Mapping[str, Any], told: Told,
) -> int:  # fmt: skip
    """Fit groups of rows: each by itself, or together where they share parameters.

    Args:
        rows: the columns of the formula; None where they are not held.
    """
    by, shared = groups
    if not by:
        raise UsageError("--shared needs groups of rows", remedy="add --by COLUMN")
    if rows is None:
        from descend.cli.many import stream_groups

        return stream_groups(formula, source, by, options, given, told)
    if shared is not None:
        from descend.cli.shared import fit_shared

        if len(by) > 1:
            raise UsageError(
                f"--shared needs one column that tells the groups apart, and --by names {len(by)}",
                remedy="make one of them: --sql \"SELECT a || ' ' || b AS id, * FROM data\" "
                "--by id",
            )
        return fit_shared(formula, source, rows, by[0], shared, options, given, told)
    from descend.cli.many import fit_groups

    return fit_groups(formula, source, rows, by, options, given, told)


def check_words(given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuse options that were written and would do nothing."""
    for name in ("by", "shared", "quiet", "verbose"):
        if given.get("watch") and given.get(name):
            raise UsageError(
                f"--watch draws one fit while it goes on, and --{name} has no such picture",
                remedy=f"leave out --watch, or --{name}",
            )
    if given.get("stream") and given.get("shared"):
        raise UsageError(
            "--stream goes through the rows of fits that know nothing of one another, and --shared "
            "names what they have in common",
            remedy="leave out --stream, or --shared",
        )
    if options.get("params") == []:
        raise UsageError("--params is empty", remedy="write --params a,b, or leave it out")
    for name, pictures in NEEDS.items():
        if name in given and not {*pictures} & {*given}:
            options_of = [f"--{picture.replace('_', '-')}" for picture in pictures]
            raise UsageError(
                f"--{name} says over what {' or '.join(options_of)} draws, and there is none",
                remedy=f"add {options_of[0]} FILE",
            )
    for picture, (name, what, example) in ASKED.items():
        if picture in given and name not in given:
            option = f"--{picture.replace('_', '-')}"
            raise UsageError(f"{option} draws {what}, and none are named", remedy=f"add {example}")
    if "record" in given and "history" not in given:
        raise UsageError(
            "--record says what --history keeps, and there is no --history",
            remedy="add --history FILE, or leave out --record",
        )


def check_bound(
    binding: Binding, needed: Collection[str], keys: Sequence[str], options: Mapping[str, Any]
) -> None:
    """Refuse groups by a column of the formula, and --fix of what is no parameter."""
    for by in keys:
        if by not in needed:
            continue
        raise UsageError(
            f'--by {by}: the formula uses the column "{by}", and groups have one value of it each',
            remedy="name a column that tells the groups apart and is not in the formula",
        )
    for name in options.get("fixed", ()):
        if name not in binding.parameters and name not in used_by_ties(options):
            raise UsageError(
                f'--fix names "{name}", which is no parameter{suggest(name, binding.parameters)}',
                remedy=f"the parameters are {', '.join(binding.parameters)}",
            )


def check_restart(given: Mapping[str, Any], over_groups: bool) -> None:
    """Refuse to throw away what is not kept."""
    if "restart" in given and not over_groups:
        raise UsageError(
            "--restart throws away what an ended run over groups that come has left, and this is "
            "none",
            remedy="leave out --restart, or add --by COLUMN --stream --save FILE",
        )


def keys_of(by: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that --by names: one, whatever signs its name has, or several between commas.

    >>> keys_of("a,b", ["a", "b"]), keys_of("a,b", ["a,b"])
    (('a', 'b'), ('a,b',))
    """
    return (by,) if by in columns else tuple(names(by))


def open_bound(
    table: str, text: str, given: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[TableFile, Binding]:
    """Read the formula, open the table, and decide which name is what.

    Args:
        given: what was written, with how the table is to be read.
        options: of the fit. Names of ties may have a start although the formula does not name them.
    """
    start, tied = options["start"], used_by_ties(options)
    formula = parse_formula(text)
    begin = None
    if isinstance(start, dict):
        begin = {n: v for n, v in start.items() if n in formula.names or n not in tied}
    known = {*(begin or ()), *options.get("params", ())}
    wanted = [name for name in (*formula.names, formula.target) if name and name not in known]
    source = open_table(table, given.get("sql"), asked_of(given, wanted))
    tell_notes(source, given)
    if source.bare and not {*wanted} & {*source.columns}:
        refuse_bare(source, formula, wanted)
    try:
        return source, formula.bind(source.columns, params=options.get("params", ()), start=begin)
    except FormulaError as error:
        error.remedy = named_shortly(source, wanted) or error.remedy
        raise


def read_start(text: str | None) -> Any:
    """Numbers, "random", or a saved fit."""
    if text is None or text == "random":
        return text
    if "=" not in text and (text.endswith(".descend") or os.path.exists(text)):
        return read_resume(text)
    if "=" not in text and ":" not in text:
        raise UsageError(
            f'--start "{text}" is neither numbers nor a saved fit',
            remedy="write --start a=1,b=2, --start random or --start saved.descend",
        )
    return numbers(text, "--start")


def read_resume(path: str | None) -> Any:
    """Load a saved fit or checkpoint."""
    if path is None:
        return None
    from descend.train.load import load

    return load(path)

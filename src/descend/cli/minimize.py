"""`descend minimize`: the minimum (or maximum) of a formula."""

from __future__ import annotations

from descend.cli.bonds import BondOptions, bonds, used_by_ties
from descend.cli.method import build_optimizer
from descend.cli.options import (
    FileOptions,
    OutputOptions,
    SlopeOptions,
    StopOptions,
    Switch,
    Text,
    Whole,
    check_names,
    given,
    names,
    numbers,
)
from descend.cli.output import Told, check_places, write_files
from descend.errors import FormulaError
from descend.trace.formula import Formula
from descend.train.minimize import maximize as find_highest
from descend.train.minimize import minimize as find_lowest

__all__ = ["minimize", "read_function"]


def minimize(
    formula: Text,
    /,
    *,
    start: Text,
    maximize: Switch = False,
    max_iter: Whole | None = None,
    starts: Whole | None = None,
    record: str | None = None,
    seed: Whole | None = None,
    bound: BondOptions = BondOptions(),  # noqa: B008 (frozen)
    method: SlopeOptions = SlopeOptions(),  # noqa: B008
    stopping: StopOptions = StopOptions(),  # noqa: B008
    files: FileOptions = FileOptions(),  # noqa: B008
    output: OutputOptions = OutputOptions(),  # noqa: B008
) -> int:
    """Find a minimum of a formula by descending from a start, or a maximum by ascending.

    Args:
        formula: Such as "3*x1**2 + 4*x2**2".
        start: Where to begin: x1=1,x2=1.
        maximize: Go up instead of down.
        max_iter: How many steps at most.
        starts: Descend from this many starts, and keep the lowest end.
        record: What --history keeps besides the value: params, gradient; with --plot params, to
            draw the way.
        seed: Decides what is random; 0 where not given.
    """
    told = Told(output)
    function = read_function(formula)
    begin = numbers(start, "--start")
    options = given(stopping) | bonds(bound)
    absent = {n for n, value in options.get("fixed", {}).items() if value is not None}
    check_names(
        begin, function.names, "--start", used_by_ties(options), absent | {*options.get("ties", ())}
    )
    optimizer = build_optimizer(method, options)
    check_places(files)
    rest = {
        "optimizer": optimizer,
        "max_iter": max_iter,
        "starts": starts,
        "record": names(record) or (["params"] if files.plot is not None else None),
        "seed": seed,
        "progress": told.meter(),
    }
    options |= {name: value for name, value in rest.items() if value is not None}

    descent = find_highest if maximize else find_lowest
    ordered = {name: begin[name] for name in function.names if name in begin} | begin
    result = descent(function.text, start=ordered, **options)
    told.result(result.report, result.to_json_dict)
    write_files(result, files, told)
    return int(result.exit_code)


def read_function(text: str) -> Formula:
    """Read a formula without target whose names are all variables."""
    function = Formula.parse(text)
    if function.target is not None:
        raise FormulaError(
            f'"{text}" has a target, {function.target}, and no table it could be a column of',
            remedy="give the right-hand side alone",
        )
    if not function.names:
        raise FormulaError(f'"{text}" has no variables')
    return function

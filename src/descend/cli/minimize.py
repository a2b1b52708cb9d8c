"""`descend minimize`: the minimum (or maximum) of a formula."""

from __future__ import annotations

from typing import Any

from descend.cli.bonds import bonds, used_by_ties
from descend.cli.journal import keep
from descend.cli.method import build_optimizer
from descend.cli.options import Text, check_names, numbers, of_method, passed_on
from descend.cli.output import Told, check_places, tell
from descend.errors import FormulaError
from descend.trace.formula import Formula
from descend.train.minimize import maximize as find_highest
from descend.train.minimize import minimize as find_lowest

__all__ = ["minimize", "read_function"]


def minimize(formula: Text, /, **given: Any) -> int:
    """Find a minimum of a formula by descending from a start, or a maximum by ascending.

    Args:
        formula: Such as "3*x1**2 + 4*x2**2".
    """
    told = Told(given)
    function = read_function(formula)
    begin = numbers(given["start"], "--start")
    options = passed_on("minimize", given) | bonds(given)
    absent = {n for n, value in options.get("fixed", {}).items() if value is not None}
    check_names(
        begin, function.names, "--start", used_by_ties(options), absent | {*options.get("ties", ())}
    )
    options["optimizer"] = build_optimizer(of_method("minimize", given), options)
    check_places(given)
    if "plot" in given and not options.get("record"):
        options["record"] = ["params"]
    options["progress"] = told.meter()
    descent = find_highest if given.get("maximize") else find_lowest
    ordered = {name: begin[name] for name in function.names if name in begin} | begin
    result = descent(function.text, start=ordered, **options)
    code = tell(result, given, told, result.to_json_dict)
    return keep("minimize", formula, None, given, result, code)


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

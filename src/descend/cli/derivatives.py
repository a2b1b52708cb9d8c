"""`descend grad`: a formula's value and its partial derivatives at a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from descend.cli.minimize import read_function
from descend.cli.options import Text, check_names, numbers
from descend.cli.output import Told
from descend.functions import value_and_grad

__all__ = ["grad"]


def grad(formula: Text, /, **given: Any) -> None:
    """Print the value of a formula and each partial derivative.

    Args:
        formula: Such as "3*x1**2 + 4*x2**2 + 5*x3**2".
    """
    function = read_function(formula)
    point = numbers(given["at"], "--at")
    check_names(point, function.names, "--at")

    ordered = {name: point[name] for name in function.names}
    value, partials = value_and_grad(function.evaluate)(ordered)
    partials = {name: float(partials[name]) for name in function.names}
    result = {"formula": formula, "at": ordered, "value": float(value), "gradient": partials}
    Told(given).result(lambda: _lines(formula, float(value), partials), lambda: result)


def _lines(formula: str, value: float, partials: Mapping[str, Any]) -> str:
    labels = {f"d/d{name}": partial for name, partial in partials.items()}
    width = max(len(label) for label in [*labels, "value"])
    lines = [formula, f"  {'value':<{width}}  {value + 0.0:.12g}"]
    lines += [f"  {label:<{width}}  {partial + 0.0:.12g}" for label, partial in labels.items()]
    return "\n".join(lines)

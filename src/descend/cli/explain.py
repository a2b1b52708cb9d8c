"""`descend explain`: forward pass, backward pass and update, number by number."""

from __future__ import annotations

from typing import Any

from descend.cli.method import build_optimizer
from descend.cli.minimize import read_function
from descend.cli.options import (
    DataOptions,
    MethodOptions,
    OutputOptions,
    Text,
    check_names,
    numbers,
)
from descend.cli.output import Told
from descend.errors import UsageError

__all__ = ["explain"]


def explain(
    first: Text,
    second: Text | None = None,
    /,
    *,
    at: Text | None = None,
    start: Text | None = None,
    params: str | None = None,
    row: int = 0,
    loss: str = "mse",
    method: MethodOptions = MethodOptions(),  # noqa: B008 (frozen)
    data: DataOptions = DataOptions(),  # noqa: B008
    output: OutputOptions = OutputOptions(),  # noqa: B008
) -> None:
    """Show backpropagation at work: for a formula at a point, or for one row of a table.

    Args:
        first: A formula (with --at), or a table.
        second: The formula over the table.
        at: The point: x1=1,x2=1.
        start: The parameters' values: a=1,b=2, or a saved fit.
        params: Names that are parameters although a column has nearly the same name.
        row: The row of the table, counted from 0.
        loss: mse, mae, huber(1), ….
    """
    if second is None:
        text = _at_point(first, at)
    else:
        optimizer = build_optimizer(method, {})
        text = _at_row(first, second, start, params, row, loss, optimizer, data)
    Told(output).result(lambda: str(text), text.to_json_dict)


def _at_point(formula: str, at: str | None) -> Any:
    import descend

    function = read_function(formula)
    if at is None:
        written = ",".join(f"{name}=1" for name in function.names)
        raise UsageError("explain needs a point", remedy=f"add --at {written}")
    point = numbers(at, "--at")
    check_names(point, function.names, "--at")
    return descend.explain(formula, {name: point[name] for name in function.names})


def _at_row(
    table: str,
    formula: str,
    start: str | None,
    params: str | None,
    row: int,
    loss: str,
    optimizer: Any,
    data: DataOptions,
) -> Any:
    raise NotImplementedError

"""`descend explain`: forward pass, backward pass and update, number by number."""

from __future__ import annotations

from dataclasses import replace

from descend.cli.bonds import BondOptions, bonds, used_by_ties
from descend.cli.fit import open_bound, read_start
from descend.cli.method import build_optimizer
from descend.cli.minimize import read_function
from descend.cli.options import (
    DataOptions,
    MethodOptions,
    OutputOptions,
    Text,
    Whole,
    check_names,
    given,
    names,
    numbers,
)
from descend.cli.output import Told
from descend.errors import UsageError
from descend.show.explain import Explanation
from descend.train.explain import explain as explain_model

__all__ = ["explain"]


def explain(
    first: Text,
    second: Text | None = None,
    /,
    *,
    at: Text | None = None,
    start: Text | None = None,
    params: str | None = None,
    row: Whole = 0,
    loss: str = "mse",
    bound: BondOptions = BondOptions(),  # noqa: B008 (frozen)
    method: MethodOptions = MethodOptions(),  # noqa: B008
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
    bound_by = bonds(bound)
    if second is None:
        if bound_by:
            raise UsageError(
                "--fix, --bound and --tie belong to a formula over a table",
                remedy="leave them out: at a point all numbers are as --at gives them",
            )
        told = _at_point(first, at, method)
    else:
        if at is not None:
            raise UsageError("--at belongs to a formula without a table", remedy="write --start")
        begin = read_start(start)
        source, binding = open_bound(first, second, data.sql, params, begin, used_by_ties(bound_by))
        assert binding.target is not None
        options = {
            "start": begin,
            "loss": loss,
            "params": names(params),
            "optimizer": build_optimizer(plain_descent(method), {}),
            "missing": data.missing or "raise",
            **bound_by,
        }
        columns = source.read([*binding.data, binding.target])
        told = explain_model(second, columns, row=row, **options)
    Told(output).result(lambda: str(told), told.to_json_dict)


def plain_descent(method: MethodOptions) -> MethodOptions:
    """Without an optimizer's name, the update that is shown is that of plain descent."""
    return method if method.optimizer else replace(method, optimizer="sgd")


def _at_point(formula: str, at: str | None, method: MethodOptions) -> Explanation:
    function = read_function(formula)
    if at is None:
        written = ",".join(f"{name}=1" for name in function.names)
        raise UsageError("explain needs a point", remedy=f"add --at {written}")
    point = numbers(at, "--at")
    check_names(point, function.names, "--at")
    update = {"optimizer": build_optimizer(plain_descent(method), {})} if given(method) else {}
    ordered = {name: point[name] for name in function.names}
    return explain_model(formula, {**ordered, **update})

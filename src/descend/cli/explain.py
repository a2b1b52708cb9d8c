"""`descend explain`: forward pass, backward pass and update, number by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from descend.cli.bonds import bonds
from descend.cli.fit import open_bound, read_start
from descend.cli.method import build_optimizer
from descend.cli.minimize import read_function
from descend.cli.options import Text, check_names, numbers, of_method, passed_on
from descend.cli.output import WRITTEN, Told, check_places, write_whole
from descend.cli.tables import in_order
from descend.errors import UsageError
from descend.show.explain import Explanation
from descend.train.explain import explain as explain_model

__all__ = ["explain"]


def explain(first: Text, second: Text | None = None, /, **given: Any) -> None:
    """Show backpropagation at work: for a formula at a point, or for one row of a table.

    Args:
        first: A formula (with --at), or a table.
        second: The formula over the table.
    """
    bound_by, at = bonds(given), given.get("at")
    check_places(given)
    if second is not None:
        first, second = in_order(first, second)
    method = of_method("explain", given)
    telling = {"lang": given["lang"], "parameter": given.get("parameter") or ""}
    if second is None:
        if bound_by:
            raise UsageError(
                "--fix, --bound and --tie belong to a formula over a table",
                remedy="leave them out: at a point all numbers are as --at gives them",
            )
        told = _at_point(first, at, method, telling)
    else:
        if at is not None:
            from descend.cli.leftover import apart

            alone = UsageError("--at belongs to a formula without a table", remedy="write --start")
            raise apart(["--at", at, second], [second]) or alone
        options = passed_on("explain", given) | bound_by
        options["start"] = read_start(given.get("start"))
        options["optimizer"] = build_optimizer(plain_descent(method), {})
        source, binding = open_bound(first, second, given, options)
        assert binding.target is not None
        columns = source.read([*binding.data, binding.target])
        told = explain_model(
            second, columns, row=given["row"], loss=given["loss"], **telling, **options
        )
    printed = Told(given)
    for option, text in (("svg", told.to_svg), ("html", told.to_html)):
        if option in given:
            write_whole(given[option], WRITTEN[option], text())
    printed.result(lambda: str(told), told.to_json_dict)
    for option in ("svg", "html"):
        if option in given:
            printed.line(f"written: {given[option]}")


def plain_descent(method: Mapping[str, Any]) -> dict[str, Any]:
    """Without an optimizer's name, the update that is shown is that of plain descent."""
    return {"optimizer": "sgd", **method}


def _at_point(
    formula: str, at: str | None, method: Mapping[str, Any], telling: Mapping[str, str]
) -> Explanation:
    function = read_function(formula)
    if at is None:
        written = ",".join(f"{name}=1" for name in function.names)
        raise UsageError("explain needs a point", remedy=f"add --at {written}")
    point = numbers(at, "--at")
    check_names(point, function.names, "--at")
    update = {"optimizer": build_optimizer(plain_descent(method), {})} if method else {}
    ordered = {name: point[name] for name in function.names}
    own = {name: value for name, value in telling.items() if name not in function.names}
    return explain_model(formula, {**ordered, **update, **own})

"""`explain`, as the user calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.errors import ends_at_users_line
from descend.result.explaining import TELLING, explain_at, explain_point, stepping, told_as
from descend.show.explain import Explanation
from descend.task.foreign import refuse_unknown
from descend.task.option_table import names_of
from descend.task.options import Options
from descend.train.reading import Reading

__all__ = ["explain"]


@ends_at_users_line
def explain(
    function: Callable[..., Any] | str, *args: Any, row: int | None = None, **options: Any
) -> Explanation:
    """Show how backpropagation works out a gradient, number by number; `print` shows it.

    Args:
        function: plain NumPy code that returns one number, or a formula, with its arguments in
            `args` or by name; or, with `row`, a model with the data that `fit` would take.
        row: the row of the data to explain, counted from 0.
        options: the values of arguments, and the optimizer and lr whose update is to be shown;
            with `row`, the options of `fit` (start, loss, optimizer, lr). `parameter` is that
            whose chain rule is written out (else of the first few), `lang` "en" or "zh"; arguments
            of these names come first.

    Raises:
        UsageError: an argument without a value, a result that is no single number, a parameter or
            a language that there is not.

    >>> told = explain(lambda x: 3 * x**2, 1.0)
    >>> told.gradient["x"], [step.computed for step in told.forward]
    (array(6.), ['x²', '3 · v1'])
    """
    if row is None:
        return explain_point(function, args, options)
    telling = {name: options.pop(name) for name in TELLING if name in options}
    refuse_unknown([name for name in options if name not in names_of("fit")], "fit")
    x, y, *_ = (*args, None, None)
    method = stepping(options.get("optimizer") or "sgd", options.get("lr"))
    read = Reading(function, x, y, Options("fit", **{**options, "optimizer": method, "lr": None}))
    built, _ = read.job.build()
    leaves = read.job.find_start(built, options.get("start") == "random", 0)
    return told_as(explain_at(read.job, built, read.whole, leaves, row), **telling)

"""The pictures of `descend fit` beside the plain one: of the way, and of several runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from descend.cli.method import build_optimizer
from descend.cli.options import names, number, of_method, parts
from descend.cli.output import Writers
from descend.errors import DescendWarning, UsageError
from descend.methods.table import as_optimizer
from descend.train.fit import fit
from descend.train.pictures import plot_batch_sizes, plot_race, plot_rates

__all__ = ["of_the_way", "pictures_of"]

ALONE = ("progress", "callback", "checkpoint", "resume", "record")
"""Options of the run that is reported, which those of a race do without."""


def of_the_way(result: Any, given: Mapping[str, Any]) -> Writers:
    """What draws the way of a descent, for the options that ask for it."""
    over = given.get("over")
    chosen = None if over is None else [*map(str.strip, parts(over))]
    drawn = {
        "plot_surface": lambda path: result.plot_surface(path, chosen),
        "plot_paths": result.plot_paths, "plot_gradients": result.plot_gradients,
        "animate": result.animate,
    }  # fmt: skip
    return [(option, draw) for option, draw in drawn.items() if option in given]


def pictures_of(
    result: Any, given: Mapping[str, Any], formula: str, rows: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Writers:  # fmt: skip
    """What draws the pictures that are asked for; the runs of a race are made when it is drawn.

    Args:
        options: of the fit, by their names in Python.
    """
    own = {name: value for name, value in options.items() if name not in ALONE}
    rates = [number(text, "--rates") for text in names(given.get("rates"))]

    def race(path: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DescendWarning)  # the picture says how each ended
            runs = {
                name: fit(formula, rows, **{**own, **changed})
                for name, changed in _racers(given).items()
            }
        plot_race(runs, path)

    drawn = {
        "plot_race": race,
        "plot_rates": lambda path: plot_rates(formula, rows, lr=rates or None, path=path, **own),
        "plot_batch_sizes": lambda path: plot_batch_sizes(formula, rows, path=path, **own),
    }
    runs = [(option, draw) for option, draw in drawn.items() if option in given]
    return [*of_the_way(result, given), *runs]


def _racers(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → what is its own of each run: a method, or the value of a number."""
    text = given["race"]
    option, equals, values = text.partition("=")
    if not equals:
        return {name: {"optimizer": _method(name, given)} for name in names(text)}
    option, found = option.strip().replace("-", "_"), names(values)
    if option in ("batch_size", "seed"):
        return {f"{option}={v}": {option: int(number(v, "--race"))} for v in found}
    method = of_method("fit", given)
    if not method.get("optimizer"):
        raise UsageError(
            f'--race "{text}" is over a number of the method, and none is named',
            remedy="add --optimizer sgd, for example",
        )
    return {
        f"{option}={v}": {
            "optimizer": build_optimizer({**method, option: number(v, "--race")}, {})
        }
        for v in found
    }


def _method(name: str, given: Mapping[str, Any]) -> Any:
    """A method with those of the written numbers that it has."""
    known = {field.name for field in fields(as_optimizer(name))}
    own = {n: v for n, v in of_method("fit", given).items() if n in known}
    return build_optimizer({"optimizer": name, **own}, {})

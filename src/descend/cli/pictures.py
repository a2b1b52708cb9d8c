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
from descend.result.heat_map import axis
from descend.train.fit import fit
from descend.train.heat_map import heat_map
from descend.train.pictures import plot_batch_sizes, plot_race, plot_rates

__all__ = ["of_the_way", "pictures_of"]

VALUES, RATIO = 64, 10.0  # of an axis of a map; it goes by factors where its ends are so far apart
ALONE = ("progress", "callback", "checkpoint", "resume", "record", "stream", "scratch")
"""Options of the run that is reported, which those of a race do without; of a run in passes they
have the rows in memory."""


def of_the_way(result: Any, given: Mapping[str, Any]) -> Writers:
    """What draws the way of a descent, for the options that ask for it."""
    over = given.get("over")
    chosen = None if over is None else [*map(str.strip, parts(over))]
    drawn = {
        "plot_surface": lambda path: result.plot_surface(path, chosen),
        "plot_boundary": lambda path: result.plot_boundary(path, chosen),
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

    def mapped(path: str) -> None:
        heat_map(formula, rows, over=_axes(given["map"]), **own).plot(path)

    drawn = {
        "plot_map": mapped, "plot_race": race,
        "plot_rates": lambda path: plot_rates(formula, rows, lr=rates or None, path=path, **own),
        "plot_batch_sizes": lambda path: plot_batch_sizes(formula, rows, path=path, **own),
    }
    runs = [(option, draw) for option, draw in drawn.items() if option in given]
    return [*of_the_way(result, given), *runs]


def _axes(text: str) -> dict[str, Any]:
    """The two numbers of a map with their values.

    >>> {name: values.tolist() for name, values in _axes("a=0:1:3,batch_size=1:5").items()}
    {'a': [0.0, 0.5, 1.0], 'batch_size': [1, 2, 3, 4, 5]}
    >>> _axes("lr=0.001:10:5,seed=0:2")["lr"].round(6).tolist()
    [0.001, 0.01, 0.1, 1.0, 10.0]
    """
    found: dict[str, Any] = {}
    for part in parts(text):
        name, equals, ends = part.partition("=")
        name, given = name.strip().replace("-", "_"), ends.split(":")
        if not equals or len(given) not in (2, 3):
            raise UsageError(
                f'--map "{text}": "{part.strip()}" is no range of a number',
                remedy="write --map lr=0.001:1,batch_size=1:64",
            )
        low, high, *count = (number(end, f"--map {name}") for end in given)
        many = int(count[0]) if count else VALUES
        if not low < high or many < 2:
            raise UsageError(
                f"--map {name} goes from one value to a larger one, by at least 2 of them",
                remedy=f"write --map {name}=0.001:1:50, for example",
            )
        by_factors = low > 0 and high >= RATIO * low
        found[name] = axis(low, high, many, by_factors, name in ("batch_size", "seed"))
    if len(found) != 2:
        raise UsageError(
            f"--map is over two numbers, not {len(found)}",
            remedy="write --map lr=0.001:1,batch_size=1:64",
        )
    return found


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

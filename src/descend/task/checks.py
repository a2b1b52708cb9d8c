"""Checks of the values of options: what cannot be meant is refused, with what to write instead."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from descend.errors import UsageError, suggest

__all__ = [
    "CHECKS", "check_choice", "check_count", "check_function", "check_number", "check_seed",
    "check_switch", "listed_names",
]  # fmt: skip

LARGEST = 2**63  # native programs count in 64 bits


def check_count(name: str, value: object, least: int = 1) -> int:
    """Return a whole number of at least `least`.

    >>> check_count("epochs", 0)
    Traceback (most recent call last):
    descend.errors.UsageError: epochs must be a whole number of at least 1, not 0
    """
    number = _whole(value)
    if number is None or number < least:
        raise UsageError(f"{name} must be a whole number of at least {least}, not {value!r}")
    if number >= LARGEST:
        raise UsageError(f"{name} must be a whole number below 2**63, not {value!r}")
    return number


def _whole(value: object) -> int | None:
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_number(name: str, value: object, low: float = 0.0, above: bool = False) -> float:
    """Return a real number of at least `low` (or above it).

    >>> check_number("stop_loss", "small")
    Traceback (most recent call last):
    descend.errors.UsageError: stop_loss must be a number of at least 0, not 'small'
    """
    number = math.nan
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        number = float(value)
    if math.isnan(number) or number < low or (above and number == low):
        bound = "above" if above else "of at least"
        raise UsageError(f"{name} must be a number {bound} {low:g}, not {value!r}")
    return number


def check_seed(value: object) -> int:
    """Return a seed: a whole number from 0 below 2⁶³."""
    number = _whole(value)
    if number is None or not 0 <= number < LARGEST:
        raise UsageError(
            f"seed must be a whole number from 0 to 2**63 - 1, not {value!r}",
            remedy="every run has a seed, so that it can be repeated; the default is 0",
        )
    return number


_FUNCTIONS = {
    "callback": "callback=lambda moment: …, called after each epoch or iteration",
    "clip": "clip=descend.clip_norm(1.0), a limit on the gradient's length",
}


def check_function(name: str, value: object) -> None:
    """Refuse what cannot be called.

    >>> check_function("callback", 5)
    Traceback (most recent call last):
    descend.errors.UsageError: callback must be a function, not 5
      do: write callback=lambda moment: …, called after each epoch or iteration
    """
    if value is not None and not callable(value):
        raise UsageError(
            f"{name} must be a function, not {value!r}", remedy=f"write {_FUNCTIONS[name]}"
        )


def check_switch(name: str, value: object) -> bool:
    """Return what is on or off; a text is neither, for `"no"` would count as true.

    >>> check_switch("shuffle", "no")
    Traceback (most recent call last):
    descend.errors.UsageError: shuffle must be True or False, not 'no'
    """
    if isinstance(value, bool | np.bool_) or (type(value) is int and value in (0, 1)):
        return bool(value)
    raise UsageError(f"{name} must be True or False, not {value!r}")


def listed_names(option: str, given: Any) -> list[str]:
    """Return names given as one text or a list of texts.

    >>> listed_names("constants", "n"), listed_names("constants", ["n", "m"])
    (['n'], ['n', 'm'])
    >>> listed_names("constants", 5)
    Traceback (most recent call last):
    descend.errors.UsageError: constants=5 names nothing
      do: write constants=["…"], with the names in quotes
    """
    if isinstance(given, str):
        return [given]
    found: list[Any] = list(given) if isinstance(given, Iterable) else [None]
    if not all(isinstance(name, str) for name in found):
        raise UsageError(
            f"{option}={given!r} names nothing",
            remedy=f'write {option}=["…"], with the names in quotes',
        )
    return found


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return `value` if it is one of the choices.

    >>> check_choice("engine", "nativ", ["native", "interpreted"])
    Traceback (most recent call last):
    descend.errors.UsageError: engine="nativ" is not known (did you mean "native"?)
      do: choose from native, interpreted
    """
    known = list(choices)
    if value not in known:
        raise UsageError(
            f'{name}="{value}" is not known{suggest(str(value), known)}',
            remedy=f"choose from {', '.join(known)}",
        )
    return str(value)


def _check_seed(_name: str, value: object) -> int:
    return check_seed(value)


def _check_positive(name: str, value: object) -> float:
    return check_number(name, value, above=True)


def _check_function(name: str, value: object) -> object:
    check_function(name, value)
    return value


def _check_names(option: str, value: Any) -> tuple[str, ...]:
    """Names, or one of them, in the order given."""
    if value is None:
        return ()
    names = (value,) if isinstance(value, str) else tuple(value) if np.iterable(value) else (value,)
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            remedy = f'write {option}=["accuracy"]'
            if callable(name):
                remedy += "; at the end, a function of your own takes fit.predict(x) and y"
            raise UsageError(f"{option} holds {name!r}, which is no name", remedy=remedy)
    return tuple(dict.fromkeys(names))


def _check_records(name: str, value: Any) -> tuple[str, ...]:
    listed = (value,) if isinstance(value, str) else tuple(value)
    return tuple([check_choice(name, one, ("params", "gradient")) for one in listed])


def _check_place(name: str, value: Any) -> Any:
    """A file that will be written, whose place is tried before the run begins."""
    from descend.show.output import check_output_path

    check_output_path(value, name)
    return value


CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "count": check_count,
    "seed": _check_seed,
    "number": check_number,
    "positive": _check_positive,
    "switch": check_switch,
    "either": check_switch,
    "function": _check_function,
    "records": _check_records,
    "names": _check_names,
    "place": _check_place,
}
"""Kinds of options whose values can be checked by themselves: (name, value) → the value as read."""

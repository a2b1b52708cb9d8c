"""Parameters that are declared where they start: a value with bounds, fixed, tied or scaled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Never

import numpy as np

from descend.errors import UsageError, suggest
from descend.parameters.scales import SCALES

__all__ = ["Declared", "Parameter", "declared"]

FOREIGN = {"vary": "fixed", "expr": "tie", "lower": "min", "upper": "max", "limits": "min"}
OPTIONS = ("min", "max", "fixed", "tie", "scale")


class Parameter:
    """A start value with what is known of the parameter, for `start=` or as a default argument.

    Args:
        value: where to begin: a number or an array; None for a tied parameter.
        min, max: bounds, numbers or arrays like the value; None for none.
        fixed: keep the value.
        tie: an expression of other parameters that it always equals, such as `"2*a"`.
        scale: `"log"` moves its logarithm, for positive parameters of unknown size; `"logit"`
            moves log((p − min)/(max − p)), which never reaches its bounds. Results, errors and
            bounds are always those of the parameter itself.

    Raises:
        UsageError: an unknown option, or a value that cannot be meant.

    >>> Parameter(1.0, min=0.0)
    Parameter(1.0, min=0.0)
    >>> Parameter(1.0, vary=False)
    Traceback (most recent call last):
    descend.errors.UsageError: Parameter has no option "vary" (here it is called "fixed")
      do: its options are min, max, fixed, tie, scale
    """

    __slots__ = ("fixed", "max", "min", "scale", "tie", "value")

    def __init__(
        self, value: Any = None, min: Any = None, max: Any = None, fixed: bool = False,
        tie: str | None = None, scale: str | None = None, **unknown: Never,
    ) -> None:  # fmt: skip
        for name in unknown:
            ours = FOREIGN.get(name)
            hint = f' (here it is called "{ours}")' if ours else suggest(name, OPTIONS)
            raise UsageError(
                f'Parameter has no option "{name}"{hint}',
                remedy=f"its options are {', '.join(OPTIONS)}",
            )
        for name, given in (("value", value), ("min", min), ("max", max)):
            if isinstance(given, str | bool):
                raise UsageError(
                    f"Parameter: {name}={given!r} is no number",
                    remedy="write Parameter(1.0, min=0, max=5); its name stands in start=dict(a=…)",
                )
        if scale is not None and scale not in SCALES:
            raise UsageError(
                f"Parameter: scale={scale!r} is not known{suggest(str(scale), SCALES)}",
                remedy='choose "log" or "logit", or leave it out',
            )
        if tie is not None and not isinstance(tie, str):
            raise UsageError(
                f"Parameter: tie={tie!r} is no expression", remedy='write it as text: tie="2*a"'
            )
        if not isinstance(fixed, bool | np.bool_):
            raise UsageError(
                f"Parameter: fixed={fixed!r} must be True or False",
                remedy="give the value first: Parameter(3.0, fixed=True)",
            )
        self.value, self.min, self.max = value, min, max
        self.fixed, self.tie, self.scale = bool(fixed), tie, scale

    def __repr__(self) -> str:
        parts = [] if self.value is None else [repr(self.value)]
        for name in OPTIONS:
            given = getattr(self, name)
            if given is not None and given is not False:
                parts.append(f"{name}={given!r}")
        return f"Parameter({', '.join(parts)})"


class Declared:
    """What was declared with the start values: the values alone, and the rest by parameter."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.fixed: list[str] = []
        self.bounds: dict[str, tuple[Any, Any]] = {}
        self.ties: dict[str, str] = {}
        self.scales: dict[str, str] = {}

    def take(self, name: str, parameter: Parameter) -> None:
        """Enter a declared parameter."""
        if parameter.value is not None:
            self.values[name] = parameter.value
        if parameter.fixed:
            self.fixed.append(name)
        if parameter.min is not None or parameter.max is not None:
            self.bounds[name] = (parameter.min, parameter.max)
        if parameter.tie is not None:
            self.ties[name] = parameter.tie
        if parameter.scale is not None:
            self.scales[name] = parameter.scale


def declared(values: Mapping[str, Any]) -> Declared:
    """Read values that may be declared: `Parameter(1, min=0)`, or in short `(1, (0, None))`.

    A tuple of numbers alone is an array, as everywhere; only a number followed by a pair is a
    value with its bounds.

    >>> found = declared({"a": (1, (0, None)), "b": Parameter(2, fixed=True), "w": (1, 2, 3)})
    >>> found.values, found.bounds, found.fixed
    ({'a': 1, 'b': 2, 'w': (1, 2, 3)}, {'a': (0, None)}, ['b'])
    """
    found = Declared()
    for name, value in values.items():
        if isinstance(value, Parameter):
            found.take(name, value)
        elif _is_short(value):
            found.values[name], found.bounds[name] = value[0], (value[1][0], value[1][1])
        elif type(value) is tuple and any(entry is None for entry in value):
            raise UsageError(
                f"{name} starts at {value!r}, and None is no number",
                remedy=f"a value with bounds is written {name}=(value, (lower, upper)), with "
                "None for no bound",
            )
        else:
            found.values[name] = value
    return found


def _is_short(value: Any) -> bool:
    """Whether it is a number followed by a pair of bounds."""
    if type(value) is not tuple or len(value) != 2 or not _is_number(value[0]):
        return False
    pair = value[1]
    if type(pair) is not tuple or len(pair) != 2:
        return False
    return all(edge is None or _is_number(edge) for edge in pair)


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float | np.integer | np.floating)
    return plain and not isinstance(value, bool) and not math.isnan(float(value))

"""What a ready model declares: its formula, its parameters, and how to guess them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

import numpy as np

from descend.lean import dataclass

__all__ = ["FREE", "POSITIVE", "Array", "Candidates", "Given", "Kind", "Ties", "Values"]

Array = np.ndarray[Any, np.dtype[np.float64]]
Values = dict[str, float]
Candidates = Callable[[tuple[Array, ...], Array], list[Values]]

Ties = Mapping[str, Callable[[Values], float | None]]
"""Parameter → its value by those of others; None where these are not known yet."""

FREE = (-np.inf, np.inf)
POSITIVE = (0.0, np.inf)


class Given(Values):
    """The values that are known, and those that follow from others."""

    def __init__(self, values: Mapping[str, float], ties: Ties | None = None) -> None:
        super().__init__({name: float(value) for name, value in values.items()})
        self.ties: Ties = ties or {}

    def completed(self, values: Values) -> Values:
        """The values with those that are known, and those that follow.

        >>> Given({"a": 1.0}, {"b": lambda v: 2 * v["a"]}).completed({"a": 5.0, "b": 0.0})
        {'a': 1.0, 'b': 2.0}
        """
        found = {**values, **self}
        for name, tie in self.ties.items():
            value = tie(found)
            found = found if value is None else {**found, name: value}
        return found


def _all_linear(_data: tuple[Array, ...], _y: Array) -> list[Values]:
    return [{}]


@dataclass(frozen=True)
class Kind:
    """One ready model.

    Attributes:
        name: what it is called in Python and in formulas.
        function: plain NumPy, of the data and then the parameters.
        parameters: parameter → what it means, in the order of the function's arguments.
        formula: the model as one would write it.
        source: where it comes from.
        data: the names of the data.
        linear: the parameters in which the model is linear; they are solved for, not guessed.
        bounds: the range in which a parameter has its meaning, where that is not every number.
        candidates: (data, y) → values of the other parameters, from which the best are taken.
            The rows are finite and sorted by the first column.
        background: whether it lies below features such as peaks, and is found first.
        place: the parameter that says where it stands, by which equals are put in order.
    """

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, str]
    formula: str
    source: str
    data: tuple[str, ...] = ("x",)
    linear: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    candidates: Candidates = _all_linear
    background: bool = False
    place: str = ""

    def __hash__(self) -> int:
        return hash((self.name, self.function))

"""`standardize=True`: the model sees columns of mean 0 and spread 1, the user his own units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.lean import dataclass
from descend.task.rows import Rows

__all__ = ["Scale", "Scaling", "measured"]

Array = np.ndarray[Any, np.dtype[Any]]
POWERS = {"mse": 2, "mae": 1, "quantile": 1}
"""How a loss grows with the unit of the target; for other losses the target keeps its unit."""


class Scale(NamedTuple):
    """What is taken from a column, and by what it is then divided."""

    mean: Array
    spread: Array

    def into(self, column: Array) -> Array:
        """The column as the model sees it."""
        return (column - self.mean) / self.spread

    def back(self, column: Array) -> Array:
        """The column in its own unit again."""
        return column * self.spread + self.mean


@dataclass(frozen=True)
class Scaling:
    """The scales of all columns, and what a loss is multiplied by in the original units."""

    columns: Mapping[str, Scale]
    target: Scale | None
    power: int

    @property
    def unit(self) -> float:
        """The spread of the target."""
        return 1.0 if self.target is None else float(self.target.spread)

    def loss_factor(self, with_sigma: bool) -> float:
        """By what a loss in the model's units becomes one in the user's."""
        return 1.0 if with_sigma else self.unit**self.power

    def apply(self, rows: Rows) -> Rows:
        """The rows as the model sees them; sigmas shrink with the target."""
        columns = {n: self.columns[n].into(a) for n, a in rows.columns.items()}
        extra = dict(rows.extra)
        if self.target is not None:
            extra["target"] = self.target.into(extra["target"])
            if "sigma" in extra:
                extra["sigma"] = extra["sigma"] / self.unit
        return rows._replace(columns=columns, extra=extra)

    def scales(self, target: str) -> dict[str, Scale]:
        """All scales by the columns' names."""
        return dict(self.columns) | ({} if self.target is None else {target: self.target})

    def told(self, target: str) -> dict[str, tuple[Any, Any]]:
        """Mean and spread of each rescaled column as plain numbers (or lists)."""
        return {n: (s.mean.tolist(), s.spread.tolist()) for n, s in self.scales(target).items()}

    def note(self, target: str) -> str:
        """What the report says."""
        factors = ", ".join(f"{name} by {_words(s)}" for name, s in self.scales(target).items())
        return (
            f"standardize: the model sees rescaled columns ({factors}), and start, parameters and "
            "their errors belong to those; predictions, residuals and losses are in the original "
            "units."
        )


def _words(scale: Scale) -> str:
    if scale.mean.size > 1 or scale.spread.size > 1:
        return "mean and spread of each entry"
    return f"({float(scale.mean.reshape(())):.4g}, {float(scale.spread.reshape(())):.4g})"


def measured(rows: Rows, loss_name: str) -> Scaling:
    """Measure mean and spread of every column of the training rows.

    A column that is constant is only shifted. The target has one spread for all its entries, so
    that the loss stays the same up to a factor.

    >>> rows = Rows({"x": np.array([1.0, 3.0])}, {"target": np.array([10.0, 30.0])}, 2, 0)
    >>> scaling = measured(rows, "mse")
    >>> scaling.apply(rows).columns["x"], scaling.loss_factor(False)
    (array([-1.,  1.]), 100.0)
    """
    columns = {name: _scale(a, a.std(axis=0)) for name, a in rows.columns.items()}
    y, power = rows.extra["target"], POWERS.get(loss_name, 0)
    return Scaling(columns, _scale(y, y.std()) if power else None, power)


def _scale(a: Array, spread: Any) -> Scale:
    # What does not vary has a spread of its mean's rounding, by which a new row would be divided.
    varies = np.ptp(a, axis=0) > 0
    mean = np.where(varies, a.mean(axis=0), a[0])
    whole = varies if np.ndim(spread) else varies.any()
    return Scale(mean, np.where(whole & (spread > 0), spread, 1.0))

"""`standardize=True`: the model sees columns of mean 0 and spread 1, the user his own units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.data.streams.survey import Moments, moments_by_blocks
from descend.graph.blocks import BLOCK
from descend.lean import dataclass
from descend.task.columns import SIGMA, TARGET, column_key
from descend.task.rows import Rows
from descend.task.scales import Scale

__all__ = ["Scaling", "measured"]

Array = np.ndarray[Any, np.dtype[Any]]
POWERS = {"mse": 2, "mae": 1, "quantile": 1}
"""How a loss grows with the unit of the target; for other losses the target keeps its unit."""


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
            if SIGMA in extra:
                extra[SIGMA] = extra[SIGMA] / self.unit
        beyond = rows.beyond
        if beyond is not None:
            scales = {column_key(n): scale for n, scale in self.columns.items()}
            if self.target is not None:
                scales |= {TARGET: self.target, SIGMA: Scale(np.zeros(()), self.target.spread)}
            beyond = beyond.scaled(scales)
        return rows._replace(columns=columns, extra=extra, beyond=beyond)

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
    y, power = rows.extra[TARGET], POWERS.get(loss_name, 0)
    if rows.beyond is None and (rows.n_rows <= BLOCK or y.ndim > 1):
        columns = {name: _scale(a, a.std(axis=0)) for name, a in rows.columns.items()}
        return Scaling(columns, _scale(y, y.std()) if power else None, power)
    columns = {name: _by_blocks(rows, column_key(name), a) for name, a in rows.columns.items()}
    return Scaling(columns, _by_blocks(rows, TARGET, y) if power else None, power)


def _by_blocks(rows: Rows, key: str, a: Array) -> Scale:
    """Of many rows by blocks, in memory as where they come."""
    if rows.beyond is not None:
        found = rows.beyond.moments_of(key)
    else:
        found = [moments_by_blocks(entry, BLOCK) for entry in a.reshape(len(a), -1).T]
    pairs = np.array([_of_moments(moments) for moments in found])
    return Scale(*(part.reshape(a.shape[1:]) for part in pairs.T))


def _of_moments(moments: Moments) -> tuple[float, float]:
    varies = moments.max > moments.min
    spread = math.sqrt(moments.squares / moments.n)
    return (moments.mean, spread) if varies and spread > 0 else (moments.min, 1.0)


def _scale(a: Array, spread: Any) -> Scale:
    # What does not vary has a spread of its mean's rounding, by which a new row would be divided.
    varies = np.ptp(a, axis=0) > 0
    mean = np.where(varies, a.mean(axis=0), a[0])
    whole = varies if np.ndim(spread) else varies.any()
    return Scale(mean, np.where(whole & (spread > 0), spread, 1.0))

"""What the studio opens on: data, a model in plain NumPy, and how the descent begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.lean import dataclass
from descend.methods.losses import Loss, SquaredError

__all__ = ["PARABOLA", "Sample"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Sample:
    """A descent that may begin.

    Attributes:
        formula, origin: the model, and where the data come from, as a person reads them.
        model: a function of x and the parameters.
        x, y: (n,) the data.
        options: of `descend.start`.
        loss: what its rows are averaged of, the same as in the options.
    """

    formula: str
    origin: str
    model: Callable[..., Any]
    x: Array
    y: Array
    options: Mapping[str, Any]
    loss: Loss = SquaredError()

    def loss_at(self, params: Mapping[str, Any]) -> float:
        """The loss over all rows, by the model itself: less is to be called than of a program."""
        rows = self.loss.per_row(np.asarray(self.model(self.x, **params)), self.y)
        return float(np.mean(rows))

    @property
    def batch_size(self) -> int:
        """How many rows a step takes."""
        return int(self.options["batch_size"])


def _parabola(x: Any, w1: Any, w2: Any, w3: Any) -> Any:
    return w1 * x**2 + w2 * x + w3


_X = np.arange(100) / 100

PARABOLA = Sample(
    formula="y = w1·x² + w2·x + w3",
    origin="y = 4x² + 5x + 6",
    model=_parabola,
    x=_X,
    y=4 * _X**2 + 5 * _X + 6,
    options=dict(
        start=dict(w1=1.0, w2=0.0, w3=1.0), loss="mse", optimizer="sgd", lr=0.001, batch_size=1,
        shuffle=False, stop_loss=1e-5,
    ),
)  # fmt: skip
"""The lesson's training job: 100 points, one row a step, in order."""

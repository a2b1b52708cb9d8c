"""What a training comes to over two numbers."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.errors import UsageError
from descend.result.fit import Fit
from descend.show.numbers import duration
from descend.show.scale import by_factors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HeatMap", "axis", "closer"]

Array = np.ndarray[Any, np.dtype[Any]]


class HeatMap:
    """Whole trainings over two numbers; `descend.heat_map` makes it.

    Attributes:
        names: of the two numbers.
        values: of the first, (m,), and of the second, (n,).
        loss: (m, n) the mean loss of each training's last epoch; NaN where it diverged.
        validation_loss: (m, n) on the rows held back at its end, or at the best epoch where that
            is kept; NaN without such rows.
        diverged: (m, n) whether a training left for ever.
        grew: (m, n) whether the loss of its last epoch is above that of its first.
        epochs: (m, n) how many epochs it went through whole.
        params: the parameters by name, (m, n, …); where it diverged, those of the epoch before.
        seconds, compile_seconds: that the trainings took, and what came before them.
        updates: that all trainings would make if none ended early.
        interrupted: whether Ctrl-C ended it: then some trainings have not begun, with 0 epochs.
    """

    def __init__(
        self, names: tuple[str, str], values: tuple[Array, Array], found: Mapping[str, Any],
        told: Mapping[str, Any], again: Callable[..., Any],
    ) -> None:  # fmt: skip
        self.names, self.values = names, values
        self.loss: Array = found["loss"]
        self.validation_loss: Array = found["validation_loss"]
        self.diverged: Array = found["diverged"]
        self.grew: Array = found["grew"]
        self.epochs: Array = found["epochs"]
        self.params: dict[str, Array] = found["params"]
        self.model: str = told["model"]
        self.seconds: float = told["seconds"]
        self.compile_seconds: float = told["compile_seconds"]
        self.updates: int = told["updates"]
        self.interrupted: bool = told["interrupted"]
        self._again: Callable[..., Any] | None = again

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_again": None}  # a model need not be one that travels

    def __copy__(self) -> HeatMap:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> HeatMap:
        made = HeatMap.__new__(HeatMap)
        again = self._again  # functions are not copied
        made.__dict__.update(copy.deepcopy({**self.__dict__, "_again": None}, memo))
        made._again = again
        return made

    def __repr__(self) -> str:
        m, n = self.loss.shape
        lost = int(self.diverged.sum())
        text = f"<HeatMap of {self.model}: {m} × {n} trainings over {' × '.join(self.names)}"
        text += f", {lost} diverged" if lost else ""
        if lost < self.loss.size:
            i, j = self.best
            at = ", ".join(f"{k}={v:.6g}" for k, v in self.at(i, j).items())
            text += f"; loss {self.loss[i, j]:.6g} at best, {at}"
        return text + ">"

    @property
    def judged(self) -> Array:
        """(m, n) the loss on the rows held back, or that of training where there are none."""
        held = self.validation_loss
        return self.loss if np.isnan(held).all() else held

    @property
    def best(self) -> tuple[int, int]:
        """Where the loss is least, of rows held back if there are any.

        Raises:
            UsageError: every training diverged.
        """
        judged = np.where(self.diverged, np.nan, self.judged)
        if np.isnan(judged).all():
            raise UsageError("every training diverged", remedy="take smaller learning rates")
        i, j = np.unravel_index(int(np.nanargmin(judged)), judged.shape)
        return int(i), int(j)

    def at(self, i: int, j: int) -> dict[str, float]:
        """The two numbers of a training, by name."""
        pair = zip(self.names, self.values, (i, j), strict=True)
        return {name: values[k].item() for name, values, k in pair}

    def fit(self, i: int, j: int) -> Fit:
        """The training at a place of the map once more, as a fit with all that belongs to one."""
        found: Fit = self._made(None, self.at(i, j))
        return found

    def _made(self, over: Mapping[str, Array] | None, at: Mapping[str, float]) -> Any:
        if self._again is None:
            raise UsageError(
                "the map was sent or loaded, and the model has stayed behind",
                remedy="make the map anew by descend.heat_map, and ask that one",
            )
        return self._again(over, at)

    def zoom(self, **ranges: Sequence[float]) -> HeatMap:
        """The same over a part of it, as finely: `zoom(lr=(0.1, 0.3))`.

        Raises:
            UsageError: it is not over such a number; a range without two ends, or empty.
        """
        unknown = [name for name in ranges if name not in self.names]
        if unknown:
            raise UsageError(
                f'the map is not over "{unknown[0]}"',
                remedy=f"zoom into {self.names[0]} or {self.names[1]}",
            )
        over = {
            name: closer(name, values, ranges[name]) if name in ranges else values
            for name, values in zip(self.names, self.values, strict=True)
        }
        made: HeatMap = self._made(over, {})
        return made

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the map; what diverged, or ended above its first epoch, is hatched and counted.

        Args:
            path: a file to write, `.png`, `.svg`, `.pdf`, ….

        Raises:
            UsageError: the path cannot be written.
        """
        from descend.show.heat_map import plot_map

        lost = self.diverged | self.grew
        held = self.judged is self.validation_loss
        told = f"{self.updates:,} updates".replace(",", " ")
        return plot_map(
            self.names, *self.values, np.where(lost, np.inf, self.judged), path,
            title=f"{self.model} over {self.names[0]} and {self.names[1]}",
            lines=[f"{told} in {duration(self.seconds)}"],
            loss_name="loss on the rows held back" if held else "loss of the last epoch",
            lost_name="diverged or grew" if self.grew.any() else "diverged",
        )  # fmt: skip


def closer(name: str, values: Array, ends: Sequence[float]) -> Array:
    """As many values between two ends, by factors where those before rise so, or in even steps.

    >>> closer("lr", np.array([0.01, 0.1, 1.0]), (0.1, 0.4)).round(3)
    array([0.1, 0.2, 0.4])
    >>> closer("batch_size", np.arange(1, 9), (2, 4))
    array([2, 3, 4])
    """
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise UsageError(f"zoom goes from one {name} to a larger one, not {tuple(ends)}")
    low, high = ends
    rising = by_factors(values) and low > 0
    return axis(low, high, len(values), rising, np.issubdtype(values.dtype, np.integer))


def axis(low: float, high: float, count: int, by_factors: bool, whole: bool = False) -> Array:
    """Values between two ends, in even steps or factors; of whole numbers each once.

    >>> axis(1, 100, 5, True, whole=True), axis(0, 1, 3, False)
    (array([  1,   3,  10,  32, 100]), array([0. , 0.5, 1. ]))
    """
    made = (np.geomspace if by_factors else np.linspace)(low, high, count)
    return np.unique(np.rint(made).astype(np.int64)) if whole else made

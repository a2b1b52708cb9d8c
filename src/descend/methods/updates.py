"""How gradients become updates beside the method itself: of how many batches one is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import Array, State, Tunable, cast

__all__ = ["Accumulation"]


@dataclass(frozen=True)
class Accumulation(Tunable):
    """An update is made of the mean gradient of so many batches, one after the other.

    Each batch counts by its rows, so that the gradient is that of one batch as large as all of
    them: a loss is a mean over rows. The last batches of an epoch make an update too, be they
    fewer.
    """

    accumulate: float
    ranges: ClassVar[Mapping[str, str]] = {"accumulate": "[1, inf)"}

    def begin(self, gradients: Sequence[Array]) -> State:
        """Return what is gathered before the first batch: nothing, shaped as the gradients."""
        sums = {f"sum {i}": np.zeros_like(g) for i, g in enumerate(gradients)}
        return {"batches": 0.0, "rows": 0.0, "rows of the epoch": 0.0, **sums}

    def gather(
        self, gradients: Sequence[Array], rows: Array, whole: Array, s: State
    ) -> tuple[list[Array], Array, State]:
        """Return the mean gradients so far, whether they make an update, and the next state.

        Args:
            gradients: of a batch of so many `rows`. whole: how many rows an epoch has.

        >>> two = Accumulation(2.0)
        >>> s = two.begin([np.zeros(())])
        >>> for gradient, rows in ((1.0, 4.0), (4.0, 2.0), (7.0, 4.0)):
        ...     (mean,), full, s = two.gather([np.array(gradient)], rows, 10.0, s)
        ...     print(float(mean), bool(full))
        1.0 False
        2.0 True
        7.0 True
        """
        together, seen = s["rows"] + rows, s["rows of the epoch"] + rows
        ends = seen >= whole
        full = ends | (s["batches"] + 1.0 >= self.accumulate)
        sums = [s[f"sum {i}"] + g * cast(rows, g) for i, g in enumerate(gradients)]
        after = {f"sum {i}": np.where(full, cast(0.0, a), a) for i, a in enumerate(sums)}
        after["batches"] = np.where(full, 0.0, s["batches"] + 1.0)
        after["rows"] = np.where(full, 0.0, together)
        after["rows of the epoch"] = np.where(ends, 0.0, seen)
        return [a / cast(together, a) for a in sums], full, after

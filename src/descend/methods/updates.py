"""What updates are made of beside the method: batches, rates of some parameters, averages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from descend.lean import dataclass
from descend.methods.base import Array, State, Tunable, cast

__all__ = ["Accumulation", "Averaging", "RateFactors"]


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


@dataclass(frozen=True)
class Averaging(Tunable):
    """An exponential moving average of the parameters as they are after each update.

    After t updates it is Σ dᵗ⁻ˢ·pₛ / Σ dᵗ⁻ˢ over s = 1, …, t, where d is `ema`: corrected for its
    beginning as Adam's means are, so that the start has no weight, and the first average is the
    first update.

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992); Kingma and
    Ba, "Adam" (2015), section 7.2.
    """

    ema: float
    ranges: ClassVar[Mapping[str, str]] = {"ema": "[0, 1)"}

    def follow(self, average: Array, p: Array, t: Array) -> Array:
        """Return the average after the update number t (from 1), which has led to `p`.

        >>> half = Averaging(0.5)
        >>> first = half.follow(np.array(100.0), np.array(3.0), 1.0)
        >>> float(first), float(half.follow(first, np.array(6.0), 2.0))
        (3.0, 5.0)
        """
        share = (1.0 - self.ema) / (1.0 - self.ema**t)
        return average + cast(share, p) * (p - average)


@dataclass(frozen=True)
class RateFactors(Tunable):
    """The learning rates of some parameters as shares of that of all others.

    Attributes:
        lr_factors: name, as it is written, of a parameter or a layer → factor.
        leaves: of what the factors are, name by name.

    >>> own = RateFactors({"0": 0.1}, {"0": ("0.weight", "0.bias")})
    >>> own.numbers(), own.of("0.bias"), own.of("2.weight")
    ({'lr_factors[0]': 0.1}, 0.1, None)
    """

    lr_factors: Mapping[str, float]
    leaves: Mapping[str, Sequence[str]]

    def of(self, leaf: str) -> Array | None:
        """The factor of a leaf; None where it has none of its own."""
        return next((f for n, f in self.lr_factors.items() if leaf in self.leaves[n]), None)

    def numbers(self) -> dict[str, float]:
        """The factors, each by what it is of."""
        return {f"lr_factors[{name}]": float(f) for name, f in self.lr_factors.items()}

    def bind(self, values: Mapping[str, Array]) -> Self:
        """The same with other factors."""
        own = {name: values[f"lr_factors[{name}]"] for name in self.lr_factors}
        return type(self)(own, self.leaves)

    def structure(self) -> tuple[Any, ...]:
        """What has a factor."""
        return "RateFactors", *((name, *own) for name, own in self.leaves.items())

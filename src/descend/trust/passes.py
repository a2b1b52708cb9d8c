"""The same as `complete`, of rows that come: what all of them come to is worked out by passes.

A pass leaves sums of blocks, or the triangles of their [J r], combined in a tree by the blocks'
numbers: standard errors and every question that the judge asks of J need no more than those.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.graph.blocks import combined
from descend.methods.losses import Poisson
from descend.run.build import Built
from descend.run.finished import Normal
from descend.run.job import Job
from descend.task.beyond import Beyond
from descend.task.columns import SIGMA, TARGET, WEIGHT
from descend.task.rows import Rows
from descend.task.scales import Scale
from descend.trust.complete import Completion
from descend.trust.goodness import goodness_of_count_sums, goodness_of_sums, sums_of_counts
from descend.trust.metrics import ClassSums, without_classes
from descend.trust.normal_errors import covariance_of_fit

__all__ = ["PassCompletion", "completion_of"]

Array = np.ndarray[Any, np.dtype[Any]]


def completion_of(
    job: Job, built: Built, leaves: Mapping[str, Array], absolute: bool, original: Rows,
    normal: Normal | None = None, arrived: bool | None = None, findings: Sequence[str] = (),
) -> Completion:  # fmt: skip
    """What works out the fields of a fit, of rows in memory or of rows that come."""
    kind = Completion if original.beyond is None else PassCompletion
    return kind(job, built, leaves, absolute, original, normal, arrived, findings)


class PassCompletion(Completion):
    """Works out the fields of a fit of rows that come; `linear` is of those in memory."""

    @property
    def beyond(self) -> Beyond:
        """All the rows, in the units that the program sees."""
        assert self.rows.beyond is not None
        return self.rows.beyond

    def pieces(self, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Array]]]:
        """As of `Completion`, as they come."""
        return self.beyond.blocks(columns)

    def level(self) -> float:
        """As of `Completion`."""
        return self.beyond.moments[1] * self.beyond.n_rows

    def spread(self) -> float:
        """As of `Completion`."""
        return self.beyond.moments[0] * self.beyond.n_rows

    def n_entries(self) -> int:
        """One loss a row."""
        return self.beyond.n_rows

    def residual_count(self) -> int:
        """One a row."""
        return self.beyond.n_rows

    def at_end(self) -> tuple[Array, Array]:
        """As of `Completion`: where the normal equations have digits enough, without a pass."""
        normal, n = self.normal, self.beyond.n_rows
        if normal is None or not covariance_of_fit(normal, self.original.counted, self.absolute):
            return self.reduced()
        p = len(normal.jtr)
        lower = np.linalg.cholesky(np.reshape(normal.jtj, (p, p)) * n)
        side = np.linalg.solve(lower, np.array(normal.jtr) * n)
        rest = math.sqrt(max(normal.loss * n - float(np.sum(side * side)), 0.0))
        return np.append(side, rest), np.vstack([lower.T, np.zeros(p)])

    def _counted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """As of `Completion`, without residuals."""
        loss, made = self.job.settings.loss, self.built.descent
        if not isinstance(loss, Poisson) or len(self.built.model.nodes) != 1:
            return {}
        weighs = [name for name in (WEIGHT,) if name in self.rows.extra]
        asked = [*self.built.model.nodes, *(made.inputs[name] for name in (TARGET, *weighs))]
        parts = self.folded(asked, functools.partial(_of_counts, loss.log_rate))
        whole = combined(parts, "add")
        return goodness_of_count_sums(whole, self._count(), self.original.counted)

    def values(self) -> dict[str, Any]:
        """The fields that need no derivatives and have no entry a row."""
        made = self.built.descent
        loss = self.normal.loss if self.normal else float(self.totals([made.objective])[0])
        found: dict[str, Any] = {"loss": loss * self.job.loss_factor}
        of = self.job.settings.loss
        if of is not None and of.tells_classes and len(self.built.model.nodes) == 1:
            return found | {"metrics": self._metrics_of_classes(of.link)}
        if of is None or not of.of_residual or len(self.built.model.nodes) != 1:
            return found
        prediction = self.built.model.nodes[0]
        residual = made.residual if self.squares and made.residual is not None else prediction
        weighs = [name for name in (WEIGHT, SIGMA) if name in self.rows.extra]
        asked = [residual, prediction, *(made.inputs[name] for name in (TARGET, *weighs))]
        _, (y,) = next(self.pieces([TARGET]))
        parts = self.folded(asked, functools.partial(
            _of_residuals, weighs, float(np.mean(y)), self._of_class()
        ))  # fmt: skip
        chi2, weighed, weight, squares, sizes, first, second = map(float, combined(parts, "add"))
        total, spread = second - first * first / weight, self.spread()
        scaling, unit = self.job.scaling, self._unit() ** 2
        length = 1.0 if scaling is None else scaling.unit
        found["metrics"] = {
            "r2": 1 - squares / total if total > 0 else math.nan,
            "rmse": math.sqrt(squares / weight) * length, "mae": sizes / weight * length,
        }  # fmt: skip
        if self.squares and self.job.problem.network is None:
            return found | goodness_of_sums(
                chi2 * unit, spread * unit, self._count(), self.original.counted
            )
        return found | {"r2": 1 - weighed / spread if spread > 0 else math.nan}

    def _metrics_of_classes(self, link: str) -> dict[str, float]:
        """How well classes are told apart, in all rows."""
        inputs, sums = self.built.descent.inputs, ClassSums(link)
        weighs = [inputs[name] for name in (WEIGHT,) if name in self.rows.extra]
        of_class = self._of_class()
        for output, y, *weight in self.blocks([*self.built.model.nodes, inputs[TARGET], *weighs]):
            if of_class is not None:
                weight = [_without(weight[0], y, *of_class)]
            sums.add(output, y, *weight)
        return sums.told()

    def _of_class(self) -> tuple[Array, Scale] | None:
        """What rows weigh by their class, in training alone, and what has become of the target."""
        by_class, scaling = self.job.problem.class_weights, self.job.scaling
        if by_class is None:
            return None
        plain = Scale(np.zeros(()), np.ones(()))
        scale = None if scaling is None else scaling.target
        return by_class, plain if scale is None else scale

def _without(weight: Array, y: Array, by_class: Array, scale: Scale) -> Array:
    """Weights without those of the classes."""
    number = np.rint(scale.back(np.asarray(y, np.float64))).astype(np.intp)
    return without_classes(np.asarray(weight, np.float64), number, by_class)


@np.errstate(all="ignore")
def _of_counts(log_rate: bool, values: Sequence[Array]) -> Array:
    """What `sums_of_counts` makes of a block's prediction, targets and perhaps weights."""
    fitted, y, *weight = values
    rate = np.broadcast_to(np.exp(fitted) if log_rate else fitted, y.shape)
    return sums_of_counts(y, rate, weight[0] if weight else None)


@np.errstate(all="ignore")
def _of_residuals(
    weighs: Sequence[str], about: float, of_class: tuple[Array, Scale] | None,
    values: Sequence[Array],
) -> Array:  # fmt: skip
    """The sums of a block that goodness and metrics follow from.

    Args:
        weighs: of what the last columns are. about: a number near the targets' mean.
        of_class: what rows weigh in training by their class, and what made it of the target.
        values: the residual of the program, the prediction, the targets, and those columns.
    """
    r, fitted, y, *columns = (np.asarray(a, np.float64) for a in values)
    by = dict(zip(weighs, columns, strict=True))
    w = by.get(WEIGHT, np.ones(len(y)))
    whole = w / np.square(by.get(SIGMA, 1.0))
    w = w if of_class is None else _without(w, y, *of_class)
    apart, off, r = y - fitted, y - about, np.broadcast_to(r, y.shape)
    # Not by BLAS, whose sums depend on how many threads it has.
    return np.array([np.sum(column) for column in (
        r * r, whole * apart**2, w, w * apart**2, w * np.abs(apart), w * off, w * off**2,
    )])  # fmt: skip

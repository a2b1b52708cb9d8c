"""Whether a descent went down at all, and whether a fit explains more than a constant would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.graph.node import Node, postorder
from descend.judge.seen import MOST, seen_at_end
from descend.judge.walk import Walk, walk_of
from descend.methods.losses import Loss
from descend.run.finished import Finished
from descend.run.slopes import is_straight
from descend.task.columns import SIGMA, TARGET, WEIGHT
from descend.task.warned import is_constant
from descend.trust.complete import MOST_WITH_ERRORS, Completion

__all__ = [
    "LITTLE", "MOST_ROWS", "ROUNDING", "SAVES", "by_chance", "can_walk", "end_of", "explained",
    "explained_by_loss", "explains_nothing", "first_and_last", "has_grown", "is_linear",
    "least_share", "leaves_noise", "nothing", "saved",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]

FEW_ROWS, MOST_ROWS = MOST, 100_000  # on which the losses of start and end are compared
FALLEN = 0.1  # of the loss at the start: a fall that some rows show as well as all
ROUNDING = 1e-9  # a share of the loss
LAST_DIGITS = 1e-6  # a share of the loss, or of that of a constant: a wobble about the minimum
LAST_BITS = 1e-12  # of the largest target: a residual that is none
LITTLE = 0.1  # a share that may be a side minimum's, where the rest is no noise
SAVES = 0.45  # of the loss at the target's mean, which may be twice that of the best constant
LEVELS = 65  # quantiles of the target, of which one is as good as the best constant
MOST_LAGS = 20  # at which residuals are compared with each other
BEYOND = 4.0  # standard deviations of the sum of squared autocorrelations of noise
NOISE = 4.0  # standard deviations of a difference that is none
CONSTANT = 1e-24  # a share of the target's squares: below, all rows have the same target


def can_walk(run: Finished) -> bool:
    """Whether a run is a sum of squares with few parameters, so that J can be looked at."""
    job = run.job
    if run.built.descent.residual is None or job.settings.penalty is not None or job.rows is None:
        return False
    if run.best_epoch() is not None or run.original is None:
        return False
    count = sum(a.size for a in job.leaf_arrays().values())
    return count <= MOST_WITH_ERRORS


def explained(run: Finished, walk: Walk) -> float | None:
    """The share of the squares about the mean that the fit explains; None where it has no say."""
    rows = walk.completion.rows
    if "whitening" in rows.extra or (rows.columns and all(map(is_constant, rows.columns.values()))):
        return None
    spread = walk.completion.spread()
    if not spread > CONSTANT * walk.level:
        return None
    return 1.0 - walk.square / spread


def is_linear(run: Finished) -> bool:
    """Whether no derivative of the residuals depends on a parameter: then no minimum is beside."""
    built = run.built
    kept = built.extras.get("is linear")
    if kept is None:
        assert run.original is not None
        view = Completion(run.job, built, run.leaves(), False, run.original)
        leaves: set[Node] = set(view.built.model.leaves.values())
        kept = built.extras["is linear"] = not leaves & set(postorder(view.slopes() or []))
    return bool(kept)


def explained_by_loss(run: Finished) -> tuple[float, Array] | None:
    """The share of the best constant's loss that the fit saves, and its (n,) residuals.

    None where a constant has no say, the loss is no function of residuals, or much is saved.
    """
    loss, rows = run.job.settings.loss, run.original
    if loss is None or not loss.of_residual or rows is None or run.job.settings.penalty is not None:
        return None
    if "whitening" in rows.extra or run.best_epoch() is not None or rows.total > MOST_ROWS:
        return None
    p = sum(a.size for a in run.leaves().values())
    if len(run.built.model.nodes) != 1 or p > MOST_WITH_ERRORS:
        return None
    view = Completion(run.job, run.built, run.leaves(), False, rows)
    y, prediction = np.asarray(rows.extra[TARGET], np.float64), view.linear_prediction()[0]
    if y.ndim != 1 or prediction.shape != y.shape or is_straight(view.built):
        return None
    share = saved(loss, prediction, rows.extra)
    return None if share is None else (share, prediction - y)


def saved(loss: Loss, prediction: Array | float, extra: Mapping[str, Array]) -> float | None:
    """The share of the best constant's loss that a prediction saves; None where much is saved.

    Args:
        prediction: (n,), or its loss.
        extra: the target, with sigma and weights where there are any.
    """
    sigma, weight = extra.get(SIGMA, 1.0), extra.get(WEIGHT, 1.0)
    y = np.asarray(extra[TARGET], np.float64)

    def height(at: Array | float) -> float:
        return float(np.mean(weight * loss.per_row(at / sigma + 0 * y, y / sigma)))

    own = height(prediction) if isinstance(prediction, np.ndarray) else prediction
    if own < SAVES * height(float(np.mean(y))):
        return None
    constant = min(map(height, np.quantile(y, np.linspace(0, 1, LEVELS))))
    return 1.0 - own / constant if np.isfinite(own) and constant > ROUNDING * height(0.0) else None


def by_chance(p: int, n: Any) -> Any:
    """The share that p parameters explain of n values by chance, twice over; at most 5 %.

    >>> float(by_chance(1, 100)), by_chance(3, np.array([10, 600])).tolist()
    (0.02, [0.05, 0.01])
    """
    return np.minimum(2.0 * p / np.maximum(n, 1), 0.05)


def least_share(walk: Walk) -> float:
    """The share that the parameters of a fit explain by chance."""
    return float(by_chance(len(walk.x), walk.completion.original.counted))


def explains_nothing(run: Finished) -> bool:
    """Whether a constant would explain as much, though the model is not linear.

    Or nearly as much, while the residuals show that there is more to explain.
    """
    if not can_walk(run):
        return _saves_nothing(run)
    with np.errstate(all="ignore"):
        walk = walk_of(run)
        share = explained(run, walk) if np.isfinite(walk.begin) else None
        if share is None or share > LITTLE or is_linear(run):
            return False
        return share <= least_share(walk) or not leaves_noise(run, walk.noise())


def nothing(loss: Loss, extra: Mapping[str, Array]) -> float:
    """Up to what a loss of residuals is that of exact data: how large it is there is rounding."""
    if not loss.of_residual or extra[TARGET].dtype.kind != "f":
        return 0.0
    y, sigma = (extra.get(name, np.ones(())) for name in (TARGET, SIGMA))
    tiny = np.asarray(LAST_BITS * np.max(np.abs(y), initial=0.0) / np.min(sigma, initial=np.inf))
    own = float(np.max(loss.per_row(tiny, 0 * tiny)))
    return own if np.isfinite(own) else 0.0


def _saves_nothing(run: Finished) -> bool:
    """The same by a loss that is no sum of squares."""
    with np.errstate(all="ignore"):
        found = explained_by_loss(run)
        if found is None or run.original is None or found[0] > LITTLE:
            return False
        p = sum(a.size for a in run.job.leaf_arrays().values())
        by_luck = found[0] <= float(by_chance(p, run.original.counted))
        return by_luck or not leaves_noise(run, found[1])


def leaves_noise(run: Finished, residuals: Array) -> bool:
    """Whether residuals are noise along every column, so that no other minimum explains more.

    By the squares of their autocorrelations, which of noise have the distribution of chi² (Box and
    Pierce, "Distribution of residual autocorrelations", 1970).
    """
    rows = run.original
    assert rows is not None
    r = residuals - residuals.mean()
    lags = range(1, min(max(r.size // 4, 1), MOST_LAGS) + 1)
    columns = [c for c in rows.columns.values() if np.ndim(c) == 1 and c.size == r.size]
    if not columns or len(columns) < len(rows.columns):
        return False
    most = len(lags) + BEYOND * np.sqrt(2.0 * len(lags))
    for column in columns:
        rest = r[np.argsort(column, kind="stable")]
        share = [float(rest[k:] @ rest[:-k]) / float(r @ r) for k in lags]
        if not r.size * float(np.sum(np.square(share))) <= most:
            return False
    return True


def end_of(run: Finished) -> dict[str, Array]:
    """Where a descent came to: if it is the start that was kept as the best, where it went then."""
    kept = run.leaves()
    stayed = all(np.array_equal(kept[name], array) for name, array in run.begin.items())
    return run.leaves(best=False) if stayed and run.best_epoch() is not None else kept


def first_and_last(run: Finished) -> tuple[float, float, float]:
    """The loss of training in the first tenth of the epochs and in the last one.

    Returns:
        also the standard deviation of their difference, as far as it is noise: of the draws of a
        model, and of what a batch is normalised by.
    """
    losses = run.course.column("loss")
    k = max(1, losses.size // 10)
    # The median of |a - b| of two normal numbers is 0.954 of their standard deviation.
    noise = float(np.median(np.abs(np.diff(losses)))) / 0.954 if losses.size > 1 else np.inf
    return float(losses[:k].mean()), float(losses[-k:].mean()), noise * np.sqrt(2.0 / k)


def _end(run: Finished) -> dict[str, Array]:
    """Where the parameters to return are, or where a descent went from a start that was kept."""
    return run.leaves() if run.best_epoch() else end_of(run)


def has_grown(run: Finished) -> bool:
    """Whether a descent has led to a larger loss than that at the start."""
    if getattr(run.job.settings.optimizer, "maximize", False):
        return False
    if run.built.model.training is not None:
        # The model as it serves is not what has descended.
        before, after, noise = first_and_last(run)
        return not run.best_epoch() and after > before + NOISE * noise
    kept = run.best_epoch() != 0 and run.job.space is None  # else the start may be what is returned
    for most in (FEW_ROWS, MOST_ROWS):
        loss = run.job.loss_at(run.built, run.begin, most)
        seen = seen_at_end(run).loss if kept and most == FEW_ROWS else None
        before, after = loss({}), loss(_end(run)) if seen is None else seen
        if after < before - FALLEN * abs(before):
            return False
    if run.job.beyond is not None:
        loss = run.job.loss_at(run.built, run.begin, 1 << 62)  # small differences need all rows
        before, after = loss({}), loss(_end(run))
    if after <= before + ROUNDING * abs(before):
        return False
    return not after <= before + LAST_DIGITS * max(abs(before), _loss_of_a_constant(run))


def _loss_of_a_constant(run: Finished) -> float:
    """The loss with the mean as the prediction of all rows; 0 where it has no say."""
    loss, rows = run.job.settings.loss, run.job.rows
    if loss is None or not loss.of_residual or rows is None or "whitening" in rows.extra:
        return 0.0
    y, sigma = (np.asarray(rows.extra.get(n, 1.0), np.float64) for n in (TARGET, SIGMA))
    scale = sigma.reshape(sigma.shape + (1,) * (y.ndim - sigma.ndim)) if sigma.ndim else sigma
    with np.errstate(all="ignore"):
        found = float(np.mean(loss.per_row(y.mean() / scale + 0 * y, y / scale)))
    return found if np.isfinite(found) else 0.0

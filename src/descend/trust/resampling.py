"""How data are drawn anew for a bootstrap, in the units that the program sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError
from descend.methods.losses import Loss
from descend.task.columns import WHITENING
from descend.task.rows import Rows
from descend.trust.surface import Cases

__all__ = ["Draw", "Drawing", "drawing"]

Array = np.ndarray[Any, np.dtype[Any]]
Draw = Callable[[np.random.Generator, int], Cases]
Sample = Callable[[np.random.Generator, int], Array]
WHOLE_ROWS = 'draw whole rows: kind="case"'


class Drawing(NamedTuple):
    """What draws data sets, and the skewness of all errors; None where each has its own."""

    draw: Draw
    skewness: float | None = None


def drawing(
    kind: str, rows: Rows, loss: Loss, squares: bool, prediction: list[Array],
    leverage: Array | None, spread: float,
) -> Drawing:  # fmt: skip
    """Return what draws data sets, as many as it is told, one after the other.

    `case` draws rows with replacement, as weights. `residual` adds to the fitted values residuals
    drawn with replacement, each divided by √(1 - leverage), all shifted to mean 0 and scaled to
    the variance s² (1 where the scale is known); `parametric` draws from the distribution that the
    loss stands for. Davison and Hinkley, "Bootstrap Methods and their Application" (1997),
    sections 6.2 and 6.3. The scale makes the draws of a linear model vary exactly as s²(JᵀJ)⁻¹,
    so that Student's t belongs to them as it does to its standard errors.

    Args:
        prediction: at the fit's parameters (a pair of arrays for some losses).
        leverage: of each residual; None where the loss is no sum of squares.
        spread: s².

    Raises:
        UsageError: the loss has no residuals, or stands for no distribution; or rows that know of
            one another would be drawn.
    """
    own = rows.extra.get("sample_weight", np.ones(rows.n_rows))
    if kind == "case" and WHITENING in rows.extra:
        raise UsageError(
            "rows cannot be drawn by themselves where sigma is a covariance matrix",
            remedy='draw residuals, kind="residual", which are made independent by it',
        )
    if kind == "case":
        return Drawing(lambda rng, m: {"sample_weight": own * _counts(rng, m, rows.n_rows)})
    skewness: float | None = None
    if kind == "residual":
        if not squares or leverage is None:
            raise UsageError(
                f"the loss {loss.name} has no residuals that could be drawn anew",
                remedy=WHOLE_ROWS + (', or kind="parametric"' if loss.name in _LAWS else ""),
            )
        urn = _urn(rows, prediction[0], leverage, spread)
        skewness = _skewness(urn)
        sample = _scattered(
            rows, prediction[0], lambda rng, shape: urn[rng.integers(0, urn.size, shape)]
        )
    elif squares:
        skewness, scale = 0.0, float(np.sqrt(spread))
        sample = _scattered(
            rows, prediction[0], lambda rng, shape: rng.standard_normal(shape), scale
        )
    elif loss.name in _LAWS:
        shape = rows.extra["target"].shape
        whole = [p if p.ndim else np.broadcast_to(p, shape) for p in prediction]
        sample = _LAWS[loss.name](loss, whole)
    else:
        raise UsageError(
            f"the loss {loss.name} stands for no distribution to draw from", remedy=WHOLE_ROWS
        )
    return Drawing(lambda rng, m: {"target": sample(rng, m)}, skewness)


def _counts(rng: np.random.Generator, m: int, n: int) -> Array:
    """(m, n) how often each row is drawn."""
    drawn = rng.integers(0, n, (m, n)) + n * np.arange(m)[:, None]
    return np.bincount(drawn.ravel(), minlength=m * n).reshape(m, n).astype(np.float64)


def _unit(rows: Rows, like: Array) -> Array:
    """The standard deviation of each value of the target, in units of s."""
    unit = rows.extra.get("sigma", np.ones(rows.n_rows))
    if "sample_weight" in rows.extra:
        weight = rows.extra["sample_weight"]
        unit = unit / np.sqrt(np.where(weight > 0, weight, 1.0))
    return np.broadcast_to(unit.reshape(-1, *(1,) * (like.ndim - 1)), like.shape)


def _urn(rows: Rows, fitted: Array, leverage: Array, spread: float) -> Array:
    """The residuals that are drawn, in units of their own standard deviations, of variance s²."""
    target = rows.extra["target"]
    apart = target - np.broadcast_to(fitted, target.shape)
    room = np.sqrt(np.maximum(1 - leverage, 1e-12)).reshape(target.shape)
    if (matrix := rows.extra.get(WHITENING)) is not None:
        urn = matrix @ apart / room
    else:
        weight = rows.extra.get("sample_weight", np.ones(rows.n_rows))
        weight = weight.reshape(-1, *(1,) * (target.ndim - 1))
        urn = (apart / _unit(rows, apart) / room)[np.broadcast_to(weight > 0, target.shape)]
    urn = urn - urn.mean()
    size = float(np.mean(urn**2))
    if spread > 0 and not size > 0:
        raise UsageError(
            "all residuals are 0: there are none to draw", remedy='draw noise: kind="parametric"'
        )
    return np.asarray(urn * np.sqrt(spread / size) if spread > 0 else urn)


def _skewness(urn: Array) -> float:
    size = float(np.mean(urn**2))
    return float(np.mean(urn**3)) / size**1.5 if size > 0 else 0.0


def _scattered(
    rows: Rows, fitted: Array, draw: Callable[[np.random.Generator, tuple[int, ...]], Array],
    scale: float = 1.0,
) -> Sample:  # fmt: skip
    """Independent numbers around the fitted values, each with the spread of its row.

    A covariance is given to them by the matrix that takes it away.
    """
    fitted = np.broadcast_to(fitted, rows.extra["target"].shape)
    if (matrix := rows.extra.get(WHITENING)) is not None:
        from scipy.linalg import solve_triangular

        return lambda rng, m: fitted + solve_triangular(
            matrix, scale * draw(rng, (m, fitted.size)).T, lower=True
        ).T
    unit = _unit(rows, fitted) * scale
    return lambda rng, m: fitted + unit * draw(rng, (m, *fitted.shape))


def _poisson(loss: Any, prediction: list[Array]) -> Sample:
    rate = np.exp(prediction[0]) if loss.log_rate else prediction[0]
    return lambda rng, m: rng.poisson(rate, (m, *rate.shape)).astype(np.float64)


def _bernoulli(loss: Any, prediction: list[Array]) -> Sample:
    share = 1 / (1 + np.exp(-prediction[0])) if loss.from_logits else prediction[0]
    return lambda rng, m: (rng.random((m, *share.shape)) < share).astype(np.float64)


def _gaussian(_loss: Any, prediction: list[Array]) -> Sample:
    pair = prediction if len(prediction) == 2 else [prediction[0][..., 0], prediction[0][..., 1]]
    mean, spread = pair[0], np.exp(0.5 * pair[1])
    return lambda rng, m: mean + spread * rng.standard_normal((m, *mean.shape))


_LAWS: dict[str, Callable[[Any, list[Array]], Sample]] = {
    "poisson": _poisson, "bce": _bernoulli, "gaussian_nll": _gaussian,
}  # fmt: skip

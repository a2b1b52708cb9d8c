"""How data are drawn anew for a bootstrap, in the units that the program sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.methods.losses import Loss
from descend.objective import WHITENING
from descend.train.rows import Rows
from descend.uncertainty.bootstrap import Draw

__all__ = ["drawing"]

Array = np.ndarray[Any, np.dtype[Any]]
Sample = Callable[[np.random.Generator, int], Array]
WHOLE_ROWS = 'draw whole rows: kind="case"'


def drawing(
    kind: str, rows: Rows, loss: Loss, squares: bool, prediction: list[Array],
    leverage: Array | None, spread: float,
) -> Draw:  # fmt: skip
    """Return what draws data sets, as many as it is told, one after the other.

    `case` draws rows with replacement, as weights. `residual` adds to the fitted values residuals
    drawn with replacement, each divided by √(1 - leverage) and all shifted to mean 0; `parametric`
    draws from the distribution that the loss stands for. Davison and Hinkley, "Bootstrap Methods
    and their Application" (1997), sections 6.2 and 6.3.

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
        return lambda rng, m: (None, own * _counts(rng, m, rows.n_rows))
    if kind == "residual":
        if not squares or leverage is None:
            raise UsageError(
                f"the loss {loss.name} has no residuals that could be drawn anew",
                remedy=WHOLE_ROWS + (', or kind="parametric"' if loss.name in _LAWS else ""),
            )
        sample = _residuals(rows, prediction[0], leverage)
    elif squares:
        sample = _normal(rows, prediction[0], spread)
    elif loss.name in _LAWS:
        shape = rows.extra["target"].shape
        whole = [p if p.ndim else np.broadcast_to(p, shape) for p in prediction]
        sample = _LAWS[loss.name](loss, whole)
    else:
        raise UsageError(
            f"the loss {loss.name} stands for no distribution to draw from", remedy=WHOLE_ROWS
        )
    return lambda rng, m: (sample(rng, m), None)


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


def _residuals(rows: Rows, fitted: Array, leverage: Array) -> Sample:
    target = rows.extra["target"]
    fitted = np.broadcast_to(fitted, target.shape)
    if (matrix := rows.extra.get(WHITENING)) is not None:
        own = matrix @ (target - fitted) / np.sqrt(np.maximum(1 - leverage, 1e-12))
        own = own - own.mean()
        n = own.size
        return _coloured(matrix, fitted, lambda rng, m: own[rng.integers(0, n, (m, n))])
    unit = _unit(rows, fitted)
    room = np.sqrt(np.maximum(1 - leverage, 1e-12)).reshape(fitted.shape)
    weight = rows.extra.get("sample_weight", np.ones(rows.n_rows))
    counted = np.broadcast_to(weight.reshape(-1, *(1,) * (fitted.ndim - 1)) > 0, fitted.shape)
    urn = ((target - fitted) / unit / room)[counted]
    urn = urn - urn.mean()
    return lambda rng, m: fitted + unit * urn[rng.integers(0, urn.size, (m, *fitted.shape))]


def _coloured(matrix: Array, fitted: Array, draw: Sample) -> Sample:
    """Independent numbers given the covariance whose whitening matrix is known."""
    from scipy.linalg import solve_triangular

    return lambda rng, m: fitted + solve_triangular(matrix, draw(rng, m).T, lower=True).T


def _normal(rows: Rows, fitted: Array, spread: float) -> Sample:
    fitted = np.broadcast_to(fitted, rows.extra["target"].shape)
    if (matrix := rows.extra.get(WHITENING)) is not None:
        size = np.sqrt(spread)
        n = fitted.size
        return _coloured(matrix, fitted, lambda rng, m: size * rng.standard_normal((m, n)))
    unit = _unit(rows, fitted) * np.sqrt(spread)
    return lambda rng, m: fitted + unit * rng.standard_normal((m, *fitted.shape))


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

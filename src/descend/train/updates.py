"""The options of what an update is made of, read and checked."""

from __future__ import annotations

from typing import Any

from descend.errors import UsageError
from descend.methods.base import Optimizer
from descend.task.options import Options

__all__ = ["update_parts"]


def update_parts(o: Options, optimizer: Optimizer, size: int | None) -> dict[str, Any]:
    """What of the settings says how gradients become updates; nothing where nothing was said.

    Args:
        size: of batches that are smaller than the data; None for all rows at once.

    Raises:
        UsageError: what has no meaning with this method, or with all rows at once.
    """
    found: dict[str, Any] = {}
    if o.accumulate != 1:
        _check_batches(o, optimizer)
        if size is not None:  # all rows at once are one batch, whose gradient is the mean
            from descend.methods.updates import Accumulation

            found["accumulation"] = Accumulation(float(o.accumulate))
    if o.ema is not None:
        _check_average(o, optimizer)
        from descend.methods.updates import Averaging

        found["averaging"] = Averaging(float(o.ema))
    return found


def _check_average(o: Options, optimizer: Optimizer) -> None:
    name, share = type(optimizer).__name__, o.ema
    if not 0 <= share < 1:
        raise UsageError(
            f"ema={share:g} is no share of an average that could go on at each update",
            remedy="give a number below 1, such as 0.999",
        )
    if optimizer.scope == "vector":
        raise UsageError(
            f"ema averages the parameters of many small updates, and {name} returns the best place "
            "that it meets",
            remedy='leave out ema, or choose optimizer="adam" or descend.SGD(lr=…)',
        )


def _check_batches(o: Options, optimizer: Optimizer) -> None:
    name, k = type(optimizer).__name__, o.accumulate
    if optimizer.scope == "vector":
        raise UsageError(
            f"accumulate={k} joins batches, and {name} takes all rows at once",
            remedy='leave out accumulate, or write optimizer="adam" and batch_size=…',
        )
    if o.batch_size is None:
        raise UsageError(
            f"accumulate={k} joins the gradients of {k} batches, and all rows are one batch",
            remedy="write batch_size=… as well, or leave out accumulate",
        )

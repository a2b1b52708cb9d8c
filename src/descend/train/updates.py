"""The options of what an update is made of, read and checked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from descend.errors import UsageError
from descend.methods.base import Optimizer
from descend.parameters.reading import leaves_by_name, leaves_named
from descend.task.checks import check_number
from descend.task.options import Options

if TYPE_CHECKING:
    from descend.methods.updates import RateFactors

__all__ = ["update_parts"]


def update_parts(
    o: Options, optimizer: Optimizer, size: int | None, names: Mapping[str, Sequence[str]],
    varied: Collection[str],
) -> dict[str, Any]:  # fmt: skip
    """What of the settings says how gradients become updates; nothing where nothing was said.

    Args:
        size: of batches that are smaller than the data; None for all rows at once.
        names: parameter → its leaves. varied: the leaves that are neither fixed nor tied.

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
    if o.lr_factors is not None:
        found["rates"] = _factors(o.lr_factors, optimizer, names, varied)
    return found


def _factors(
    given: Any, optimizer: Optimizer, names: Mapping[str, Sequence[str]], varied: Collection[str]
) -> RateFactors:
    """The factors of learning rates, each with the leaves that it is of."""
    from descend.methods.updates import RateFactors

    method = type(optimizer).__name__
    if optimizer.scope == "vector" or not hasattr(optimizer, "lr"):
        raise UsageError(
            f"lr_factors are shares of a learning rate, and {method} has none",
            remedy='leave out lr_factors, or choose optimizer="adam" or descend.SGD(lr=…)',
        )
    if not isinstance(given, Mapping) or not given:
        raise UsageError(
            f"lr_factors is a dict of parameters or layers with their factors, not {given!r}",
            remedy=f'write for example lr_factors={{"{next(iter(names))}": 0.1}}',
        )
    known = leaves_by_name(names)
    leaves: dict[str, tuple[str, ...]] = {}
    owner: dict[str, str] = {}
    for name, factor in given.items():
        leaves[name] = tuple(leaves_named(name, known, "lr_factors"))
        said = f'the factor of "{name}" in lr_factors'
        if math.isinf(check_number(said, factor)):
            raise UsageError(f"{said} is infinite", remedy="give a number, such as 0.1")
        if not any(leaf in varied for leaf in leaves[name]):
            raise UsageError(
                f'lr_factors names "{name}", which is fixed or tied, so it has no rate',
                remedy=f'leave out "{name}"',
            )
        for leaf in leaves[name]:
            if owner.setdefault(leaf, name) != name:
                raise UsageError(
                    f'lr_factors gives {leaf} two factors: by "{owner[leaf]}" and by "{name}"',
                    remedy="name each parameter, or its layer, once",
                )
    return RateFactors({name: float(factor) for name, factor in given.items()}, leaves)


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

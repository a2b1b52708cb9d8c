"""Groups that have too many rows to be held: each is fitted in passes, as a source of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.errors import DataError, DescendError
from descend.records.many import BAD_DATA, JUDGED
from descend.result.many import ManyFits
from descend.task.options import Options
from descend.trace.formula import Formula
from descend.train.closer import PASSED_ON
from descend.train.fit import fit

__all__ = ["LongGroup", "fit_long"]

Array = np.ndarray[Any, np.dtype[Any]]
Blocks = Callable[[], Iterator[Sequence[Array]]]


class LongGroup(NamedTuple):
    """A group that is gone through in passes.

    Attributes:
        called: what it is called, in words. n_rows: how many it has.
        blocks: gives its columns, block by block. names: of these columns.
        weights: sigma and sample_weight by their columns.
    """

    called: str
    n_rows: int
    blocks: Blocks
    names: Sequence[str]
    weights: Mapping[str, str]

    def is_finite(self) -> bool:
        return all(np.isfinite(column).all() for block in self.blocks() for column in block)

    def dicts(self) -> Iterator[dict[str, Array]]:
        for block in self.blocks():
            yield dict(zip(self.names, block, strict=True))


def fit_long(
    model: Any, group: LongGroup, y: str | None, options: Options, place: str,
    like: ManyFits | None,
) -> ManyFits:  # fmt: skip
    """The fit of one group, as the only one of many.

    Args:
        y: the target, where the formula does not name it.
        place: the folder for scratch files.
        like: other fits of the same model, if there are any.

    Raises:
        DataError: values are missing, and `missing` refuses them.
    """
    o = options
    if o.missing != "drop" and not group.is_finite():
        if o.missing == "raise" or like is None:
            raise DataError(
                f"values of {group.called} are missing or not finite",
                remedy='write missing="drop" to leave out such points'
                + ("" if like is None else ', or "skip" such fits'),
            )
        return _bad(like, group.n_rows)
    plain = {n: getattr(o, n) for n in PASSED_ON} | dict(group.weights)
    if not isinstance(model, str | Formula):
        plain.pop("params")
    try:
        own = fit(
            model, group.dicts, y, start=o.start, starts=o.starts, epochs=o.max_iter, seed=o.seed,
            threads=o.threads, missing="drop" if o.missing == "drop" else "raise", stream=True,
            scratch=place, **plain,
        )  # fmt: skip
    except DescendError as error:
        error.message = f"{group.called}: {error.message}"
        raise
    return _recorded(own, o.covariance)


def _recorded(own: Any, with_covariance: bool) -> ManyFits:
    params = {n: np.asarray(v, np.float64)[None] for n, v in own.params.items()}
    errors = {
        n: np.asarray(own.stderr.get(n, np.full(a.shape[1:], np.nan)), np.float64)[None]
        for n, a in params.items()
    }
    covariance = None
    if with_covariance:
        p = sum(a[0].size for a in params.values())
        known = own.covariance is not None and own.covariance.shape == (p, p)
        covariance = np.asarray(own.covariance)[None] if known else np.full((1, p, p), np.nan)
    found = ManyFits(
        params, errors, np.array([JUDGED[own.status]], np.int8), np.array([own.n_evaluations]),
        np.array([own.loss]), np.array([np.nan if own.chi2 is None else own.chi2]),
        np.array([own.dof]), covariance,
    )  # fmt: skip
    found.interrupted = own.status == "interrupted"
    return found


def _bad(like: ManyFits, count: int) -> ManyFits:
    """A fit of values that are missing, of the shapes of others."""

    def empty(arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {n: np.full((1, *a.shape[1:]), np.nan) for n, a in arrays.items()}

    params, none = empty(like.params), np.array([np.nan])
    size = sum(a[0].size for a in params.values())
    covariance = None
    if like.covariance is not None:
        covariance = np.full((1, *like.covariance.shape[1:]), np.nan)
    return ManyFits(
        params, empty(like.stderr), np.array([BAD_DATA], np.int8), np.array([0]), none, none,
        np.array([count - size]), covariance,
    )  # fmt: skip

"""`fit_global`: several datasets at once, with parameters that they share, and others of each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np

from descend.errors import DataError, DescendWarning, UsageError, ends_at_users_line, suggest
from descend.methods.base import Optimizer
from descend.methods.losses import Loss
from descend.result.datasets import GlobalFit, parts_of
from descend.result.fit import Fit
from descend.run.finished import Moment
from descend.show.progress import Progress
from descend.task.foreign import refuse_unknown
from descend.task.option_table import names_of
from descend.task.whole import Dataset, Names, Whole, listed_sets
from descend.train.fit import fit

__all__ = ["Dataset", "fit_global"]

class FitOptions(TypedDict, total=False):
    """The options of `fit` that `fit_global` hands on; see there."""

    loss: str | Loss | Callable[..., Any]
    likelihood: bool
    penalty: Any
    optimizer: str | Optimizer | None
    lr: Any
    epochs: int
    shuffle: bool | None
    starts: int | None
    seed: int
    threads: int | None
    fixed: Any
    bounds: Any
    ties: Any
    params: Iterable[str] | None
    constants: Any
    sample_weight: Any
    absolute_sigma: bool
    stop_loss: float | None
    xtol: float | None
    ftol: float | None
    gtol: float | None
    patience: int | None
    min_delta: float
    max_seconds: float | None
    keep_best: bool | None
    clip: Any
    callback: Callable[[Moment], Any] | None
    progress: Progress | None
    record: Iterable[str]
    verbose: bool
    engine: str


GIVEN = ("given", "from an earlier fit")
"""Where a start comes from that the user gave."""


@ends_at_users_line
def fit_global(
    datasets: Iterable[Dataset] | Any, x: Sequence[Any] | None = None,
    y: Sequence[Any] | None = None, *, shared: Names = None,
    local: Names = None, start: Mapping[str, Any] | Fit | GlobalFit | None = None,
    sigma: Any = None, names: Sequence[str] | None = None, **options: Unpack[FitOptions],
) -> GlobalFit:  # fmt: skip
    """Fit several datasets at once; parameters that they share are one number for all.

    Args:
        datasets: a list of `Dataset`; or one model for all, with lists of `x` and `y` (and of
            `sigma`), which may have unequal lengths, and `names`.
        shared, local: which parameters are one for all, and which are one a dataset. One of the two
            is enough: all others are of the other kind.
        start: as in `fit`, or another global fit. A local parameter's may be one number for all
            datasets, or a list of one a dataset. Where a start is missing, each dataset is fitted
            by itself first.
        options: of `fit`: loss, optimizer, absolute_sigma, fixed, bounds, …. A local parameter is
            an array to them, with one number a dataset.

    Raises:
        UsageError: names that no model has, or nothing said of what is shared.
        DataError: data that cannot be used, with the dataset's name.

    >>> t = np.arange(5.0)
    >>> found = fit_global(
    ...     lambda t, a, k: a * np.exp(-k * t),
    ...     [t, t[:4]], [3 * np.exp(-0.5 * t), 7 * np.exp(-0.5 * t[:4])], local="a",
    ... )
    >>> found.params
    {'a': array([3., 7.]), 'k': 0.5}
    >>> found[1].params
    {'a': 7.0, 'k': 0.5}
    """
    for option in options:
        if option in names_of("fit") and option not in names_of("fit_global"):
            raise UsageError(f"fit_global has no {option}: the datasets are fitted side by side")
    refuse_unknown([name for name in options if name not in names_of("fit_global")], "fit_global")
    whole = Whole(listed_sets(datasets, x, y, sigma, names), shared, local)
    begin, source = _start(whole, {} if start is None else start, options)
    weights = whole.weights()
    made = _fitted(whole, begin, weights | options)
    doubtful = not made.success or made.n_starts > 1
    if source in GIVEN and doubtful and options.get("starts") is None:
        begin, anew = _start(whole, {}, options)
        again = _fitted(whole, begin, weights | options)
        made, source = (again, anew) if again.loss < made.loss else (made, source)
    found = Fit(
        made._evidence, model=whole.__name__, start_source=source, params=made.params,
        status=made.status, message=made.message,
        warnings=[w for w in made.warnings if "asks for the number of rows" not in w],
    )  # fmt: skip
    return GlobalFit(found, tuple(parts_of(whole, found)))


def _fitted(whole: Whole, begin: Any, options: Mapping[str, Any]) -> Fit:
    """All rows fitted together; rows that are refused are named as the datasets count them."""
    try:
        return fit(whole, whole.stacked(), whole.target(), start=begin, **options)
    except DataError as error:
        if error.row is None:
            raise
        k = int(np.searchsorted(whole.edges, error.row, "right")) - 1
        row = f"row {error.row - whole.edges[k]} of dataset {whole.sets[k].name}"
        raise error.renumbered(row) from None


def _start(
    whole: Whole, start: Any, options: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """A start for every parameter: what was given, else from fits of each dataset by itself."""
    origin = "given"
    if isinstance(start, Fit | GlobalFit):
        start, origin = start.params, "from an earlier fit"
    if not isinstance(start, Mapping):
        raise UsageError(
            "start is a dict of parameters, or another fit",
            remedy="write start=dict(a=1, b=2), or start=found",
        )
    for name in start:
        if name not in whole.parameters:
            raise UsageError(
                f'start names "{name}", which is no parameter{suggest(name, whole.parameters)}',
                remedy=f"the parameters are {', '.join(whole.parameters)}",
            )
    begin = {name: whole.spread(name, value) for name, value in start.items()}
    tied = options.get("ties") or {}
    missing = [name for name in whole.parameters if name not in begin and name not in tied]
    if not missing:
        return begin, origin
    common = [name for name in missing if name not in whole.local]
    alone = _alone(whole, begin, options)
    for name in common:
        arrived = [found[name] for found, ok in alone if name in found and ok]
        begin[name] = float(np.median(arrived or [f[name] for f, _ in alone if name in f]))
    if len(common) < len(missing):
        if common:
            alone = _alone(whole, begin, options)
        for name in set(missing) - set(common):
            begin[name] = np.array([found[name] for found, _ in alone if name in found])
    begin |= {name: _inside(begin[name], options.get("bounds"), name) for name in missing}
    ordered = {name: begin[name] for name in whole.parameters if name in begin}
    return ordered, f"{', '.join(missing)} from fits of each dataset by itself"


def _inside(value: Any, bounds: Any, name: str) -> Any:
    """A start that was found, moved within its bounds."""
    if not isinstance(bounds, Mapping) or name not in bounds:
        return value
    low, high = (
        edge if other is None else other
        for edge, other in zip((-np.inf, np.inf), bounds[name], strict=True)
    )
    return np.clip(value, low, high)


def _alone(
    whole: Whole, begin: Mapping[str, Any], options: Mapping[str, Any]
) -> list[tuple[dict[str, float], bool]]:
    """The parameters of each dataset fitted by itself, and whether it arrived.

    A shared parameter that has a start already keeps it.
    """
    passed = ("loss", "likelihood", "seed", "engine")
    kept = {name: options[name] for name in passed if name in options}
    found = []
    for k, (one, problem) in enumerate(zip(whole.sets, whole.problems, strict=True)):
        known = {
            name: whole.number(k, name, value)
            for name, value in begin.items() if name in problem.parameters
        }  # fmt: skip
        start = {name: value for name, value in known.items() if value is not None}
        held = [name for name in start if name not in whole.local]
        if len(held) == len(problem.parameters):
            found.append((start, True))
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DescendWarning)
            own = fit(
                one.model, one.x, one.y, start=start, constants=one.constants, fixed=held or None,
                **kept,
            )  # fmt: skip
        params = {name: float(value) for name, value in own.params.items()}
        found.append((params, own.success and own.has_errors))
    return found

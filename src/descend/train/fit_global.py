"""`fit_global`: several datasets at once, with parameters that they share, and others of each."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend.data.covariance import whitening
from descend.data.validate import real_array
from descend.errors import DataError, DescendWarning, UsageError, suggest
from descend.lean import dataclass
from descend.parameters.declare import Parameter
from descend.result.datasets import GlobalFit, SetFit
from descend.task.declared import problem_of
from descend.task.options import listed_names
from descend.task.problem import Problem
from descend.trace.context import current
from descend.trace.formula import Formula
from descend.trace.stand_ins import model_of
from descend.trace.tensor import as_node, wrap
from descend.train.fit import fit
from descend.train.fit_options import FitOptions

__all__ = ["Dataset", "fit_global"]

Array = np.ndarray[Any, np.dtype[Any]]
ALONE = ("resume", "checkpoint", "batch_size", "validation_split", "standardize", "missing")
"""Options of `fit` that have no meaning for datasets side by side."""


@dataclass(frozen=True)
class Dataset:
    """Rows that a model describes, one of several that are fitted together.

    Args:
        model: a plain NumPy function, a formula or a ready model.
        x: as `fit` takes it; y: the target, or the name of a column of x.
        sigma: standard deviations of y, one a row or one for all, or a covariance matrix.
        sample_weight: what multiplies each row's loss.
        name: what reports call it; its number where None.
        constants: arguments of the model that are neither data nor parameters.
    """

    model: Any
    x: Any
    y: Any = None
    sigma: Any = None
    sample_weight: Any = None
    name: str | None = None
    constants: Any = None


class _Whole:
    """All datasets as one model: each part of the rows by its own model and parameters.

    Its arguments are the columns of all datasets, one below the other (a column that a dataset
    lacks holds zeros in its rows), and the parameters: a number where it is shared, one a
    dataset that has it where it is local.
    """

    def __init__(self, problems: Sequence[Problem], local: Mapping[str, tuple[int, ...]]) -> None:
        self.problems, self.local = problems, local
        counts = [len(_target(p)) for p in problems]
        self.edges = [0, *np.cumsum(counts).tolist()]
        self.columns = dict.fromkeys(name for p in problems for name in p.columns)
        names = dict.fromkeys(name for p in problems for name in p.parameters)
        clash = [name for name in names if name in self.columns]
        if clash:
            raise UsageError(
                f"{clash[0]} is data in one dataset and a parameter in another",
                remedy="give one of them another name",
            )
        self.parameters = tuple(names)
        kind = inspect.Parameter.KEYWORD_ONLY
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(name, kind) for name in (*self.columns, *names)]
        )
        one = problems[0]
        is_text = isinstance(one.function, Formula) or one.ready is not None
        first = one.name if is_text else one.name.partition("(")[0]
        same = all(p.function is one.function for p in problems)
        self.__name__ = f"{first if same else 'several models'} on {len(problems)} datasets"

    def stacked(self) -> dict[str, Array]:
        """Every column over the rows of all datasets."""
        found = {}
        for name in self.columns:
            tails = {p.columns[name].shape[1:] for p in self.problems if name in p.columns}
            if len(tails) > 1:
                shapes = " and ".join(map(str, sorted(tails)))
                raise DataError(
                    f"{name} has rows of the shapes {shapes} in different datasets",
                    remedy="give the argument another name in one of the models",
                )
            (tail,) = tails
            parts = [
                p.columns.get(name, np.zeros((len(_target(p)), *tail))) for p in self.problems
            ]
            found[name] = np.concatenate(parts)
        return found

    def own(self, k: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of one dataset, of those of all."""
        found = {}
        for name in self.problems[k].parameters:
            places = self.local.get(name)
            found[name] = values[name] if places is None else values[name][places.index(k)]
        return found

    def __call__(self, **values: Any) -> Any:
        parts = []
        for k, problem in enumerate(self.problems):
            rows = slice(self.edges[k], self.edges[k + 1])
            given = {name: values[name][rows] for name in problem.columns}
            part = as_node(_applied(problem, {**given, **self.own(k, values)}))
            shape = _target(problem).shape
            if part.ndim and part.shape != shape:
                raise UsageError(
                    f"dataset {k}: the model gives the shape {part.shape}, and y has {shape}",
                    remedy="return one prediction a row, shaped like y",
                )
            parts.append(wrap(part) if part.ndim else wrap(part) * np.ones(shape))
        return np.concatenate(parts)


def _applied(problem: Problem, values: Mapping[str, Any]) -> Any:
    """A dataset's model over its rows and parameters, in the trace under way."""
    every = {**problem.constants, **values}
    if isinstance(problem.function, Formula):
        return problem.function.evaluate(every)
    trace, (given, named) = current(), problem.arguments(every)
    assert trace is not None
    return model_of(problem.function, trace)(*given, **named)


def _target(problem: Problem) -> Array:
    assert problem.y is not None
    return problem.y


def fit_global(
    datasets: Iterable[Dataset] | Any, x: Sequence[Any] | None = None,
    y: Sequence[Any] | None = None, *, shared: Iterable[str] | str | None = None,
    local: Iterable[str] | str | None = None, start: Mapping[str, Any] | None = None,
    sigma: Any = None, names: Sequence[str] | None = None, **options: Any,
) -> GlobalFit:  # fmt: skip
    """Fit several datasets at once; parameters that they share are one number for all.

    Args:
        datasets: a list of `Dataset`; or one model for all, with lists of `x` and `y` (and of
            `sigma`), which may have unequal lengths, and `names`.
        shared, local: which parameters are one for all, and which are one a dataset. One of the two
            is enough: all others are of the other kind.
        start: as in `fit`. A local parameter's may be one number for all datasets, or a list of one
            a dataset. Where a start is missing, each dataset is fitted by itself first.
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
    sets = _listed(datasets, x, y, sigma, names)
    for option in ALONE:
        if option in options:
            raise UsageError(f"fit_global has no {option}: the datasets are fitted side by side")
    problems = [_read(k, one) for k, one in enumerate(sets)]
    places = _local(problems, shared, local)
    whole = _Whole(problems, places)
    begin, source = _start(whole, sets, start or {}, options)
    weights = _weights(sets, problems)
    found = fit(
        whole, whole.stacked(), np.concatenate([_target(p) for p in problems]), start=begin,
        **weights, **options,
    )  # fmt: skip
    found.model, found.start_source = whole.__name__, source
    found.warnings = [w for w in found.warnings if "asks for the number of rows" not in w]
    return GlobalFit(found, tuple(_parts(whole, sets, found)))


def _listed(datasets: Any, x: Any, y: Any, sigma: Any, names: Any) -> list[Dataset]:
    """The datasets, from either way of giving them, each with a name."""
    if x is None and y is None:
        if isinstance(datasets, Dataset) or not isinstance(datasets, Iterable | Mapping):
            raise UsageError(
                "fit_global takes a list of datasets",
                remedy="write fit_global([Dataset(model, x1, y1), Dataset(model, x2, y2)], …), or "
                "fit_global(model, [x1, x2], [y1, y2], …)",
            )
        sets = list(datasets)
        for k, one in enumerate(sets):
            if not isinstance(one, Dataset):
                raise UsageError(
                    f"dataset {k} is {type(one).__name__}, not a Dataset",
                    remedy="write descend.Dataset(model, x, y)",
                )
        if sigma is not None:
            raise UsageError("each Dataset has its own sigma", remedy="write Dataset(…, sigma=…)")
    else:
        sets = _paired(datasets, x, y, sigma)
    if not sets:
        raise UsageError("there is no dataset")
    given = list(names) if names is not None else [one.name for one in sets]
    if len(given) != len(sets):
        raise UsageError(f"there are {len(sets)} datasets and {len(given)} names")
    titles = [str(k) if name is None else str(name) for k, name in enumerate(given)]
    twice = [name for name in titles if titles.count(name) > 1]
    if twice:
        raise UsageError(f'two datasets are called "{twice[0]}"')
    return [replace(one, name=name) for one, name in zip(sets, titles, strict=True)]


def _is_one_array(given: Any) -> bool:
    return len(given) > 0 and isinstance(next(iter(given)), int | float | np.number)


def _paired(model: Any, x: Any, y: Any, sigma: Any) -> list[Dataset]:
    for name, given in (("x", x), ("y", y)):
        if given is not None and (not hasattr(given, "__len__") or _is_one_array(given)):
            raise UsageError(
                f"{name} is one array, and several datasets are a list of them",
                remedy="write fit_global(model, [x1, x2], [y1, y2], …)",
            )
    if y is None:
        y = [None] * len(x)
    counts = {"x": len(x), "y": len(y), **({} if sigma is None else {"sigma": len(sigma)})}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{count} in {name}" for name, count in counts.items())
        raise UsageError(f"the lists have unequal lengths: {told}", remedy="one entry a dataset")
    spreads = [None] * len(x) if sigma is None else sigma
    return [Dataset(model, *each) for each in zip(x, y, spreads, strict=True)]


def _read(k: int, one: Dataset) -> Problem:
    """One dataset as `fit` would read it; errors say which it is."""
    try:
        return problem_of(one.model, one.x, one.y, FitOptions(constants=one.constants))
    except (UsageError, DataError) as error:
        error.message = f"dataset {one.name}: {error.message}"
        raise


def _local(
    problems: Sequence[Problem], shared: Iterable[str] | str | None,
    local: Iterable[str] | str | None,
) -> dict[str, tuple[int, ...]]:  # fmt: skip
    """Local parameters, each with the datasets that have it."""
    users: dict[str, tuple[int, ...]] = {}
    for k, problem in enumerate(problems):
        for name in problem.parameters:
            users[name] = (*users.get(name, ()), k)
    given = {"shared": _names("shared", shared), "local": _names("local", local)}
    for option, listed in given.items():
        for name in listed or ():
            if name not in users:
                raise UsageError(
                    f'{option} names "{name}", which is no parameter{suggest(name, users)}',
                    remedy=f"the parameters are {', '.join(users)}",
                )
    common, own = given["shared"], given["local"]
    if common is None and own is None:
        if len(problems) > 1:
            raise UsageError(
                "nothing is said of which parameters the datasets share",
                remedy=f"write shared=[…] or local=[…]; the parameters are {', '.join(users)}",
            )
        own = []
    for name in users:
        both = name in (common or ()) and name in (own or ())
        neither = common is not None and own is not None and name not in (*common, *own)
        if both or neither:
            which = "both shared and local" if both else "neither shared nor local"
            raise UsageError(f"{name} is {which}", remedy="give one of the two lists alone")
    if own is None:
        # What a single dataset has is no array of one number.
        return {n: at for n, at in users.items() if n not in (common or ()) and len(at) > 1}
    return {n: at for n, at in users.items() if n in own}


def _names(option: str, given: Iterable[str] | str | None) -> list[str] | None:
    return None if given is None else listed_names(option, given)


def _start(
    whole: _Whole, sets: Sequence[Dataset], start: Any, options: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """A start for every parameter: what was given, else from fits of each dataset by itself."""
    if not isinstance(start, Mapping):
        raise UsageError("start is a dict of parameters", remedy="write start=dict(a=1, b=2)")
    for name in start:
        if name not in whole.parameters:
            raise UsageError(
                f'start names "{name}", which is no parameter{suggest(name, whole.parameters)}',
                remedy=f"the parameters are {', '.join(whole.parameters)}",
            )
    begin = {name: _spread(name, v, whole.local.get(name), sets) for name, v in start.items()}
    tied = options.get("ties") or {}
    missing = [name for name in whole.parameters if name not in begin and name not in tied]
    if not missing:
        return begin, "given"
    common = [name for name in missing if name not in whole.local]
    alone = _alone(whole, sets, begin, options)
    for name in common:
        arrived = [found[name] for found, ok in alone if name in found and ok]
        begin[name] = float(np.median(arrived or [f[name] for f, _ in alone if name in f]))
    if len(common) < len(missing):
        if common:
            alone = _alone(whole, sets, begin, options)
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


def _spread(name: str, value: Any, places: tuple[int, ...] | None, sets: Sequence[Dataset]) -> Any:
    """A local parameter's start as one number a dataset."""
    if places is None:
        return value
    if isinstance(value, Parameter):
        inner = None if value.value is None else _spread(name, value.value, places, sets)
        return Parameter(inner, value.min, value.max, value.fixed, value.tie, value.scale)
    if isinstance(value, Mapping):
        titles = [str(sets[k].name) for k in places]
        absent = [title for title in titles if title not in value]
        if absent:
            raise UsageError(f"the start of {name} has no number for dataset {absent[0]}")
        value = [value[title] for title in titles]
    array = np.asarray(value, np.float64)
    if array.shape not in ((), (len(places),)):
        raise UsageError(
            f"the start of {name} has the shape {array.shape}, and {len(places)} datasets have one",
            remedy="give one number for all, or a list of one a dataset",
        )
    return np.broadcast_to(array, (len(places),)).copy()


def _alone(
    whole: _Whole, sets: Sequence[Dataset], begin: Mapping[str, Any], options: Mapping[str, Any]
) -> list[tuple[dict[str, float], bool]]:
    """The parameters of each dataset fitted by itself, and whether it arrived.

    A shared parameter that has a start already keeps it.
    """
    kept = {name: options[name] for name in ("loss", "seed", "engine") if name in options}
    found = []
    for k, (one, problem) in enumerate(zip(sets, whole.problems, strict=True)):
        known = {
            name: _number(value, whole.local.get(name), k)
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


def _number(value: Any, places: tuple[int, ...] | None, k: int) -> float | None:
    inner = value.value if isinstance(value, Parameter) else value
    if inner is None:
        return None
    return float(inner if places is None else inner[places.index(k)])


def _weights(sets: Sequence[Dataset], problems: Sequence[Problem]) -> dict[str, Any]:
    """The sigmas and the weights of all rows."""
    targets = [_target(p) for p in problems]
    found: dict[str, Any] = {}
    given = [one.sigma is not None for one in sets]
    if any(given) and not all(given):
        without = next(one.name for one, has in zip(sets, given, strict=True) if not has)
        raise UsageError(
            f"dataset {without} has no sigma, and others have: their rows cannot be compared",
            remedy="give a sigma to each, or to none",
        )
    if all(given) and sets:
        found["sigma"] = _joined_sigmas([np.asarray(one.sigma, float) for one in sets], targets)
    if any(one.sample_weight is not None for one in sets):
        parts = [
            np.ones(len(y)) if one.sample_weight is None
            else np.broadcast_to(real_array(one.sample_weight, "sample_weight"), (len(y),))
            for one, y in zip(sets, targets, strict=True)
        ]  # fmt: skip
        found["sample_weight"] = np.concatenate(parts)
    return found


def _joined_sigmas(sigmas: Sequence[Array], targets: Sequence[Array]) -> Array:
    """One number a row, or one matrix with a block a dataset."""
    if all(s.ndim < 2 for s in sigmas):
        return np.concatenate(
            [np.broadcast_to(s, (len(y),)) for s, y in zip(sigmas, targets, strict=True)]
        )
    total = sum(len(y) for y in targets)
    matrix, at = np.zeros((total, total)), 0
    for s, y in zip(sigmas, targets, strict=True):
        n = len(y)
        block = s if s.ndim == 2 else np.diag(np.broadcast_to(s, (n,)) ** 2)
        if block.shape != (n, n):
            raise DataError(f"sigma has the shape {s.shape} for a dataset of {n} rows")
        matrix[at : at + n, at : at + n] = block
        at += n
    return matrix


def _parts(whole: _Whole, sets: Sequence[Dataset], found: Any) -> Iterable[SetFit]:
    """What the fit says of each dataset."""
    for k, (one, problem) in enumerate(zip(sets, whole.problems, strict=True)):
        rows = slice(whole.edges[k], whole.edges[k + 1])
        y, fitted = _target(problem), np.array(found.fitted[rows])
        weight = 1.0 if one.sample_weight is None else np.asarray(one.sample_weight, float)
        chi2 = float(np.sum(weight * _scaled(y - fitted, one.sigma) ** 2))
        spread = float(np.sum((y - y.mean()) ** 2))
        r2 = 1 - float(np.sum((y - fitted) ** 2)) / spread if spread > 0 else np.nan
        yield SetFit(
            str(one.name), len(y), _floats(whole.own(k, found.params)),
            _floats(whole.own(k, found.stderr)), y,
            fitted, y - fitted, chi2, r2, problem, one.model,
        )  # fmt: skip


def _floats(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _scaled(residuals: Array, sigma: Any) -> Array:
    """Residuals over their sigmas, or whitened by their covariance."""
    if sigma is None:
        return residuals
    spread = np.asarray(sigma, float)
    return whitening(spread, len(residuals)) @ residuals if spread.ndim == 2 else residuals / spread

"""Several datasets as one task: their models as one model, their rows one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from descend.data.validate import real_array
from descend.errors import DataError, UsageError, suggest
from descend.lean import dataclass
from descend.parameters.declare import Parameter
from descend.quantities import refuse_other_rows
from descend.task.checks import listed_names
from descend.task.declared import problem_of
from descend.task.problem import Problem, Signature
from descend.trace.context import current
from descend.trace.formula import Formula
from descend.trace.stand_ins import model_of
from descend.trace.tensor import as_node, wrap

__all__ = ["Dataset", "Names", "Whole", "listed_sets"]

Array = np.ndarray[Any, np.dtype[Any]]
Names = Iterable[str] | str | None


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
    start: ClassVar[None] = None
    params: ClassVar[None] = None


class Whole:
    """All datasets as one model: each part of the rows by its own model and parameters.

    Attributes:
        problems: of the datasets, each as `fit` would read it.
        local: the parameters that are not shared, each with the datasets that have it.
        edges: where the rows of each dataset begin and end.

    Its arguments are the columns of all datasets, one below the other (a column that a dataset
    lacks holds zeros in its rows), and the parameters: a number where it is shared, one a
    dataset that has it where it is local.
    """

    def __init__(self, sets: Sequence[Dataset], shared: Names, local: Names) -> None:
        self.sets, self.problems = sets, [_read(one) for one in sets]
        problems, self.local = self.problems, _local(self.problems, shared, local)
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
        self.signature = Signature((), (*self.columns, *names), {})
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

    def target(self) -> Array:
        """The targets of all datasets, one below the other."""
        return np.concatenate([_target(p) for p in self.problems])

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

    def spread(self, name: str, value: Any) -> Any:
        """The start of a parameter: of a local one as one number a dataset."""
        places = self.local.get(name)
        if places is None:
            return value
        if isinstance(value, Parameter):
            inner = None if value.value is None else self.spread(name, value.value)
            return Parameter(inner, value.min, value.max, value.fixed, value.tie, value.scale)
        if isinstance(value, Mapping):
            titles = [str(self.sets[k].name) for k in places]
            absent = [title for title in titles if title not in value]
            if absent:
                raise UsageError(f"the start of {name} has no number for dataset {absent[0]}")
            value = [value[title] for title in titles]
        array = np.asarray(value, np.float64)
        if array.shape not in ((), (len(places),)):
            raise UsageError(
                f"the start of {name} has the shape {array.shape}, and {len(places)} datasets "
                "have one",
                remedy="give one number for all, or a list of one a dataset",
            )
        return np.broadcast_to(array, (len(places),)).copy()

    def number(self, k: int, name: str, value: Any) -> float | None:
        """What of a start belongs to one dataset; None where there is no number."""
        places = self.local.get(name)
        inner = value.value if isinstance(value, Parameter) else value
        if inner is None:
            return None
        return float(inner if places is None else inner[places.index(k)])

    def weights(self) -> dict[str, Any]:
        """The sigmas and the weights of all rows."""
        sets, targets = self.sets, [_target(p) for p in self.problems]
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


def listed_sets(datasets: Any, x: Any, y: Any, sigma: Any, names: Any) -> list[Dataset]:
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


def _read(one: Dataset) -> Problem:
    """One dataset as `fit` would read it; errors say which it is."""
    weights = ("sigma", one.sigma), ("sample_weight", one.sample_weight)
    try:
        refuse_other_rows([("x", one.x), ("y", one.y), *weights])
        return problem_of(one.model, one.x, one.y, one)
    except (UsageError, DataError) as error:
        error.message = f"dataset {one.name}: {error.message}"
        raise


def _local(
    problems: Sequence[Problem], shared: Names, local: Names
) -> dict[str, tuple[int, ...]]:
    """Local parameters, each with the datasets that have it."""
    users: dict[str, tuple[int, ...]] = {}
    for k, problem in enumerate(problems):
        for name in problem.parameters:
            users[name] = (*users.get(name, ()), k)
    given = {
        option: None if names is None else listed_names(option, names)
        for option, names in (("shared", shared), ("local", local))
    }
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

"""What `fit_global` returns: the fit of all datasets, and what it says of each."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.data.covariance import whitening
from descend.data.frames import bind_inputs, take_columns
from descend.errors import UsageError, suggest
from descend.lean import dataclass
from descend.records.record import jsonable
from descend.result.fit import Fit
from descend.show.datasets import datasets_section, plot_datasets
from descend.show.numbers import short
from descend.show.plots import value_lines
from descend.show.report import fit_told
from descend.show.shown import Shown
from descend.task.problem import Problem
from descend.task.whole import Whole
from descend.trace.formula import Formula
from descend.visible import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GlobalFit", "SetFit", "parts_of"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class SetFit:
    """What a global fit says of one dataset.

    Attributes:
        name, n_rows: the dataset.
        params, stderr: its parameters, shared ones and its own, by the names of its model.
        y, fitted, residuals: arrays shaped like its target; residuals = y − fitted.
        chi2: the sum of its squared residuals, over its sigmas where there are such.
        r2: the share of its own variance that is explained.
    """

    name: str
    n_rows: int
    params: Mapping[str, Any]
    stderr: Mapping[str, Any]
    y: Array
    fitted: Array
    residuals: Array
    chi2: float
    r2: float
    problem: Problem
    model: Any

    def predict(self, x: Any) -> Array:
        """The model of this dataset at new rows, given as its x was.

        Raises:
            UsageError: columns are missing.
        """
        problem = self.problem
        names = list(problem.columns)
        if isinstance(problem.function, Formula):
            columns = take_columns(x, names)
            return np.asarray(problem.function.evaluate({**columns, **self.params}))
        columns = bind_inputs(x, names)
        missing = [name for name in names if name not in columns]
        if missing:
            raise UsageError(f"the model of dataset {self.name} needs {', '.join(missing)} as well")
        given, named = problem.arguments({**problem.constants, **columns, **self.params})
        return np.asarray(problem.function(*given, **named))

    def __repr__(self) -> str:
        values = ", ".join(f"{n} = {float(v):.6g}" for n, v in self.params.items())
        text = f"<Dataset {self.name}: {self.n_rows} rows, {values}, chi² {self.chi2:.6g}>"
        return visible(text)


def parts_of(whole: Whole, found: Fit) -> Iterator[SetFit]:
    """What a fit of all datasets says of each."""
    assert found.fitted is not None
    for k, (one, problem) in enumerate(zip(whole.sets, whole.problems, strict=True)):
        rows = slice(whole.edges[k], whole.edges[k + 1])
        y, fitted = np.asarray(problem.y), np.array(found.fitted[rows])
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


class GlobalFit(Shown):
    """The fit of several datasets at once; everything that a `Fit` has, it has too.

    `found["name"]` or `found[0]` is what it says of one dataset; `params` has a number for each
    shared parameter, and an array with one number a dataset for each local one.

    Attributes:
        fit: the fit of all rows together.
        datasets: one `SetFit` a dataset, in order.
    """

    def __init__(self, fit: Fit, datasets: tuple[SetFit, ...]) -> None:
        self.fit = fit
        self.datasets = datasets

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "fit":
            raise AttributeError(name)
        return getattr(self.fit, name)

    def __getitem__(self, key: int | str) -> SetFit:
        if isinstance(key, str):
            names = [one.name for one in self.datasets]
            if key not in names:
                raise UsageError(f'there is no dataset "{key}"{suggest(key, names)}')
            return self.datasets[names.index(key)]
        return self.datasets[key]

    def __iter__(self) -> Iterator[SetFit]:
        return iter(self.datasets)

    def __len__(self) -> int:
        return len(self.datasets)

    def predict(self, x: Any) -> Array:
        """Refused: a prediction belongs to one dataset.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "a global fit predicts for one of its datasets",
            remedy=f'write found["{self.datasets[0].name}"].predict(x)',
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Refused: a saved fit predicts, and this one does so for one dataset at a time.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "a global fit is not saved as a whole",
            remedy="save found.params, or found.to_json_dict()",
        )

    def __copy__(self) -> GlobalFit:
        return GlobalFit(self.fit, self.datasets)

    def __deepcopy__(self, memo: dict[int, Any]) -> GlobalFit:
        return GlobalFit(copy.deepcopy(self.fit, memo), self.datasets)

    def __reduce__(self) -> Any:
        raise UsageError(
            "a global fit is not pickled as a whole",
            remedy="pickle found.fit, found.params, or found.to_json_dict()",
        )

    def _told(self) -> tuple[str, list[Any]]:
        """That of the fit, and a line a dataset."""
        title, sections = fit_told(self.fit)
        own = datasets_section(self.datasets, self._shared(), self.fit.sigma_given)
        return title, [*sections[:2], own, *sections[2:]]

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw every dataset with its model, in a panel each.

        Raises:
            UsageError: the path cannot be written.
        """
        shared, fit = self._shared(), self.fit
        lines = [
            *value_lines(shared, {n: fit.stderr[n] for n in shared}),
            "  ·  ".join((
                fit.optimizer, f"{len(self)} datasets", f"{fit.loss_name} {short(fit.loss)}",
                *([] if fit.success else [fit.status.replace("_", " ").upper()]),
            )),
        ]  # fmt: skip
        return plot_datasets(self.datasets, path, f"Fit of {fit.model}", lines, not fit.success)

    def _shared(self) -> dict[str, Any]:
        """The parameters that all datasets share."""
        return {n: v for n, v in self.fit.params.items() if np.ndim(v) == 0}

    def to_json_dict(self, **options: Any) -> dict[str, Any]:
        """The record as plain numbers, with `datasets` beside it."""
        told = ("name", "n_rows", "chi2", "r2", "params", "stderr")
        sets = [{name: getattr(one, name) for name in told} for one in self.datasets]
        return {**self.fit.to_json_dict(**options), "datasets": jsonable(sets)}

    def __repr__(self) -> str:
        return f"<Global fit of {len(self)} datasets: {self.fit!r}>"

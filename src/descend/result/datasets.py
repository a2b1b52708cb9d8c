"""What `fit_global` returns: the fit of all datasets, and what it says of each."""

from __future__ import annotations

import copy
import functools
import io
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from descend.data.covariance import whitening
from descend.errors import UsageError, ends_at_users_line, suggest
from descend.records.datasets import SetRecord
from descend.records.record import jsonable, values_of
from descend.result.fit import Fit, fit_of, predicted
from descend.result.graph_json import graph_from_json, model_parts
from descend.result.saved import SavedFit, SavedSet, fit_as_bytes, read_fit, write_fit
from descend.run.job import traced
from descend.run.predictor import Predictor, rows_apart
from descend.show.datasets import datasets_section, plot_datasets
from descend.show.numbers import short
from descend.show.plots import value_lines
from descend.show.report import fit_told
from descend.show.shown import Shown
from descend.simplify.driver import simplify
from descend.task.problem import Problem
from descend.task.start import given_start
from descend.task.whole import Whole
from descend.trace.formula import Formula
from descend.trace.model import Spec
from descend.visible import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from descend.records.record import FitRecord
    from descend.trust.methods import Trusted

__all__ = ["GlobalFit", "SetFit", "global_of", "parts_of"]

Array = np.ndarray[Any, np.dtype[Any]]


class SetFit(SetRecord):
    """What a global fit says of one dataset, and its fitted model."""

    _predictor: Callable[[], Predictor]  # the model is traced when somebody asks

    def __init__(self, predictor: Callable[[], Predictor], **values: Any) -> None:
        super().__init__(**values)
        object.__setattr__(self, "_predictor", predictor)

    @ends_at_users_line
    def predict(self, x: Any) -> Array:
        """The model of this dataset at new rows, given as its x was.

        Raises:
            UsageError: columns are missing.
        """
        return predicted(self._predictor(), self.leaves, x, self._has_rows)

    @property
    def has_curve(self) -> bool:
        """Whether the model can be drawn over its only column, at more places than its rows."""
        return len(self.inputs) == 1 and rows_apart(self._predictor())

    def _has_rows(self, columns: Mapping[str, Array]) -> bool:
        own = self.x
        return bool(own) and all(np.array_equal(columns[name], own[name]) for name in own)

    def __copy__(self) -> SetFit:
        return SetFit(self._predictor, **values_of(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> SetFit:
        return SetFit(self._predictor, **copy.deepcopy(values_of(self), memo))

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle holds the model as a list of operations, with its arrays."""
        return _set_of_parts, (values_of(self), *model_parts(self._predictor()))

    def _saved(self) -> SavedSet:
        return SavedSet(values_of(self), self._predictor())

    def __repr__(self) -> str:
        values = ", ".join(
            f"{n} = {v:.6g}" if np.ndim(v) == 0 else f"{n} of shape {np.shape(v)}"
            for n, v in self.params.items()
        )
        text = f"<Dataset {self.name}: {self.n_rows} rows, {values}, chi² {self.chi2:.6g}>"
        return visible(text)


def _set_of_parts(values: Mapping[str, Any], *parts: Any) -> SetFit:
    predictor = graph_from_json(*parts)
    return SetFit(lambda: predictor, **values)


def parts_of(whole: Whole, found: Fit) -> Iterator[SetFit]:
    """What a fit of all datasets says of each."""
    assert found.fitted is not None
    for k, (one, problem) in enumerate(zip(whole.sets, whole.problems, strict=True)):
        rows = slice(whole.edges[k], whole.edges[k + 1])
        y, fitted = np.asarray(problem.y), np.array(found.fitted[rows])
        weight = 1.0 if one.sample_weight is None else np.asarray(one.sample_weight, float)
        spread = float(np.sum((y - y.mean()) ** 2))
        params = _floats(whole.own(k, found.params))
        yield SetFit(
            functools.cache(functools.partial(_predictor_of, problem, params, found.running)),
            name=str(one.name), n_rows=len(y), params=params,
            stderr=_floats(whole.own(k, found.stderr)),
            chi2=float(np.sum(weight * _scaled(y - fitted, one.sigma) ** 2)),
            r2=1 - float(np.sum((y - fitted) ** 2)) / spread if spread > 0 else np.nan,
            target=problem.target, inputs=tuple(problem.columns), x=dict(problem.columns), y=y,
            fitted=fitted, residuals=y - fitted,
        )  # fmt: skip


def _predictor_of(
    problem: Problem, params: Mapping[str, Any], running: Mapping[str, Any]
) -> Predictor:
    """The model of a dataset as a graph, with the running values that all have in common."""
    start = given_start(problem.parameters, params, {})
    leaves = {name: Spec.of(array) for name, array in start.arrays.items()}
    model = traced(problem, start, problem.columns, leaves, len(np.asarray(problem.y)))
    trace = model.trace
    if model.training is not None:
        kept = model.training.effects.running
        trace = trace.capturing([(kept[n].form, np.asarray(running[n])) for n in kept])
    return Predictor(
        tuple(simplify(model.nodes, final=True)), model.data, model.leaves,
        list(trace.captured), model.rows, isinstance(problem.function, Formula),
        model=model,
    )  # fmt: skip


def _floats(values: Mapping[str, Any]) -> dict[str, Any]:
    return {n: float(v) if np.ndim(v) == 0 else np.array(v) for n, v in values.items()}


def _scaled(residuals: Array, sigma: Any) -> Array:
    """Residuals over their sigmas, or whitened by their covariance."""
    if sigma is None:
        return residuals
    spread = np.asarray(sigma, float)
    return whitening(spread, len(residuals)) @ residuals if spread.ndim == 2 else residuals / spread


if TYPE_CHECKING:

    class _Whole(Shown, Trusted, FitRecord):
        """What type checkers are told of a global fit: all of its fit's attributes are its own."""

else:
    _Whole = Shown


class GlobalFit(_Whole):
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

    if not TYPE_CHECKING:

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

    @ends_at_users_line
    def predict(self, x: Any) -> NoReturn:
        """Refused: a prediction belongs to one dataset.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "a global fit predicts for one of its datasets",
            remedy=f'write found["{self.datasets[0].name}"].predict(x)',
        )

    @ends_at_users_line
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit, with the model of each dataset, to a file that `descend.load` reads.

        Raises:
            UsageError: the path cannot be written, or a model cannot be stored.
        """
        write_fit(self._saved(), path)

    def _saved(self) -> SavedFit:
        return self.fit._saved(tuple(one._saved() for one in self.datasets))

    def __copy__(self) -> GlobalFit:
        return GlobalFit(self.fit, self.datasets)

    def __deepcopy__(self, memo: dict[int, Any]) -> GlobalFit:
        return GlobalFit(copy.deepcopy(self.fit, memo), copy.deepcopy(self.datasets, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle is what `save` writes, and the rows."""
        return global_of_bytes, (fit_as_bytes(self._saved()),)

    def _told(self) -> tuple[str, list[Any]]:
        """That of the fit, and a line a dataset."""
        title, sections = fit_told(self.fit)
        own = datasets_section(self.datasets, self._shared(), self.fit.sigma_given)
        return title, [*sections[:2], own, *sections[2:]]

    @ends_at_users_line
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
        own = {n: v for one in self.datasets for n, v in one.params.items()}
        return {n: v for n, v in self.fit.params.items() if np.shape(v) == np.shape(own[n])}

    def to_json_dict(self, *, rows: bool = True) -> dict[str, Any]:
        """The record as plain numbers, with `datasets` beside it."""
        told = ("name", "n_rows", "chi2", "r2", "params", "stderr")
        sets = [{name: getattr(one, name) for name in told} for one in self.datasets]
        return {**self.fit.to_json_dict(rows=rows), "datasets": jsonable(sets)}

    def __repr__(self) -> str:
        return f"<Global fit of {len(self)} datasets: {self.fit!r}>"


def global_of(saved: SavedFit) -> GlobalFit:
    """The global fit that a file or a pickle holds."""

    def made(one: SavedSet) -> SetFit:
        return SetFit(lambda: one.predictor, **one.record)

    return GlobalFit(fit_of(saved), tuple(map(made, saved.sets)))


def global_of_bytes(content: bytes) -> GlobalFit:
    """The global fit of a pickle."""
    return global_of(read_fit(io.BytesIO(content)))

"""What `fit` returns: a record that can also predict, draw, explain and be saved."""

from __future__ import annotations

import copy
import io
import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from descend.errors import DataError, UsageError, ends_at_users_line, warn
from descend.graph.node import mixing
from descend.quantities import refuse_other_rows
from descend.records.record import FitRecord, defaults_of, like, number_names_of, values_of
from descend.records.statuses import STATUSES
from descend.result.evidence import OF_DATA, Evidence, FromFile
from descend.result.pictured import Pictured
from descend.run.predictor import rows_apart
from descend.show.shown import Shown
from descend.task.foreign import RESULT_NAMES
from descend.trust.methods import Trusted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from descend.result.saved import SavedFit
    from descend.run.predictor import Predictor
    from descend.show.explain import Explanation

__all__ = ["Evident", "Fit", "fit_of", "predicted"]

Array = np.ndarray[Any, np.dtype[Any]]


class Evident(Shown):
    """A record whose fields are worked out of its evidence when somebody looks at them.

    Its class has a slot `_evidence`, and says which record it is.
    """

    __slots__ = ()

    _record: ClassVar[type[Any]]
    _evidence: Any

    def __init__(self, evidence: Any, params: Any, status: str, **values: Any) -> None:
        """A result of which these fields are known; the others are worked out when looked at."""
        self._evidence = evidence
        for name, value in {"params": params, "status": status, **values}.items():
            setattr(self, name, value)

    if not TYPE_CHECKING:  # to type checkers, a result has the attributes of its record alone

        def __getattr__(self, name: str) -> Any:
            """Work out what is not there yet; Python asks here for that only."""
            if name not in self._record.__slots__ or not _is_set(self, "_evidence"):
                raise _unknown(self, name)
            if name in ("success", "verdict"):
                found: Mapping[str, Any] = {name: getattr(STATUSES[self.status], name)}
            else:
                found = self._evidence.fields(name, self)
            for other, value in found.items():
                if not _is_set(self, other):
                    setattr(self, other, value)
            return object.__getattribute__(self, name)

    def __copy__(self) -> Self:
        """A copy with the same evidence; what was not worked out yet stays so."""
        other = object.__new__(type(self))
        for name in ("_evidence", *self._record.__slots__):
            if _is_set(self, name):
                setattr(other, name, getattr(self, name))
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy with arrays of its own; what stands behind a result never changes."""
        other = copy.copy(self)
        for name in self._record.__slots__:
            if _is_set(self, name):
                setattr(other, name, copy.deepcopy(getattr(self, name), memo))
        return other

    def __getitem__(self, name: object) -> Any:
        """Refuse `popt, pcov = …` and `result["a"]`, and say where the numbers are."""
        wanted = f'["{name}"]' if isinstance(name, str) else ""
        raise TypeError(
            f"a {type(self).__name__} is one result, neither a pair nor a table"
            f"\n  do: write result.params{wanted} for the numbers found"
        )


def _is_set(record: Any, name: str) -> bool:
    try:
        object.__getattribute__(record, name)
    except AttributeError:
        return False
    return True


def _unknown(record: Any, name: str) -> AttributeError:
    """What a result has no attribute of, with our name for another library's."""
    ours = RESULT_NAMES.get(name)
    if ours == "loss" and hasattr(type(record), "value"):
        ours = "value"
    if ours is not None and not hasattr(type(record), ours.partition("(")[0]):
        ours = None
    hint = f" (here it is .{ours})" if ours else ""
    words = f"{type(record).__name__} has no attribute {name!r}{hint}"
    return AttributeError(words, name=name, obj=record)


class Fit(Evident, Trusted, Pictured, FitRecord):
    """A finished fit: a record of everything known about it, and the fitted model itself.

    >>> import descend
    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit = descend.fit(lambda x, a, b: a * x + b, x, 2 * x + 1, start=dict(a=1, b=0))
    >>> round(fit.params["a"], 6), fit.predict([10.0]).round(6)
    (2.0, array([21.]))
    """

    __slots__ = ("_evidence",)

    _record = FitRecord
    _evidence: Evidence

    @ends_at_users_line
    def predict(self, x: Any) -> Array:
        """Return the model's prediction for new rows, given as they were to `fit`.

        A model that returns a pair, for a loss that takes one, predicts a pair of arrays. A
        network predicts labels where the target has some, and rates of counts; see
        `predict_proba`.

        Where the model's rows know of one another (a mean over them, say), rows other than those
        of the fit are warned of: what it predicts for each depends on the others.

        Raises:
            UsageError: columns are missing, or the shapes are not those of the fit.
        """
        found: Array = self._answered(self._evidence.predictor.answer.of, x)
        return found

    @ends_at_users_line
    def predict_proba(self, x: Any) -> Array:
        """Return how probable each class is for new rows, (rows, classes).

        The columns are in the order of `classes`, or of the class numbers; of labels of which a
        row may have several, each has a column.

        Raises:
            UsageError: the loss tells no classes apart, or as `predict`.

        >>> import descend
        >>> x = np.linspace(-1.0, 1.0, 20)
        >>> def odds(x, a): return a * x
        >>> fit = descend.fit(odds, x, x > 0.1, start=dict(a=1.0), loss="bce_with_logits")
        >>> fit.predict_proba([0.0])
        array([[0.5, 0.5]])
        """
        found: Array = self._answered(self._evidence.predictor.answer.probabilities, x)
        return found

    @property
    def classes(self) -> Array | None:
        """The labels that the model tells apart, in order; None where the target has none."""
        return self._evidence.predictor.answer.classes

    @ends_at_users_line
    def components(self, x: Any) -> dict[str, Array]:
        """Return the addends of a sum of ready models by their names, for rows given as to `fit`.

        Raises:
            UsageError: the model has no ready models, or saw rescaled columns.

        >>> import descend
        >>> x = np.linspace(0.0, 9.0, 50)
        >>> fit = descend.fit("y = sine(x) + linear(x)", {"x": x, "y": np.sin(3 * x) + 2 * x})
        >>> fit.components([1.0])
        {'sine': array([0.14112]), 'linear': array([2.])}
        """
        from descend.task.ready import components_at

        predictor = self._evidence.predictor
        if predictor.scaling is not None:
            raise UsageError("a fit with standardize=True has no components in the data's units")
        return components_at(self._evidence.ready, predictor.bind(x), self.params)

    def _told(self) -> tuple[str, list[Any]]:
        from descend.show.report import fit_told

        return fit_told(self)

    @ends_at_users_line
    def plot(
        self, path: str | os.PathLike[str] | None = None, bands: bool | float = False
    ) -> Figure:
        """Draw fit, residuals and loss curve in one picture.

        Of a model that tells classes apart: its boundary (two columns) or its probabilities (one),
        hits and misses, calibration, and the course of the loss.

        Args:
            bands: whether to draw the confidence band and the prediction band, or at which level
                (0.95 for True). Where rows have sigmas of their own, those of new observations are
                not known, and only the confidence band is drawn; so it is with losses that are no
                sum of squares.

        Raises:
            UsageError: the path cannot be written, or there is nothing to draw bands over.
        """
        from descend.show.classes import plot_classes
        from descend.show.plots import plot_fit

        own = self._evidence.predictor
        told = self._classified()
        if told is not None:
            if bands:
                raise UsageError(
                    "bands are drawn around predicted numbers, and this model tells classes apart",
                    remedy="leave bands out: the picture shows how far its probabilities hold",
                )
            return plot_classes(self, told, path)
        single = len(self.inputs) == 1
        parts = self.components if single and self._has_components() else None
        around = None
        if bands:
            from descend.trust.delta import bands_around

            around = bands_around(self, bands)
        predict = self._at if single and self._has_curve() else None
        link, here = own.answer.link, self._fitted_here()
        return plot_fit(self, path, predict, parts, around, self._spread(), link, here)

    def _classified(self) -> Any:
        """The rows as classes; None where there are none."""
        from descend.show.classes import classified

        own = self._evidence.predictor
        predict = self._probable if self._has_curve() else None
        link = own.answer.link if own.answer.tells else ""
        fitted = self._fitted_here()
        return classified(self, link, own.answer.classes, predict, own.matrix, fitted)

    def _fitted_here(self) -> Array | None:
        """What the model says of the rows at hand, which are a sample of rows that come."""
        return self.fitted if self.fitted is not None or not self.x else self._at(self.x)

    def _has_curve(self) -> bool:
        """Whether the model says something between its rows."""
        return rows_apart(self._evidence.predictor) and self._takes_between()

    def _answered(self, of: Callable[[Array], Any], x: Any) -> Any:
        """What is made of the model's output for rows, or for one row without their axis."""
        found = self._raw(x)
        outputs = self._evidence.predictor.outputs
        if len(outputs) == 1 and found.ndim < outputs[0].ndim:
            return of(found[None])[0]
        return of(found)

    def _raw(self, x: Any) -> Array:
        """What the model returns for new rows."""
        held = self._evidence
        return predicted(held.predictor, held.leaves, x, held.has_rows)

    def _takes_between(self) -> bool:
        """Whether the model takes numbers between those of its rows, and no indices alone."""
        try:
            self._at({name: a[:1] + 0.5 for name, a in self.x.items()})
        except (UsageError, DataError, IndexError, TypeError):
            return False
        return True

    def _at(self, columns: Mapping[str, Array]) -> Array:
        """What the model returns for columns by argument; of a table, as the matrix it became."""
        matrix = self._evidence.predictor.matrix
        return self._raw(next(iter(columns.values())) if matrix else columns)

    def _probable(self, columns: Mapping[str, Array]) -> Array:
        """How probable each class is for columns by argument."""
        return self._evidence.predictor.answer.probabilities(self._at(columns))

    def _spread(self) -> Array | None:
        """The standard deviation of each target: sigma, scaled as the standard errors are."""
        evidence = self._evidence.completion
        sigma = None if evidence is None else evidence.original.extra.get("sigma")
        if sigma is None or self.absolute_sigma or not math.isfinite(self.reduced_chi2):
            return sigma
        return np.asarray(sigma * math.sqrt(self.reduced_chi2))

    def _has_components(self) -> bool:
        return self._evidence.ready is not None and self._evidence.predictor.scaling is None

    @ends_at_users_line
    def explain(self, row: int = 0, parameter: str = "", lang: str = "en") -> Explanation:
        """Show backpropagation at work on one row of the data, at the parameters of the start.

        Args:
            row: counted from 0.
            parameter: the one whose chain rule is written out; else of the first few.
            lang: of the words, "en" or "zh".

        Raises:
            UsageError: there is no such row, parameter or language, or the fit was loaded from a
                file.
        """
        return self._evidence.explain(row, parameter, lang)

    @ends_at_users_line
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to a file, which `descend.load` reads; it predicts without this code.

        Raises:
            UsageError: the path cannot be written, or the model cannot be stored.
        """
        self._write(path, "saved fit")

    @ends_at_users_line
    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write the fit under any name, as it is: what is made later is left out, to be quick."""
        other = copy.copy(self)
        blank = defaults_of(FitRecord, OF_DATA)
        blank["errors_note"] = "a checkpoint: nothing was evaluated for it"
        blank |= {"stderr": like(self.params, math.nan)}
        blank["covariance_names"] = number_names_of(self.params)
        for name, value in blank.items():
            if not _is_set(other, name):
                setattr(other, name, value)
        other._write(path, "checkpoint")

    def _write(self, path: str | os.PathLike[str], kind: str) -> None:
        from descend.result.saved import write_fit

        write_fit(self._saved(), path, kind)

    def _saved(self, sets: tuple[Any, ...] = ()) -> SavedFit:
        """What a file or a pickle holds of the fit, and of the datasets it is of."""
        from descend.result.saved import SavedFit

        held = self._evidence
        return SavedFit(values_of(self), held.predictor, held.leaves, held.state, sets)

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle is what `save` writes, and the rows: it needs not the model's source either."""
        from descend.result.saved import fit_as_bytes

        return fit_of_bytes, (fit_as_bytes(self._saved()),)


def predicted(
    predictor: Predictor, leaves: Mapping[str, Array], x: Any,
    has_rows: Callable[[Mapping[str, Array]], bool],
) -> Array:  # fmt: skip
    """What a fitted model predicts for rows as a user gives them.

    Args:
        has_rows: whether columns are those of the fit.
    """
    refuse_other_rows([("x", x)])
    columns = predictor.bind(x)
    _, word = mixing(predictor.outputs, predictor.rows)
    if word and not has_rows(columns):
        warn(
            f"the model couples the rows with one another ({word}), and these are others than "
            "those of the fit: what it predicts for a row depends on the company it is in. "
            "Work out such numbers before the fit, and give them as constants"
        )
    found: Array = predictor(columns, leaves)
    return found


def fit_of(saved: SavedFit) -> Fit:
    """The fit that a file or a pickle holds."""
    from descend.task.ready import named_again

    ready = named_again(saved.record["model"], saved.record["params"])
    rows = saved.record.get("x", {})
    return Fit(FromFile(saved.predictor, saved.leaves, saved.state, ready, rows), **saved.record)


def fit_of_bytes(content: bytes) -> Fit:
    """The fit of a pickle."""
    from descend.result.saved import read_fit

    return fit_of(read_fit(io.BytesIO(content)))

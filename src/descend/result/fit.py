"""What `fit` and `minimize` return: a record that can also predict, draw, explain and be saved."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from descend.errors import UsageError
from descend.lean import dataclass
from descend.records.record import STATUSES, FitRecord, Minimum
from descend.run.predictor import Predictor
from descend.run.state import SavedState
from descend.show.numbers import WIDTH
from descend.task.options import RESULT_NAMES
from descend.trust.methods import Trusted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from descend.show.explain import Explanation
    from descend.trust.complete import Completion

__all__ = ["Fit", "MinimumFound", "Remains"]

Array = np.ndarray[Any, np.dtype[Any]]
LATER = (
    "loss", "residuals", "fitted", "chi2", "reduced_chi2", "dof", "r2", "aic", "aicc", "bic",
    "covariance", "correlation", "stderr", "errors_note", "errors_from", "deviance", "findings",
    "covariance_names",
)  # fmt: skip
"""Fields that are worked out when one of them is first looked at."""


@dataclass
class Remains:
    """What a run leaves besides its record.

    Attributes:
        predictor, leaves: the model and its parameters, leaf by leaf.
        complete: works out the fields that are made later; None once that is done.
        explain: one step of backpropagation at a row; None for a loaded fit.
        state: the whole state of the run, to resume from.
        pending: whether there will be something to complete.
        evidence: the data, for refits and diagnostics; None for a loaded fit.
        ready: the ready models that the model is made of, or None.
    """

    predictor: Predictor
    leaves: Mapping[str, Array]
    complete: Callable[[Fit], None] | None = None
    explain: Callable[[int], Explanation] | None = None
    state: SavedState | None = None
    pending: bool = False
    evidence: Completion | None = None
    ready: Any = None


class Left(Protocol):
    """What a run left of which a whole record can be made."""

    def tell(self, fit: Fit, name: str) -> None:
        """Enter a field of `LATER`, and maybe others, if it can be told before the rest."""

    def parts(self) -> tuple[Remains, dict[str, Any]]:
        """What the record is made of."""


class LeftMinimum(Protocol):
    """What a minimisation left of which a whole record can be made."""

    def value(self) -> float:
        """The function's value, which can be told before the rest."""

    def parts(self) -> tuple[Callable[[Array], float], dict[str, Any]]:
        """What the record is made of."""


class _MadeLater:
    """A record of which all but `params` and `status` is made when somebody looks at it.

    Its class has a slot `_left`, takes what `_left.parts()` returns, and says which record it is.
    """

    __slots__ = ()

    _record: ClassVar[type]
    _left: Any
    status: str

    @classmethod
    def later(cls, left: Any, params: Any, status: str) -> Self:
        """A record of what a run left."""
        made: Any = cls.__new__(cls)
        made._left, made.params, made.status = left, params, status
        found: Self = made
        return found

    def __getattr__(self, name: str) -> Any:
        """Make what is not there yet; Python asks here for that only."""
        left = None if name == "_left" else self._left
        if left is None:
            raise _unknown(self, name)
        if name in ("success", "verdict"):
            return getattr(STATUSES[self.status], name)
        set_before = _values_set(self, self._record)
        own, values = left.parts()
        made: Any = self
        made.__init__(own, **values)
        for known, value in set_before.items():
            setattr(self, known, value)
        return getattr(self, name)

    def __getitem__(self, name: object) -> Any:
        """Refuse `popt, pcov = …` and `result["a"]`, and say where the numbers are."""
        wanted = f'["{name}"]' if isinstance(name, str) else ""
        raise TypeError(
            f"a {type(self).__name__} is one result, neither a pair nor a table"
            f"\n  do: write result.params{wanted} for the numbers found"
        )


def _unknown(record: Any, name: str) -> AttributeError:
    """What a result has no attribute of, with our name for another library's."""
    ours = RESULT_NAMES.get(name)
    if ours == "loss" and not hasattr(type(record), "stderr"):
        ours = "value"
    if ours is not None and not hasattr(type(record), ours.partition("(")[0]):
        ours = None
    hint = f" (here it is .{ours})" if ours else ""
    words = f"{type(record).__name__} has no attribute {name!r}{hint}"
    return AttributeError(words, name=name, obj=record)


class Fit(_MadeLater, Trusted, FitRecord):
    """A finished fit: a record of everything known about it, and the fitted model itself.

    >>> import descend
    >>> x = np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit = descend.fit(lambda x, a, b: a * x + b, x, 2 * x + 1, start=dict(a=1, b=0))
    >>> round(fit.params["a"], 6), fit.predict([10.0]).round(6)
    (2.0, array([21.]))
    """

    __slots__ = ("_left", "_remains")

    _record = FitRecord
    _left: Left | None
    _remains: Remains

    def __init__(self, remains: Remains, **values: Any) -> None:
        self._left = None
        pending = remains.complete is not None
        self._remains = Remains(remains.predictor, remains.leaves, pending=pending)
        super().__init__(**values)
        self._remains = remains

    def __post_init__(self) -> None:
        if self._remains.complete is None and not self._remains.pending:
            super().__post_init__()
        else:
            row = STATUSES[self.status]
            self.success, self.verdict = row.success, row.verdict

    def _complete(self) -> None:
        complete, self._remains.complete = self._remains.complete, None
        if complete is not None:
            complete(self)
            super().__post_init__()

    def predict(self, x: Any) -> Any:
        """Return the model's prediction for new rows, given as they were to `fit`.

        Raises:
            UsageError: columns are missing, or the shapes are not those of the fit.
        """
        columns = self._remains.predictor.bind(x)
        return self._remains.predictor(columns, self._remains.leaves)

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

        predictor = self._remains.predictor
        if predictor.scaling is not None:
            raise UsageError("a fit with standardize=True has no components in the data's units")
        return components_at(self._remains.ready, predictor.bind(x), self.params)

    def report(self, width: int = WIDTH) -> str:
        """Return the report, which `print(fit)` prints."""
        from descend.show.report import fit_report

        return fit_report(self, width)

    def plot(
        self, path: str | os.PathLike[str] | None = None, bands: bool | float = False
    ) -> Figure:
        """Draw fit, residuals and loss curve in one picture.

        Args:
            bands: whether to draw the confidence band and the prediction band, or at which level
                (0.95 for True). Where rows have sigmas of their own, those of new observations are
                not known, and only the confidence band is drawn; so it is with losses that are no
                sum of squares.

        Raises:
            UsageError: the path cannot be written, or there is nothing to draw bands over.
        """
        from descend.show.plots import plot_fit

        single = len(self.inputs) == 1
        parts = self.components if single and self._has_components() else None
        around = self._bands(bands) if bands else None
        predict = self.predict if single else None
        return plot_fit(self, path, predict, parts, around, self._spread())

    def _spread(self) -> Array | None:
        """The standard deviation of each target: sigma, scaled as the standard errors are."""
        evidence = self._remains.evidence
        sigma = None if evidence is None else evidence.original.extra.get("sigma")
        if sigma is None or self.absolute_sigma or not math.isfinite(self.reduced_chi2):
            return sigma
        return np.asarray(sigma * math.sqrt(self.reduced_chi2))

    def _has_components(self) -> bool:
        return self._remains.ready is not None and self._remains.predictor.scaling is None

    def explain(self, row: int = 0) -> Explanation:
        """Show backpropagation at work on one row of the data, at the parameters of the start.

        Raises:
            UsageError: there is no such row, or the fit was loaded from a file.
        """
        if self._remains.explain is None:
            raise UsageError(
                "a loaded fit has no rows to explain",
                remedy="write descend.explain(model, x, y, row=…, start=fit)",
            )
        return self._remains.explain(row)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to a file, which `descend.load` reads; it predicts without this code.

        Raises:
            UsageError: the path cannot be written, or the model cannot be stored.
        """
        self._complete()
        self._write(path, "saved fit")

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Write the fit under any name, as it is: what is made later is left out, to be quick."""
        if self._remains.complete is not None:
            self._remains.complete = None
            self.errors_note = "a checkpoint: nothing was evaluated for it"
            super().__post_init__()
        self._write(path, "checkpoint")

    def _write(self, path: str | os.PathLike[str], kind: str) -> None:
        from descend.result.saved import write_fit

        remains = self._remains
        write_fit(self, remains.predictor, remains.leaves, remains.state, path, kind)

    def __str__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        from descend.show.report import fit_html

        return fit_html(self)


def _values_set(record: Any, kind: type[Any]) -> dict[str, Any]:
    """The fields of an unfinished record that have a value."""
    slots = {name: kind.__dict__[name] for name in kind.__slots__}
    return {name: slot.__get__(record) for name, slot in slots.items() if _is_set(slot, record)}


def _is_set(slot: Any, record: Any) -> bool:
    try:
        slot.__get__(record)
    except AttributeError:
        return False
    return True


def _later(name: str) -> property:
    """A field that is worked out, together with the others of its kind, on first sight."""
    slot = FitRecord.__dict__[name]

    def get(self: Fit) -> Any:
        if self._left is not None:
            if not _is_set(slot, self):
                self._left.tell(self, name)
            if _is_set(slot, self):
                return slot.__get__(self)
        if self._remains.complete is not None:
            self._complete()
        return slot.__get__(self)

    return property(get, slot.__set__, doc=f"See `FitRecord.{name}`.")


for _name in LATER:
    setattr(Fit, _name, _later(_name))


class MinimumFound(_MadeLater, Minimum):
    """A finished minimisation (or maximisation)."""

    __slots__ = ("_function", "_left")

    _record = Minimum
    _left: LeftMinimum | None

    def __init__(self, function_of: Callable[[Array], float] | None = None, **values: Any) -> None:
        self._function, self._left = function_of, None
        super().__init__(**values)

    def __getattr__(self, name: str) -> Any:
        """The value can be told before the rest."""
        if name == "value" and self._left is not None:
            self.value = self._left.value()
            return self.value
        return super().__getattr__(name)

    def report(self, width: int = WIDTH) -> str:
        """Return the report, which `print` prints."""
        from descend.show.report import minimum_report

        return minimum_report(self, width)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw the way taken and the course of the value.

        Raises:
            UsageError: the path cannot be written.
        """
        from descend.show.paths import plot_minimum

        return plot_minimum(self, path, self._function)

    def __str__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        from descend.show.report import minimum_html

        return minimum_html(self)


def record_fields(record: FitRecord) -> dict[str, Any]:
    """Every field of a fit by name, `success` apart, which follows from the others."""
    return {f.name: getattr(record, f.name) for f in fields(record) if f.init}

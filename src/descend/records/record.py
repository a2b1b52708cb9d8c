"""What a run leaves behind: plain typed records that hold numbers and words, and do nothing.

The layers above fill them (`train`) and turn them into reports and pictures (`show`).
Every record refuses attributes it does not declare, and turns into valid JSON (NaN becomes null).
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from descend.errors import InternalError
from descend.records.frames import frame_of
from descend.records.layers import LayerRecord
from descend.records.statuses import status_message, status_named
from descend.visible import visible

__all__ = [
    "FitRecord",
    "History",
    "Minimum",
    "correlation_of",
    "defaults_of",
    "flat_parameters",
    "jsonable",
    "leaves",
    "like",
    "number_names_of",
    "values_of",
]

Engine = Literal["native", "interpreted"]
MOST_NAMED = 1000  # numbers of parameters


def leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a tree of parameters: (name, number or array) in the order it was written.

    >>> [name for name, _ in leaves({"a": 1.0, "layers": [{"W": np.ones(2)}]})]
    ['a', 'layers[0].W']
    """
    if isinstance(tree, Mapping):
        for key, branch in tree.items():
            yield from leaves(branch, f"{name}.{key}" if name else str(key))
    elif isinstance(tree, (list, tuple)):
        keys = getattr(tree, "_fields", None)
        for index, branch in enumerate(tree):
            yield from leaves(branch, f"{name}.{keys[index]}" if keys else f"{name}[{index}]")
    elif tree is not None:
        yield name, tree


def flat_parameters(tree: Any) -> Iterator[tuple[str, float]]:
    """Walk a tree of parameters down to its single numbers.

    >>> list(flat_parameters({"a": 1.0, "w": np.array([[2.0, 3.0]])}))
    [('a', 1.0), ('w[0, 0]', 2.0), ('w[0, 1]', 3.0)]
    """
    for name, leaf in leaves(tree):
        array = np.asarray(leaf)
        if array.ndim == 0:
            yield name, float(array)
        else:
            for index in np.ndindex(array.shape):
                yield f"{name}[{', '.join(map(str, index))}]", float(array[index])


def jsonable(value: Any) -> Any:
    """Turn a value of a record into what `json.dumps` writes as valid JSON.

    NaN and infinities become None, since JSON has no word for them.

    >>> jsonable({"a": np.array([1.0, np.nan]), "b": np.float32(0.5), "c": (1, None)})
    {'a': [1.0, None], 'b': 0.5, 'c': [1, None]}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, np.ndarray):
        return _json_array(value)
    if isinstance(value, _Record):
        return value.to_json_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(entry) for entry in value]
    return str(os.fspath(value)) if isinstance(value, os.PathLike) else str(value)


def _json_array(array: NDArray[Any]) -> Any:
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
        finite = np.isfinite(array)
        if not finite.all():
            array = array.astype(object)
            array[~finite] = None
        return array.tolist()
    if array.dtype.kind in "biuU":
        return array.tolist()
    if array.dtype.kind == "O":
        return jsonable(array.tolist())
    return array.astype(str).tolist()


def like(tree: Any, value: float) -> Any:
    """Return a tree of the same form with every number replaced by `value`."""
    if isinstance(tree, Mapping):
        return {key: like(branch, value) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [like(branch, value) for branch in tree]
    return np.full(np.shape(tree), value) if np.ndim(tree) else value


class _Record:
    """What all records share: the way into JSON."""

    __slots__ = ()
    kind = "record"
    per_row: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    def to_json_dict(self, *, rows: bool = True) -> dict[str, Any]:
        """Return all fields as plain Python values, ready for `json.dumps(allow_nan=False)`.

        Args:
            rows: False leaves out what has one entry per row of the data (residuals, fitted).

        The user's own data (x, y) are never repeated.
        """
        left_out = self.data if rows else self.data + self.per_row
        named = ((entry.name, getattr(self, entry.name)) for entry in fields(self))  # type: ignore[arg-type]
        return {"kind": self.kind} | {
            name: jsonable(value) for name, value in named if name not in left_out
        }


class _Ended(_Record):
    """A record of a run: success, verdict and, if it is not given, message follow from status."""

    __slots__ = ()

    def _end(
        self: Any, steps: int, unit: str, loss: float, stop_loss: float | None = None
    ) -> None:
        row = status_named(self.status)
        self.success, self.verdict = row.success, row.verdict
        if not self.message:
            self.message = status_message(
                self.status, steps, unit=unit, loss=loss, stop_loss=stop_loss
            )

    @property
    def exit_code(self: Any) -> int:
        """The command line's exit code for this ending."""
        return status_named(self.status).exit_code


@dataclass(slots=True, eq=False, repr=False)
class History(Mapping[str, Any], _Record):
    """The course of a run, one entry per epoch (or iteration), read like a dict.

    Args:
        epoch: (m,) numbers counted from 1. Of long runs only every 2nd, 4th, … epoch and the
            last are kept, as `every` says.
        loss: (m,) running mean of the loss over each epoch.
        validation_loss, lr, grad_norm: (m,) or None where they were not recorded.
        params: name → array (m, ...) of the values at the end of each epoch, or None.
        metrics: name → (m,) such as `accuracy` and `validation_accuracy`, or None. They are read
            by their own names.

    >>> history = History(loss=[4.0, 1.0])
    >>> list(history), history["epoch"].tolist()
    (['epoch', 'loss'], [1, 2])
    """

    loss: Any = ()
    epoch: Any = None
    validation_loss: Any = None
    lr: Any = None
    grad_norm: Any = None
    params: Any = None
    metrics: Any = None

    def __post_init__(self) -> None:
        for name in ("loss", "validation_loss", "lr", "grad_norm"):
            if getattr(self, name) is not None:
                setattr(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        epoch = np.arange(1, len(self.loss) + 1) if self.epoch is None else self.epoch
        self.epoch = np.asarray(epoch)
        self.params = None if self.params is None else dict(self.params)
        self.metrics = None if self.metrics is None else dict(self.metrics)
        for name in self:
            if name != "params" and len(self[name]) != len(self.loss):
                raise InternalError(
                    f'history: "{name}" has {len(self[name])} entries, "loss" {len(self.loss)}'
                )

    def __getitem__(self, name: str) -> Any:
        if self.metrics is not None and name in self.metrics:
            return self.metrics[name]
        known = name in self.__slots__ and name != "metrics"
        value = getattr(self, name, None) if known else None
        if value is None:
            raise KeyError(f'the history has no "{name}", only {", ".join(self)}')
        return value

    def __iter__(self) -> Iterator[str]:
        order = ("epoch", "loss", "validation_loss", "lr", "grad_norm")
        found = [name for name in order if getattr(self, name) is not None]
        found += list(self.metrics or ())
        return iter([*found, "params"] if self.params is not None else found)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        thinned = f" (one in {self.every} kept)" if self.every > 1 else ""
        return f"<History of {self.epochs} epochs{thinned}: {', '.join(self)}>"

    @property
    def every(self) -> int:
        """1, or 2, 4, …: one epoch in so many is kept, and the last one.

        >>> History(loss=[4.0, 2.0, 1.0], epoch=[1, 5, 8]).every
        4
        """
        if len(self.epoch) < 3:
            return 1
        return int(self.epoch[1]) - int(self.epoch[0])

    @property
    def epochs(self) -> int:
        """How many epochs the run had."""
        return int(self.epoch[-1]) if len(self.epoch) else 0

    def parts(self) -> dict[str, Any]:
        """What there is, as it is given to make a history."""
        named = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        return {name: value for name, value in named if value is not None}

    def to_json_dict(self, *, rows: bool = True) -> dict[str, Any]:
        """Return the columns as plain lists, with `every`."""
        return {**_Record.to_json_dict(self, rows=rows), "every": self.every}

    def to_pandas(self) -> Any:
        """The `columns` as a DataFrame of pandas, a row an epoch; `to_polars` likewise."""
        return frame_of("pandas", self.columns())

    def to_polars(self) -> Any:
        return frame_of("polars", self.columns())

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return flat columns of equal length, ready for a table; array parameters one each.

        >>> history = History(loss=[4.0, 1.0], params={"w": np.array([[1.0, 2.0], [3.0, 4.0]])})
        >>> {name: column.tolist() for name, column in history.columns().items()}
        {'epoch': [1, 2], 'loss': [4.0, 1.0], 'w[0]': [1.0, 3.0], 'w[1]': [2.0, 4.0]}
        """
        table = {name: np.asarray(self[name]) for name in self if name != "params"}
        for name, leaf in leaves(self.params):
            values = np.asarray(leaf)
            for index in np.ndindex(values.shape[1:]):
                label = f"{name}[{', '.join(map(str, index))}]" if index else name
                table[label] = values[(slice(None), *index)]
        return table


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class FitRecord(_Ended):
    """All that is known after a fit. Arrays over rows have the shape of y; p counts free numbers.

    `success`, `verdict` and, where it was not given, `message` follow from `status`.

    >>> record = FitRecord(model="y = a*x", params={"a": 2.0}, n_rows=3, loss=0.25, epochs=7)
    >>> record
    <Fit of y = a*x: a = 2, loss 0.25, epochs_spent>
    >>> record.stderr
    {'a': nan}
    """

    kind = "fit"
    data = ("x", "y")
    per_row = ("residuals", "fitted")

    # the task
    model: str
    n_rows: int
    target: str = "y"
    inputs: tuple[str, ...] = ("x",)
    data_name: str = ""
    n_dropped: int = 0
    n_weightless: int = 0  # rows of weight zero, which do not count
    loss_name: str = "mse"
    goal: str = ""  # what a network is to tell of its target, where nobody said it
    n_classes: int = 0  # that the model tells apart; 0 if it predicts numbers
    optimizer: str = ""
    chosen_for: str = ""
    batch_size: int | None = None
    shuffle: bool = False
    lr_factors: dict[str, float] = field(default_factory=dict)  # by parameter or layer
    accumulate: int = 1  # batches of which an update is made
    ema: float | None = None  # the share of itself that goes on in an average of the parameters
    seed: int = 0
    start: dict[str, Any] = field(default_factory=dict)
    start_source: str = ""
    n_starts: int = 1  # how many were tried
    n_agreed: int = 1  # how many of them led to the same minimum
    stop_loss: float | None = None
    fixed: tuple[str, ...] = ()
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    ties: dict[str, str] = field(default_factory=dict)
    scaled: dict[str, str] = field(default_factory=dict)  # parameter → the scale it was moved on
    sigma_given: bool = False
    sigma_is_matrix: bool = False
    absolute_sigma: bool = False
    unit: Literal["epoch", "iteration"] = "epoch"
    scales: dict[str, tuple[Any, Any]] = field(default_factory=dict)  # column → (mean, spread)

    # the answer
    params: dict[str, Any]
    stderr: dict[str, Any] = field(default_factory=dict)
    covariance: NDArray[Any] | None = None  # (p, p), in the order of covariance_names
    correlation: NDArray[Any] | None = None  # (p, p)
    covariance_names: tuple[str, ...] = ()
    errors_note: str = ""  # why there are no standard errors
    errors_from: str = ""  # where they come from, if not from a sum of squares
    findings: list[str] = field(default_factory=list)  # what the data leave undetermined
    loss: float = math.nan  # evaluated anew at params
    running_loss: float = math.nan  # mean over the last epoch, while the parameters moved
    validation_loss: float = math.nan  # at params
    best_epoch: int | None = None  # the parameters are those at its end; None: the last
    draws: int = 0  # calls of the model that draw in training, and are means afterwards
    running: dict[str, Any] = field(default_factory=dict)  # what the model kept, and serves with
    deviance: float = math.nan  # of counts: twice the log-likelihood lost against the data
    chi2: float = math.nan
    reduced_chi2: float = math.nan
    dof: int | None = None
    r2: float = math.nan
    aic: float = math.nan
    aicc: float = math.nan
    bic: float = math.nan
    metrics: dict[str, float] = field(default_factory=dict)  # accuracy, …, or rmse, …
    layers: tuple[LayerRecord, ...] = ()  # of a network, at params

    # the course
    status: str = "epochs_spent"
    message: str = ""
    arrived: Literal["yes", "no", "not judged"] = "not judged"
    success: bool = field(init=False)
    verdict: str = field(init=False)
    epochs: int = 0
    n_updates: int = 0
    n_evaluations: int = 0  # of the model with its gradient, on a batch each
    seconds: float = math.nan
    compile_seconds: float = math.nan
    engine: Engine = "native"
    warnings: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)

    # rows
    residuals: NDArray[Any] | None = None  # y - fitted
    fitted: NDArray[Any] | None = None
    x: dict[str, NDArray[Any]] = field(default_factory=dict)
    y: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        self._end(self.epochs, self.unit, self.running_loss, self.stop_loss)
        if not self.stderr:
            self.stderr = like(self.params, math.nan)
        if not self.covariance_names:
            self.covariance_names = number_names_of(self.params)
        if self.correlation is None and self.covariance is not None:
            self.correlation = correlation_of(self.covariance)

    def __repr__(self) -> str:
        shown = list(_few(self.params))[:6]
        values = ", ".join(f"{name} = {value:.6g}" for name, value in shown) or "…"
        return visible(f"<Fit of {self.model}: {values}, loss {self.loss:.6g}, {self.status}>")

    @property
    def has_errors(self) -> bool:
        """Whether any parameter has a standard error."""
        return any(np.isfinite(np.asarray(leaf)).any() for _, leaf in leaves(self.stderr))


def _few(tree: Any) -> Iterator[tuple[str, float]]:
    """Flat parameters of a tree, or nothing where naming each number would be absurd."""
    if sum(np.size(leaf) for _, leaf in leaves(tree)) <= MOST_NAMED:
        yield from flat_parameters(tree)


def number_names_of(params: Any) -> tuple[str, ...]:
    """The names of all numbers of parameters; none where there are absurdly many."""
    return tuple(name for name, _ in _few(params))


def values_of(record: Any) -> dict[str, Any]:
    """The fields of a record that are not worked out of others, by name."""
    return {f.name: getattr(record, f.name) for f in fields(record) if f.init}


def defaults_of(kind: type[Any], names: Iterable[str]) -> dict[str, Any]:
    """The values that fields of a record have where nothing is said of them."""
    known = _defaults(cast(Any, kind))
    return {
        name: value if make is MISSING else make()
        for name in names
        for value, make in (known[name],)
    }


@functools.cache
def _defaults(kind: Any) -> dict[str, tuple[Any, Any]]:
    return {f.name: (f.default, f.default_factory) for f in fields(kind)}


def correlation_of(covariance: NDArray[Any]) -> NDArray[Any]:
    """(p, p) the correlation of numbers with this covariance."""
    scale = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(covariance / np.outer(scale, scale))


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Minimum(_Ended):
    """Where a descent (or, with `maximize`, an ascent) on a function ended.

    Args:
        params: a number, an array, or a tree, as `start` was given.
        value: the function's value there; gradient: of the same form as params.
        stderr, covariance, errors_note: of a likelihood; see `minimize`.
        history: "loss" holds the function's value per iteration.

    >>> Minimum(function="x**2", params=0.0, value=0.0, status="gradient_small", iterations=3)
    <Minimum of x**2: x = 0, value 0, gradient_small>
    """

    kind = "minimum"

    function: str
    params: Any
    value: float
    gradient: Any = None
    stderr: Any = None  # of the form of params, where the value is a likelihood's
    covariance: NDArray[Any] | None = None  # (p, p), of the numbers in order
    errors_note: str = ""  # why there are no standard errors
    start: Any = None
    start_source: str = ""
    maximize: bool = False
    optimizer: str = ""
    chosen_for: str = ""
    seed: int = 0
    fixed: tuple[str, ...] = ()
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    ties: dict[str, str] = field(default_factory=dict)
    scaled: dict[str, str] = field(default_factory=dict)  # as of a fit
    status: str = "converged"
    message: str = ""
    arrived: Literal["yes", "no", "not judged"] = "not judged"
    success: bool = field(init=False)
    verdict: str = field(init=False)
    iterations: int = 0
    n_evaluations: int = 0
    seconds: float = math.nan
    compile_seconds: float = math.nan
    engine: Engine = "native"
    warnings: list[str] = field(default_factory=list)
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self._end(self.iterations, "iteration", self.value)

    def __repr__(self) -> str:
        shown = list(_few(self.named()))[:6]
        values = ", ".join(f"{name} = {value:.6g}" for name, value in shown) or "…"
        word = "Maximum" if self.maximize else "Minimum"
        told = f"{values}, value {self.value:.6g}, {self.status}"
        return visible(f"<{word} of {self.function}: {told}>")

    def named(self, tree: Any = None) -> dict[str, Any]:
        """Return `tree` (params where None) with names: what has none is called x."""
        tree = self.params if tree is None else tree
        return dict(tree) if isinstance(tree, Mapping) else {"x": tree}

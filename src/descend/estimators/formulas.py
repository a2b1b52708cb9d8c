"""`FormulaRegressor`: a formula or a NumPy function, with scikit-learn's ways."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from descend.errors import DescendWarning, UsageError
from descend.estimators.kept import Kept
from descend.estimators.networks import as_column
from descend.train.fit import fit

__all__ = ["FormulaRegressor"]

Array = np.ndarray[Any, np.dtype[Any]]
HAS_TARGET = re.compile(r"(?<![=<>!])=(?!=)")  # a formula that names what it describes
MATRIX = "X"  # a function whose first argument has this name takes all columns in one array


def plane(X: Any, w: Any, b: Any) -> Any:
    """A linear function of all columns, which stands for a model that nobody gave."""
    return X @ w + b


class FormulaRegressor(Kept, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A formula, or a NumPy function in one line, as a regressor of scikit-learn.

    Args:
        model: a formula of columns and parameters, such as "a*exp(-k*x0) + c": columns have the
            names of a frame, or are `x0`, `x1`, …, and a single one is `x` too. Or a function:
            where X is a frame, arguments named as columns are these columns; else its first
            arguments are the columns in order, or the first one is all of them where it is called
            `X`. All other names are parameters. None is a linear function of all columns.
        start: a dict of parameters; numbers need none.
        loss, optimizer, lr, batch_size, epochs, bounds, fixed, ties, penalty, standardize, starts:
            as of `descend.fit`, whose defaults they have.
        random_state: the seed.

    Attributes:
        params_: the parameters found, by name. n_iter_: how many iterations or epochs it took.
        fit_: what `descend.fit` returned, with standard errors, verdict and report.

    >>> import numpy as np
    >>> X = np.linspace(0.0, 4.0, 40).reshape(-1, 1)
    >>> decay = FormulaRegressor("a*exp(-k*x) + c").fit(X, 3 * np.exp(-1.5 * X[:, 0]) + 1)
    >>> {name: round(value, 6) for name, value in decay.params_.items()}
    {'a': 3.0, 'k': 1.5, 'c': 1.0}
    """

    def __init__(
        self, model: str | Callable[..., Any] | None = None, *, start: Any = None,
        loss: Any = None, optimizer: Any = None, lr: float | None = None,
        batch_size: int | None = None, epochs: int | None = None, bounds: Any = None,
        fixed: Any = None, ties: Any = None, penalty: Any = None, standardize: bool = False,
        starts: int | None = None, random_state: Any = 0,
    ) -> None:  # fmt: skip
        self.model = model
        self.start = start
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.batch_size = batch_size
        self.epochs = epochs
        self.bounds = bounds
        self.fixed = fixed
        self.ties = ties
        self.penalty = penalty
        self.standardize = standardize
        self.starts = starts
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit to X (rows, columns) and y (rows,), or what else the model returns for a row.

        Raises:
            UsageError, DataError: as `descend.fit`; both are `ValueError`s.
        """
        X, y = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=2
        )
        y = as_column(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        model, start = self._model(X.shape[1])
        options = {
            name: getattr(self, name)
            for name in (
                "loss", "optimizer", "lr", "batch_size", "epochs", "bounds", "fixed", "ties",
                "penalty", "starts",
            )
        }  # fmt: skip
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            found = fit(
                model, self._data(X), np.asarray(y, np.float64), start=start,
                sample_weight=sample_weight, standardize=self.standardize or None,
                seed=self._seed(), **options,
            )  # fmt: skip
        for one in heard:
            ours = issubclass(one.category, DescendWarning)
            kind = ConvergenceWarning if ours else one.category
            warnings.warn(str(one.message), kind, stacklevel=2)
        self.params_ = dict(found.params)
        self.n_iter_ = max(int(found.epochs), 1)
        self._keep(found)
        return self

    def predict(self, X: Any) -> Array:
        """What the model says of new rows."""
        check_is_fitted(self, "params_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.fit_.predict(self._data(X)))

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _model(self, width: int) -> tuple[Any, Any]:
        """The model as `descend.fit` takes it, and its start."""
        if self.model is None:
            start = {"w": np.zeros(width), "b": 0.0}
            return plane, start if self.start is None else self.start
        if isinstance(self.model, str) and not HAS_TARGET.search(self.model):
            name = "y" if "y" not in self._names() else "target"
            return f"{name} = {self.model}", self.start
        return self.model, self.start

    def _names(self) -> list[str]:
        """The names of the columns."""
        known = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if known is None else [*known]

    def _data(self, X: Array) -> Any:
        """The columns as the model takes them."""
        columns = {name: X[:, i].copy() for i, name in enumerate(self._names())}
        if isinstance(self.model, str):
            single = {"x": X[:, 0].copy()} if X.shape[1] == 1 else {}
            return columns if hasattr(self, "feature_names_in_") else single | columns
        arguments = [MATRIX] if self.model is None else [*inspect.signature(self.model).parameters]
        if arguments[:1] == [MATRIX] and MATRIX not in columns:
            return X
        named = {name: columns[name] for name in arguments if name in columns}
        if named and hasattr(self, "feature_names_in_"):
            return named
        if len(arguments) < X.shape[1]:
            raise UsageError(
                f"the model has the arguments {', '.join(arguments)}, and X has {X.shape[1]} "
                "columns",
                remedy=f"call its first argument {MATRIX} if it takes all columns at once; or give "
                "X as a frame, with arguments named as its columns",
            )
        return tuple(columns.values())

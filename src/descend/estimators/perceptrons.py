"""`MLPClassifier` and `MLPRegressor`: scikit-learn's, trained by `descend.fit`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from descend.estimators.methods import InverseScaling, Moments, NetworkLoss, Velocity
from descend.estimators.training import (
    Left,
    dense,
    left_of,
    new_rows,
    of_weights,
    state_arrays,
    trained,
)
from descend.methods.base import Optimizer
from descend.methods.penalties import L2
from descend.methods.quasi_newton import LBFGS
from descend.networks import mlp
from descend.networks.network import Network
from descend.result.fit import Fit
from descend.run.finished import Moment
from descend.task.networks import network_function

__all__ = ["MLPClassifier", "MLPRegressor"]

Array = np.ndarray[Any, np.dtype[Any]]

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
SEEDS = 2**31 - 1
USERS_LINE = 5  # as many calls above ours: scikit-learn's `_fit` and `fit`, and what wraps it
FTOL = 1e7 * np.finfo(float).eps  # a share of the loss, as SciPy's L-BFGS-B has it
SLOWEST = 1e-6  # a learning rate below which `adaptive` stops
FALL = 5.0  # by what `adaptive` divides the learning rate


@functools.lru_cache(maxsize=256)
def _network(hidden: tuple[int, ...], activation: str) -> Network:
    return mlp(hidden, activation=ACTIVATIONS[activation])


class _Trained:
    """The training of scikit-learn's perceptrons; all else is scikit-learn's.

    Numbers are those of the data: float32 where X is float32, else float64.
    """

    coefs_: list[Array]
    intercepts_: list[Array]
    validation_scores_: list[float]
    _descent: Mapping[str, Array]
    _held: tuple[Any, ...]  # rows, targets and weights, of `partial_fit` under early stopping
    _last: list[list[Array]]  # of these calls, where the best are returned

    def _fit_stochastic(self: Any, X: Any, y: Array, *given: Any) -> None:
        """One epoch after the other, with scikit-learn's rule for the end.

        What scikit-learn hands over begins with the weights of rows, where its version has them,
        and ends with whether this is `partial_fit`.
        """
        incremental = bool(given[-1])
        weight = given[0] if len(given) > 6 else None
        self._enter(incremental)
        rows, held = self._split(dense(X), np.asarray(y, X.dtype), weight, incremental)
        if not len(rows[0]):
            return  # all of them are held back
        seed = int(self._random_state.randint(SEEDS))
        lr, ended, optimizer = self.learning_rate_init, False, self._stepper(len(rows[0]))
        left = None
        if incremental and hasattr(self, "_descent"):
            left = left_of(self._descent, self._named(X.dtype), seed, optimizer)
        self.n_iter_ = 0
        most = 1 if incremental else self.max_iter
        while self.n_iter_ < most and not ended:
            found = self._epochs(rows, held, optimizer, left, seed, most)
            ended = self._no_improvement_count > self.n_iter_no_change
            if ended:
                self._no_improvement_count = 0 if self.learning_rate == "adaptive" else ended
            if found.status == "interrupted" and not ended:
                warnings.warn("Training interrupted by user.", stacklevel=USERS_LINE)
                break
            if ended and self.solver == "sgd" and self.learning_rate == "adaptive":
                ended, lr = lr <= SLOWEST, lr / FALL
                optimizer = replace(optimizer, lr=lr)
                left = left_of(self._descent, found.params, seed, optimizer)
        else:
            if not ended and not incremental:
                warnings.warn(
                    f"{self.max_iter} epochs (max_iter) are spent, and the training has not "
                    "converged yet.",
                    ConvergenceWarning, stacklevel=USERS_LINE,
                )  # fmt: skip
        if self.early_stopping:
            if incremental:
                self._last = [self.coefs_, self.intercepts_]
            self.coefs_, self.intercepts_ = self._best_coefs, self._best_intercepts

    def _enter(self: Any, incremental: bool) -> None:
        """Forget what calls of `partial_fit` have left, or go on from their last parameters."""
        if not self.early_stopping and getattr(self, "best_loss_", 0.0) is None:
            self.best_loss_ = np.inf
        last = self.__dict__.pop("_last", None)
        if not incremental:
            self.__dict__.pop("_held", None)
        elif last is not None:
            self.coefs_, self.intercepts_ = last

    def _epochs(
        self: Any, rows: Sequence[Any], held: Sequence[Any], optimizer: Optimizer,
        left: Left | None, seed: int, most: int,
    ) -> Fit:  # fmt: skip
        """Train until the rule holds or the epochs are spent."""
        X, y, weight = rows

        def after(moment: Moment) -> bool:
            self.n_iter_ += 1
            self.t_ += len(X)
            self.loss_ = float(moment.loss)
            self.loss_curve_.append(self.loss_)
            if self.early_stopping:
                self._take(moment.params)
            self._update_no_improvement_count(self.early_stopping, *held)
            return bool(self._no_improvement_count > self.n_iter_no_change)

        size = self._batch_size(len(X))
        found: Fit = self._run(
            X, y, weight, optimizer, size or len(X), resume=left, seed=seed, callback=after,
            epochs=most - self.n_iter_, batch_size=size, shuffle=size is not None and self.shuffle,
            verbose=bool(self.verbose),
        )  # fmt: skip
        self._take(found.params)
        self._descent = state_arrays(found)
        return found

    def _fit_lbfgs(self: Any, X: Any, y: Array, *given: Any) -> None:
        """L-BFGS on all rows at once."""
        weight = given[0] if len(given) > 5 else None
        self._enter(False)
        X, most = dense(X), min(self.max_iter, self.max_fun)
        found = self._run(
            X, np.asarray(y, X.dtype), weight, LBFGS(gtol=self.tol, ftol=FTOL, xtol=0.0), len(X),
            epochs=most, verbose=bool(self.verbose),
        )  # fmt: skip
        self._take(found.params)
        self.n_iter_, self.loss_ = found.epochs, float(found.loss)
        if found.status == "epochs_spent":
            warnings.warn(
                f"{most} iterations (max_iter, max_fun) are spent, and L-BFGS has not converged "
                "yet: give more, or scale the columns of X.",
                ConvergenceWarning, stacklevel=USERS_LINE,
            )  # fmt: skip

    def _run(
        self: Any, X: Array, y: Array, weight: Array | None, optimizer: Optimizer, size: int,
        resume: Left | None = None, **options: Any,
    ) -> Fit:  # fmt: skip
        hidden = np.atleast_1d(self.hidden_layer_sizes).tolist()
        network = _network(tuple(hidden), self.activation)
        model: Any = network
        if X.dtype == np.float32:
            options["standardize"] = False
        else:
            model = network_function(network, False)
        mean = 1.0
        if weight is not None:
            mean = float(np.mean(weight))
            weight = weight / mean
        decay = L2(self.alpha / (2 * size * mean)) if self.alpha else None
        start = {"start": self._named(X.dtype)} if resume is None else {"resume": resume}
        return trained(
            model, X, y, loss=self._loss(), optimizer=optimizer, penalty=of_weights(network, decay),
            sample_weight=weight, **start, **options,
        )  # fmt: skip

    def _loss(self: Any) -> NetworkLoss:
        binary = self.loss == "log_loss" and self.out_activation_ == "logistic"
        return NetworkLoss("binary_log_loss" if binary else self.loss)

    def _stepper(self: Any, n_rows: int) -> Optimizer:
        lr = self.learning_rate_init
        if self.solver == "adam":
            return Moments(lr=lr, betas=(self.beta_1, self.beta_2), eps=self.epsilon)
        rate: Any = lr
        if self.learning_rate == "invscaling":
            rate = InverseScaling(lr, self.power_t, float(n_rows), float(self.t_))
        return Velocity(rate, self.momentum, bool(self.nesterovs_momentum))

    def _batch_size(self: Any, n_rows: int) -> int | None:
        """Rows of a batch; None for all."""
        size = 200 if self.batch_size == "auto" else self.batch_size
        if self.batch_size != "auto" and size > n_rows:
            warnings.warn(
                f"batch_size={size} is larger than the {n_rows} rows of the sample: all rows are "
                "one batch",
                stacklevel=USERS_LINE + 2,
            )
        return None if size >= n_rows else int(size)

    def _split(
        self: Any, X: Array, y: Array, weight: Array | None, incremental: bool
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The rows to train on, with targets and weights, and those held back for early stopping.

        Of calls of `partial_fit`, the first holds back, so that all scores are of the same rows.
        """
        none = (None, None, None) if self._weighs() else (None, None)
        if not self.early_stopping:
            return (X, y, weight), none
        if incremental and hasattr(self, "_held"):
            held = self._held
            new = new_rows(X, y, *held[:2])
            rows = X[new], y[new], None if weight is None else weight[new]
        else:
            rows, held = self._held_back(X, y, weight)
            if incremental:
                self._held = held
                self.validation_scores_ = []
                self.best_validation_score_ = -np.inf
        X_held, y_held, w_held = held
        if is_classifier(self):
            y_held = self._label_binarizer.inverse_transform(y_held)
        return rows, (X_held, y_held, w_held)[: len(none)]

    def _held_back(
        self: Any, X: Array, y: Array, weight: Array | None
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The rows to train on with targets and weights, and those held back."""
        stratify = y if is_classifier(self) and self.n_outputs_ == 1 else None
        parts = train_test_split(
            X, y, *([] if weight is None else [weight]), random_state=self._random_state,
            test_size=self.validation_fraction, stratify=stratify,
        )  # fmt: skip
        parts = [*parts, None, None]
        if len(parts[1]) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return (*parts[:6:2],), (*parts[1:6:2],)

    def _weighs(self: Any) -> bool:
        """Whether this version of scikit-learn weights the rows held back."""
        code = self._update_no_improvement_count.__func__.__code__
        return bool(code.co_argcount > 4)

    def _named(self, dtype: Any) -> dict[str, Array]:
        """The parameters as the network names them: a weight is (outputs, inputs)."""
        named: dict[str, Array] = {}
        for i, (coef, intercept) in enumerate(zip(self.coefs_, self.intercepts_, strict=True)):
            named[f"{2 * i}.weight"] = np.ascontiguousarray(coef.T, dtype)
            named[f"{2 * i}.bias"] = np.asarray(intercept, dtype)
        return named

    def _take(self, params: Mapping[str, Array]) -> None:
        values = [*params.values()]
        self.coefs_ = [np.ascontiguousarray(value.T) for value in values[::2]]
        self.intercepts_ = [np.array(value) for value in values[1::2]]


class MLPClassifier(_Trained, neural_network.MLPClassifier):  # type: ignore[misc]
    """scikit-learn's `MLPClassifier`, with its parameters and attributes, trained by `descend.fit`.

    `partial_fit` takes `early_stopping=True`, which scikit-learn refuses. The first call holds back
    `validation_fraction` of its rows, as `fit` does; every call trains for one epoch on the others,
    its moments kept, and is scored on the rows held back, which are not trained on when they come
    again. The parameters are those of the best score so far, and the next call goes on from the
    last ones. When to end is the caller's to say, by `validation_scores_`.

    >>> from sklearn.datasets import make_classification
    >>> from sklearn.model_selection import train_test_split
    >>> X, y = make_classification(n_samples=100, random_state=1)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=1)
    >>> clf = MLPClassifier(random_state=1, max_iter=300).fit(X_train, y_train)
    >>> clf.predict(X_test[:5, :])
    array([1, 0, 1, 0, 1])
    >>> clf.score(X_test, y_test)
    0.8...
    """

    __init__ = neural_network.MLPClassifier.__init__


class MLPRegressor(_Trained, neural_network.MLPRegressor):  # type: ignore[misc]
    """scikit-learn's `MLPRegressor`, with its parameters and attributes, trained by `descend.fit`.

    `partial_fit` takes `early_stopping=True`, as that of `MLPClassifier` does.

    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X, y).score(X, y) > 0.99
    True
    """

    __init__ = neural_network.MLPRegressor.__init__

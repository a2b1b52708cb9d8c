"""`SGDClassifier` and `SGDRegressor`: scikit-learn's, trained by `descend.fit`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn import linear_model
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from descend.estimators.methods import LinearLoss, LinearStep, Shown
from descend.estimators.training import Left, dense, left_of, new_rows, state_arrays, trained
from descend.run.finished import Moment

__all__ = ["SGDClassifier", "SGDRegressor"]

Array = np.ndarray[Any, np.dtype[Any]]
Rows = tuple[Array, Array, Array]
"""Rows, their targets, and their weights."""

SEEDS = 2**31 - 1
SLOWEST = 1e-6  # a learning rate below which `adaptive` stops
FALL = 5.0  # by what `adaptive` divides the learning rate
SPARSE = 0.01  # by what scikit-learn multiplies the intercept's steps where X is sparse


def _with_intercept(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b


def _without(x: Any, w: Any) -> Any:
    return x @ w


class Line(NamedTuple):
    """One linear model as it stands.

    Attributes:
        coef: (features,). mean: its mean over steps, with that of the intercept, or None.
    """

    coef: Array
    intercept: float
    mean: tuple[Array, float] | None = None
    n_iter: int = 0


class _Trained:
    """The training of scikit-learn's linear models; all else is scikit-learn's."""

    validation_scores_: list[float]
    _held: list[Array]  # of `partial_fit`: rows, targets, weights, and targets in numbers
    _last: tuple[Array, Array]  # of these calls, where the best are returned
    _best: tuple[Array, Array]

    def _get_loss_function(self, loss: str) -> str:
        """The name serves: `LinearLoss` knows it."""
        return loss

    def _more_validate_params(self: Any, for_partial_fit: bool = False) -> None:
        super()._more_validate_params()  # type: ignore[misc]

    def _fit(self: Any, *given: Any, **options: Any) -> Any:
        for name in ("_held", "_last", "_best", "validation_scores_", "best_validation_score_"):
            self.__dict__.pop(name, None)
        return super()._fit(*given, **options)  # type: ignore[misc]

    def _split(
        self: Any, X: Array, y: Array, weight: Array, numbers: Array
    ) -> tuple[Rows, Rows]:
        """What to train on, and what is held back for early stopping.

        Of calls of `partial_fit`, the first holds back, so that all scores are of the same rows.

        Args:
            numbers: the target, of classes their numbers.
        """
        kept = getattr(self, "_held", None) if self.early_stopping else None
        if kept:
            new = new_rows(X, numbers, kept[0], kept[3])
            return (X[new], y[new], weight[new]), (kept[0], kept[1], kept[2])
        held = self._make_validation_split(numbers, sample_mask=weight > 0)
        found = X[held], y[held], weight[held]
        if kept is not None:
            self._held, self.validation_scores_ = [*found, numbers[held]], []
            self.best_validation_score_ = -math.inf
        return (X[~held], y[~held], weight[~held]), found

    def _count(self: Any, n_rows: int, trained_on: int) -> None:
        """Count the steps as scikit-learn does: in `fit`, rows held back as well."""
        self.t_ += self.n_iter_ * (trained_on if hasattr(self, "_held") else n_rows)

    def _go_on(self: Any) -> None:
        """Take up the last parameters of calls of `partial_fit`, where the best were returned."""
        if hasattr(self, "_last"):
            self.coef_, self.intercept_ = self._last

    def _keep_best(self: Any, held: Rows) -> None:
        """After a call of `partial_fit` under early stopping: return the best so far."""
        self.__dict__.pop("_last", None)
        if not self.early_stopping or not hasattr(self, "_held"):
            return
        nameless = copy.copy(self)  # the rows held back are an array
        vars(nameless).pop("feature_names_in_", None)
        score = float(nameless.score(*held))
        self.validation_scores_.append(score)
        self._last = self.coef_, self.intercept_
        if score > self.best_validation_score_:
            self.best_validation_score_, self._best = score, self._last
        self.coef_, self.intercept_ = self._best

    def _line(
        self: Any, X: Array, y: Array, weight: Array, begin: Line,
        score: Callable[..., float] | None, seed: int, max_iter: int, decay: float,
    ) -> Line:  # fmt: skip
        """Train one linear model, with scikit-learn's rule for the end.

        Args:
            weight: what multiplies the step of each row.
            score: of coefficients and intercept on the rows held back; None without such.
            decay: what multiplies the steps of the intercept.
        """
        tol = -math.inf if self.tol is None else self.tol
        best, waited, epochs, eta = math.inf, 0, 0, self.eta0
        stopped: bool = False

        def after(moment: Moment) -> bool:
            nonlocal best, waited, epochs, stopped
            epochs += 1
            value = moment.loss
            if score is not None:
                value = -score(moment.params["w"], float(moment.params.get("b", 0.0)))
            waited = waited + 1 if tol > -math.inf and value > best - tol else 0
            best = min(best, value)
            stopped = waited >= self.n_iter_no_change
            return stopped

        left: Left | None = None
        params: dict[str, Any] = {"w": begin.coef.astype(float)}
        params |= {"b": np.float64(begin.intercept)} if self.fit_intercept else {}
        target, loss = self._target(X, y, weight)
        while True:
            start = {"start": params} if left is None else {"resume": left}
            optimizer = self._stepper(eta, epochs * len(X) * (left is None), decay)
            found = trained(
                _with_intercept if self.fit_intercept else _without, X, target, **start, loss=loss,
                optimizer=optimizer, penalty=self._shown(), batch_size=1, shuffle=self.shuffle,
                seed=seed, epochs=max_iter - epochs, callback=after, verbose=bool(self.verbose),
            )  # fmt: skip
            params = found.params
            if not stopped or self.learning_rate != "adaptive" or eta <= SLOWEST:
                break
            if epochs == max_iter:
                break
            waited, stopped, eta = 0, False, eta / FALL
            left = left_of(state_arrays(found), params, seed, optimizer)
        mean = None
        if self.average:
            kept = state_arrays(found)
            mean = self._mean(kept, begin, epochs * len(X))
        return Line(params["w"], float(params.get("b", begin.intercept)), mean, epochs)

    def _mean(self: Any, kept: Any, begin: Line, steps: int) -> tuple[Array, float]:
        """The mean over all steps of all calls, of that over the steps of this one."""
        before, after = self.t_ - 1, self.t_ - 1 + steps
        average = float(self.average)
        old, all_of = max(before - average + 1, 0.0), max(after - average + 1, 0.0)
        share = (all_of - old) / all_of if all_of else 0.0
        coef, intercept = begin.mean or (np.zeros_like(begin.coef), 0.0)
        own = float(kept["b/mean"]) if "b/mean" in kept else 0.0
        return coef + share * (kept["w/mean"] - coef), intercept + share * (own - intercept)

    def _target(self: Any, X: Array, y: Array, weight: Array) -> tuple[Array, LinearLoss]:
        """The target of a row, with all that its step depends on, and the loss of it."""
        rate = self.learning_rate if self.learning_rate in ("pa1", "pa2") else ""
        loss = LinearLoss(self.loss, float(self.epsilon), rate, float(self.eta0))
        y = y.astype(float)
        if rate or (weight != 1).any():
            y = np.column_stack([y, weight, np.sum(X * X, axis=1)])
        return y, loss

    def _amounts(self: Any) -> tuple[float, float]:
        """Of L2 and of L1."""
        if self.penalty is None:
            return 0.0, 0.0
        share = {"l2": 0.0, "l1": 1.0}.get(self.penalty, self.l1_ratio)
        return (1 - share) * self.alpha, share * self.alpha

    def _shown(self: Any) -> Shown | None:
        if self.learning_rate in ("pa1", "pa2") or self.early_stopping or self.tol is None:
            return None
        return Shown(*self._amounts()) if any(self._amounts()) else None

    def _stepper(self: Any, eta: float, more: int, decay: float) -> LinearStep:
        first = 0.0
        if self.learning_rate == "optimal":
            typical = math.sqrt(1 / math.sqrt(self.alpha))
            first = 1 / (typical * self.alpha)
        l2, l1 = self._amounts()
        return LinearStep(
            self.learning_rate, float(eta), float(self.alpha), float(self.power_t), l2, l1, first,
            float(self.t_ - 1 + more), decay, float(self.average),
        )  # fmt: skip


class SGDClassifier(_Trained, linear_model.SGDClassifier):  # type: ignore[misc]
    """scikit-learn's `SGDClassifier`, with its parameters and attributes, trained by `descend.fit`.

    `partial_fit` takes `early_stopping=True`, as that of `MLPClassifier` does.

    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> X = np.array([[-1, -1], [-2, -1], [1, 1], [2, 1]])
    >>> Y = np.array([1, 1, 2, 2])
    >>> clf = make_pipeline(StandardScaler(), SGDClassifier(max_iter=1000, tol=1e-3)).fit(X, Y)
    >>> print(clf.predict([[-0.8, -1]]))
    [1]
    """

    coef_: Array
    __init__ = linear_model.SGDClassifier.__init__

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> SGDClassifier:
        """Train for one epoch on these rows, as scikit-learn's; under early stopping too."""
        self.__dict__.setdefault("_held", [])
        super().partial_fit(X, y, classes=classes, sample_weight=sample_weight)
        return self

    def _fit_binary(self, X: Any, y: Array, **given: Any) -> None:
        weights = self._expanded_class_weight
        self._fit_lines(X, y, [(1, weights[1], weights[0])], given)

    def _fit_multiclass(self, X: Any, y: Array, **given: Any) -> None:
        weights = self._expanded_class_weight
        self._fit_lines(X, y, [(i, weight, 1.0) for i, weight in enumerate(weights)], given)

    def _fit_lines(
        self, X: Any, y: Array, classes: list[tuple[int, float, float]], given: dict[str, Any]
    ) -> None:
        """Train one linear model a class, against all others.

        Args:
            classes: the number of each, with the weights of its rows and of all others.
        """
        decay, X = SPARSE if sparse.issparse(X) else 1.0, dense(X)
        weight, random = given["sample_weight"], check_random_state(self.random_state)
        rows, held = self._split(X, y, weight, np.searchsorted(self.classes_, y))
        if not len(rows[0]):
            return  # all of them are held back
        self._go_on()
        seeds = random.randint(SEEDS, size=len(classes))
        coefs = np.atleast_2d(self._standard_coef if self.average else self.coef_)
        intercepts = self._standard_intercept if self.average else self.intercept_
        means = np.atleast_2d(self._average_coef) if self.average else coefs

        def line(k: int) -> Line:
            i, yes, no = classes[k]
            other = 0.0 if self.loss == "log_loss" else -1.0
            is_one = rows[1] == self.classes_[i]
            labels = np.where(held[1] == self.classes_[i], 1.0, -1.0)
            score = self._make_validation_score_cb(
                np.ones(len(labels), bool), held[0], labels, held[2],
                classes=np.array([-1.0, 1.0]),
            )  # fmt: skip
            mean = (means[k], float(self._average_intercept[k])) if self.average else None
            return self._line(
                rows[0], np.where(is_one, 1.0, other), rows[2] * np.where(is_one, yes, no),
                Line(coefs[k], float(intercepts[k]), mean), score, int(seeds[k]),
                given["max_iter"], decay,
            )  # fmt: skip

        lines = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(line)(k) for k in range(len(classes))
        )
        self.n_iter_ = max(line.n_iter for line in lines)
        self._count(len(X), len(rows[0]))
        _take(self, lines, X.dtype)
        self.coef_ = np.atleast_2d(self.coef_)
        self._keep_best(held)


class SGDRegressor(_Trained, linear_model.SGDRegressor):  # type: ignore[misc]
    """scikit-learn's `SGDRegressor`, with its parameters and attributes, trained by `descend.fit`.

    `partial_fit` takes `early_stopping=True`, as that of `MLPClassifier` does.

    >>> import numpy as np
    >>> rng = np.random.RandomState(0)
    >>> X = rng.randn(100, 2)
    >>> reg = SGDRegressor(random_state=0).fit(X, X @ [1.0, -2.0] + 3.0)
    >>> reg.coef_.round(1), reg.intercept_.round(1)
    (array([ 1., -2.]), array([3.]))
    """

    coef_: Array
    __init__ = linear_model.SGDRegressor.__init__

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> SGDRegressor:
        """Train for one epoch on these rows, as scikit-learn's; under early stopping too."""
        self.__dict__.setdefault("_held", [])
        super().partial_fit(X, y, sample_weight=sample_weight)
        return self

    def _fit_regressor(self, X: Any, y: Array, *given: Any) -> None:
        """Train; what scikit-learn hands over ends with weights and epochs."""
        weight, max_iter = given[-2:]
        decay, X = SPARSE if sparse.issparse(X) else 1.0, dense(X)
        if not hasattr(self, "t_"):
            self.t_ = 1.0
        rows, held = self._split(X, y, weight, y)
        if not len(rows[0]):
            return  # all of them are held back
        self._go_on()
        score = self._make_validation_score_cb(np.ones(len(held[1]), bool), *held)
        seed = int(check_random_state(self.random_state).randint(0, SEEDS))
        coef = self._standard_coef if self.average else self.coef_
        intercept = self._standard_intercept if self.average else self.intercept_
        mean = (self._average_coef, float(self._average_intercept[0])) if self.average else None
        begin = Line(coef, float(intercept[0]), mean)
        line = self._line(*rows, begin, score, seed, max_iter, decay)
        self.n_iter_ = line.n_iter
        self._count(len(X), len(rows[0]))
        _take(self, [line], X.dtype)
        self._keep_best(held)


def _take(self: Any, lines: list[Line], dtype: Any) -> None:
    """Keep what was found as scikit-learn names it."""
    coef = np.array([line.coef for line in lines], dtype)
    intercept = np.array([line.intercept for line in lines], dtype)
    self.coef_, self.intercept_ = coef[0] if len(lines) == 1 else coef, intercept
    if self.average:
        self._standard_coef, self._standard_intercept = self.coef_, self.intercept_
        means = [line.mean for line in lines if line.mean is not None]
        coef = np.array([mean[0] for mean in means], dtype)
        self._average_coef = coef[0] if len(lines) == 1 else coef
        self._average_intercept = np.array([mean[1] for mean in means], dtype)
        if self.average <= self.t_ - 1:
            self.coef_, self.intercept_ = self._average_coef, self._average_intercept

"""`NetworkClassifier` and `NetworkRegressor`: any network, with scikit-learn's ways."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from descend.errors import UsageError
from descend.estimators.kept import Kept
from descend.estimators.training import left_of, new_rows, of_weights, state_arrays, trained
from descend.methods.links import expected
from descend.methods.penalties import L2
from descend.methods.table import as_loss, as_optimizer
from descend.networks import Linear, Sequential
from descend.networks.network import Network, as_plain, of_plain
from descend.result.fit import predicted
from descend.task.networks import BATCH, EPOCHS, network_function
from descend.task.scaling import POWERS

__all__ = ["NetworkClassifier", "NetworkRegressor", "as_column"]

Array = np.ndarray[Any, np.dtype[Any]]
SEEDS = 2**31 - 1


class _NetworkEstimator(Kept, BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share.

    Numbers are those of the data: float32 where X is float32, else float64.
    """

    params_: dict[str, Array]
    loss_curve_: list[float]
    _descent: dict[str, Array]
    _held: list[Array]  # rows and targets, of calls of `partial_fit`
    _last: dict[str, Array]  # of these calls, where the best are returned
    _least: float

    def __init__(
        self, network: Any = (100,), *, loss: Any = None, optimizer: Any = "adam",
        lr: float | None = None, batch_size: int | None = None, epochs: int = EPOCHS,
        lr_factors: Mapping[str, float] | None = None, accumulate: int = 1,
        ema: float | None = None, alpha: float = 0.0, standardize: bool = True,
        validation_split: float = 0.0, patience: int | None = None, min_delta: float = 0.0,
        warm_start: bool = False, random_state: Any = None, verbose: bool = False,
    ) -> None:  # fmt: skip
        self.network = network
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.batch_size = batch_size
        self.epochs = epochs
        self.lr_factors = lr_factors
        self.accumulate = accumulate
        self.ema = ema
        self.alpha = alpha
        self.standardize = standardize
        self.validation_split = validation_split
        self.patience = patience
        self.min_delta = min_delta
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def __getstate__(self) -> Any:
        found = super().__getstate__()
        return {**found, "network": as_plain(found["network"])}

    def __setstate__(self, state: Any) -> None:
        super().__setstate__({**state, "network": of_plain(state["network"])})

    def _train(self, X: Array, y: Array, weight: Array | None, incremental: bool) -> None:
        """Train on a target (rows, outputs), whose rows may have weights."""
        anew = not (incremental or self.warm_start) or not hasattr(self, "params_")
        if weight is not None:
            weight = weight / np.mean(weight)
        if anew:
            self.n_iter_, self.loss_curve_ = 0, []
            self._measure(X, y, weight)
        X, y = self._scaled(X), (y - self._offset) / self._spread
        held: dict[str, Any] = {}
        if not incremental:
            self.__dict__.pop("_held", None)
        elif self.validation_split:
            X, y, weight, held = self._apart(X, y, weight)
            if not len(X):
                return  # all of them are held back
        network = _network(self.network)
        seed = int(check_random_state(self.random_state).randint(SEEDS))
        options = self._options(network, len(X), incremental) | held
        given: dict[str, Any] = {}
        last = self.__dict__.pop("_last", None) if incremental else None
        before: Any = getattr(self, "params_", None) if last is None else last
        if incremental and not anew:
            given["resume"] = left_of(self._descent, before, seed, options["optimizer"])
        if anew:
            begun = network.begin(np.random.default_rng(seed), X.shape[1:], y.shape[1])
            given["start"] = {name: array.astype(X.dtype) for name, array in begun.items()}
        elif given.get("resume") is None:
            given["start"] = dict(before)
        single = X.dtype == np.float32
        found = trained(
            network if single else network_function(network, False), X, y, **given,
            **options, sample_weight=weight, seed=seed,
            **({"standardize": False} if single else {}),
        )  # fmt: skip
        self._descent = state_arrays(found)
        self.loss_curve_ = [*self.loss_curve_, *(float(v) for v in found.history["loss"])]
        self.loss_ = float(found.loss)
        self.n_iter_ += int(found.epochs)
        params = {name: np.array(array) for name, array in found.params.items()}
        if held and self.patience is not None:
            self._last, value = params, float(found.history["validation_loss"][-1])
            if value >= self._least:
                return
            self._least = value
        self.params_ = params
        self._keep(found)

    def _apart(
        self, X: Array, y: Array, weight: Array | None
    ) -> tuple[Array, Array, Array | None, dict[str, Any]]:
        """Rows, target and weights to train on, and an option with those of the first call that
        are held back, so that all losses are of the same rows."""
        if not hasattr(self, "_held"):
            classes = y if is_classifier(self) and not self._several else None
            _, rows = train_test_split(
                np.arange(len(X)), test_size=self.validation_split, stratify=classes,
                random_state=self.random_state,
            )  # fmt: skip
            self._held, self._least = [X[rows], y[rows]], np.inf
        new = new_rows(X, y, *self._held)
        weight = None if weight is None else weight[new]
        return X[new], y[new], weight, {"validation_data": (*self._held,)}

    def _measure(self, X: Array, y: Array, weight: Array | None) -> None:
        """What columns and target are shifted by and divided by."""
        self._center = self._scale = None
        self._offset, self._spread = np.zeros(y.shape[1]), np.ones(y.shape[1])
        if not self.standardize or _network(self.network).indices:
            return
        columns = StandardScaler().fit(X, sample_weight=weight)
        self._center, self._scale = columns.mean_, columns.scale_
        if as_loss(self._loss(y)).name in POWERS:
            target = StandardScaler().fit(y, sample_weight=weight)
            self._offset, self._spread = target.mean_, target.scale_

    def _scaled(self, X: Array) -> Array:
        if self._center is None:
            return X
        return np.asarray((X - self._center) / self._scale, X.dtype)

    def _options(self, network: Network, n_rows: int, incremental: bool) -> dict[str, Any]:
        optimizer = as_optimizer(self.optimizer, **({} if self.lr is None else {"lr": self.lr}))
        steps = optimizer.scope != "vector"
        size = min(BATCH, n_rows) if self.batch_size is None and steps else self.batch_size
        # Of all rows as of one batch: rounding does not depend on how they were shuffled.
        size = None if size is None or size >= n_rows else int(size)
        found: dict[str, Any] = {
            "loss": self._loss(None), "optimizer": optimizer, "batch_size": size,
            "epochs": 1 if incremental else int(self.epochs), "verbose": bool(self.verbose),
            "accumulate": min(self.accumulate, 1) if steps and size is None else self.accumulate,
            "ema": self.ema, "lr_factors": self.lr_factors,
            "penalty": of_weights(network, L2(self.alpha) if self.alpha else None),
        }  # fmt: skip
        if not incremental:
            found |= {"validation_split": self.validation_split, "patience": self.patience}
            found |= {"min_delta": self.min_delta} if self.patience is not None else {}
        return found

    def _loss(self, y: Any) -> Any:
        raise NotImplementedError

    def _output(self, X: Any) -> Array:
        """The network's output for new rows, (rows, outputs), in the target's units."""
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        held = self.fit_._evidence
        found = predicted(held.predictor, held.leaves, self._scaled(X), held.has_rows)
        return np.asarray(found * self._spread + self._offset)


def _network(given: Any) -> Network:
    """A network as it is, or of a list: sizes of hidden layers with a ReLU behind each, or layers.

    Raises:
        UsageError: a list with something else in it.
    """
    if isinstance(given, Network):
        return given
    parts = tuple(given) if isinstance(given, list | tuple | np.ndarray) else (given,)
    plain = all(isinstance(part, str | int | np.integer) for part in parts)
    return _of_parts(parts) if plain else _of_parts.__wrapped__(parts)


@functools.lru_cache(maxsize=64)  # the same network is compiled once
def _of_parts(parts: tuple[Any, ...]) -> Network:
    sizes = [isinstance(part, int | np.integer) and not isinstance(part, bool) for part in parts]
    layers: list[Any] = []
    for part, is_size in zip(parts, sizes, strict=True):
        layers += [Linear(int(part))] if is_size else [part]
        layers += ["relu"] if all(sizes) else []
    return Sequential(*layers, Linear())


class NetworkClassifier(ClassifierMixin, _NetworkEstimator):  # type: ignore[misc]
    """Any network as a classifier of scikit-learn.

    Args:
        network: one of `descend.networks`; or a list of hidden layers, to which the last one is
            added: sizes, `(64, 32)`, with a ReLU behind each, or sizes and activations as text,
            `[64, "tanh", 32, "gelu"]`, which any pickle can hold.
        loss: cross-entropy, unless another one that tells classes apart is named.
        optimizer, lr, batch_size, epochs, lr_factors, accumulate, ema: as of `descend.fit`; Adam,
            batches of at most 200 rows and 200 epochs where nothing is said.
        validation_split, patience, min_delta: as of `descend.fit`.
        alpha: α·Σw² over the weights of layers is added to the loss; biases are spared.
        standardize: whether the network sees columns of mean 0 and standard deviation 1.
        class_weight: "balanced", or a dict of label and weight.
        warm_start: whether `fit` begins with the parameters of the last one.

    Attributes:
        classes_: the labels. params_: the parameters by name, of standardised columns.
        loss_curve_: the mean loss of each epoch. fit_: what `descend.fit` returned.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> flower = NetworkClassifier([16, "tanh"], lr=0.01, random_state=0).fit(X, y)
    >>> flower.score(X, y) > 0.95, flower.predict_proba(X).shape
    (True, (150, 3))
    """

    def __init__(
        self, network: Any = (100,), *, loss: Any = None, optimizer: Any = "adam",
        lr: float | None = None, batch_size: int | None = None, epochs: int = EPOCHS,
        lr_factors: Mapping[str, float] | None = None, accumulate: int = 1,
        ema: float | None = None, alpha: float = 0.0, standardize: bool = True,
        validation_split: float = 0.0, patience: int | None = None, min_delta: float = 0.0,
        class_weight: str | Mapping[Any, float] | None = None, warm_start: bool = False,
        random_state: Any = None, verbose: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            network, loss=loss, optimizer=optimizer, lr=lr, batch_size=batch_size, epochs=epochs,
            lr_factors=lr_factors, accumulate=accumulate, ema=ema, alpha=alpha,
            standardize=standardize, validation_split=validation_split, patience=patience,
            min_delta=min_delta, warm_start=warm_start, random_state=random_state, verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (rows, columns) with labels (rows,), (rows, 1), or several of them a row."""
        return self._fit(X, y, sample_weight, None, False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one more epoch, on these rows; the optimizer goes on where it was.

        Args:
            classes: all labels there will be; needed in the first call. Columns are standardised
                by the rows of the first call.

        Of a `validation_split`, the first call holds back its rows; they are not trained on when
        they come again. With `patience`, the parameters are those of the lowest validation loss so
        far, and the next call goes on from the last ones: when to end is the caller's to say.
        """
        return self._fit(X, y, sample_weight, classes, True)

    def _fit(self, X: Any, y: Any, weight: Any, classes: Any, incremental: bool) -> Self:
        anew = not hasattr(self, "classes_") or not (incremental or self.warm_start)
        X, y = validate_data(
            self, X, y, dtype=(np.float64, np.float32), multi_output=True,
            reset=anew or not incremental,
        )  # fmt: skip
        check_classification_targets(y)
        y = as_column(y)
        if anew:
            if incremental and classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            labels = y if classes is None or type_of_target(y).startswith("multi") else classes
            self._labels = LabelBinarizer().fit(labels if y.ndim == 1 else y)
            self.classes_ = self._labels.classes_
            self._several = y.ndim > 1
        self._check_labels(y)
        if weight is not None:
            weight = _check_sample_weight(weight, X)
        if self.class_weight is not None:
            own = compute_sample_weight(self.class_weight, y)
            weight = own if weight is None else weight * own
        self._train(X, self._target(y, X.dtype), weight, incremental)
        return self

    def _check_labels(self, y: Array) -> None:
        if self._several or y.ndim > 1:
            return
        new = np.setdiff1d(y, self.classes_)
        if len(new):
            raise ValueError(
                f"y has labels that are not among the classes {self.classes_.tolist()}: "
                f"{new.tolist()}"
            )
        if len(self.classes_) < 2:
            raise ValueError(
                f"every row of y has the label {self.classes_.tolist()[0]!r}: a classifier needs "
                "rows of more than one class"
            )

    def _target(self, y: Array, dtype: Any) -> Array:
        """A column for each class, or one for two classes that a single number tells apart."""
        found = np.asarray(self._labels.transform(y), dtype)
        if found.shape[1] == 1 and as_loss(self._loss(None)).axis == "classes":
            found = np.concatenate([1 - found, found], axis=1)
        return found

    def _loss(self, y: Any) -> Any:
        usual = "bce_with_logits" if self._several or len(self.classes_) == 2 else "cross_entropy"
        given = usual if self.loss is None else self.loss
        loss = as_loss(given)
        if not loss.tells_classes:
            raise UsageError(
                f'loss "{loss.spelling}" tells no classes apart',
                remedy='leave loss out, or write loss="cross_entropy" or "bce_with_logits"',
            )
        if loss.axis == "classes" and self._several:
            raise UsageError(
                f'loss "{loss.spelling}" tells one class a row, and y has several labels a row',
                remedy='leave loss out, or write loss="bce_with_logits"',
            )
        if loss.axis != "classes" and usual == "cross_entropy":
            raise UsageError(
                f'loss "{loss.spelling}" tells two classes apart, and y holds {len(self.classes_)}',
                remedy='leave loss out, or write loss="cross_entropy"',
            )
        return given

    def decision_function(self, X: Any) -> Array:
        """The network's output: log-odds (rows,) of two classes, else a number for each class."""
        check_is_fitted(self, "params_")
        found = self._output(X)
        if len(self.classes_) == 2 and not self._several:
            return found[:, -1] - (found[:, 0] if found.shape[1] > 1 else 0)
        return found

    def predict_proba(self, X: Any) -> Array:
        """How probable each class is, (rows, classes), in the order of `classes_`."""
        check_is_fitted(self, "params_")
        found = expected(as_loss(self._loss(None)).link, self._output(X))
        if found.shape[1] == 1:
            found = np.concatenate([1 - found, found], axis=1)
        return found

    def predict(self, X: Any) -> Array:
        """The likeliest label of each row; of several labels a row, 1 where it is likelier."""
        check_is_fitted(self, "params_")
        likely = self.predict_proba(X)
        if self._several:
            return np.asarray(likely > 0.5, int)
        return np.asarray(self.classes_[likely.argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.loss is None or "cross_entropy" not in str(
            self.loss
        )
        return tags


class NetworkRegressor(RegressorMixin, _NetworkEstimator):  # type: ignore[misc]
    """Any network as a regressor of scikit-learn, of one target or several.

    Args: as of `NetworkClassifier`; loss: the mean square, unless another one is named. Where the
    loss measures a difference, the network sees a standardised target too.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> NetworkRegressor((32,), random_state=0).fit(X, y).score(X, y) > 0.5
    True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (rows, columns) with targets (rows,) or (rows, targets)."""
        return self._fit(X, y, sample_weight, False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one more epoch, on these rows; the optimizer goes on where it was.

        Columns and target are standardised by the rows of the first call. `validation_split` and
        `patience` are as in `NetworkClassifier.partial_fit`.
        """
        return self._fit(X, y, sample_weight, True)

    def _fit(self, X: Any, y: Any, weight: Any, incremental: bool) -> Self:
        first = not incremental or not hasattr(self, "params_")
        X, y = validate_data(
            self, X, y, dtype=(np.float64, np.float32), multi_output=True, y_numeric=True,
            reset=first,
        )  # fmt: skip
        y = as_column(y)
        self._flat = y.ndim == 1
        if weight is not None:
            weight = _check_sample_weight(weight, X)
        self._train(X, np.asarray(y, X.dtype).reshape(len(y), -1), weight, incremental)
        return self

    def _loss(self, y: Any) -> Any:
        return "mse" if self.loss is None else self.loss

    def predict(self, X: Any) -> Array:
        """The target's mean for new rows, shaped as the target of `fit`."""
        check_is_fitted(self, "params_")
        found = self._output(X)
        found = np.asarray(expected(as_loss(self._loss(None)).link, found), found.dtype)
        return found[:, 0] if self._flat else found


def as_column(y: Array) -> Array:
    """(rows, 1) as (rows,), with scikit-learn's warning."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

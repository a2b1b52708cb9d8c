"""Without a shuffle the numbers are scikit-learn's own, to rounding."""

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn import linear_model, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.fixes import parse_version

from descend import estimators
from whole import WHOLE

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
LABELS = np.array(list("abc"))[np.argmax(X[:, :3] + 0.3 * RNG.standard_normal((60, 3)), axis=1)]
TWO = X[:, 0] > 0.3
SEVERAL = (X[:, :3] > 0).astype(int)
NUMBERS = X @ RNG.standard_normal(4) + np.sin(X[:, 0]) + 0.5
PAIRS = np.column_stack([NUMBERS, X[:, 1] * X[:, 2]])
COUNTS = RNG.poisson(np.exp(X[:, 0] / 2))
WEIGHTS = RNG.uniform(0.5, 2.0, 60)
TARGETS = {
    "labels": LABELS, "two": TWO, "several": SEVERAL, "numbers": NUMBERS, "pairs": PAIRS,
}  # fmt: skip


def both(theirs: Any, name: str, y: Any, weight: Any = None, **options: Any) -> tuple[Any, Any]:
    """The estimator of scikit-learn and our own, fitted alike."""
    more = {} if weight is None else {"sample_weight": weight}
    return tuple(
        getattr(home, name)(random_state=3, shuffle=False, **options).fit(X, y, **more)
        for home in (theirs, estimators)
    )


OLD = pytest.mark.skipif(
    "sample_weight" not in inspect.signature(neural_network.MLPRegressor.fit).parameters,
    reason="perceptrons of this scikit-learn know neither weights nor counts",
)
LATER = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="this scikit-learn ends by another rule, or fails itself",
)


def assert_same_network(theirs: Any, own: Any, **tolerance: float) -> None:
    tolerance = {"rtol": 1e-9, "atol": 1e-11} | tolerance
    assert own.n_iter_ == theirs.n_iter_
    for a, b in zip(theirs.coefs_ + theirs.intercepts_, own.coefs_ + own.intercepts_, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(b, a, **tolerance)
    np.testing.assert_allclose(own.loss_curve_, theirs.loss_curve_, **tolerance)
    np.testing.assert_allclose(own.loss_, theirs.loss_, **tolerance)
    assert own.t_ == theirs.t_ and own.out_activation_ == theirs.out_activation_


@pytest.mark.parametrize(
    ("target", "options"),
    [
        *((target, {}) for target in TARGETS),
        ("two", {"solver": "sgd", "activation": "logistic"}),
        ("pairs", {"solver": "sgd", "nesterovs_momentum": False, "alpha": 0.1,
                   "activation": "tanh"}),
        ("several", {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1}),
        ("labels", {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2,
                    "tol": 1e-2, "n_iter_no_change": 2, "max_iter": 60}),
    ],
)  # fmt: skip
def test_perceptron(target: str, options: dict[str, Any]) -> None:
    name = "MLPRegressor" if target in ("numbers", "pairs") else "MLPClassifier"
    given = {"hidden_layer_sizes": (7, 5), "batch_size": 20, "max_iter": 30} | options
    assert_same_network(*both(neural_network, name, TARGETS[target], **given))


@OLD
def test_perceptron_with_weights_on_all_rows() -> None:
    assert_same_network(*both(neural_network, "MLPRegressor", PAIRS, WEIGHTS, max_iter=20))


@OLD
def test_perceptron_of_counts() -> None:
    given = {"hidden_layer_sizes": 6, "loss": "poisson", "max_iter": 20}
    assert_same_network(*both(neural_network, "MLPRegressor", COUNTS, **given))


@LATER
def test_early_stopping_holds_back_the_same_rows_and_keeps_the_best() -> None:
    given = {"early_stopping": True, "batch_size": 18, "max_iter": 40, "n_iter_no_change": 3}
    for name, y in (("MLPClassifier", LABELS), ("MLPRegressor", NUMBERS)):
        theirs, own = both(neural_network, name, y, **given)
        assert_same_network(theirs, own)
        np.testing.assert_allclose(own.validation_scores_, theirs.validation_scores_)
        assert own.best_validation_score_ == pytest.approx(theirs.best_validation_score_)


def test_single_precision_is_that_of_the_data() -> None:
    small = X.astype(np.float32)
    given = dict(random_state=0, max_iter=5, shuffle=False)
    theirs = neural_network.MLPClassifier(**given).fit(small, LABELS)
    own = estimators.MLPClassifier(**given).fit(small, LABELS)
    assert_same_network(theirs, own, rtol=1e-3, atol=1e-5)


def test_partial_fit_keeps_the_moments() -> None:
    theirs, own = (
        home.MLPClassifier(hidden_layer_sizes=5, random_state=0, shuffle=False)
        for home in (neural_network, estimators)
    )
    for rows in (slice(0, 20), slice(20, 60), slice(0, 1), slice(5, 35)):
        for one in (theirs, own):
            one.partial_fit(X[rows], LABELS[rows], classes=["a", "b", "c"])
    assert_same_network(theirs, own)


def test_warm_start_goes_on_from_the_parameters_alone() -> None:
    given = dict(hidden_layer_sizes=5, random_state=0, shuffle=False, warm_start=True, max_iter=4)
    theirs, own = (home.MLPRegressor(**given) for home in (neural_network, estimators))
    for _ in range(3):
        theirs.fit(X, NUMBERS)
        own.fit(X, NUMBERS)
    assert_same_network(theirs, own)


def test_lbfgs_finds_the_minimum_of_a_convex_loss() -> None:
    given = dict(hidden_layer_sizes=(), solver="lbfgs", alpha=1.0, tol=1e-8, max_iter=500)
    theirs, own = both(neural_network, "MLPClassifier", LABELS, **given)
    np.testing.assert_allclose(own.coefs_[0], theirs.coefs_[0], atol=1e-3)
    assert own.loss_ == pytest.approx(theirs.loss_, rel=1e-8)  # both stop at 2.2e-9 of it


def assert_same_line(theirs: Any, own: Any) -> None:
    assert own.n_iter_ == theirs.n_iter_ and own.t_ == theirs.t_
    for name in ("coef_", "intercept_"):
        a, b = getattr(theirs, name), getattr(own, name)
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-9)


MARGINS = ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron")
DISTANCES = ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive")


PENALTIES = ("l2", "l1", "elasticnet", None)
RATES = ("constant", "optimal", "invscaling", "adaptive")
ALL = [(loss, p, rate) for loss in MARGINS + DISTANCES for p in PENALTIES for rate in RATES]
FEW = [row for k, row in enumerate(ALL) if row[0] in ("hinge", "huber") or k % 5 == 0]


@pytest.mark.parametrize(("loss", "penalty", "rate"), ALL if WHOLE else FEW)
def test_linear_model(loss: str, penalty: str | None, rate: str) -> None:
    given = dict(loss=loss, penalty=penalty, learning_rate=rate, alpha=0.01, eta0=0.01)
    given |= dict(max_iter=15, tol=None)  # with L1, what scikit-learn stops by leaves out its cut
    if rate == "optimal" and loss.startswith("squared"):
        given |= dict(alpha=1.0)  # else the first steps leave all bounds
    assert_same_line(*both(linear_model, "SGDClassifier", LABELS, **given))
    if loss in DISTANCES:
        assert_same_line(*both(linear_model, "SGDRegressor", NUMBERS, **given))


@LATER
@pytest.mark.parametrize("rate", ["pa1", "pa2"])
@pytest.mark.parametrize("penalty", ["l2", None])
def test_passive_aggressive(rate: str, penalty: str | None) -> None:
    given = dict(learning_rate=rate, penalty=penalty, eta0=0.5)
    assert_same_line(*both(linear_model, "SGDClassifier", LABELS, **given))
    assert_same_line(*both(linear_model, "SGDClassifier", TWO, WEIGHTS, **given))
    given |= dict(loss="epsilon_insensitive")
    assert_same_line(*both(linear_model, "SGDRegressor", NUMBERS, **given))


@LATER
@pytest.mark.parametrize(
    "options",
    [
        {"average": True}, {"average": 20}, {"fit_intercept": False}, {"tol": None, "max_iter": 7},
        {"epsilon": 0.5, "loss": "huber", "learning_rate": "constant"},
        {"average": 90, "max_iter": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("weight", [None, WEIGHTS])
def test_linear_model_with_other_options(options: dict[str, Any], weight: Any) -> None:
    for y in (LABELS, TWO):
        assert_same_line(*both(linear_model, "SGDClassifier", y, weight, **options))
    assert_same_line(*both(linear_model, "SGDRegressor", NUMBERS, weight, **options))


def test_linear_model_with_class_weights() -> None:
    for weights in ("balanced", {"a": 3.0}):
        assert_same_line(*both(linear_model, "SGDClassifier", LABELS, class_weight=weights))


def test_early_stopping_of_a_linear_regression() -> None:
    given = dict(early_stopping=True, n_iter_no_change=2)
    assert_same_line(*both(linear_model, "SGDRegressor", NUMBERS, **given))


@pytest.mark.parametrize(
    ("name", "y", "classes", "average"),
    [
        ("SGDClassifier", LABELS, ["a", "b", "c"], False),
        ("SGDClassifier", TWO, [False, True], False),
        ("SGDRegressor", NUMBERS, None, False),
        ("SGDRegressor", NUMBERS, None, 15),
    ],
)  # fmt: skip
def test_partial_fit_of_linear_models(name: str, y: Any, classes: Any, average: Any) -> None:
    given = dict(random_state=0, shuffle=False, average=average)
    more = {} if classes is None else {"classes": classes}
    theirs, own = (getattr(home, name)(**given) for home in (linear_model, estimators))
    for rows in (slice(0, 10), slice(10, 60), slice(7, 8), slice(5, 35)):
        theirs.partial_fit(X[rows], y[rows], **more)
        own.partial_fit(X[rows], y[rows], **more)
        assert_same_line(theirs, own)


def test_linear_model_begins_where_it_is_told() -> None:
    theirs, own = (
        home.SGDRegressor(shuffle=False, max_iter=3, tol=None).fit(
            X, NUMBERS, coef_init=np.ones(4), intercept_init=np.array([2.0])
        )
        for home in (linear_model, estimators)
    )
    assert_same_line(theirs, own)


@LATER
def test_probabilities_of_linear_models() -> None:
    for loss in ("log_loss", "modified_huber"):
        theirs, own = both(linear_model, "SGDClassifier", LABELS, loss=loss, max_iter=10)
        np.testing.assert_allclose(own.predict_proba(X), theirs.predict_proba(X), atol=1e-9)


def test_sparse_rows_are_as_scikit_learn_has_them() -> None:
    from scipy import sparse

    rows = sparse.csr_matrix(np.where(np.abs(X) > 0.5, X, 0))
    theirs, own = (
        home.SGDClassifier(shuffle=False, random_state=0).fit(rows, LABELS)
        for home in (linear_model, estimators)
    )
    assert_same_line(theirs, own)


def test_the_end_of_the_epochs_is_warned_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match=r"3 epochs \(max_iter\) are spent"):
            estimators.MLPClassifier(hidden_layer_sizes=5, max_iter=3).fit(X, LABELS)
        with pytest.raises(ConvergenceWarning, match="Maximum number of iteration"):
            estimators.SGDClassifier(max_iter=1).fit(X, LABELS)
        with pytest.raises(ConvergenceWarning, match=r"2 iterations \(max_iter, max_fun\)"):
            estimators.MLPClassifier(solver="lbfgs", max_iter=2).fit(X, LABELS)

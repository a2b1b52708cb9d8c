"""`partial_fit` with rows held back: which they are, what is kept, and what goes on."""

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn import linear_model, neural_network
from sklearn.model_selection import train_test_split

from descend import estimators
from descend.estimators import (
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    SGDClassifier,
    SGDRegressor,
)

RNG = np.random.default_rng(3)
X = RNG.standard_normal((60, 3))
LABELS = np.array(["a", "b", "c"])[np.argmax(X, axis=1)]
NUMBERS = X @ [1.0, -2.0, 0.5] + 3.0
KINDS = {"MLPClassifier": LABELS, "MLPRegressor": NUMBERS}
GIVEN = dict(hidden_layer_sizes=5, random_state=0, early_stopping=True, n_iter_no_change=50)
CALLS = 12


def trained_by_parts(name: str, calls: int = CALLS, **options: Any) -> Any:
    model = getattr(estimators, name)(**{**GIVEN, **options})
    more = {"classes": ["a", "b", "c"]} if name == "MLPClassifier" else {}
    for _ in range(calls):
        model.partial_fit(X, KINDS[name], **more)
    return model


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", KINDS)
def test_calls_with_all_rows_are_epochs_of_scikit_learns_fit(name: str) -> None:
    """Scikit-learn's own `fit`, whose rows held back never move, is the reference."""
    theirs = getattr(neural_network, name)(**GIVEN, max_iter=CALLS).fit(X, KINDS[name])
    own = trained_by_parts(name)
    np.testing.assert_allclose(own.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(own.validation_scores_, theirs.validation_scores_, rtol=1e-9)
    assert own.best_validation_score_ == pytest.approx(theirs.best_validation_score_)
    for mine, known in zip(own.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(mine, known, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_the_best_is_returned_and_the_last_goes_on(name: str) -> None:
    rough = dict(learning_rate_init=0.3)
    model = trained_by_parts(name, **rough)
    best = int(np.argmax(model.validation_scores_))
    until = trained_by_parts(name, best + 1, **rough)
    for mine, known in zip(model.coefs_, until.coefs_, strict=True):
        np.testing.assert_array_equal(mine, known)
    assert len(model.loss_curve_) == len(model.validation_scores_) == CALLS
    carried = pickle.loads(pickle.dumps(model))
    for one in (model, carried):
        one.partial_fit(X, KINDS[name])
    assert model.loss_curve_[-1] == trained_by_parts(name, CALLS + 1, **rough).loss_curve_[-1]
    assert carried.loss_curve_ == model.loss_curve_


def test_rows_held_back_are_never_trained_on() -> None:
    """Wrong targets of the rows held back change scores, and no parameter."""
    held = train_test_split(
        np.arange(60), random_state=np.random.RandomState(0), test_size=0.1
    )[1]  # fmt: skip
    model = MLPRegressor(**GIVEN)
    model.partial_fit(X, NUMBERS)
    x_held = model._held[0]
    wrong = NUMBERS.copy()
    where = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in x_held]
    assert len(where) == len(held) == 6
    wrong[where] += 100.0
    other = MLPRegressor(**GIVEN)
    for _ in range(3):
        model.partial_fit(X, NUMBERS)
    for _ in range(4):
        other.partial_fit(X, wrong)
    assert other.loss_curve_ == model.loss_curve_
    assert other.validation_scores_ != model.validation_scores_
    before = model.loss_curve_
    assert model.partial_fit(x_held, NUMBERS[where]).loss_curve_ == before


def test_equal_rows_are_held_back_as_often_as_at_first() -> None:
    x = np.repeat([[0.0], [1.0]], 20, axis=0)
    model = MLPRegressor(hidden_layer_sizes=4, random_state=0, early_stopping=True)
    for _ in range(3):
        model.partial_fit(x, x[:, 0])
    assert model.t_ == 3 * 36
    assert len(model.validation_scores_) == 3


def test_fit_begins_anew_and_early_stopping_can_be_left() -> None:
    model = trained_by_parts("MLPClassifier", 3)
    model.set_params(early_stopping=False).partial_fit(X, LABELS)
    fresh = MLPClassifier(**GIVEN, max_iter=3)
    with pytest.warns(Warning, match="3 epochs"):
        fresh.fit(X, LABELS)
    with pytest.warns(Warning, match="3 epochs"):
        model.set_params(early_stopping=True, max_iter=3).fit(X, LABELS)
    assert model.loss_curve_ == fresh.loss_curve_ and not hasattr(model, "_held")


def test_weights_of_rows_go_with_them() -> None:
    weight = RNG.uniform(0.5, 2.0, 60)
    model = MLPRegressor(**GIVEN)
    for _ in range(2):
        model.partial_fit(X, NUMBERS, sample_weight=weight)
    assert len(model._held[2]) == 6


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_networks_hold_back_and_keep_the_best(dtype: Any) -> None:
    given = dict(network=5, random_state=0, lr=0.3, validation_split=0.25, patience=3)
    rows = X.astype(dtype)
    for kind, y in ((NetworkClassifier, LABELS), (NetworkRegressor, NUMBERS)):
        more = {"classes": ["a", "b", "c"]} if kind is NetworkClassifier else {}
        watched, kept = [], []
        model = kind(**given)
        for _ in range(10):
            model.partial_fit(rows, y, **more)
            kept.append(model.params_)
            watched.append(model.fit_.history["validation_loss"][-1])
        assert len(model.loss_curve_) == model.n_iter_ == 10
        assert watched == sorted(watched, reverse=True)
        last, first = model._last, kept[0]
        assert any((last[name] != first[name]).any() for name in first)
        assert len(model._held[0]) == 15
        other = pickle.loads(pickle.dumps(model)).partial_fit(rows, y)
        assert other.loss_curve_ == model.partial_fit(rows, y).loss_curve_
        plain = kind(**{**given, "patience": None})
        for _ in range(2):
            plain.partial_fit(rows, y, **more)
        assert len(plain.fit_.history["validation_loss"]) == 1
        assert plain.loss_curve_ == model.loss_curve_[:2]


LINEAR = {
    "SGDClassifier": (SGDClassifier, LABELS, {"loss": "log_loss"}),
    "two classes": (SGDClassifier, LABELS == "a", {"loss": "hinge"}),
    "objects": (SGDClassifier, LABELS.astype(object), {}),
    "SGDRegressor": (SGDRegressor, NUMBERS, {}),
}
STEADY = dict(early_stopping=True, random_state=0, shuffle=False, eta0=0.05)


def linear_by_parts(kind: str, calls: int, **options: Any) -> Any:
    make, y, own = LINEAR[kind]
    model = make(**STEADY, **own, **options)
    more = {"classes": np.unique(y)} if make is SGDClassifier else {}
    for _ in range(calls):
        model.partial_fit(X, y, **more)
    return model


@pytest.mark.parametrize("average", [False, True, 30])
@pytest.mark.parametrize("rate", ["optimal", "invscaling", "adaptive"])
@pytest.mark.parametrize("kind", LINEAR)
def test_linear_calls_are_epochs_of_scikit_learns_fit(kind: str, rate: str, average: Any) -> None:
    """Scikit-learn's own `fit`, which ends at its last epoch, is the reference."""
    make, y, own = LINEAR[kind]
    rate = "constant" if rate == "optimal" and make is SGDRegressor else rate
    given = dict(learning_rate=rate, average=average)
    theirs = getattr(linear_model, make.__name__)(**STEADY, **own, **given, max_iter=6, tol=None)
    theirs.fit(X, y)
    model = linear_by_parts(kind, 6, **given)
    coef, intercept = model._last
    np.testing.assert_allclose(coef, theirs.coef_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(intercept, theirs.intercept_, rtol=1e-8, atol=1e-10)
    assert model.t_ == 1 + 6 * 54 and len(model._held[0]) == 6
    x_held, y_held = model._held[:2]
    assert model.score(x_held, y_held) == model.best_validation_score_
    assert model.best_validation_score_ == max(model.validation_scores_)


@pytest.mark.parametrize("kind", LINEAR)
def test_linear_models_return_their_best_and_go_on_from_their_last(kind: str) -> None:
    rough = dict(learning_rate="constant", alpha=0.1)
    model = linear_by_parts(kind, 6, **rough)
    best = int(np.argmax(model.validation_scores_))
    np.testing.assert_array_equal(model.coef_, linear_by_parts(kind, best + 1, **rough)._last[0])
    y = LINEAR[kind][1]
    carried = pickle.loads(pickle.dumps(model)).partial_fit(X, y)
    following = linear_by_parts(kind, 7, **rough)
    assert carried.validation_scores_ == following.validation_scores_
    np.testing.assert_array_equal(carried._last[0], following._last[0])
    last = carried._last[0]
    carried.partial_fit(*carried._held[:2])
    assert carried._last[0] is last and len(carried.validation_scores_) == 7
    carried.set_params(max_iter=3, tol=None).fit(X, y)
    assert not hasattr(carried, "validation_scores_") and not hasattr(carried, "_held")
    carried.set_params(early_stopping=False).partial_fit(X, y)
    assert not hasattr(carried, "_last")


def test_named_columns_are_scored_without_a_word() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["u", "v", "w"])
    model = SGDClassifier(early_stopping=True, random_state=0)
    for _ in range(2):
        model.partial_fit(frame, LABELS, classes=["a", "b", "c"])
    assert [*model.feature_names_in_] == ["u", "v", "w"] and len(model.validation_scores_) == 2

"""Estimators among scikit-learn's tools, its documentation's examples, and pickles."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_regression
from sklearn.linear_model import SGDClassifier as TheirLine
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import descend
from descend import networks as nn
from descend.errors import UsageError
from descend.estimators import (
    FormulaRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    SGDClassifier,
    SGDRegressor,
)
from whole import WHOLE

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))
LABELS = np.array(["no", "perhaps", "yes"])[np.argmax(X[:, :3], axis=1)]
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0] + 3.0
ALL = (
    (MLPClassifier(hidden_layer_sizes=(5,), max_iter=5, random_state=0), LABELS),
    (MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0), NUMBERS),
    (SGDClassifier(average=True, random_state=0), LABELS),
    (SGDRegressor(random_state=0), NUMBERS),
    (NetworkClassifier(5, epochs=5, random_state=0), LABELS),
    (NetworkRegressor([5, "tanh"], epochs=5, random_state=0), NUMBERS),
    (FormulaRegressor("a*x0 + b*x1 + c"), NUMBERS),
)
EACH = pytest.mark.parametrize(("estimator", "y"), ALL, ids=lambda v: type(v).__name__)


@EACH
def test_pickles_hold_arrays_and_text(estimator: Any, y: Any) -> None:
    skops = pytest.importorskip("skops.io")
    fitted = clone(estimator).fit(X, y)
    written, state = skops.dumps(fitted), skops.dumps(fitted.__getstate__())
    # skops takes the names of scikit-learn's own classes alone as known.
    assert skops.get_untrusted_types(data=state) == []
    assert skops.get_untrusted_types(data=written) == [
        f"descend.estimators.{type(estimator).__name__}"
    ]
    restored = type(estimator)()
    restored.__setstate__(skops.loads(state, trusted=[]))
    loaded = skops.loads(written, trusted=[type(estimator)])
    for other in (clone_of(fitted), loaded, restored):
        np.testing.assert_array_equal(other.predict(X), fitted.predict(X))
        if hasattr(other, "partial_fit"):
            both = (one.partial_fit(X, y).predict(X) for one in (other, clone_of(fitted)))
            np.testing.assert_array_equal(*both)


DEEP = nn.Sequential(
    nn.Linear(6), np.sin, nn.BatchNorm(), nn.Residual(nn.Linear(6), "gelu"), nn.mlp([3])
)


LISTED = [nn.Linear(3, init=0.1), "tanh", DEEP]


@pytest.mark.parametrize("network", [DEEP, LISTED], ids=["one", "list"])
def test_layers_are_carried_as_text(network: Any) -> None:
    skops = pytest.importorskip("skops.io")
    new = NetworkRegressor(network, epochs=3, random_state=0)
    assert skops.get_untrusted_types(data=skops.dumps(new.__getstate__())) == []
    fitted = clone(new).fit(X, NUMBERS)
    for model in (new, fitted):
        for other in (clone_of(model), copy.deepcopy(model)):
            np.testing.assert_array_equal(other.fit(X, NUMBERS).predict(X), fitted.predict(X))
    written = skops.dumps(fitted)
    assert skops.get_untrusted_types(data=written) == ["descend.estimators.NetworkRegressor"]
    other = skops.loads(written, trusted=[NetworkRegressor])
    np.testing.assert_array_equal(other.predict(X), fitted.predict(X))
    np.testing.assert_array_equal(
        other.partial_fit(X, NUMBERS).predict(X), fitted.partial_fit(X, NUMBERS).predict(X)
    )


@pytest.mark.parametrize("model", [ALL[0], (NetworkClassifier(DEEP, epochs=3), LABELS)])
def test_a_fresh_process_predicts_the_same(model: Any, tmp_path: Path) -> None:
    estimator, y = model
    fitted = clone(estimator).fit(X, y)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    np.save(tmp_path / "rows.npy", X)
    script = (
        "import pickle, sys; import numpy as np; from pathlib import Path\n"
        "here = Path(sys.argv[1])\n"
        "model = pickle.loads((here / 'model.pkl').read_bytes())\n"
        "np.save(here / 'found.npy', model.predict_proba(np.load(here / 'rows.npy')))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), fitted.predict_proba(X))


def clone_of(fitted: Any) -> Any:
    return pickle.loads(pickle.dumps(fitted))


@EACH
def test_trained_in_threads(estimator: Any, y: Any) -> None:
    alone = clone(estimator).fit(X, y).predict(X)
    tasks = [joblib.delayed(clone(estimator).fit)(X, y) for _ in range(2)]
    for one in joblib.Parallel(n_jobs=2, backend="threading")(tasks):
        np.testing.assert_array_equal(one.predict(X), alone)


@pytest.mark.fuzz
def test_trained_in_another_process() -> None:
    chosen = [ALL[k] for k in (range(len(ALL)) if WHOLE else (3,))]
    tasks = [joblib.delayed(clone(model).fit)(X, y) for model, y in chosen]
    found = joblib.Parallel(n_jobs=2, backend="loky")(tasks)
    for one, (model, y) in zip(found, chosen, strict=True):
        np.testing.assert_array_equal(one.predict(X), clone(model).fit(X, y).predict(X))


def test_grid_search_in_a_pipeline() -> None:
    pipe = make_pipeline(StandardScaler(), MLPClassifier(max_iter=20, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__learning_rate_init": [0.1]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, LABELS)
    assert search.best_score_ > 0.5
    assert search.best_estimator_.predict_proba(X).shape == (40, 3)


def test_scores_of_folds() -> None:
    model = FormulaRegressor("a*x0 + b*x1 + c*x2 + d*x3 + offset")
    np.testing.assert_allclose(cross_val_score(model, X, NUMBERS, cv=4), 1.0)


def test_columns_keep_their_names() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = NetworkClassifier(4, epochs=3).fit(frame, LABELS)
    assert [*model.feature_names_in_] == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "d"]])
    pipe = make_pipeline(StandardScaler(), SGDClassifier()).set_output(transform="pandas")
    assert pipe.fit(frame, LABELS)[-1].feature_names_in_.tolist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, 1, 2]), np.array([True, False]), np.array(["b", "ä", "a b"]),
        np.array(["b", "a", "c"], dtype=object), np.array([1.0, 2.0]), np.array([-7, 5]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "model",
    [
        NetworkClassifier(4, lr=0.1, epochs=60, random_state=0), SGDClassifier(random_state=0),
        MLPClassifier(4, learning_rate_init=0.1, random_state=0),
    ],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_labels_come_back_as_they_were(model: Any, labels: Any) -> None:
    y = np.sort(labels)[np.argmax(X[:, : len(labels)], axis=1)]
    fitted = clone(model).fit(X, y)
    found = fitted.predict(X)
    assert found.dtype == y.dtype or y.dtype == object  # of which scikit-learn makes text
    assert fitted.classes_.tolist() == np.unique(y).tolist()
    assert (found == y).mean() > 0.9
    if hasattr(fitted, "predict_proba"):
        likely = fitted.classes_[fitted.predict_proba(X).argmax(axis=1)]
        np.testing.assert_array_equal(likely, found)


def test_targets_of_one_column() -> None:
    for model, y in ALL:
        flat = clone(model).fit(X, y).predict(X)
        with pytest.warns(Warning, match="column-vector"):
            tall = clone(model).fit(X, y[:, None]).predict(X)
        assert flat.shape == (40,)
        np.testing.assert_array_equal(tall.ravel(), flat)


def test_several_targets_at_once() -> None:
    y = np.column_stack([NUMBERS, 100 * X[:, 0]])
    model = NetworkRegressor((), lr=0.05, epochs=300, random_state=0).fit(X, y)
    assert model.predict(X).shape == (40, 2) and model.score(X, y) > 0.99
    assert MultiOutputRegressor(SGDRegressor(random_state=0)).fit(X, y).score(X, y) > 0.95


def test_examples_of_scikit_learns_documentation() -> None:
    """The user guide's and the docstrings', with the import alone changed."""
    x, y = [[0.0, 0.0], [1.0, 1.0]], [0, 1]
    clf = MLPClassifier(solver="lbfgs", alpha=1e-5, hidden_layer_sizes=(5, 2), random_state=1)
    assert clf.fit(x, y).predict([[2.0, 2.0], [-1.0, -2.0]]).tolist() == [1, 0]
    assert [coef.shape for coef in clf.coefs_] == [(2, 5), (5, 2), (2, 1)]
    assert clf.predict_proba([[2.0, 2.0], [1.0, 2.0]])[:, 1].min() > 0.99

    clf = MLPClassifier(solver="lbfgs", alpha=1e-5, hidden_layer_sizes=(15,), random_state=1)
    clf.fit([[0.0, 0.0], [1.0, 1.0]], [[0, 1], [1, 1]])
    assert clf.predict([[1.0, 2.0], [0.0, 0.0]]).tolist() == [[1, 1], [0, 1]]

    X_all, y_all = make_regression(n_samples=200, n_features=20, random_state=1)
    X_train, X_test, y_train, y_test = train_test_split(X_all, y_all, random_state=1)
    regr = MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X_train, y_train)
    assert regr.score(X_test, y_test) == pytest.approx(0.98, abs=0.01)
    assert regr.predict(X_test[:2]) == pytest.approx([28.98, -291], abs=10)

    clf = SGDClassifier(loss="hinge", penalty="l2", max_iter=5).fit(x, y)
    assert clf.predict([[2.0, 2.0]]).tolist() == [1]
    assert clf.coef_.shape == (1, 2) and clf.intercept_.shape == (1,)
    assert clf.decision_function([[2.0, 2.0]]) > 0
    clf = SGDClassifier(loss="log_loss", max_iter=5).fit(x, y)
    assert clf.predict_proba([[1.0, 1.0]])[0, 1] > 0.99


def mean_score(model: Any, rows: Any, y: Any, seeds: int) -> float:
    scores = []
    for seed in range(seeds):
        first, last, own, held = train_test_split(rows, y, random_state=seed, test_size=0.3)
        pipe = make_pipeline(StandardScaler(), clone(model).set_params(random_state=seed))
        scores.append(pipe.fit(first, own).score(last, held))
    return float(np.mean(scores))


@pytest.mark.fuzz
def test_as_accurate_as_scikit_learns_own() -> None:
    digits, cancer, diabetes = (
        load(return_X_y=True) for load in (load_digits, load_breast_cancer, load_diabetes)
    )
    epochs, seeds = (200, 10) if WHOLE else (15, 1)
    own, theirs = (
        mean_score(kind(max_iter=epochs), *digits, seeds)
        for kind in (MLPClassifier, neural_network.MLPClassifier)
    )
    assert own == pytest.approx(theirs, abs=0.01) and own > 0.92
    own, theirs = (mean_score(kind(), *cancer, 6) for kind in (SGDClassifier, TheirLine))
    assert own == pytest.approx(theirs, abs=0.015) and own > 0.94
    assert mean_score(NetworkRegressor((), lr=0.02), *diabetes, 5) == pytest.approx(0.46, abs=0.04)


def test_without_scikit_learn_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "sklearn.py").write_text("raise ImportError('none here')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import descend.estimators"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "UsageError: descend.estimators are estimators for scikit-learn" in done.stderr
    assert "do: pip install 'descend[sklearn]'" in done.stderr


def test_a_plain_import_leaves_scikit_learn_alone() -> None:
    script = "import descend, sys; assert 'sklearn' not in sys.modules; descend.estimators"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert descend.estimators.MLPClassifier is MLPClassifier


def test_numbers_out_of_range_are_told() -> None:
    with pytest.raises(ValueError, match="epoch 1"):
        SGDRegressor(learning_rate="constant", eta0=1e300).fit(1e10 * X, NUMBERS)


def test_what_a_network_refuses() -> None:
    with pytest.raises(UsageError, match='loss "mse" tells no classes apart'):
        NetworkClassifier(loss="mse").fit(X, LABELS)
    with pytest.raises(UsageError, match="tells two classes apart, and y holds 3"):
        NetworkClassifier(loss="bce_with_logits").fit(X, LABELS)
    with pytest.raises(UsageError, match="tells one class a row, and y has several labels"):
        NetworkClassifier(loss="cross_entropy").fit(X, (X > 0).astype(int))
    with pytest.raises(ValueError, match="needs rows of more than one class"):
        NetworkClassifier().fit(X, ["a"] * 40)
    first = NetworkClassifier(4).partial_fit(X, LABELS, classes=["no", "perhaps", "yes"])
    with pytest.raises(ValueError, match=r"not among the classes .*: \['maybe'\]"):
        first.partial_fit(X[:2], ["no", "maybe"])
    with pytest.raises(UsageError, match='there is no activation "rellu"'):
        NetworkClassifier([4, "rellu"]).fit(X, LABELS)

"""scikit-learn's own checks of estimators, with what it expects of its own classes."""

import os
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from descend.estimators import (
    FormulaRegressor,
    MLPClassifier,
    MLPRegressor,
    NetworkClassifier,
    NetworkRegressor,
    SGDClassifier,
    SGDRegressor,
)

BY_STEPS = "each step sees one row: a row of weight 2 is no pair of rows of weight 1"
DECLARED = {  # by scikit-learn, of its own classes of these names
    name: {
        "check_sample_weight_equivalence_on_dense_data": BY_STEPS,
        "check_sample_weight_equivalence_on_sparse_data": BY_STEPS,
    }
    for name in ("SGDClassifier", "SGDRegressor")
}
SMALL = dict(max_iter=100, hidden_layer_sizes=(8,), learning_rate_init=0.02)
QUICK = [  # small networks, since every width of a table is compiled anew
    MLPClassifier(**SMALL), MLPRegressor(**SMALL), SGDClassifier(max_iter=5),
    SGDRegressor(max_iter=5), NetworkClassifier(8, lr=0.02), NetworkRegressor(8, lr=0.02),
    FormulaRegressor(),
]  # fmt: skip
FULL = [
    MLPClassifier(), MLPRegressor(), SGDClassifier(), SGDRegressor(), NetworkClassifier(),
    NetworkRegressor(), NetworkClassifier([16, "tanh"], lr=0.02, loss="cross_entropy"),
    SGDClassifier(loss="log_loss", penalty="elasticnet", average=True),
]  # fmt: skip
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"


def declared(estimator: Any) -> dict[str, str]:
    return DECLARED.get(type(estimator).__name__, {})


@pytest.mark.filterwarnings("ignore")  # the checks fit what does not converge
@parametrize_with_checks([*QUICK, *(FULL if LONG else [])], expected_failed_checks=declared)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)

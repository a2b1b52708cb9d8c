"""scikit-learn's own checks of estimators, with what it expects of its own classes."""

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
from whole import WHOLE, sampled

BY_STEPS = "each step sees one row: a row of weight 2 is no pair of rows of weight 1"
DECLARED = {  # by scikit-learn, of its own classes of these names
    name: {
        "check_sample_weight_equivalence_on_dense_data": BY_STEPS,
        "check_sample_weight_equivalence_on_sparse_data": BY_STEPS,
    }
    for name in ("SGDClassifier", "SGDRegressor")
}
EACH = [
    MLPClassifier(), MLPRegressor(), SGDClassifier(), SGDRegressor(),
    NetworkClassifier((), lr=0.05), NetworkRegressor(), FormulaRegressor(),
]  # fmt: skip
MORE = [
    NetworkClassifier(), NetworkClassifier([16, "tanh"], lr=0.02, loss="cross_entropy"),
    SGDClassifier(loss="log_loss", penalty="elasticnet", average=True),
    MLPClassifier(solver="lbfgs"), MLPRegressor(solver="sgd", early_stopping=True),
]  # fmt: skip


def declared(estimator: Any) -> dict[str, str]:
    return DECLARED.get(type(estimator).__name__, {})


CHECKS = parametrize_with_checks(
    [*EACH, *(MORE if WHOLE else [])], expected_failed_checks=declared
)


@pytest.mark.filterwarnings("ignore")  # the checks fit what does not converge
@sampled(*CHECKS.args, 2, **CHECKS.kwargs)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)

"""Estimators for scikit-learn, trained by `descend.fit`: the extra `descend[sklearn]`.

>>> from sklearn.datasets import load_iris
>>> X, y = load_iris(return_X_y=True)
>>> MLPClassifier(random_state=0, max_iter=500).fit(X, y).score(X, y) > 0.95
True
"""

from __future__ import annotations

from descend.errors import UsageError

try:
    import sklearn  # noqa: F401
except ImportError:
    raise UsageError(
        "descend.estimators are estimators for scikit-learn, which is not installed",
        remedy="pip install 'descend[sklearn]'",
    ) from None

from descend.estimators.formulas import FormulaRegressor
from descend.estimators.linear import SGDClassifier, SGDRegressor
from descend.estimators.networks import NetworkClassifier, NetworkRegressor
from descend.estimators.perceptrons import MLPClassifier, MLPRegressor

__all__ = [
    "FormulaRegressor", "MLPClassifier", "MLPRegressor", "NetworkClassifier", "NetworkRegressor",
    "SGDClassifier", "SGDRegressor",
]  # fmt: skip

for _name in __all__:  # where pickles look for them
    globals()[_name].__module__ = __name__

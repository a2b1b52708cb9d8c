"""The lesson's job with scikit-learn's SGDRegressor as a script: read, fit, print the weights."""

import sys

import numpy as np
from sklearn.linear_model import SGDRegressor

x, y = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1).T
model = SGDRegressor(
    penalty=None, learning_rate="constant", eta0=0.002, max_iter=1000, tol=None, shuffle=False
)
start = np.array([1.0, 0.0])
model.fit(np.column_stack([x**2, x]), y, coef_init=start, intercept_init=np.array([1.0]))
print([*model.coef_.tolist(), float(model.intercept_[0])])

"""Linear regression as a network of one layer: the weights that made the data are found again."""

import numpy as np

import descend
from descend import networks as nn

rng = np.random.default_rng(0)
weights, bias = np.array([2.0, -3.4]), 4.2
x = rng.normal(size=(1000, 2))
y = x @ weights + bias + 0.1 * rng.normal(size=1000)

fit = descend.fit(nn.Sequential(nn.Linear()), x, y, lr=0.05, epochs=100, standardize=False)
print(fit)
fit.plot("linear.png")

found = np.append(fit.params["0.weight"][0], fit.params["0.bias"])
print("found", found.round(3), "of", [*weights.tolist(), bias])
assert np.allclose(found, [*weights, bias], atol=0.02)

"""Softmax regression: three kinds of flowers, told apart by straight boundaries."""

import numpy as np

import descend
from descend import networks as nn

rng = np.random.default_rng(0)
middles = {"iris": [1.5, 0.3], "lily": [4.4, 1.3], "rose": [5.6, 2.1]}
kind = rng.choice(list(middles), 300)
size = np.array([middles[k] for k in kind]) + rng.normal(size=(300, 2)) * [0.45, 0.25]
table = {"length": size[:, 0], "width": size[:, 1], "kind": kind}

fit = descend.fit(nn.mlp([]), table, "kind", lr=0.05, epochs=100, metrics=["accuracy"])
print(fit)
fit.plot("softmax.png")

print(fit.predict({"length": [1.4, 5.8], "width": [0.2, 2.2]}))
assert fit.metrics["accuracy"] > 0.93

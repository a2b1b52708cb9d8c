"""Dropout and weight decay: few noisy rows, many weights, and what keeps a network from them."""

import numpy as np

import descend
from descend import networks as nn

rng = np.random.default_rng(0)
x, test = rng.normal(size=(120, 20)), rng.normal(size=(2000, 20))


def truth(x):
    return np.sin(2 * x[:, 0]) + x[:, 1]


y = truth(x) + 0.5 * rng.normal(size=120)
plain = nn.mlp([128, 128])
drops = nn.Sequential(nn.Linear(128), "relu", nn.Dropout(0.5), nn.Linear(128), "relu",
                      nn.Dropout(0.5), nn.Linear())  # fmt: skip
run = dict(epochs=300, lr=0.003, batch_size=30)
fits = {
    "neither": descend.fit(plain, x, y, **run),
    "weight decay": descend.fit(plain, x, y, penalty="l2(0.1)", **run),
    "dropout": descend.fit(drops, x, y, **run),
}
errors = {name: np.mean((fit.predict(test) - truth(test)) ** 2) for name, fit in fits.items()}
print(fits["dropout"])
print({name: round(float(error), 3) for name, error in errors.items()})
fits["dropout"].plot("dropout.png")
assert max(errors["dropout"], errors["weight decay"]) < errors["neither"]

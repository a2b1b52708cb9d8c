"""An embedding: what a person thinks of a film, from a few numbers learnt for either."""

import numpy as np

import descend
from descend import networks as nn

rng = np.random.default_rng(0)
people, films = 60, 40
taste, kind = rng.normal(size=(people, 2)), rng.normal(size=(films, 2))
pairs = np.stack([rng.integers(people, size=6000), people + rng.integers(films, size=6000)], 1)
stars = 3 + np.sum(taste[pairs[:, 0]] * kind[pairs[:, 1] - people], 1)
stars += 0.2 * rng.normal(size=6000)


def product(rows):  # (rows, 2, k): what the person and the film have in common
    return (rows[:, 0] * rows[:, 1]).sum(axis=1)[:, None]


net = nn.Sequential(nn.Embedding(people + films, 4, init=0.3), product, nn.Linear(1))
fit = descend.fit(net, pairs, stars, lr=0.02, epochs=60, validation_split=0.2)
print(fit)
fit.plot("embedding.png")
assert fit.validation_loss < 0.1 * stars.var()
